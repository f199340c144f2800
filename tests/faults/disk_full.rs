//! A full disk: 507 with a clear body, never a false 2xx; deliveries go on; it recovers by itself,
//! and a start while it is full works. Needs root, loop devices and ext4.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::support::client::Client;
use crate::support::disk::LoopDisk;
use crate::support::load::Load;
use crate::support::namespace::with_own_mounts;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::wait_until;

const DISK: u64 = 96 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
/// The issue asks for an answer within 5 s of room returning.
const RECOVERY: Duration = Duration::from_secs(5);

fn fill(number: u64) -> usize {
    (number % 20_000) as usize
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::new(&folder.join("data"));
    settings.set("RELAY__INTAKE__MAX_BODY", "64 KiB");
    settings.set("RELAY__DATA__SEGMENT_SIZE", "4 MiB");
    settings.set("RELAY__RETENTION__MAX_BYTES", "1 GiB");
    settings
}

/// Takes all but `left` bytes of the disk.
fn fill_disk(path: &Path, left: u64) {
    let mut file = File::create(path.join("other")).unwrap();
    let part = vec![0xA5; 64 << 10];
    while free(path) > left && file.write_all(&part).is_ok() {}
    // A full disk may refuse the last of it.
    let _ = file.sync_all();
}

fn free(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    stat.f_bavail * stat.f_frsize
}

fn accepts(client: &Client) -> bool {
    client.send("load", 0, 100).is_ok_and(|(status, _)| status == 202)
}

/// Writes until nothing more is accepted; what came back is 202 or 507.
fn write_until_full(load: &Load, client: &Client) {
    load.run(client, 8, &fill, |load| {
        wait_until("the disk is full", PATIENCE, || {
            load.refused.lock().unwrap().get(&507).is_some_and(|(count, _)| *count > 20)
        });
    });
    let refused = load.refused.lock().unwrap();
    let (_, body) = &refused[&507];
    assert!(body.contains("insufficient_storage") && body.contains("free"), "{body}");
    let others: Vec<_> = refused.keys().filter(|status| **status != 507).collect();
    assert!(others.is_empty(), "{refused:?}");
}

fn everything_is_there(load: &Load, client: &Client) {
    let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
    load.check(client, &all);
}

/// `min_free` keeps some space back, or there is none at all.
fn full_disk(min_free: &str, left: u64) -> Result<(), String> {
    let mut disk = LoopDisk::new(DISK)?;
    let path = disk.path();
    let mut settings = settings(&path);
    settings.set("RELAY__DATA__MIN_FREE", min_free);
    let (receiver, load) = (Receiver::start(), Load::default());
    let relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    receiver.hold();
    fill_disk(&path, left);
    write_until_full(&load, &relay.client);
    // Deliveries go on, and reads.
    receiver.release();
    let accepted = load.acknowledged.lock().unwrap().len();
    receiver.wait("deliveries on a full disk", PATIENCE, |counts| counts.len() >= accepted);
    everything_is_there(&load, &relay.client);
    assert!(!accepts(&relay.client));
    // What was refused is not counted.
    let (_, history) = relay.client.get("/api/v1/stats/history").unwrap();
    assert_eq!(history["total"]["accepted"], accepted, "{history}");
    relay.client.account();
    // A start while it is full.
    relay.stop();
    let relay = settings.start();
    everything_is_there(&load, &relay.client);
    // A start gives up what was kept aside for it: there may be room for some more.
    let (status, answer) = relay.client.send("load", 0, 100).unwrap();
    assert!([202, 507].contains(&status), "{status}: {answer}");
    // Room comes back.
    std::fs::remove_file(path.join("other")).unwrap();
    wait_until("it accepts again", RECOVERY, || accepts(&relay.client));
    everything_is_there(&load, &relay.client);
    relay.stop();
    disk.unmount()
}

#[test]
fn little_space_left() {
    match with_own_mounts("disk_full::little_space_left") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    if let Err(why) = full_disk("8 MiB", 12 << 20) {
        println!("SKIPPED: {why}");
    }
}

#[test]
fn no_space_left() {
    match with_own_mounts("disk_full::no_space_left") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    if let Err(why) = full_disk("0", 0) {
        println!("SKIPPED: {why}");
    }
}
