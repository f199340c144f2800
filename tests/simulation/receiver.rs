//! Model receivers: what a POST comes back with.

use std::time::Duration;

use relay::domain::delivery::Outcome;
use relay::domain::time::Timestamp;

use crate::random::Random;

/// How a receiver behaves for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    Well,
    Broken,
    Busy,
    Hanging,
    Slow,
    ResetAfterWork,
    Missing,
    Redirecting,
    Blocked,
    Gone,
}

impl Mood {
    pub const ALL: [Mood; 10] = [
        Mood::Well,
        Mood::Broken,
        Mood::Busy,
        Mood::Hanging,
        Mood::Slow,
        Mood::ResetAfterWork,
        Mood::Missing,
        Mood::Redirecting,
        Mood::Blocked,
        Mood::Gone,
    ];
}

/// What a sender would report, and after how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    pub outcome: Outcome,
    pub status_code: u16,
    pub duration: Duration,
    pub retry_after: Option<Duration>,
}

/// Goes through its moods, each for `phase` milliseconds.
#[derive(Clone, Debug)]
pub struct Receiver {
    moods: Vec<Mood>,
    phase: u64,
}

impl Receiver {
    pub fn draw(random: &mut Random, moods: &[Mood]) -> Receiver {
        let count = random.between(1, 3);
        let moods = (0..count).filter_map(|_| random.pick(moods).copied()).collect();
        Receiver { moods, phase: *random.pick(&[300, 20_000, 3_600_000]).expect("a phase") }
    }

    /// One that takes everything.
    pub fn well() -> Receiver {
        Receiver { moods: vec![Mood::Well], phase: 1 }
    }

    pub fn reply(&self, random: &mut Random, now: Timestamp) -> Reply {
        let phase = (now.millis() / self.phase) as usize;
        let mood = self.moods[phase % self.moods.len()];
        let quick = random.between(0, 40);
        let status = |status_code: u16, outcome: Outcome, millis: u64| Reply {
            outcome,
            status_code,
            duration: Duration::from_millis(millis),
            retry_after: None,
        };
        match mood {
            Mood::Well => status(200 + random.below(10) as u16, Outcome::Delivered, quick),
            Mood::Broken => status(500 + random.below(3) as u16, Outcome::Status, quick),
            Mood::Busy => Reply {
                retry_after: odd_wait(random),
                ..status(if random.one_in(2) { 429 } else { 503 }, Outcome::Status, quick)
            },
            Mood::Hanging => status(0, Outcome::TimedOut, 15_000),
            Mood::Slow => status(200, Outcome::Delivered, random.between(1_000, 9_000)),
            Mood::ResetAfterWork => status(0, Outcome::Broken, quick),
            Mood::Missing => status(404, Outcome::Status, quick),
            Mood::Redirecting => status(302, Outcome::Status, quick),
            Mood::Blocked => status(0, Outcome::Blocked, 0),
            Mood::Gone if random.one_in(10) => status(410, Outcome::Status, quick),
            Mood::Gone => status(200, Outcome::Delivered, quick),
        }
    }
}

fn odd_wait(random: &mut Random) -> Option<Duration> {
    let waits = [0, 1, 30, 600, 90_000, 1_000_000_000_000];
    random.pick(&waits).filter(|_| !random.clone().one_in(5)).copied().map(Duration::from_secs)
}
