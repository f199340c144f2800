//! kill -9 under load, again and again: what was acknowledged is there, whole, and is delivered.
//!
//! `RELAY_FAULT_KILLS=1000 cargo test --release --test faults kill -- --nocapture` is the long
//! form.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::client::{Client, is_whole};
use crate::support::load::Load;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{Random, pause, variable, wait_until};

const WRITERS: usize = 64;
/// Senders of the relay: as many attempts can be under way at a kill.
const SENDERS: u64 = 64;
/// What was answered in the 100 ms before a kill, and not synced, is sent once more too.
const UNRECORDED: u64 = 200;
const PATHS: [&str; 2] = ["/books", "/mail"];
/// So many kills write less than the default of `retention.max_bytes`.
const RETAINED_KILLS: u64 = 200;
/// The index is to be made smaller within this, in most rounds.
const BEGIN: Duration = Duration::from_secs(30);
const DRAIN: Duration = Duration::from_secs(300);

/// Some of the bodies are large enough to be cut in two by a kill.
fn fill(number: u64) -> usize {
    if number.is_multiple_of(50) { 100_000 } else { (number % 500) as usize }
}

#[test]
fn killed_under_load() {
    let kills = variable("RELAY_FAULT_KILLS", 50);
    let mut random = Random(variable("RELAY_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.set("RELAY__DELIVERY__THREADS", &SENDERS.to_string());
    let receiver = Receiver::start();
    let load = Load::default();
    let mut relay = settings.start();
    relay.client.make_application("load", &PATHS.map(|path| receiver.url(path)));
    let mut restarts = Vec::new();
    for round in 0..kills {
        // Most kills come early: each moment of a start and of a group is met.
        let moment = Duration::from_millis(50 + random.below(1_950) * random.below(1_000) / 1_000);
        let (client, process) = (relay.client.clone(), &mut relay.process);
        let acknowledged = load.run(&client, WRITERS, &fill, |_| {
            pause(moment);
            process.kill();
        });
        relay = settings.start();
        restarts.push(relay.took);
        let compared = load.check(&relay.client, &acknowledged);
        if round % 10 == 0 {
            println!("kill {round} after {moment:?}: {compared} compared");
        }
    }
    drain(&relay.client, &receiver, &load, kills);
    restarts.sort_unstable();
    let refused = load.refused.lock().unwrap();
    println!(
        "{kills} kills, {} acknowledged, refused {refused:?}; restart p50 {:?} max {:?}",
        load.acknowledged.lock().unwrap().len(),
        restarts[restarts.len() / 2],
        restarts[restarts.len() - 1],
    );
    drop(refused);
    relay.stop();
    settings.start().stop();
}

/// The same while old segments go, so that kills come between the steps of that too: what is gone
/// was delivered.
#[test]
fn killed_while_segments_go() {
    killed_in_bounds(4, 200..2_000, None, &|number| (number % 40_000) as usize);
}

/// The same while the index is made smaller, again and again: of what is kept there are few rows.
#[test]
fn killed_while_the_index_is_made_smaller() {
    let fill = |number| (number % 300) as usize;
    let times = killed_in_bounds(5, 0..600, Some("making the index smaller"), &fill);
    assert!(times > 0, "the index was never made smaller: the load was too small");
}

/// With hardly any room, kills so many ms after a line of the log; returns how often the index was
/// made smaller or a kill came while it was.
fn killed_in_bounds(
    seed: u64,
    ms: Range<u64>,
    line: Option<&str>,
    fill: &(dyn Fn(u64) -> usize + Sync),
) -> u64 {
    let kills = variable("RELAY_FAULT_KILLS", 50).div_ceil(4);
    let mut random = Random(variable("RELAY_SEED", seed));
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
    settings.set("RELAY__DATA__SEGMENT_SIZE", "2 MiB");
    settings.set("RELAY__DATA__COMPACT_ABOVE", "1 MiB");
    settings.set("RELAY__DATA__OVERLAY", "2 MiB");
    settings.set("RELAY__RETENTION__MAX_BYTES", "8 MiB");
    settings.set("RELAY__DELIVERY__THREADS", &SENDERS.to_string());
    let receiver = Receiver::start();
    let load = Load::default();
    let mut relay = settings.start();
    relay.client.make_application("load", &PATHS.map(|path| receiver.url(path)));
    let mut met = 0;
    for _ in 0..kills {
        let moment = Duration::from_millis(ms.start + random.below(ms.end - ms.start));
        let (client, process) = (relay.client.clone(), &mut relay.process);
        load.run(&client, 8, fill, |_| {
            if let Some(line) = line {
                // Not every round comes to it.
                met += u64::from(process.line_with(line, BEGIN).is_ok());
            }
            pause(moment);
            process.kill();
        });
        relay = settings.start();
    }
    let acknowledged = load.acknowledged.lock().unwrap();
    receiver.wait("every delivery arrives", DRAIN, |counts| {
        acknowledged.keys().all(|id| {
            PATHS.iter().all(|path| counts.contains_key(&((*path).to_owned(), id.clone())))
        })
    });
    let stored = relay.client.messages("load", None);
    let gone = acknowledged.keys().filter(|id| !stored.contains_key(*id)).count();
    for (id, payload) in &stored {
        if let Some(sent) = acknowledged.get(id) {
            assert!(is_whole(payload, sent.number, sent.fill), "{id} {sent:?} is torn");
        }
    }
    relay.client.account();
    assert!(gone > 0, "no segment went: the load was too small");
    let times = generation(&settings.data) - 1;
    println!(
        "{kills} kills, {met} while the index was made smaller, which was done {times} times; {} \
         acknowledged, {gone} of them gone",
        acknowledged.len()
    );
    relay.stop();
    met + times
}

/// Each start trusts the index here: only another that took its place has another number.
fn generation(data: &Path) -> u64 {
    let checkpoint = std::fs::read_to_string(data.join("checkpoint")).unwrap();
    let json = checkpoint.lines().next().unwrap();
    let checkpoint: serde_json::Value = serde_json::from_str(json).unwrap();
    checkpoint["index"].as_u64().unwrap()
}

/// Everything is delivered to both endpoints, twice only what a kill left unrecorded.
fn drain(client: &Client, receiver: &Receiver, load: &Load, kills: u64) {
    let began = Instant::now();
    let stored = client.messages("load", None);
    let acknowledged: HashSet<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
    // The long form writes more than is retained by default: what is gone was delivered.
    let gone = acknowledged.iter().filter(|id| !stored.contains_key(*id)).count();
    let known: HashSet<&String> = acknowledged.iter().chain(stored.keys()).collect();
    let wanted = stored.len() * PATHS.len();
    receiver
        .wait("every delivery arrives", DRAIN, |counts| counts.len() >= known.len() * PATHS.len());
    let counts = receiver.counts();
    for id in known {
        for path in PATHS {
            assert!(counts.contains_key(&(path.to_owned(), id.clone())), "{id} not at {path}");
        }
    }
    wait_until("every delivery is recorded", DRAIN, || {
        let (deliveries, delivered) = client.account();
        assert_eq!(deliveries, wanted as u64);
        delivered == deliveries
    });
    assert_eq!(client.metric("relay_deliveries_waiting"), 0);
    // Settled last, so that nothing more is under way.
    let duplicates = receiver.counts().values().map(|count| count - 1).sum::<u64>();
    println!(
        "{} acknowledged, {} stored, {gone} gone with old segments, {duplicates} duplicates, \
         drained in {:?}",
        acknowledged.len(),
        stored.len(),
        began.elapsed()
    );
    assert!(gone == 0 || kills > RETAINED_KILLS, "{gone} acknowledged messages are gone");
    assert!(
        duplicates <= kills * (SENDERS + UNRECORDED),
        "{duplicates} duplicates in {kills} kills"
    );
}
