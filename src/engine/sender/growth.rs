//! When a pool gets more threads, and the thread that starts most of them.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Desk, Present, STACK, Shared};

/// Threads started as soon as a job finds none idle; more would only compete for the processors.
pub(super) const EAGER: usize = 16;
/// How long the oldest job waits before threads beyond that are started.
const PATIENCE: Duration = Duration::from_millis(5);
/// Each time jobs waited that long, half as many threads more.
const GROWTH: usize = 2;
/// Jobs each eager thread would take within [`PATIENCE`] when it is the processors that are short:
/// more threads would only compete for them.
const QUICK: usize = 2;

/// The thread that starts others beyond the eager ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grower {
    Absent,
    Parked,
    Watching,
}

/// What became of a thread to be started.
#[derive(PartialEq, Eq)]
pub(super) enum Start {
    Started,
    /// There are as many as there may be.
    Bounded,
    /// The platform gave none.
    Failed,
}

impl<J: Send + 'static> Shared<J> {
    pub(super) fn start_thread(self: &Arc<Self>, desk: &mut Desk<J>) -> Start {
        if !self.bound.take() {
            return Start::Bounded;
        }
        let shared = self.clone();
        desk.named += 1;
        desk.threads += 1;
        let number = desk.named;
        let started = thread::Builder::new()
            .name(format!("send-{number}"))
            .stack_size(STACK)
            .spawn(move || Present(shared).0.work(number));
        let Err(error) = started else {
            return Start::Started;
        };
        desk.threads -= 1;
        self.bound.give();
        tracing::warn!(threads = desk.threads, %error, "no new sender thread could be started");
        Start::Failed
    }

    /// Wakes the thread that starts others, starting it on the first call.
    pub(super) fn call_grower(self: &Arc<Self>, desk: &mut Desk<J>) {
        match desk.grower {
            Grower::Watching => {}
            Grower::Parked => {
                desk.grower = Grower::Watching;
                self.crowded.notify_one();
            }
            Grower::Absent => {
                let shared = self.clone();
                let started = thread::Builder::new()
                    .name("send-grow".to_owned())
                    .stack_size(STACK)
                    .spawn(move || shared.grow());
                match started {
                    Ok(_) => desk.grower = Grower::Watching,
                    Err(error) => tracing::warn!(%error, "the sender pool cannot grow"),
                }
            }
        }
    }

    /// Starts threads while the oldest job waits for longer than it should.
    fn grow(self: &Arc<Self>) {
        let mut desk = self.lock();
        while !desk.stopping {
            let oldest = desk.queue.front().map(|waiting| waiting.since);
            let Some(oldest) = oldest.filter(|_| desk.threads < self.bound.max()) else {
                desk.grower = Grower::Parked;
                desk = self.crowded.wait(desk).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = oldest.elapsed();
            let taken = std::mem::take(&mut desk.taken);
            let quick = desk.threads > 0 && taken >= QUICK * desk.threads.min(EAGER);
            if waited >= PATIENCE && !quick {
                let wanted = (desk.threads / GROWTH).max(1).min(desk.queue.len());
                let room = (0..wanted).find(|_| self.start_thread(&mut desk) != Start::Started);
                if let Some(started) = room {
                    drop(desk);
                    self.bound.ask(wanted - started);
                    desk = self.lock();
                }
            }
            // Those just started need a moment before the queue says whether more are needed.
            let paused = self.crowded.wait_timeout(desk, PATIENCE);
            desk = paused.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
