//! What was measured, beside what it was on our machine.

use serde::Serialize;
use serde_json::json;

use super::Run;
use crate::cli::failure::Failure;
use crate::cli::output::{self, ASIDE, BAD, Cell, cell, styled};

/// The machine of [`ours`].
const OUR_MACHINE: &str = "2 cores, ext4 on a virtual disk";

/// What stands in the table; what a run is not about is not there.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Ours {
    /// Deliveries in a second.
    pub delivered_per_second: Option<f64>,
    /// Milliseconds of the processors for each delivery.
    pub cpu_ms: Option<f64>,
    /// Half of the messages took so many milliseconds at most,
    pub p50_ms: Option<f64>,
    /// and 99 of 100 so many.
    pub p99_ms: Option<f64>,
}

/// The figures of docs/performance.md.
const fn ours(run: Run) -> Ours {
    let none = Ours { delivered_per_second: None, cpu_ms: None, p50_ms: None, p99_ms: None };
    match run {
        Run::One => Ours { delivered_per_second: Some(24_100.0), cpu_ms: Some(0.06), ..none },
        Run::FanOut => Ours { delivered_per_second: Some(30_000.0), cpu_ms: Some(0.05), ..none },
        Run::Steady => Ours { p50_ms: Some(0.5), p99_ms: Some(1.4), ..none },
    }
}

/// Two points of a distribution, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Latency {
    /// Of latencies in nanoseconds, in any order; none of none.
    pub fn of(mut latencies: Vec<u64>) -> Option<Latency> {
        latencies.sort_unstable();
        let at = |percent: usize| {
            let rank = (latencies.len() * percent).div_ceil(100);
            Some(*latencies.get(rank.checked_sub(1)?)? as f64 / 1e6)
        };
        Some(Latency { p50_ms: at(50)?, p99_ms: at(99)? })
    }
}

/// What came of a run.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub run: Run,
    pub messages: usize,
    /// How many had to arrive.
    pub deliveries: usize,
    /// How many did not.
    pub lost: usize,
    /// Requests for what had arrived before.
    pub repeated: u64,
    /// Answers that asked the sender to send again.
    pub busy: u64,
    /// From the first message to the last arrival.
    pub seconds: f64,
    pub delivered_per_second: f64,
    pub cpu_ms: f64,
    /// From sending, or when it was due, to the answer.
    pub answer: Option<Latency>,
    /// From sending, or when it was due, to the arrival.
    pub arrival: Option<Latency>,
}

impl Measured {
    /// What the run is about.
    fn latency(&self) -> Option<Latency> {
        if self.run == Run::Steady { self.arrival } else { self.answer }
    }
}

/// What the machine is like, as far as it makes figures differ.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    /// Whether the folder is on a disk that takes no time.
    pub folder_in_memory: bool,
    /// Whether this binary is built to be fast.
    pub release_build: bool,
}

/// Prints it all; `kept` is the folder when it stays.
pub fn print(
    all: &[Measured],
    machine: Machine,
    kept: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    if as_json {
        let runs = all.iter().map(|measured| {
            let mut run = serde_json::to_value(measured).map_err(Failure::failed)?;
            run["ours"] = json!(ours(measured.run));
            Ok(run)
        });
        let runs = runs.collect::<Result<Vec<_>, Failure>>()?;
        return output::json(&json!({
            "runs": runs, "machine": machine, "our_machine": OUR_MACHINE, "folder": kept,
        }));
    }
    let names =
        ["run", "delivered/s", "ours", "CPU ms each", "ours", "p50 ms", "ours", "p99 ms", "ours"];
    output::table(names, &all.iter().map(row).collect::<Vec<_>>())?;
    let aside = |text: &str| output::line(styled(ASIDE, text));
    aside(&format!("ours: {OUR_MACHINE}; yours: {}", output::count(machine.cores, "core")))?;
    aside(
        "p50, p99: until the sender is answered; of steady, until a message that is due arrives",
    )?;
    let bad = |text: &str| output::line(styled(BAD, text));
    if machine.folder_in_memory {
        bad("the folder is in memory, where a sync is free: set TMPDIR to a folder on a disk")?;
    }
    if !machine.release_build {
        bad("this is a debug build, many times slower: cargo build --release")?;
    }
    kept.map_or(Ok(()), |folder| aside(&format!("the folder stays: {folder}")))
}

fn row(measured: &Measured) -> [Cell; 9] {
    let figure = |value: Option<f64>, digits: usize| {
        value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let theirs = |value, digits| cell(figure(value, digits));
    let aside = |value, digits| (ASIDE, figure(value, digits));
    let (latency, ours) = (measured.latency(), ours(measured.run));
    [
        cell(measured.run.name()),
        theirs(Some(measured.delivered_per_second), 0),
        aside(ours.delivered_per_second, 0),
        theirs(Some(measured.cpu_ms), 2),
        aside(ours.cpu_ms, 2),
        theirs(latency.map(|latency| latency.p50_ms), 1),
        aside(ours.p50_ms, 1),
        theirs(latency.map(|latency| latency.p99_ms), 1),
        aside(ours.p99_ms, 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_distribution() {
        let check = |latencies: Vec<u64>, expected: Option<(f64, f64)>| {
            let latency = Latency::of(latencies).map(|latency| (latency.p50_ms, latency.p99_ms));
            assert_eq!(latency, expected);
        };
        check(Vec::new(), None);
        check(vec![3_000_000], Some((3.0, 3.0)));
        check((1..=100).rev().map(|ms| ms * 1_000_000).collect(), Some((50.0, 99.0)));
        check((1..=1000).map(|ms| ms * 1_000_000).collect(), Some((500.0, 990.0)));
    }
}
