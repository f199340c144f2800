//! Hardly any file descriptors, callers that hold all of them, and receivers that are slow: relay
//! waits without spinning, and afterwards everything arrives. Needs prlimit.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{pause, variable, wait_until};

const DESCRIPTORS: &str = "--nofile=96:96";
const ENDPOINTS: usize = 50;
const CALLERS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(120);
/// Callers come back as often as they are sent away, for so long.
const SIEGE: u64 = 6;
/// CPU time for each second of that; spinning would be all of it.
const CPU_SHARE: f64 = 0.5;

#[test]
fn without_descriptors() {
    let limit = ["prlimit", DESCRIPTORS];
    if !Command::new(limit[0]).args([limit[1], "true"]).output().is_ok_and(|o| o.status.success()) {
        return println!("SKIPPED: no prlimit here");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.wrapper = limit.map(str::to_owned).to_vec();
    settings.set("RELAY__DELIVERY__RETRY_SCHEDULE", &["1s"; 60].join(","));
    let receiver = Receiver::start();
    let mut relay = settings.start();
    let urls: Vec<String> =
        (0..ENDPOINTS).map(|number| receiver.url(&format!("/{number}"))).collect();
    relay.client.make_application("load", &urls);
    receiver.hold();
    let (status, answer) = relay.client.send("load", 1, 100).unwrap();
    assert_eq!(status, 202, "{answer}");
    receiver.wait_for_request(PATIENCE);
    let siege = Duration::from_secs(variable("RELAY_FAULT_SIEGE", SIEGE));
    let before = relay.process.cpu();
    let callers: Vec<_> =
        (0..CALLERS).filter_map(|_| TcpStream::connect(relay.client.address()).ok()).collect();
    assert!(callers.len() > CALLERS / 2, "{} of {CALLERS} connected", callers.len());
    pause(siege);
    let used = relay.process.cpu() - before;
    let share = used.as_secs_f64() / siege.as_secs_f64();
    println!("{} callers, {used:?} of CPU in {siege:?}", callers.len());
    assert!(share < CPU_SHARE, "it spins: {used:?} in {siege:?}");
    assert!(!relay.process.has_ended());
    drop(callers);
    receiver.release();
    wait_until("it accepts again", PATIENCE, || {
        relay.client.send("load", 2, 100).is_ok_and(|(status, _)| status == 202)
    });
    receiver.wait("every delivery arrives", PATIENCE, |counts| counts.len() >= 2 * ENDPOINTS);
    wait_until("every delivery is recorded", PATIENCE, || {
        let (deliveries, delivered) = relay.client.account();
        deliveries == delivered
    });
    relay.stop();
}
