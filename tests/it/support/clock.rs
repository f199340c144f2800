//! A clock that stands until a test turns it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use relay::domain::time::{Clock, Timestamp, engine_start};

/// 2026-11-21T00:00:00Z, when no test says otherwise.
pub const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);

/// Stands still; clones share the time.
#[derive(Clone)]
pub struct ManualClock {
    now: Arc<AtomicU64>,
    wall: Arc<AtomicU64>,
}

impl ManualClock {
    pub fn at(time: Timestamp) -> ManualClock {
        let shared = || Arc::new(AtomicU64::new(time.millis()));
        ManualClock { now: shared(), wall: shared() }
    }

    pub fn advance(&self, by: Duration) {
        for time in [&self.now, &self.wall] {
            time.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
        }
    }

    /// A restart, with the rule of the engine's clock.
    pub fn go_on(&self, last_known: Timestamp) {
        let now = engine_start(self.wall(), last_known);
        self.now.store(now.millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }
}
