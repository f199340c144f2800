//! Engine time: the wall clock at start, the monotonic clock from there.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Clock, Timestamp};

/// The clock of a running relay. A step of the wall clock moves no due time and no age.
pub struct EngineClock {
    start: Timestamp,
    began: Instant,
}

impl EngineClock {
    /// Starts at the wall clock, or at `floor`, the newest time in the journal, if that is later.
    pub fn starting_at_least(floor: Timestamp) -> EngineClock {
        EngineClock { start: wall().max(floor), began: Instant::now() }
    }
}

impl Clock for EngineClock {
    fn now(&self) -> Timestamp {
        self.start + self.began.elapsed()
    }

    fn wall(&self) -> Timestamp {
        wall()
    }
}

/// The wall clock; 1970 when it stands before that.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default() + since
}
