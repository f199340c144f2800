//! The blocking pool that performs deliveries.
//!
//! Few threads run at once when receivers are quick, many only while receivers keep them waiting:
//! an idle thread takes a job before a new one is started, and beyond a small number a new one is
//! started only when a job has waited. Threads that stay idle end, or as soon as another pool needs
//! them: a [`Bound`] counts the threads of all.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

mod bound;
mod growth;

pub use bound::Bound;
use bound::Lend;
use growth::{EAGER, Grower, Start};

/// Enough for TLS and HTTP, a fortieth of what the platform gives.
const STACK: usize = 256 << 10;
const IDLE: Duration = Duration::from_secs(30);
/// How far threads step back that perform what nobody waits for by the millisecond: a third of the
/// processor time that others get when all want it, and never before one that has just woken up.
const STEP_BACK: i32 = 5;
/// How long requests have to end once they were interrupted.
const HARD_STOP: Duration = Duration::from_secs(2);

/// How busy the pool is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// Threads that live.
    pub threads: usize,
    /// Of them those without a job.
    pub idle: usize,
    /// Jobs no thread has taken yet.
    pub queued: usize,
}

/// What a drain left.
#[derive(Debug)]
pub struct Drained<J> {
    /// Jobs that were never begun, oldest first: to be released.
    pub released: Vec<J>,
    /// Whether requests had to be interrupted.
    pub interrupted: bool,
    /// Jobs still running all the same; 0 but for a handler that does not end.
    pub running: usize,
}

struct Waiting<J> {
    job: J,
    since: Instant,
}

struct Desk<J> {
    queue: VecDeque<Waiting<J>>,
    /// Threads without a job by number, the one that went idle last on top: it is woken first, so
    /// that the others may end.
    idle: Vec<(usize, Thread)>,
    threads: usize,
    named: usize,
    /// Idle threads that are to end for another pool's sake and have not noticed yet.
    lent: usize,
    /// Jobs taken since the grower last looked.
    taken: usize,
    stopping: bool,
    grower: Grower,
}

struct Shared<J> {
    desk: Mutex<Desk<J>>,
    /// For the grower: jobs wait, and no thread is idle.
    crowded: Condvar,
    /// For a drain: a thread ended.
    ended: Condvar,
    handler: Box<dyn Fn(J) + Send + Sync>,
    bound: Arc<Bound>,
    idle: Duration,
    steps_back: bool,
}

/// Runs jobs on a bounded number of threads.
pub struct SenderPool<J: Send + 'static> {
    shared: Arc<Shared<J>>,
}

impl<J: Send + 'static> SenderPool<J> {
    /// A pool without a thread yet, whose threads count among those of `bound`. A handler that
    /// panics ends its thread, and with it the process through the panic hook.
    pub fn new(bound: &Arc<Bound>, handler: impl Fn(J) + Send + Sync + 'static) -> SenderPool<J> {
        SenderPool::with_idle(bound, IDLE, false, handler)
    }

    /// The same with threads that leave the processors to others.
    pub fn stepping_back(
        bound: &Arc<Bound>,
        handler: impl Fn(J) + Send + Sync + 'static,
    ) -> SenderPool<J> {
        SenderPool::with_idle(bound, IDLE, true, handler)
    }

    fn with_idle(
        bound: &Arc<Bound>,
        idle: Duration,
        steps_back: bool,
        handler: impl Fn(J) + Send + Sync + 'static,
    ) -> SenderPool<J> {
        let desk = Desk {
            queue: VecDeque::new(),
            idle: Vec::new(),
            threads: 0,
            named: 0,
            lent: 0,
            taken: 0,
            stopping: false,
            grower: Grower::Absent,
        };
        let shared = Shared {
            desk: Mutex::new(desk),
            crowded: Condvar::new(),
            ended: Condvar::new(),
            handler: Box::new(handler),
            bound: bound.clone(),
            idle,
            steps_back,
        };
        let shared = Arc::new(shared);
        let lender: Weak<Shared<J>> = Arc::downgrade(&shared);
        bound.join(lender);
        SenderPool { shared }
    }

    /// Queues a job; gives it back when the pool is stopping or no thread can be had for it.
    pub fn submit(&self, job: J) -> Result<(), J> {
        let mut desk = self.shared.lock();
        if desk.stopping {
            return Err(job);
        }
        desk.queue.push_back(Waiting { job, since: Instant::now() });
        if let Some((_, idle)) = desk.idle.pop() {
            drop(desk);
            idle.unpark();
            return Ok(());
        }
        let start = if desk.threads < EAGER.min(self.shared.bound.max()) {
            self.shared.start_thread(&mut desk)
        } else {
            Start::Bounded
        };
        if start == Start::Bounded && desk.threads < self.shared.bound.max() {
            self.shared.call_grower(&mut desk);
        }
        let hopeless = start == Start::Failed || desk.grower == Grower::Absent;
        if desk.threads == 0 && hopeless {
            return desk.queue.pop_back().map_or(Ok(()), |waiting| Err(waiting.job));
        }
        Ok(())
    }

    /// How busy it is at this moment.
    pub fn load(&self) -> Load {
        let desk = self.shared.lock();
        Load { threads: desk.threads, idle: desk.idle.len(), queued: desk.queue.len() }
    }

    fn stop(&self) -> Vec<J> {
        let mut desk = self.shared.lock();
        desk.stopping = true;
        for (_, idle) in desk.idle.drain(..) {
            idle.unpark();
        }
        self.shared.crowded.notify_all();
        desk.queue.drain(..).map(|waiting| waiting.job).collect()
    }

    /// How many threads there are at that time.
    fn wait_for_end(&self, deadline: Instant) -> usize {
        let patience = deadline.saturating_duration_since(Instant::now());
        let desk = self.shared.lock();
        let waited = self.shared.ended.wait_timeout_while(desk, patience, |desk| desk.threads > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.threads
    }
}

