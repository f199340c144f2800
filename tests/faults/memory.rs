//! Little memory and many large bodies at once: 503 before death, and what was acknowledged is
//! there. Needs root and a memory cgroup of version 1.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::cgroup::Group;
use crate::support::client::is_whole;
use crate::support::load::Load;
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::{variable, wait_until};

/// MiB, the page cache of what it writes included.
const LIMIT: u64 = 192;
const WRITERS: usize = 200;
const BODY: usize = (1 << 20) - 200;
const BODIES: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(300);

/// `RELAY_FAULT_BODIES=1000 cargo test --release --test faults memory -- --nocapture` is the long
/// form.
#[test]
fn many_large_bodies_in_little_memory() {
    let limit = variable("RELAY_FAULT_MEMORY", LIMIT);
    let group = match Group::new("memory", "bodies") {
        Ok(group) => group,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    if let Err(why) = group.set("memory.limit_in_bytes", &format!("{limit}M")) {
        return println!("SKIPPED: {why}");
    }
    let bodies = variable("RELAY_FAULT_BODIES", BODIES);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.wrapper = group.wrapper();
    let (receiver, load) = (Receiver::start(), Load::default());
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let begun = AtomicU64::new(0);
    let process = &mut relay.process;
    load.run(
        &relay.client,
        WRITERS,
        &|_| {
            begun.fetch_add(1, Ordering::SeqCst);
            BODY
        },
        |load| {
            wait_until("enough bodies", PATIENCE, || {
                process.has_ended() || begun.load(Ordering::SeqCst) >= bodies
            });
            load.stop();
        },
    );
    assert!(!relay.process.has_ended(), "it was killed for its memory");
    let peak = relay.process.figure("VmHWM") / 1024;
    let refused = load.refused.lock().unwrap();
    assert!(refused.keys().all(|status| *status == 503), "{refused:?}");
    let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
    println!(
        "{} bodies of 1 MiB acknowledged, {refused:?}; {peak} MiB at most, limit {limit} MiB",
        all.len()
    );
    drop(refused);
    check_by_ones(&relay, &load, &all);
    relay.stop();
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
