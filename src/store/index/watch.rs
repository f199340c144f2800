//! Whether a step of the index hangs, at the cost of two additions a step.
//!
//! A step counts itself into the epoch that it begins in and out again when it ends. An epoch's
//! place in the ring is used again [`EPOCHS`] ticks later: whoever is still counted there has been
//! at it that long. Ticks come from a thread of this process, so that a machine that sleeps or
//! starves ages nobody by more than one tick.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// Places in the ring; those of a shard fill one cache line.
const EPOCHS: usize = 16;
/// Threads that count at once disturb each other less on several lines.
const SHARDS: usize = 8;
/// Threads have their stacks at least so far apart.
const STACK_SHIFT: u32 = 16;

/// Steps under way, by the epoch they began in.
#[derive(Default)]
pub struct Watch {
    epoch: AtomicUsize,
    shards: [Shard; SHARDS],
}

#[derive(Default)]
#[repr(align(64))]
struct Shard([AtomicU32; EPOCHS]);

/// A step under way; it ends when this is dropped.
pub struct Step<'watch>(&'watch AtomicU32);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watch {
    /// How often [`Watch::tick`] is to be called for steps to be found that take longer than
    /// `deadline`; they are found a fifth of it later at most.
    pub fn every(deadline: Duration) -> Duration {
        deadline / (EPOCHS as u32 - 2)
    }

    /// Begins a step.
    pub fn begin(&self) -> Step<'_> {
        let epoch = self.epoch.load(Ordering::Relaxed);
        // Where a local lies differs from thread to thread, and costs nothing to know.
        let shard = (std::ptr::from_ref(&epoch).addr() >> STACK_SHIFT) % SHARDS;
        let count = &self.shards[shard].0[epoch % EPOCHS];
        count.fetch_add(1, Ordering::Relaxed);
        Step(count)
    }

    /// Goes to the next epoch, unless steps are under way that began a whole ring of ticks ago;
    /// returns how many those are.
    pub fn tick(&self) -> u32 {
        let next = self.epoch.load(Ordering::Relaxed).wrapping_add(1);
        let old = self.shards.iter().map(|shard| &shard.0[next % EPOCHS]);
        let hanging = old.map(|count| count.load(Ordering::Relaxed)).sum();
        if hanging == 0 {
            self.epoch.store(next, Ordering::Relaxed);
        }
        hanging
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_found_after_a_ring_of_ticks() {
        let watch = Watch::default();
        let step = watch.begin();
        for _ in 0..EPOCHS - 1 {
            assert_eq!(watch.tick(), 0);
            drop(watch.begin());
        }
        assert_eq!(watch.tick(), 1);
        let other = watch.begin();
        assert_eq!(watch.tick(), 1, "the ring stands still meanwhile");
        drop(step);
        assert_eq!(watch.tick(), 0);
        drop(other);
    }

    #[test]
    fn steps_that_end_are_never_found() {
        let watch = Watch::default();
        for _ in 0..10 * EPOCHS {
            let (_one, _other) = (watch.begin(), watch.begin());
            assert_eq!(watch.tick(), 0);
        }
    }
}
