//! Starts with many deliveries waiting: after kills, each start in a mount namespace of its own as
//! a service manager gives it, and after a power cut, which costs a rebuild.
//!
//! `RELAY_FAULT_WAITING=1000000 cargo test --release --test faults many -- --nocapture` is the long
//! form.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::disk::LoopDisk;
use crate::support::load::Load;
use crate::support::namespace::with_own_mounts;
use crate::support::process::{Relay, Settings};
use crate::support::{variable, wait_until};

const SHORT: u64 = 10_000;
const WRITERS: usize = 64;
const FILL: usize = 450;
const KILLS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(900);
/// Bytes on the disk for each message, with what the index needs while it is rebuilt.
const BYTES_EACH: u64 = 3_000;
const DISK: u64 = 512 << 20;
/// What a start that does not trust the index says.
const REBUILDS: &str = "the index is made anew";

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::new(&folder.join("data"));
    settings.set("RELAY__DELIVERY__RETRY_SCHEDULE", "1d,1d");
    settings.set("RELAY__DELIVERY__PARK_AFTER", "10");
    settings.set("RELAY_TEST_BOOT_ID", "boot-1");
    settings
}

/// So many messages for an endpoint where nobody listens; returns how many deliveries wait.
fn fill(relay: &Relay, load: &Load, count: u64) -> u64 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    relay.client.make_application("load", &[format!("http://{}/", free.unwrap())]);
    load.run(&relay.client, WRITERS, &|_| FILL, |load| {
        wait_until("enough messages", PATIENCE, || {
            load.acknowledged.lock().unwrap().len() as u64 >= count
        });
    });
    let acknowledged = load.acknowledged.lock().unwrap().len() as u64;
    assert_eq!(relay.client.account(), (acknowledged, 0));
    acknowledged
}

/// Gives what it starts a mount namespace of its own, where that may be done.
fn namespace() -> Vec<String> {
    let words = ["unshare", "--mount", "--propagation", "private"].map(str::to_owned);
    let tried = Command::new(&words[0]).args(&words[1..]).arg("true").output();
    match tried {
        Ok(output) if output.status.success() => words.to_vec(),
        _ => {
            println!("SKIPPED: no mount namespaces here; the starts share one");
            Vec::new()
        }
    }
}

#[test]
fn many_waiting_and_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.wrapper = namespace();
    let mut relay = settings.start();
    let load = Load::default();
    let waiting = fill(&relay, &load, variable("RELAY_FAULT_WAITING", SHORT));
    // Rows rest in memory for seconds: a machine that is quick with so few would be killed before
    // the index has any of them, and an empty one is made anew.
    relay.stop();
    relay = settings.start();
    for _ in 0..KILLS {
        relay.process.kill();
        relay = settings.start();
        println!("{waiting} waiting, killed: serving after {:?}", relay.took);
        assert_eq!(relay.client.account(), (waiting, 0));
        let seen = &relay.before;
        assert!(!seen.iter().any(|line| line.contains(REBUILDS)), "it was rebuilt: {seen:#?}");
    }
    relay.stop();
    let relay = settings.start();
    println!("{waiting} waiting, stopped: serving after {:?}", relay.took);
    relay.stop();
}

#[test]
fn many_waiting_and_a_power_cut() {
    match with_own_mounts("many::many_waiting_and_a_power_cut") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    let count = variable("RELAY_FAULT_WAITING", SHORT);
    let mut disk = match LoopDisk::new(DISK + count * BYTES_EACH) {
        Ok(disk) => disk,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    let mut settings = settings(&disk.path());
    let mut relay = settings.start();
    let load = Load::default();
    let waiting = fill(&relay, &load, count);
    if let Err(why) = disk.cut_power() {
        return println!("SKIPPED: {why}");
    }
    relay.process.kill();
    disk.unmount().unwrap();
    disk.mount().unwrap();
    settings.set("RELAY_TEST_BOOT_ID", "boot-2");
    let relay = settings.start();
    println!("{waiting} waiting, power cut: serving after {:?}", relay.took);
    let seen = &relay.before;
    assert!(seen.iter().any(|line| line.contains(REBUILDS)), "no rebuild: {seen:#?}");
    assert_eq!(relay.client.account(), (waiting, 0));
    relay.stop();
    disk.unmount().unwrap();
}
