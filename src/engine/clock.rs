//! Engine time: the wall clock at start, the monotonic clock from there.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Clock, Timestamp, engine_start};

/// The clock of a running relay. A step of the wall clock moves no due time and no age.
pub struct EngineClock {
    start: Timestamp,
    began: Instant,
}

impl EngineClock {
    /// Goes on after `last_known`, the newest time that the store knows; see [`engine_start`].
    pub fn going_on(last_known: Timestamp) -> EngineClock {
        EngineClock { start: engine_start(wall(), last_known), began: Instant::now() }
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
