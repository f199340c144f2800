//! The pools that perform deliveries: one for what has just become due, and one for what waited
//! long, whose threads step back before all others. A tenant's backlog is drained with the
//! processor time that nobody else wants.

use std::time::Duration;

use super::Job;
use crate::domain::time::Timestamp;
use crate::engine::scheduler::BEHIND;
use crate::engine::sender::{Bound, Drained, Load, SenderPool, drain};

/// Both pools.
pub(super) struct Senders {
    timely: SenderPool<Job>,
    behind: SenderPool<Job>,
}

impl Senders {
    /// Pools of at most `threads` threads together. As the scheduler lets no more jobs be in
    /// flight, one that finds all threads taken gets one that is idle in the other pool.
    pub fn new(threads: usize, handler: impl Fn(Job) + Clone + Send + Sync + 'static) -> Senders {
        let bound = Bound::new(threads);
        Senders {
            timely: SenderPool::new(&bound, handler.clone()),
            behind: SenderPool::stepping_back(&bound, handler),
        }
    }

    /// Queues a job; gives it back when the pool is stopping or no thread can be had for it.
    pub fn submit(&self, job: Job, now: Timestamp) -> Result<(), Job> {
        let waited = job.due().is_some_and(|due| now.since(due) > BEHIND);
        if waited { self.behind.submit(job) } else { self.timely.submit(job) }
    }

    /// How busy both are, that for what has just become due first.
    pub fn load(&self) -> [Load; 2] {
        [self.timely.load(), self.behind.load()]
    }

    /// See [`drain`].
    pub fn drain(&self, patience: Duration, interrupt: impl FnOnce()) -> Drained<Job> {
        drain(&[&self.timely, &self.behind], patience, interrupt)
    }
}
