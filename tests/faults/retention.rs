//! The data folder stays within 1.3 times `retention.max_bytes` and 256 MiB, measured in blocks on
//! disk at every moment while ten times as much comes in, and nothing that waits is lost.
//!
//! `RELAY_FAULT_RETENTION_CAP=1024 cargo test --release --test faults retention -- --nocapture` is
//! the long form, with a cap of so many MiB.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::Client;
use crate::support::load::Load;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{pause, variable};

const MIB: u64 = 1 << 20;
/// Traffic is this many times the cap.
const TIMES: u64 = 10;
/// In the short form of what is dear.
const SHORT_TIMES: u64 = 3;
const SLACK: u64 = 256 * MIB;
const SAMPLE: Duration = Duration::from_millis(50);
const DRAIN: Duration = Duration::from_secs(120);
const WRITERS: usize = 16;
/// Messages to an endpoint that is down: they wait through all of it.
const WAITING: u64 = 200;

/// What of traffic, and how the relay keeps to it.
struct Traffic {
    endpoints: usize,
    fill: fn(u64) -> usize,
    /// Bytes on disk of one message with its attempts, at least.
    each: fn(u64) -> u64,
    /// How many times the cap comes in.
    times: u64,
}

/// Bytes of blocks under a folder; what goes meanwhile is not counted.
fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// The most that was ever measured, of all and of the index alone.
#[derive(Default)]
struct Most {
    folder: AtomicU64,
    index: AtomicU64,
}

impl Most {
    /// Measures until told to stop; each time it must be within `bound`.
    fn watch(&self, data: &Path, bound: u64, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            let (folder, index) = (disk_bytes(data), disk_bytes(&data.join("index")));
            self.folder.fetch_max(folder, Ordering::SeqCst);
            self.index.fetch_max(index, Ordering::SeqCst);
            assert!(folder <= bound, "{folder} bytes, more than {bound}; {index} of the index");
            pause(SAMPLE);
        }
    }
}

fn waiting(client: &Client, receiver: &Receiver) -> BTreeSet<String> {
    client.make_application("down", &[receiver.url("/down")]);
    let send = |number| {
        let (status, body) = client.send("down", number, (number % 2_000) as usize).unwrap();
        assert_eq!(status, 202, "{body}");
        body["id"].as_str().unwrap().to_owned()
    };
    (0..WAITING).map(send).collect()
}

fn stays_in_bounds(traffic: &Traffic) {
    let cap = variable("RELAY_FAULT_RETENTION_CAP", 0) * MIB;
    // In the short form the slack is little more than what the reserve takes.
    let (cap, slack) = if cap == 0 { (32 * MIB, 64 * MIB) } else { (cap, SLACK) };
    let segment = (cap / 16).clamp(2 * MIB, 64 * MIB);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
    settings.set("RELAY__DATA__SEGMENT_SIZE", &segment.to_string());
    settings.set("RELAY__DATA__COMPACT_ABOVE", "4 MiB");
    settings.set("RELAY__RETENTION__MAX_BYTES", &cap.to_string());
    settings.set("RELAY__DELIVERY__THREADS", "64");
    settings.set("RELAY__DELIVERY__TIMEOUT", "10m");
    let (receiver, down) = (Receiver::start(), Receiver::start());
    let relay = settings.start();
    let paths: Vec<String> = (0..traffic.endpoints).map(|n| format!("/{n}")).collect();
    let urls: Vec<String> = paths.iter().map(|path| receiver.url(path)).collect();
    relay.client.make_application("load", &urls);
    down.hold();
    let waiting = waiting(&relay.client, &down);
    let (load, most, stop) = (Load::default(), Most::default(), AtomicBool::new(false));
    let (sent, began) = (AtomicU64::new(0), Instant::now());
    let fill = |number: u64| {
        sent.fetch_add((traffic.each)(number), Ordering::SeqCst);
        (traffic.fill)(number)
    };
    thread::scope(|scope| {
        let watching =
            scope.spawn(|| most.watch(&settings.data, cap + cap * 3 / 10 + slack, &stop));
        load.run(&relay.client, WRITERS, &fill, |_| {
            while sent.load(Ordering::SeqCst) < traffic.times * cap && !watching.is_finished() {
                pause(SAMPLE);
            }
        });
        let acknowledged = load.acknowledged.lock().unwrap();
        let wanted = acknowledged.len() * paths.len();
        println!("{} sent in {:?}", acknowledged.len(), began.elapsed());
        receiver.wait("every delivery arrives", DRAIN, |counts| counts.len() >= wanted);
        stop.store(true, Ordering::SeqCst);
        watching.join().unwrap();
    });
    let stored = relay.client.messages("load", None).len();
    let acknowledged = load.acknowledged.lock().unwrap().len();
    println!(
        "cap {} MiB: {acknowledged} messages to {} endpoints in {:?}, {stored} kept; folder at \
         most {} MiB, index at most {} MiB, made smaller {} times; refused {:?}",
        cap / MIB,
        paths.len(),
        began.elapsed(),
        most.folder.load(Ordering::SeqCst) / MIB,
        most.index.load(Ordering::SeqCst) / MIB,
        relay.client.metric("relay_index_compactions_total"),
        load.refused.lock().unwrap(),
    );
    assert!(stored < acknowledged, "nothing went: the load was too small");
    let kept: BTreeSet<String> = relay.client.messages("down", None).into_keys().collect();
    assert_eq!(kept, waiting, "what waits is not what was accepted");
    relay.client.account();
    down.release();
    down.wait("what waited arrives", DRAIN, |counts| counts.len() as u64 == WAITING);
    relay.stop();
}

#[test]
fn mixed_bodies_stay_in_bounds() {
    let fill = |number: u64| [100, 1_000, 8_000, 40_000][(number % 4) as usize];
    stays_in_bounds(&Traffic {
        endpoints: 1,
        fill,
        each: |number| [100, 1_000, 8_000, 40_000][(number % 4) as usize] + 1_000,
        times: TIMES,
    });
}

/// Rows are the cost: the index takes about as much as the journal.
#[test]
fn tiny_messages_to_many_endpoints_stay_in_bounds() {
    // 400,000 deliveries are minutes of an unoptimised build.
    let is_short = std::env::var_os("RELAY_FAULT_RETENTION_CAP").is_none();
    let times = if is_short { SHORT_TIMES } else { TIMES };
    stays_in_bounds(&Traffic { endpoints: 5, fill: |_| 100, each: |_| 100 + 5 * 700, times });
}
