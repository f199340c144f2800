//! An image of the disk at any moment, as a crash leaves it: all that was acknowledged before is in
//! it, whole, and it opens. Needs root, loop devices and ext4.
//!
//! `RELAY_FAULT_IMAGES=200 cargo test --release --test faults image -- --nocapture` is the long
//! form.

use std::time::Duration;

use crate::support::disk::LoopDisk;
use crate::support::load::Load;
use crate::support::namespace::with_own_mounts;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{Random, pause, variable};

const DISK: u64 = 512 << 20;
const WRITERS: usize = 16;
/// The disk is made anew after so many, before it is full.
const IMAGES_A_DISK: u64 = 20;

fn settings(disk: &LoopDisk) -> Settings {
    let mut settings = Settings::new(&disk.path().join("data"));
    settings.set("RELAY__DATA__SEGMENT_SIZE", "4 MiB");
    settings.set("RELAY__INTAKE__MAX_BODY", "64 KiB");
    settings
}

fn fill(number: u64) -> usize {
    (number * 37 % 20_000) as usize
}

#[test]
fn an_image_at_any_moment_holds_all_that_was_acknowledged() {
    match with_own_mounts("image::an_image_at_any_moment_holds_all_that_was_acknowledged") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    let images = variable("RELAY_FAULT_IMAGES", 3);
    let mut random = Random(variable("RELAY_SEED", 13));
    let (mut taken, mut compared) = (0, 0);
    while taken < images {
        let count = (images - taken).min(IMAGES_A_DISK);
        match one_disk(count, &mut random) {
            Ok(found) => compared += found,
            Err(why) => return println!("SKIPPED: {why}"),
        }
        taken += count;
    }
    println!("{taken} images, {compared} acknowledged before they were taken, 0 lost");
}

fn one_disk(images: u64, random: &mut Random) -> Result<usize, String> {
    let mut disk = LoopDisk::new(DISK)?;
    let settings = settings(&disk);
    let (receiver, load) = (Receiver::start(), Load::default());
    let relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let mut compared = 0;
    for _ in 0..images {
        let moment = Duration::from_millis(20 + random.below(400));
        let mut taken = Err(String::new());
        load.run(&relay.client, WRITERS, &fill, |load| {
            pause(moment);
            let before: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
            // A copy takes time and a crash none: the process stands still meanwhile.
            relay.process.signal("STOP");
            taken = disk.copy().map(|copy| (copy, before));
            relay.process.signal("CONT");
        });
        let (mut copy, before) = taken?;
        copy.mount()?;
        compared += opens(&copy, &load, &before);
        copy.unmount()?;
    }
    relay.stop();
    disk.unmount()?;
    Ok(compared)
}

fn opens(copy: &LoopDisk, load: &Load, before: &[String]) -> usize {
    let mut settings = settings(copy);
    settings.set("RELAY_TEST_BOOT_ID", "another");
    // What it would deliver is the business of the one that it is an image of.
    settings.set("RELAY__GUARD__ALLOW", "");
    let relay = settings.start();
    let compared = load.check(&relay.client, before);
    relay.client.account();
    relay.stop();
    compared
}
