//! The N-th write, sync or rename fails, once or from then on: either relay goes on and says 507 or
//! 503 to what it can't take, or it ends; what it acknowledged is there at the next start. Needs
//! strace.
//!
//! `RELAY_FAULT_CALLS=400 cargo test --release --test faults failing_calls -- --nocapture` is the
//! long form.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::support::load::Load;
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::trace::injecting;
use crate::support::{Random, variable, wait_until};

/// What the store writes with, sled's own calls too.
const CALLS: [&str; 7] =
    ["pwrite64", "fdatasync", "sync_file_range", "fsync", "syncfs", "rename", "openat"];
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
/// Of each thread, small numbers most often: few threads make so many calls.
const LAST: u64 = 100;
/// A folder is used for so many.
const ROUNDS_A_FOLDER: u64 = 28;
/// As much is acknowledged, or refused, before the next round.
const ENOUGH: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(60);

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::new(&folder.join("data"));
    settings.set("RELAY__DATA__SEGMENT_SIZE", "2 MiB");
    settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
    settings
}

fn fill(number: u64) -> usize {
    (number * 531 % 30_000) as usize
}

fn count(load: &Load) -> (u64, u64) {
    let refused = load.refused.lock().unwrap().values().map(|(count, _)| count).sum();
    (load.acknowledged.lock().unwrap().len() as u64, refused)
}

/// Posts until the relay ends or has said enough.
fn post(relay: &mut Relay, load: &Load) {
    let (acknowledged, refused) = count(load);
    let process = &mut relay.process;
    load.run(&relay.client, 8, &fill, |load| {
        wait_until("it serves, refuses or ends", PATIENCE, || {
            let now = count(load);
            process.has_ended() || now.0 >= acknowledged + ENOUGH || now.1 >= refused + ENOUGH
        });
    });
}

#[test]
fn the_nth_call_fails() {
    if let Err(why) = injecting(&["fdatasync:error=EIO"]) {
        return println!("SKIPPED: {why}");
    }
    let rounds = variable("RELAY_FAULT_CALLS", 14);
    let mut random = Random(variable("RELAY_SEED", 17));
    let mut ways: BTreeMap<&str, u64> = BTreeMap::new();
    let mut compared = 0;
    let receiver = Receiver::start();
    for first in (0..rounds).step_by(ROUNDS_A_FOLDER as usize) {
        let folder = tempfile::tempdir().unwrap();
        let plain = settings(folder.path());
        let relay = plain.start();
        relay.client.make_application("load", &[receiver.url("/books")]);
        relay.stop();
        let load = Load::default();
        for round in first..rounds.min(first + ROUNDS_A_FOLDER) {
            let way = one_round(&plain, &load, round, &mut random);
            *ways.entry(way).or_default() += 1;
        }
        let refused = load.refused.lock().unwrap();
        let told = refused.keys().all(|status| [503, 507].contains(status));
        assert!(told, "{refused:?}");
        compared += load.acknowledged.lock().unwrap().len();
    }
    println!("{rounds} rounds, {ways:?}, {compared} acknowledged, 0 lost");
}

/// What came of it.
fn one_round(plain: &Settings, load: &Load, round: u64, random: &mut Random) -> &'static str {
    let call = CALLS[round as usize % CALLS.len()];
    let error = ERRORS[(round as usize / CALLS.len()) % ERRORS.len()];
    let from_then_on = if random.below(2) == 0 { "+" } else { "" };
    let number = 1 + random.below(LAST) * random.below(LAST) / LAST;
    let rule = format!("{call}:error={error}:when={number}{from_then_on}");
    let mut broken = plain.clone();
    broken.wrapper = injecting(&[&rule]).unwrap();
    let way = match broken.try_start() {
        Err(seen) => {
            assert!(!seen.is_empty(), "{rule}: it ends without a word");
            "did not start"
        }
        Ok(mut relay) => {
            post(&mut relay, load);
            let ended = relay.process.has_ended();
            if ended {
                let (status, lines) = relay.process.ended();
                assert!(!status.success() && !lines.is_empty(), "{rule}: {status} {lines:#?}");
                "ended"
            } else {
                relay.process.kill();
                "went on"
            }
        }
    };
    let relay = plain.start();
    let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
    let compared = load.check(&relay.client, &all);
    relay.client.account();
    println!("{rule}: {way}, {compared} there");
    relay.stop();
    way
}
