//! Little memory and many large bodies at once: with settings that fit it, 503 before death; with
//! others the kernel may kill relay, and what was acknowledged is there. Needs root and a memory
//! cgroup of version 1.
//!
//! `RELAY_FAULT_BODIES=1000 cargo test --release --test faults memory -- --nocapture` is the long
//! form.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::cgroup::Group;
use crate::support::client::is_whole;
use crate::support::load::Load;
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::{LONG, variable, wait_until};

/// The page cache of what is written included.
const LIMIT: &str = "192M";
const TOO_LITTLE: &str = "112M";
const WRITERS: usize = 200;
const BODY: usize = (1 << 20) - 200;
const BODIES: u64 = 200;

#[test]
fn many_large_bodies_in_memory_that_the_settings_fit() {
    let fitting = [("RELAY__INTAKE__MAX_IN_FLIGHT", "16 MiB"), ("RELAY__DELIVERY__THREADS", "16")];
    match post_in(LIMIT, "fits", &fitting) {
        Ok(killed) => assert!(!killed, "it was killed for its memory"),
        Err(why) => println!("SKIPPED: {why}"),
    }
}

#[test]
fn many_large_bodies_in_too_little_memory() {
    match post_in(TOO_LITTLE, "too-little", &[]) {
        Ok(killed) => println!("killed: {killed}"),
        Err(why) => println!("SKIPPED: {why}"),
    }
}

/// Whether it was killed; what it acknowledged before is there either way.
fn post_in(limit: &str, name: &str, more: &[(&str, &str)]) -> Result<bool, String> {
    let group = Group::new("memory", name)?;
    group.set("memory.limit_in_bytes", limit)?;
    let bodies = variable("RELAY_FAULT_BODIES", BODIES);
    let folder = tempfile::tempdir().unwrap();
    let mut plain = Settings::new(&folder.path().join("data"));
    more.iter().for_each(|(name, value)| plain.set(name, value));
    let mut settings = plain.clone();
    settings.wrapper = group.wrapper();
    let (receiver, load) = (Receiver::start(), Load::default());
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let begun = AtomicU64::new(0);
    let fill = |_| {
        begun.fetch_add(1, Ordering::SeqCst);
        BODY
    };
    let process = &mut relay.process;
    load.run(&relay.client, WRITERS, &fill, |_| {
        wait_until("enough bodies", LONG, || {
            process.has_ended() || begun.load(Ordering::SeqCst) >= bodies
        });
    });
    let killed = relay.process.has_ended();
    let refused = load.refused.lock().unwrap();
    assert!(refused.keys().all(|status| *status == 503), "{refused:?}");
    let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
    let peak = if killed { 0 } else { relay.process.figure("VmHWM") / 1_024 };
    println!("{limit}: {} of {bodies} acknowledged, refused {refused:?}; {peak} MiB", all.len());
    drop(refused);
    if killed {
        relay = plain.start();
    }
    check_by_ones(&relay, &load, &all);
    relay.client.account();
    relay.stop();
    Ok(killed)
}

/// One by one: a page of them is more than the relay has memory for.
fn check_by_ones(relay: &Relay, load: &Load, all: &[String]) {
    let acknowledged = load.acknowledged.lock().unwrap();
    for id in all {
        let (status, message) = relay.client.get(&format!("/api/v1/app/load/msg/{id}")).unwrap();
        let sent = acknowledged[id];
        let whole = is_whole(&message["payload"], sent.number, sent.fill);
        assert!(status == 200 && whole, "{id} is lost");
    }
}
