//! How many threads pools have together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A pool as the others see it.
pub(super) trait Lend: Send + Sync {
    /// Has up to so many of its idle threads end; tells how many.
    fn lend(&self, threads: usize) -> usize;
}

/// The threads of one or more pools, counted together. A pool that needs one when all are taken
/// asks for those that are idle in another.
pub struct Bound {
    max: usize,
    taken: AtomicUsize,
    pools: Mutex<Vec<Weak<dyn Lend>>>,
}

impl Bound {
    /// At most `max` threads, one at least.
    pub fn new(max: usize) -> Arc<Bound> {
        let pools = Mutex::new(Vec::new());
        Arc::new(Bound { max: max.max(1), taken: AtomicUsize::new(0), pools })
    }

    /// How many threads there may be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn join(&self, pool: Weak<dyn Lend>) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool);
    }

    /// Counts a thread in, unless there are as many as there may be.
    pub(super) fn take(&self) -> bool {
        let more = |taken| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Counts a thread out.
    pub(super) fn give(&self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }

    /// Has idle threads of the pools end. Pools are locked in turn: the caller holds none.
    pub(super) fn ask(&self, threads: usize) {
        let mut wanted = threads;
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        for pool in pools.iter().filter_map(Weak::upgrade) {
            wanted -= pool.lend(wanted);
        }
    }
}
