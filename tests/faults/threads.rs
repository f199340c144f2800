//! No threads are to be had, from the N-th on or for a while: relay ends and says so, or it serves
//! and delivers. Never does it take messages and deliver none.

use std::time::Duration;

use serde_json::json;

use crate::support::cgroup::Group;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::trace::injecting;
use crate::support::{variable, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// `RELAY_FAULT_THREADS=40 cargo test --release --test faults threads -- --nocapture` tries every
/// thread up to this one.
#[test]
fn a_thread_that_cannot_be_started_is_never_missed_silently() {
    let last = variable("RELAY_FAULT_THREADS", 8);
    let (mut ended, mut served) = (0, 0);
    for number in 1..=last {
        let wrapper = match injecting(&[&format!("clone3:error=EAGAIN:when={number}+")]) {
            Ok(wrapper) => wrapper,
            Err(why) => return println!("SKIPPED: {why}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let plain = Settings::new(&folder.path().join("data"));
        let receiver = Receiver::start();
        let relay = plain.start();
        relay.client.make_application("load", &[receiver.url("/books")]);
        relay.stop();
        let mut broken = plain.clone();
        broken.wrapper = wrapper;
        let sent = broken.try_start().and_then(|mut relay| {
            let answer = relay.client.send("load", 1, 10);
            let accepted = answer.is_ok_and(|(status, _)| status == 202);
            wait_until("it delivers or ends", PATIENCE, || {
                relay.process.has_ended() || accepted && !receiver.counts().is_empty()
            });
            if relay.process.has_ended() {
                return Err(relay.process.ended().1);
            }
            relay.process.kill();
            Ok(())
        });
        match sent {
            Ok(()) => served += 1,
            Err(lines) => {
                assert!(!lines.is_empty(), "thread {number}: it ends without a word");
                ended += 1;
            }
        }
        // What was accepted goes out once there are threads.
        let relay = plain.start();
        let stored = relay.client.messages("load", None).len();
        receiver.wait("it arrives", PATIENCE, |counts| counts.len() >= stored);
        relay.stop();
    }
    println!(
        "{last} threads refused: {ended} times it ended and said so, {served} times it served"
    );
}

#[test]
fn deliveries_go_on_when_threads_are_to_be_had_again() {
    let group = match Group::new("pids", "threads") {
        Ok(group) => group,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.wrapper = group.wrapper();
    let receiver = Receiver::start();
    let mut relay = settings.start();
    let urls: Vec<String> = (0..8).map(|number| receiver.url(&format!("/{number}"))).collect();
    relay.client.make_application("load", &urls);
    group.set("pids.max", &group.get("pids.current")).unwrap();
    let (status, answer) = relay.client.send("load", 1, 10).unwrap();
    assert_eq!(status, 202, "{answer}");
    let told = relay.process.line_with("thread could be started", PATIENCE);
    group.set("pids.max", "max").unwrap();
    assert!(told.is_ok(), "nothing is told of it: {told:?}");
    receiver.wait("every delivery arrives", PATIENCE, |counts| counts.len() == 8);
    relay.stop();
}

/// What runs scripts leaves the processors to relay.
#[test]
fn processes_that_run_scripts_step_back() {
    let folder = tempfile::tempdir().unwrap();
    let relay = Settings::new(&folder.path().join("data")).start();
    let receiver = Receiver::start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let path = "/api/v1/app/load/endpoint/load-0/transformation";
    let code = json!({"code": "function handler(webhook) { return webhook }"}).to_string();
    let (status, answer) = relay.client.patch(path, &code).unwrap();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(relay.client.send("load", 1, 10).unwrap().0, 202);
    receiver.wait("it arrives", PATIENCE, |counts| !counts.is_empty());
    // Who runs the tests may have stepped back further.
    let own = rustix::process::getpriority_process(None).unwrap();
    assert_eq!(relay.process.nice_of_children(), [i64::from(own.max(5))]);
    relay.stop();
}
