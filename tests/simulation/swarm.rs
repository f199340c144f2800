//! What a seed turns on: few faults a run, so that each is seen alone and in company.

use std::time::Duration;

use relay::domain::retry::RetryPolicy;
use relay::engine::scheduler::Settings;

use crate::random::Random;
use crate::receiver::Mood;

/// Drawn once a seed and printed with it. A rate of 0 is off, n is one in n.
#[derive(Clone, Debug)]
pub struct Swarm {
    pub settings: Settings,
    pub applications: u64,
    pub endpoints: u64,
    /// Milliseconds between two operations of the outside, at most.
    pub pace: u64,
    pub moods: Vec<Mood>,
    pub crash: u64,
    /// Of two crashes one is a power cut.
    pub power_cuts: bool,
    /// The run ends with damaged files.
    pub damage: bool,
    pub segment_size: u64,
    /// Segments that are kept; 0 keeps all.
    pub segments: usize,
    pub duplicates: u64,
    pub failed_sync: u64,
    pub slow_sync: u64,
    /// Pages and looks are answered late, read at any moment before.
    pub late_answers: bool,
    pub release: u64,
    pub jumps: bool,
    pub full_disk: u64,
    pub stop: u64,
    pub change_endpoints: u64,
    pub by_person: u64,
    /// A person replays.
    pub replays: bool,
    pub throttles: bool,
    pub application_throttle: Option<u16>,
    pub deliver_at: u64,
    /// Endpoints that keep an order.
    pub ordered: u64,
    pub rotate: u64,
}

fn maybe(random: &mut Random, on_in: u64, rate: u64) -> u64 {
    if random.one_in(on_in) { rate } else { 0 }
}

impl Swarm {
    pub fn draw(random: &mut Random) -> Swarm {
        let all = Mood::ALL;
        let (bad, replays) = (random.below(4), random.one_in(4));
        let often = *random.pick(&[30, 100, 400]).expect("a rate");
        let mut moods = vec![Mood::Well];
        for _ in 0..bad {
            moods.extend(random.pick(&all));
        }
        Swarm {
            settings: settings(random),
            applications: random.between(1, 3),
            endpoints: random.between(1, 6),
            pace: *random.pick(&[5, 50, 1_000, 60_000, 1_200_000]).expect("a pace"),
            moods,
            crash: maybe(random, 2, often),
            power_cuts: random.one_in(2),
            damage: random.one_in(6),
            segment_size: *random.pick(&[16 << 10, 32 << 10, 64 << 10]).expect("a size"),
            segments: *random.pick(&[0, 2, 3, 6]).expect("a number"),
            duplicates: maybe(random, 2, 4),
            failed_sync: maybe(random, 6, 200),
            slow_sync: maybe(random, 4, 4),
            late_answers: random.one_in(2),
            release: maybe(random, 6, 20),
            jumps: random.one_in(5),
            full_disk: maybe(random, 6, 60),
            stop: maybe(random, 5, 300),
            change_endpoints: maybe(random, 2, 30),
            by_person: maybe(random, 2, 8),
            replays,
            throttles: random.one_in(4),
            application_throttle: random.one_in(6).then_some(2),
            deliver_at: maybe(random, 4, 6),
            ordered: maybe(random, 3, 2),
            rotate: maybe(random, 3, 20),
        }
    }

    /// Whether nothing but crashes and people keeps a delivery from going out at once.
    pub fn calm(&self) -> bool {
        let unpaced = !self.throttles && self.application_throttle.is_none();
        unpaced
            && self.slow_sync == 0
            && self.full_disk == 0
            && self.moods.iter().all(|mood| *mood == Mood::Well)
    }
}

fn settings(random: &mut Random) -> Settings {
    let threads = random.between(1, 24) as usize;
    let schedules: [&[u64]; 4] =
        [&[5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400], &[1, 2, 4], &[60], &[]];
    let schedule = random.pick(&schedules).expect("a schedule");
    Settings {
        retry: RetryPolicy {
            schedule: schedule.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
            jitter: if random.one_in(4) { 0.0 } else { 0.2 },
        },
        threads,
        reserve: if threads < 4 { 0 } else { (threads / 16).max(1) },
        strained_threads: (threads / 2).max(1),
        park_after: random.between(1, 10) as usize,
        disable_after: Duration::from_secs(if random.one_in(4) { 600 } else { 432_000 }),
        expire_after: random.one_in(5).then(|| Duration::from_secs(random.between(5, 3_600))),
        lane_memory: random.between(1, 16) as usize,
        memory: random.between(1, 48) as usize,
        unsettled: random.between(4, 64) as usize,
    }
}
