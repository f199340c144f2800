//! The threads of a relay, as they tell of themselves: what each does, when it last did it, how
//! long that took and what went wrong.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// Bytes of an error's words at most.
const ERROR_MAX: usize = 500;
/// What stands where there is no time yet.
const NEVER: u64 = u64::MAX;

/// Every worker that told of itself; clones share them.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    /// The wall clock then.
    at: Timestamp,
    listed: Mutex<Vec<Arc<Beat>>>,
}

/// What one worker tells; times are milliseconds since the beginning.
#[derive(Debug)]
struct Beat {
    name: &'static str,
    does: &'static str,
    began: Instant,
    runs: AtomicU64,
    running: AtomicBool,
    gone: AtomicBool,
    last: AtomicU64,
    took_us: AtomicU64,
    next: AtomicU64,
    error: Mutex<Option<(u64, String)>>,
}

/// A worker's own end: it tells here. Dropped when the worker ends.
#[derive(Debug)]
pub struct Worker(Arc<Beat>);

/// One worker at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerSeen {
    /// Its name, that of its thread.
    pub name: &'static str,
    /// What it does, in words.
    pub does: &'static str,
    /// Whether it is at it.
    pub running: bool,
    /// Whether it has ended.
    pub gone: bool,
    /// How often it did it since the start.
    pub runs: u64,
    /// When it last began.
    pub last: Option<Timestamp>,
    /// How long that took, or the time before while it is at it.
    pub took: Option<Duration>,
    /// When it does it again, where that is known.
    pub next: Option<Timestamp>,
    /// What went wrong last, and when.
    pub error: Option<(Timestamp, String)>,
}

impl Default for Workers {
    fn default() -> Workers {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp::default() + wall;
        Workers(Arc::new(Inner { began: Instant::now(), at, listed: Mutex::default() }))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER - 1)
}

fn known(number: u64) -> Option<u64> {
    (number != NEVER).then_some(number)
}

impl Workers {
    /// A new one; it takes the place of one of this name that has ended.
    pub fn add(&self, name: &'static str, does: &'static str) -> Worker {
        let beat = Arc::new(Beat {
            name,
            does,
            began: self.0.began,
            runs: AtomicU64::new(0),
            running: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            last: AtomicU64::new(NEVER),
            took_us: AtomicU64::new(NEVER),
            next: AtomicU64::new(NEVER),
            error: Mutex::default(),
        });
        let mut listed = self.listed();
        listed.retain(|other| other.name != name || !other.gone.load(Ordering::Relaxed));
        listed.push(Arc::clone(&beat));
        Worker(beat)
    }

    /// All of them, in the order in which they came.
    pub fn all(&self) -> Vec<WorkerSeen> {
        self.listed().iter().map(|beat| self.seen(beat)).collect()
    }

    fn seen(&self, beat: &Beat) -> WorkerSeen {
        let read = |number: &AtomicU64| known(number.load(Ordering::Relaxed));
        let at = |number: u64| self.0.at + Duration::from_millis(number);
        let error = beat.error().as_ref().map(|(when, words)| (at(*when), words.clone()));
        WorkerSeen {
            name: beat.name,
            does: beat.does,
            running: beat.running.load(Ordering::Relaxed),
            gone: beat.gone.load(Ordering::Relaxed),
            runs: beat.runs.load(Ordering::Relaxed),
            last: read(&beat.last).map(at),
            took: read(&beat.took_us).map(Duration::from_micros),
            next: read(&beat.next).map(at),
            error,
        }
    }

    fn listed(&self) -> MutexGuard<'_, Vec<Arc<Beat>>> {
        // A list is whole after every step, whoever panicked.
        self.0.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    fn error(&self) -> MutexGuard<'_, Option<(u64, String)>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Does it once and tells of that.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        self.0.last.store(millis(began.duration_since(self.0.began)), Ordering::Relaxed);
        self.0.running.store(true, Ordering::Relaxed);
        let done = work();
        self.0.running.store(false, Ordering::Relaxed);
        self.finished(began.elapsed());
        done
    }

    /// Is at it now and then, too often to tell of each time.
    pub fn is_at_it(&self) {
        self.0.last.store(millis(self.0.began.elapsed()), Ordering::Relaxed);
        self.0.runs.fetch_add(1, Ordering::Relaxed);
    }

    /// Did it once, just now, and it took so long.
    pub fn ran(&self, took: Duration) {
        let began = self.0.began.elapsed().saturating_sub(took);
        self.0.last.store(millis(began), Ordering::Relaxed);
        self.finished(took);
    }

    fn finished(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(NEVER - 1);
        self.0.took_us.store(micros, Ordering::Relaxed);
        self.0.runs.fetch_add(1, Ordering::Relaxed);
    }

    /// Does it again after this time; `None`: when something happens.
    pub fn next_in(&self, pause: Option<Duration>) {
        let next = pause.map_or(NEVER, |pause| millis(self.0.began.elapsed() + pause));
        self.0.next.store(next, Ordering::Relaxed);
    }

    /// It went wrong.
    pub fn failed(&self, error: impl Display) {
        let mut words = error.to_string();
        if words.len() > ERROR_MAX {
            let end = (0..=ERROR_MAX).rev().find(|at| words.is_char_boundary(*at));
            words.truncate(end.unwrap_or(0));
        }
        *self.0.error() = Some((millis(self.0.began.elapsed()), words));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.next.store(NEVER, Ordering::Relaxed);
        self.0.gone.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_tells_of_itself() {
        let workers = Workers::default();
        let worker = workers.add("one", "counts");
        let seen = &workers.all()[0];
        assert_eq!((seen.name, seen.does, seen.runs), ("one", "counts", 0));
        assert_eq!((seen.last, seen.took, seen.next), (None, None, None));
        let meanwhile = worker.run(|| workers.all()[0].clone());
        assert!(meanwhile.running && meanwhile.last.is_some() && meanwhile.took.is_none());
        worker.ran(Duration::from_millis(3));
        worker.next_in(Some(Duration::from_secs(60)));
        worker.failed("é".repeat(ERROR_MAX));
        let seen = workers.all().remove(0);
        assert_eq!((seen.running, seen.runs), (false, 2));
        assert_eq!(seen.took, Some(Duration::from_millis(3)));
        assert!(seen.next > seen.last);
        assert_eq!(seen.error.map(|(_, words)| words.len()), Some(ERROR_MAX));
        drop(worker);
        assert!(workers.all()[0].gone);
        let again = workers.add("one", "counts");
        assert_eq!(workers.all().len(), 1, "it takes the place of the one that ended");
        drop(again);
    }
}
