//! A relay process, a client of its API, a receiver, and time to wait for them.

pub mod cgroup;
pub mod client;
pub mod disk;
pub mod dns;
pub mod faketime;
pub mod load;
pub mod lying;
pub mod namespace;
pub mod process;
pub mod receiver;
pub mod trace;

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far longer than anything takes that a test waits for.
pub const LONG: Duration = Duration::from_secs(60);

/// Numbers that a seed decides (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// A whole number from a variable, for the long forms.
pub fn variable(name: &str, short: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(short)
}

/// Lets this much time pass: the faults come at moments, not at events.
pub fn pause(time: Duration) {
    let (_sender, never) = mpsc::channel::<()>();
    // Nothing is ever sent.
    let _ = never.recv_timeout(time);
}

/// Asks again until the answer is yes; fails the test after `patience`.
pub fn wait_until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < until, "not within {patience:?}: {what}");
        pause(Duration::from_millis(20));
    }
}
