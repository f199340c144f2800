//! Whose script runs next: a turn that becomes free is for the application that has the fewest, so
//! that one application's scripts take from others only what those do not ask for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Calls under way, so many at a time, and those that wait.
#[derive(Debug)]
pub(super) struct Turns {
    most: usize,
    desk: Mutex<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    running: usize,
    /// So many have waited so far.
    tickets: u64,
    callers: HashMap<Box<str>, Caller>,
}

/// An application with calls under way or waiting.
#[derive(Debug, Default)]
struct Caller {
    running: usize,
    waiting: VecDeque<(u64, Arc<Waiter>)>,
}

#[derive(Debug, Default)]
struct Waiter {
    has_turn: Mutex<bool>,
    told: Condvar,
}

impl Waiter {
    fn wait(&self) {
        let has_turn = whole(self.has_turn.lock());
        drop(whole(self.told.wait_while(has_turn, |has_turn| !*has_turn)));
    }

    fn tell(&self) {
        *whole(self.has_turn.lock()) = true;
        self.told.notify_one();
    }
}

/// A call under way; ends when it is dropped, whatever came of it.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    caller: &'a str,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut desk = whole(self.turns.desk.lock());
        desk.running -= 1;
        if let Some(caller) = desk.callers.get_mut(self.caller) {
            caller.running -= 1;
            if caller.running == 0 && caller.waiting.is_empty() {
                desk.callers.remove(self.caller);
            }
        }
        desk.give();
    }
}

impl Desk {
    /// Gives a turn to who waits longest of the application that has the fewest.
    fn give(&mut self) {
        let waiting = self.callers.values_mut().filter(|caller| !caller.waiting.is_empty());
        let next = waiting.min_by_key(|caller| (caller.running, caller.waiting[0].0));
        if let Some(caller) = next
            && let Some((_, waiter)) = caller.waiting.pop_front()
        {
            caller.running += 1;
            self.running += 1;
            waiter.tell();
        }
    }
}

impl Turns {
    /// `most` at a time, one at least.
    pub fn new(most: usize) -> Turns {
        Turns { most: most.max(1), desk: Mutex::default() }
    }

    /// Waits for a turn of an application's.
    pub fn take<'a>(&'a self, caller: &'a str) -> Turn<'a> {
        let mut guard = whole(self.desk.lock());
        let desk = &mut *guard;
        let own = desk.callers.entry(caller.into()).or_default();
        if desk.running < self.most {
            // Nobody waits: what was free was given.
            own.running += 1;
            desk.running += 1;
        } else {
            let waiter = Arc::new(Waiter::default());
            own.waiting.push_back((desk.tickets, Arc::clone(&waiter)));
            desk.tickets += 1;
            drop(guard);
            waiter.wait();
        }
        Turn { turns: self, caller }
    }
}

/// What is behind these locks is whole after every step, whoever panicked.
fn whole<'a, T>(
    locked: Result<MutexGuard<'a, T>, PoisonError<MutexGuard<'a, T>>>,
) -> MutexGuard<'a, T> {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn waiting(turns: &Turns) -> usize {
        whole(turns.desk.lock()).callers.values().map(|caller| caller.waiting.len()).sum()
    }

    #[test]
    fn what_becomes_free_goes_to_who_has_fewest() {
        let turns = Turns::new(4);
        // Alone it has them all.
        let mut held: Vec<_> = (0..4).map(|_| turns.take("hog")).collect();
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            let waits = ["hog", "hog", "hog", "hog", "other", "other", "third"];
            for (before, name) in waits.into_iter().enumerate() {
                let (tell, turns) = (tell.clone(), &turns);
                scope.spawn(move || tell.send((name, turns.take(name))).unwrap());
                while waiting(turns) == before {
                    thread::yield_now();
                }
            }
            let mut given = Vec::new();
            for _ in 0..4 {
                drop(held.pop());
                given.push(told.recv().unwrap());
            }
            // Those without any first; of two that have as many who waits longest.
            let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["other", "third", "hog", "hog"]);
            drop(given);
            (4..waits.len()).for_each(|_| drop(told.recv().unwrap()));
        });
        let desk = whole(turns.desk.lock());
        assert_eq!((desk.running, desk.callers.len()), (0, 0));
    }
}
