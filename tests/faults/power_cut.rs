//! The power goes while messages are accepted: a file system is shut down under the relay without
//! its log being flushed, and mounted again. Needs root, loop devices, ext4 and Python.
//!
//! `RELAY_FAULT_CUTS=500 cargo test --release --test faults power_cut -- --nocapture` is the long
//! form.

use std::time::Duration;

use crate::support::disk::LoopDisk;
use crate::support::load::Load;
use crate::support::namespace::with_own_mounts;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{Random, pause, variable};

const DISK: u64 = 1 << 30;
const WRITERS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);
/// The disk is made anew after so many cuts, before it is full.
const CUTS_A_DISK: u64 = 5;
/// Bodies from 100 bytes to the limit of 1 MiB, the request around it included.
const SIZES: [usize; 6] = [100, 4 << 10, 16 << 10, 60 << 10, 130 << 10, (1 << 20) - 100];

/// What a disk is used for.
struct Kind {
    /// Small ones are begun all the time, and a cut may come right then.
    segment_size: &'static str,
    max_body: &'static str,
    fill: fn(u64) -> usize,
}

const KINDS: [Kind; 2] = [
    Kind { segment_size: "32 MiB", max_body: "1 MiB", fill: every_size },
    Kind { segment_size: "2 MiB", max_body: "60 KiB", fill: small },
];

fn small(number: u64) -> usize {
    (number % 50_000) as usize
}

/// The large ones are rare, so that a disk holds all of a run.
fn every_size(number: u64) -> usize {
    match number % 64 {
        0 => SIZES[5],
        1..4 => SIZES[4],
        4..10 => SIZES[3],
        10..20 => SIZES[2],
        20..40 => SIZES[1],
        _ => SIZES[0],
    }
}

#[derive(Default)]
struct Totals {
    cuts: u64,
    acknowledged: usize,
    restarts: Vec<Duration>,
}

#[test]
fn power_cut_under_load() {
    match with_own_mounts("power_cut::power_cut_under_load") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    let cuts = variable("RELAY_FAULT_CUTS", 20);
    let mut random = Random(variable("RELAY_SEED", 2));
    let mut totals = Totals::default();
    while totals.cuts < cuts {
        let disk = match LoopDisk::new(DISK) {
            Ok(disk) => disk,
            Err(why) => return println!("SKIPPED: {why}"),
        };
        let left = (cuts - totals.cuts).min(CUTS_A_DISK);
        let kind = &KINDS[(totals.cuts / CUTS_A_DISK) as usize % KINDS.len()];
        if let Err(why) = one_disk(disk, kind, left, &mut random, &mut totals) {
            return println!("SKIPPED: {why}");
        }
    }
    totals.restarts.sort_unstable();
    println!(
        "{} cuts, {} acknowledged, 0 lost; restart p50 {:?} max {:?}",
        totals.cuts,
        totals.acknowledged,
        totals.restarts[totals.restarts.len() / 2],
        totals.restarts[totals.restarts.len() - 1],
    );
}

fn one_disk(
    mut disk: LoopDisk,
    kind: &Kind,
    cuts: u64,
    random: &mut Random,
    totals: &mut Totals,
) -> Result<(), String> {
    let mut settings = Settings::new(&disk.path().join("data"));
    settings.set("RELAY__DATA__SEGMENT_SIZE", kind.segment_size);
    settings.set("RELAY__INTAKE__MAX_BODY", kind.max_body);
    let receiver = Receiver::start();
    let load = Load::default();
    let boot = |random: &mut Random| format!("boot-{}", random.next());
    settings.set("RELAY_TEST_BOOT_ID", &boot(random));
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    for _ in 0..cuts {
        let moment = Duration::from_millis(20 + random.below(600));
        let mut cut = Ok(());
        let (client, process) = (relay.client.clone(), &mut relay.process);
        load.run(&client, WRITERS, &kind.fill, |load| {
            pause(moment);
            cut = disk.cut_power();
            load.stop();
            process.kill();
        });
        cut?;
        disk.unmount()?;
        disk.mount()?;
        settings.set("RELAY_TEST_BOOT_ID", &boot(random));
        relay = settings.start();
        totals.cuts += 1;
        totals.restarts.push(relay.took);
        let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
        load.check(&relay.client, &all);
        relay.client.account();
    }
    // Also what no writer was told of is there whole, and all of it is delivered.
    let stored = relay.client.messages("load", None).len();
    receiver
        .wait(&format!("{stored} deliveries arrive"), PATIENCE, |counts| counts.len() >= stored);
    totals.acknowledged += load.acknowledged.lock().unwrap().len();
    // A relay whose sync fails at the cut may still say that it is stopping.
    let refused = load.refused.lock().unwrap();
    assert!(refused.keys().all(|status| *status == 503), "{refused:?}");
    relay.stop();
    disk.unmount()
}
