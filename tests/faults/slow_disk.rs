//! A slow disk: answers come late or 503, nothing is lost, and deliveries go on.
//!
//! `RELAY_FAULT_SLOW=60 cargo test --release --test faults slow_disk -- --nocapture` writes for so
//! many seconds.

use std::time::Duration;

use crate::support::cgroup::Group;
use crate::support::disk::LoopDisk;
use crate::support::load::Load;
use crate::support::namespace::with_own_mounts;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::trace::injecting;
use crate::support::{pause, variable};

const WRITERS: usize = 16;
const DISK: u64 = 256 << 20;
/// Bytes that the disk takes in a second.
const RATE: u64 = 400 << 10;
const PATIENCE: Duration = Duration::from_secs(120);

fn fill(number: u64) -> usize {
    (number * 41 % 2_000) as usize
}

/// Writes through a relay started so, kills it, and finds everything at the next start.
fn loses_nothing(settings: &Settings, what: &str) {
    let (receiver, load) = (Receiver::start(), Load::default());
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let seconds = Duration::from_secs(variable("RELAY_FAULT_SLOW", 4));
    load.run(&relay.client, WRITERS, &fill, |_| pause(seconds));
    let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
    assert!(!all.is_empty(), "{what}: nothing was taken");
    let refused = load.refused.lock().unwrap();
    assert!(refused.keys().all(|status| *status == 503), "{what}: {refused:?}");
    println!("{what}: {} acknowledged in {seconds:?}, refused {refused:?}", all.len());
    receiver.wait("deliveries on a slow disk", PATIENCE, |counts| counts.len() >= all.len());
    relay.process.kill();
    let mut plain = settings.clone();
    plain.wrapper = Vec::new();
    let relay = plain.start();
    load.check(&relay.client, &all);
    relay.client.account();
    relay.stop();
}

#[test]
fn every_sync_takes_half_a_second() {
    let wrapper = match injecting(&["fdatasync:delay_enter=500000"]) {
        Ok(wrapper) => wrapper,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.wrapper = wrapper;
    loses_nothing(&settings, "fdatasync of half a second");
}

#[test]
fn the_disk_takes_little_in_a_second() {
    match with_own_mounts("slow_disk::the_disk_takes_little_in_a_second") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    let made = LoopDisk::new(DISK).and_then(|disk| Ok((disk, Group::new("blkio", "slow")?)));
    let (mut disk, group) = match made {
        Ok(made) => made,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    let mut settings = Settings::new(&disk.path().join("data"));
    settings.set("RELAY__DATA__SEGMENT_SIZE", "2 MiB");
    settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
    // The first segments are made at full speed.
    settings.start().stop();
    let rule = disk.device().map(|device| format!("{device} {RATE}"));
    let limited = rule.and_then(|rule| group.set("blkio.throttle.write_bps_device", &rule));
    if let Err(why) = limited {
        return println!("SKIPPED: {why}");
    }
    settings.wrapper = group.wrapper();
    loses_nothing(&settings, "a disk of 400 KiB a second");
    disk.unmount().unwrap();
}
