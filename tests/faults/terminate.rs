//! SIGTERM under load: what is in flight is finished, nothing is sent twice, the end is clean.

use std::time::{Duration, Instant};

use crate::support::load::Load;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{Random, pause, variable, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn terminated_under_load() {
    let stops = variable("RELAY_FAULT_STOPS", 4);
    let mut random = Random(variable("RELAY_SEED", 5));
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let receiver = Receiver::start();
    let load = Load::default();
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let mut slowest = Duration::ZERO;
    for _ in 0..stops {
        let moment = Duration::from_millis(50 + random.below(900));
        let client = relay.client.clone();
        let mut ended = None;
        let acknowledged = load.run(&client, 16, &|number| (number % 400) as usize, |_| {
            pause(moment);
            let began = Instant::now();
            relay.stop();
            ended = Some(began.elapsed());
        });
        slowest = slowest.max(ended.unwrap());
        relay = settings.start();
        load.check(&relay.client, &acknowledged);
    }
    let stored = relay.client.messages("load", None).len();
    receiver.wait("every delivery arrives", PATIENCE, |counts| counts.len() >= stored);
    relay.stop();
    let duplicates: u64 = receiver.counts().values().map(|count| count - 1).sum();
    println!("{stops} stops, {stored} stored, slowest {slowest:?}, {duplicates} duplicates");
    assert_eq!(duplicates, 0);
    assert!(slowest < Duration::from_secs(30), "{slowest:?}");
}

/// Far more is due than is in flight: what is not sent any more must not keep it from ending.
#[test]
fn terminated_with_a_backlog() {
    const ENDPOINTS: usize = 10;
    const MESSAGES: u64 = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let receiver = Receiver::start();
    let mut relay = settings.start();
    let urls: Vec<_> = (0..ENDPOINTS).map(|number| receiver.url(&format!("/{number}"))).collect();
    relay.client.make_application("load", &urls);
    receiver.hold();
    for number in 0..MESSAGES {
        let (status, answer) = relay.client.send("load", number, 0).unwrap();
        assert_eq!(status, 202, "{answer}");
    }
    relay.process.terminate();
    relay.process.line_with("stopping", PATIENCE).unwrap();
    receiver.release();
    relay.process.line_with("stopped", PATIENCE).unwrap();
    let (status, lines) = relay.process.ended();
    assert!(status.success(), "{status}: {lines:#?}");
    let relay = settings.start();
    let all = MESSAGES as usize * ENDPOINTS;
    receiver.wait("every delivery arrives", PATIENCE, |counts| counts.len() >= all);
    relay.stop();
    let duplicates: u64 = receiver.counts().values().map(|count| count - 1).sum();
    assert_eq!(duplicates, 0);
}

/// While it stops nobody is kept waiting at a door that never opens, and a second signal ends it.
#[test]
fn told_to_stop_twice() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let receiver = Receiver::start();
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    receiver.hold();
    let (status, answer) = relay.client.send("load", 0, 0).unwrap();
    assert_eq!(status, 202, "{answer}");
    receiver.wait_for_request(PATIENCE);
    relay.process.terminate();
    relay.process.line_with("stopping", PATIENCE).unwrap();
    wait_until("connections are refused", PATIENCE, || !relay.client.accepts_connections());
    relay.process.terminate();
    let (status, lines) = relay.process.ended();
    assert!(!status.success(), "it waited for the delivery: {lines:#?}");
    receiver.release();
    let relay = settings.start();
    receiver.wait("the delivery is made again", PATIENCE, |counts| counts.len() == 1);
    relay.stop();
}
