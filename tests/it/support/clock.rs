//! A clock that stands until a test turns it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use relay::domain::time::{Clock, Timestamp};

/// 2026-11-21T00:00:00Z, when no test says otherwise.
pub const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);

/// Stands still; clones share the time.
#[derive(Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub fn at(time: Timestamp) -> ManualClock {
        ManualClock(Arc::new(AtomicU64::new(time.millis())))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }

    /// The rule of the engine's clock: never before the newest time in the journal.
    pub fn not_before(&self, floor: Timestamp) {
        self.0.fetch_max(floor.millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Timestamp {
        self.now()
    }
}
