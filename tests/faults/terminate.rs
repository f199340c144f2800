//! SIGTERM under load: what is in flight is finished, nothing is sent twice, the end is clean.

use std::time::{Duration, Instant};

use crate::support::load::Load;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{Random, pause, variable};

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
    receiver
        .wait("every delivery arrives", Duration::from_secs(60), |counts| counts.len() >= stored);
    relay.stop();
    let duplicates: u64 = receiver.counts().values().map(|count| count - 1).sum();
    println!("{stops} stops, {stored} stored, slowest {slowest:?}, {duplicates} duplicates");
    assert_eq!(duplicates, 0);
    assert!(slowest < Duration::from_secs(30), "{slowest:?}");
}