/// Takes no more jobs, lets those that run end within `patience`, then calls `interrupt` (the
/// transport's shutdown) and waits two seconds more.
pub fn drain<J: Send>(
    pools: &[&SenderPool<J>],
    patience: Duration,
    interrupt: impl FnOnce(),
) -> Drained<J> {
    let released = pools.iter().flat_map(|pool| pool.stop()).collect();
    let running_at = |deadline| pools.iter().map(|pool| pool.wait_for_end(deadline)).sum();
    let mut running = running_at(Instant::now() + patience);
    let interrupted = running > 0;
    if interrupted {
        interrupt();
        running = running_at(Instant::now() + HARD_STOP);
    }
    Drained { released, interrupted, running }
}

impl<J: Send + 'static> Drop for SenderPool<J> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Counts a thread out that panics, so that a drain never waits for one that is gone.
struct Present<J: Send + 'static>(Arc<Shared<J>>);

impl<J: Send + 'static> Drop for Present<J> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().threads -= 1;
            self.0.bound.give();
            self.0.ended.notify_all();
        }
    }
}

impl<J: Send + 'static> Shared<J> {
    /// Nothing of the handler runs under the lock, so it is never poisoned.
    fn lock(&self) -> MutexGuard<'_, Desk<J>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, number: usize) {
        if self.steps_back
            && let Err(error) = rustix::process::nice(STEP_BACK)
        {
            tracing::debug!(%error, "a sender of what waited long can't step back");
        }
        while let Some(job) = self.next(number) {
            (self.handler)(job);
        }
    }

    /// The next job; `None` when the thread was idle for long, is lent or the pool stops, and is
    /// counted out.
    fn next(&self, number: usize) -> Option<J> {
        let mut desk = self.lock();
        let mut idle_until: Option<Instant> = None;
        loop {
            let waiting = desk.queue.pop_front();
            let now = Instant::now();
            let lent = waiting.is_none() && desk.lent > 0;
            let over = desk.stopping || lent || idle_until.is_some_and(|until| until <= now);
            let listed = idle_until
                .and_then(|_| desk.idle.iter().rposition(|(listed, _)| *listed == number));
            if let (Some(at), true) = (listed, waiting.is_some() || over) {
                desk.idle.remove(at);
            }
            if let Some(waiting) = waiting {
                desk.taken += 1;
                return Some(waiting.job);
            }
            if over {
                desk.lent -= usize::from(lent);
                desk.threads -= 1;
                self.bound.give();
                self.ended.notify_all();
                return None;
            }
            if listed.is_none() {
                desk.idle.push((number, thread::current()));
            }
            let until = *idle_until.get_or_insert(now + self.idle);
            drop(desk);
            thread::park_timeout(until - now);
            desk = self.lock();
        }
    }
}

impl<J: Send + 'static> Lend for Shared<J> {
    /// Those that have been idle for longest; none while jobs wait.
    fn lend(&self, threads: usize) -> usize {
        let mut desk = self.lock();
        if !desk.queue.is_empty() {
            return 0;
        }
        let lent = threads.min(desk.idle.len());
        desk.lent += lent;
        for (_, idle) in desk.idle.drain(..lent) {
            idle.unpark();
        }
        lent
    }
}

#[cfg(test)]
mod tests;
