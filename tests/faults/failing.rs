//! An endpoint fails over a restart: the time after which it is disabled goes on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);

fn attempts(relay: &Relay) -> usize {
    let (_, page) = relay.client.get("/api/v1/app/a/attempt/endpoint/a-0").unwrap();
    page["data"].as_array().unwrap().len()
}

fn endpoint(relay: &Relay) -> Value {
    relay.client.get("/api/v1/app/a/endpoint/a-0").unwrap().1
}

/// Its second attempt comes after the restart and longer after the first than an endpoint may
/// fail; the third would come in an hour. So only who knows of the first disables it.
#[test]
fn a_failing_endpoint_is_disabled_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.set("RELAY__DELIVERY__RETRY_SCHEDULE", "4s,1h");
    settings.set("RELAY__DELIVERY__JITTER", "0");
    settings.set("RELAY__DELIVERY__DISABLE_AFTER", "3s");
    let receiver = Receiver::start();
    let mut relay = settings.start();
    relay.client.make_application("a", &[receiver.url("/down")]);
    assert_eq!(relay.client.send("a", 1, 0).unwrap().0, 202);
    wait_until("the first attempt is recorded", PATIENCE, || attempts(&relay) == 1);
    relay.process.kill();
    let relay = settings.start();
    wait_until("the second attempt is recorded", PATIENCE, || attempts(&relay) == 2);
    wait_until("it is disabled", PATIENCE, || endpoint(&relay)["disabled"] == json!(true));
    assert_eq!(endpoint(&relay)["disabledReason"], "failing");
    relay.stop();
}
