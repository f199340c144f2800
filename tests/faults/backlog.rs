//! A backlog that is due all at once, after an outage: memory stays bounded, others are served
//! meanwhile, and all of it arrives.
//!
//! `RELAY_FAULT_BACKLOG=1000000 cargo test --release --test faults backlog -- --nocapture` is the
//! long form.

use std::time::{Duration, Instant};

use crate::support::load::Load;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{LONG, variable, wait_until};

const SHORT: u64 = 5_000;
const WRITERS: usize = 64;
const FILL: usize = 200;
const DRAIN: Duration = Duration::from_secs(1_800);
/// Resident memory with any backlog, in MiB.
const MEMORY: u64 = 256;

#[test]
fn a_backlog_due_at_once() {
    let count = variable("RELAY_FAULT_BACKLOG", SHORT);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.set("RELAY__DELIVERY__TIMEOUT", "10m");
    settings.set("RELAY__DELIVERY__THREADS", "64");
    let (receiver, others) = (Receiver::start(), Receiver::start());
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    relay.client.make_application("others", &[others.url("/mail")]);
    receiver.hold();
    let load = Load::default();
    load.run(&relay.client, WRITERS, &|_| FILL, |load| {
        wait_until("enough messages", DRAIN, || {
            load.acknowledged.lock().unwrap().len() as u64 >= count
        });
    });
    // What was under way is due again: all of it, and now.
    relay.process.kill();
    let waiting = load.acknowledged.lock().unwrap().len();
    let relay = settings.start();
    receiver.release();
    let began = Instant::now();
    assert_eq!(relay.client.send("others", 1, FILL).unwrap().0, 202);
    others.wait("another's is delivered", LONG, |counts| counts.len() == 1);
    let (other, drained) = (began.elapsed(), receiver.counts().len());
    receiver.wait("the backlog arrives", DRAIN, |counts| counts.len() >= waiting);
    wait_until("every delivery is recorded", DRAIN, || {
        let (deliveries, delivered) = relay.client.account();
        deliveries == delivered
    });
    let peak = relay.process.figure("VmHWM") / 1_024;
    println!(
        "{waiting} due at once: another's after {other:?} and {drained} of them, all after {:?}; \
         {peak} MiB at most",
        began.elapsed()
    );
    assert!(drained < waiting, "another's waited for all of the backlog");
    assert!(peak < MEMORY, "{peak} MiB");
    relay.stop();
}
