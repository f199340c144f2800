//! Points in time as the store keeps them: whole milliseconds since the Unix epoch, UTC.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the time comes from; the simulation has its own.
pub trait Clock: Send + Sync {
    /// Engine time: starts where [`engine_start`] says and follows the monotonic clock from there.
    /// It never goes back, over restarts either. Ids, due times, expiry and ages use it.
    fn now(&self) -> Timestamp;

    /// The wall clock as it stands, for signatures, whose receivers compare it with their own.
    fn wall(&self) -> Timestamp;
}

/// A wall clock further than this from the last known time may be wrong: nothing is deleted for its
/// age, and engine time does not follow it ahead, until it is confirmed.
pub const CLOCK_TRUST: Duration = Duration::from_secs(24 * 3_600);

/// 2026-01-01T00:00:00Z: older than any relay, so a clock that has shown less was wrong.
const EARLIEST: Timestamp = Timestamp(1_767_225_600_000);

/// Where engine time goes on at a start, `last_known` being the newest time that the store knows:
/// at the wall clock, but never before the last known time, nor more than [`CLOCK_TRUST`] after it
/// at one step. Beyond that it goes on from the last known time: ids and due times of a far future
/// could not be taken back when the clock turns out to be wrong.
pub fn engine_start(wall: Timestamp, last_known: Timestamp) -> Timestamp {
    let believed = last_known < EARLIEST || wall.since(last_known) <= CLOCK_TRUST;
    if believed { wall.max(last_known) } else { last_known }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The largest instant that every RFC 3339 reader takes, 9999-12-30T22:00:00Z.
    pub const MAX: Timestamp = Timestamp(253_402_207_200_000);

    /// The instant `millis` milliseconds after the epoch, clamped to [`Timestamp::MAX`].
    pub const fn from_millis(millis: u64) -> Timestamp {
        if millis > Timestamp::MAX.0 { Timestamp::MAX } else { Timestamp(millis) }
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, as signatures carry them.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// The time from `earlier` to `self`, zero when `earlier` is later.
    pub const fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Reads an RFC 3339 date and time with an offset, between 1970 and 9999.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        let millis = u64::try_from(instant.as_millisecond()).ok()?;
        (millis <= Timestamp::MAX.0).then_some(Timestamp(millis))
    }
}

/// A negative sum or one past [`Timestamp::MAX`] saturates.
impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Duration) -> Timestamp {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_sub(millis))
    }
}

/// RFC 3339 in UTC with as many fraction digits as are needed, `2026-11-21T00:00:00.25Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).map_err(|_| fmt::Error)?;
        let instant = jiff::Timestamp::from_millisecond(millis).map_err(|_| fmt::Error)?;
        write!(formatter, "{instant}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_both_ways() {
        let check = |text: &str, millis: u64, printed: &str| {
            let read = Timestamp::parse_rfc3339(text).expect(text);
            assert_eq!(read.millis(), millis, "{text}");
            assert_eq!(read.to_string(), printed, "{text}");
        };
        check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
        check("2026-11-21T01:00:00.25+01:00", 1_795_219_200_250, "2026-11-21T00:00:00.25Z");
        check("9999-12-30T22:00:00Z", Timestamp::MAX.millis(), "9999-12-30T22:00:00Z");
        for wrong in ["", "2026-11-21", "2026-11-21T00:00:00", "1969-12-31T23:59:59Z", "now"] {
            assert_eq!(Timestamp::parse_rfc3339(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn where_engine_time_goes_on() {
        let last = Timestamp::from_millis(1_795_219_200_000);
        let day = CLOCK_TRUST;
        let moment = Duration::from_millis(1);
        let never = Timestamp::default();
        let check = |wall: Timestamp, last_known: Timestamp, expected: Timestamp| {
            assert_eq!(engine_start(wall, last_known), expected, "{wall} after {last_known}");
        };
        check(last + moment, last, last + moment);
        check(last + day, last, last + day);
        check(last + day + moment, last, last);
        check(Timestamp::from_millis(2_147_483_647_000), last, last);
        check(last - moment, last, last);
        check(never, last, last);
        check(last, never, last);
        // A first start without a clock, and then it is set.
        check(last, never + day * 2, last);
        check(EARLIEST + day + moment, EARLIEST, EARLIEST);
    }

    #[test]
    fn arithmetic_saturates() {
        let top = Timestamp::MAX + Duration::from_secs(1);
        assert_eq!(top, Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(5) - Duration::from_secs(1), Timestamp::from_millis(0));
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
