//! `relay bench`: the figures of docs/performance.md, measured on this machine.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::client::{Client, base};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, styled};
use super::{Common, Outcome, stage};

mod child;
mod load;
mod receiver;
mod report;
mod wire;

use child::Relay;
use load::{Load, Pace};
use receiver::Receiver;
use report::{Latency, Machine, Measured};

/// Endpoints of the fan-out.
const ENDPOINTS: usize = 10;
/// Of the steady run, in a second,
const RATE: u32 = 400;
/// for so many seconds.
const SECONDS: u32 = 10;
/// What `statfs` says of a file system in memory: `TMPFS_MAGIC` and `RAMFS_MAGIC`.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// What `relay bench` takes.
#[derive(clap::Args, Debug)]
pub(super) struct BenchArguments {
    /// Messages of the run with one endpoint; the fan-out has an eighth of them
    #[arg(long, value_name = "N", default_value = "20000",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    events: u32,
    /// Only this run
    #[arg(long, value_name = "RUN")]
    only: Option<Run>,
    /// Keep the folder, with the relay's data and log
    #[arg(long)]
    keep: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// One endpoint, as fast as the relay takes messages
    One,
    /// Ten endpoints that all get every message
    FanOut,
    /// 400 messages a second for ten seconds
    Steady,
}

impl Run {
    fn name(self) -> &'static str {
        match self {
            Run::One => "one",
            Run::FanOut => "fan-out",
            Run::Steady => "steady",
        }
    }

    /// Messages, endpoints, and when the messages are sent.
    fn shape(self, events: u32) -> (usize, usize, Pace) {
        match self {
            Run::One => (events as usize, 1, Pace::Closed),
            Run::FanOut => ((events / 8).max(1) as usize, ENDPOINTS, Pace::Closed),
            Run::Steady => {
                let interval = Duration::from_secs(1) / RATE;
                ((RATE * SECONDS) as usize, 1, Pace::Every(interval))
            }
        }
    }
}

/// Measures and prints: exit code 0 when everything arrived.
pub(super) fn run(arguments: &BenchArguments, common: &Common) -> Outcome {
    let folder = stage::folder("relay-bench-")?;
    let stopped = AtomicBool::new(false);
    let measured = thread::scope(|scope| {
        let (enough, told) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let stopped = &stopped;
        scope.spawn(move || {
            runtime.block_on(stage::until_stopped(told));
            stopped.store(true, Ordering::Relaxed);
        });
        let measured = measure_all(arguments, common, folder.path(), stopped);
        // Gone when a signal came.
        let _ = enough.send(());
        measured
    });
    let in_memory = rustix::fs::statfs(folder.path()).map_err(Failure::failed)?.f_type;
    let machine = Machine {
        cores: thread::available_parallelism().map_or(1, usize::from),
        folder_in_memory: IN_MEMORY.contains(&in_memory),
        release_build: !cfg!(debug_assertions),
    };
    let kept = arguments.keep.then(|| folder.keep().display().to_string());
    let measured = match (measured, &kept) {
        (Err(failure), Some(kept)) => return Err(failure.hint(format!("its log is in {kept}"))),
        (measured, _) => measured?,
    };
    report::print(&measured, machine, kept.as_deref(), common.json)?;
    let lost: usize = measured.iter().map(|measured| measured.lost).sum();
    if lost > 0 {
        let error = anyhow!("{lost} deliveries did not arrive: none did for half a minute");
        return Err(Failure::failed(error).hint("--keep keeps the relay's log"));
    }
    Ok(Exit::Success)
}

fn measure_all(
    arguments: &BenchArguments,
    common: &Common,
    folder: &Path,
    stopped: &AtomicBool,
) -> Result<Vec<Measured>, Failure> {
    let receiver = Receiver::start()?;
    let all = Run::value_variants().iter().copied();
    let runs = all.filter(|run| arguments.only.is_none_or(|only| only == *run));
    let stopped = || stopped.load(Ordering::Relaxed);
    runs.map(|run| {
        if !common.json {
            let (messages, endpoints, _) = run.shape(arguments.events);
            let endpoints = output::count(endpoints, "endpoint");
            let text = format!("{}: {messages} messages to {endpoints} …", run.name());
            output::line(styled(ASIDE, text))?;
        }
        measure(run, arguments.events, folder, &receiver, &stopped)
    })
    .collect()
}

/// One run, on a relay that has done nothing before.
fn measure(
    run: Run,
    events: u32,
    folder: &Path,
    receiver: &Receiver,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Measured, Failure> {
    let (messages, endpoints, pace) = run.shape(events);
    let hook = receiver.address();
    let relay = Relay::start(&folder.join(run.name()), hook)?;
    let client = Client::at(base(relay.address), relay.token.clone());
    for number in 0..endpoints {
        let endpoint =
            json!({ "uid": format!("bench-{number}"), "url": format!("http://{hook}/{number}") });
        client.post("/api/v1/app/default/endpoint", &endpoint.to_string())?;
    }
    receiver.expect(messages, endpoints);
    let now = || receiver.now();
    let (begun, before) = (now(), relay.cpu()?);
    let token = &relay.token;
    let load = Load { relay: relay.address, token, messages, pace, now: &now, stopped };
    let answers = load.send()?;
    let tally = receiver.wait(stopped);
    let cpu = relay.cpu()?.saturating_sub(before);
    if stopped() {
        return Err(stopped_early());
    }
    relay.stop()?;
    let deliveries = messages * endpoints;
    let arrived = (deliveries - tally.missing) as f64;
    let seconds = Duration::from_nanos(tally.last.saturating_sub(begun)).as_secs_f64();
    // Where none arrived both are 0, not what no JSON can say.
    let per = |amount: f64, of: f64| if of > 0.0 { amount / of } else { 0.0 };
    Ok(Measured {
        run,
        messages,
        deliveries,
        lost: tally.missing,
        repeated: tally.repeated,
        busy: answers.busy,
        seconds,
        delivered_per_second: per(arrived, seconds),
        cpu_ms: per(cpu.as_secs_f64() * 1e3, arrived),
        answer: Latency::of(answers.latencies),
        arrival: Latency::of(tally.latencies),
    })
}

/// What a measurement that was not seen to its end says.
fn stopped_early() -> Failure {
    Failure::new(Exit::Failed, anyhow!("the measurement was stopped before its end"))
}
