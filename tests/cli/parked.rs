//! What waits although the receiver is well again, and what is held while its endpoint is parked:
//! the command line tells, and sends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Ended, Folder, ScriptedRelay};

/// A receiver that answers 500 while it is down.
fn receiver() -> (ScriptedRelay, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let receiver = ScriptedRelay::start(move |_, _| {
        (if is_down.load(Ordering::Relaxed) { 500 } else { 200 }, "{}".to_owned())
    });
    (receiver, down)
}

fn start(folder: &Folder, receiver: &ScriptedRelay, delivery: &str) -> Live {
    let endpoint = format!("[[endpoint]]\nuid = \"books\"\nurl = \"{}/\"\n", receiver.url);
    let guard = "[guard]\nallow = [\"127.0.0.0/8\"]\n";
    folder.write("relay.toml", format!("[delivery]\n{delivery}{guard}{endpoint}"));
    Live::start(folder)
}

fn run(folder: &Folder, relay: &Live, arguments: &[&str]) -> Ended {
    folder.run(&[arguments, &["--server", &relay.url, "--token", &relay.key]].concat())
}

fn send(relay: &Live) -> String {
    let body = json!({"eventType": "a.b", "payload": {}}).to_string();
    let (status, sent) = relay.call("POST", "/api/v1/app/default/msg", Some(&body));
    assert_eq!(status, 202, "{sent}");
    sent["id"].as_str().unwrap().to_owned()
}

/// Asks until it is so; each question takes the relay some time.
fn until(relay: &Live, path: &str, is: impl Fn(&Value) -> bool) {
    while !is(&relay.call("GET", path, None).1) {}
}

#[test]
fn what_waits_is_told_of_and_sent_now() {
    let folder = Folder::new();
    let (receiver, down) = receiver();
    let relay = start(&folder, &receiver, "retry_schedule = [\"6h\"]\n");
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    for _ in 0..3 {
        send(&relay);
    }
    let attempts = "/api/v1/app/default/attempt/endpoint/books";
    until(&relay, attempts, |shown| shown["data"].as_array().unwrap().len() == 3);
    down.store(false, Ordering::Relaxed);
    let recover = ["recover", "default", "books", "--since", "1h"];
    let left = run(&[&recover[..], &["--follow"]].concat());
    let left = left.expect(0, "put back to be sent: 0 of 3 looked at\n", "");
    let left = left.expect(0, "3 wait for their next attempt, the first at 20", "");
    left.expect(0, "relay recover default books --since 1h --waiting\n", "");
    let all = run(&[&recover[..], &["--waiting", "--follow"]].concat());
    let all = all.expect(0, "put back to be sent: 3 of 3 looked at\n", "");
    assert!(!all.out.contains("next attempt"), "{}", all.out);
    until(&relay, attempts, |shown| {
        let data = shown["data"].as_array().unwrap();
        data.iter().filter(|attempt| attempt["status"] == 0).count() == 3
    });
    relay.stop();
}

#[test]
fn an_endpoint_that_is_parked_says_so_wherever_it_is_shown() {
    let folder = Folder::new();
    let (receiver, _down) = receiver();
    let relay = start(&folder, &receiver, "park_after = 1\nretry_schedule = [\"1ms\"]\n");
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    run(&["endpoints", "list"]).expect(0, "enabled  http", "");
    send(&relay);
    let health = "/api/v1/app/default/endpoint/books/health";
    until(&relay, health, |shown| shown["status"] == "parked");
    // The first probe is its last attempt.
    let dead = "/api/v1/app/default/dead-letter";
    until(&relay, dead, |shown| !shown["data"].as_array().unwrap().is_empty());
    let held = send(&relay);
    run(&["endpoints", "list"]).expect(0, "parked  http", "");
    let shown = run(&["endpoints", "show", "books"]);
    let words = "parked: its deliveries are held since ";
    shown.expect(0, "state       parked\n", "").expect(0, &format!("health      {words}"), "");
    let shown = run(&["messages", "show", "default", &held]);
    let shown = shown.expect(0, "held: the endpoint is parked, next probe at 20", "");
    assert!(!shown.out.contains("next attempt"), "{}", shown.out);

    let resend = ["dead-letters", "resend", "--follow"];
    let done = run(&[&resend[..], &["--endpoint", "books"]].concat());
    let done = done.expect(0, "put back to be sent: 1 of 1 looked at\n", "");
    done.expect(0, &format!("the endpoint is {words}"), "").expect(0, "goes to see at 20", "");
    run(&resend).expect(0, &format!("{}/ is {words}", receiver.url), "");
    let recover = ["recover", "default", "books", "--since", "1h", "--follow"];
    run(&recover).expect(0, &format!("the endpoint is {words}"), "");
    relay.stop();
}
