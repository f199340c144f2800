//! kill -9 while a provider posts: what was answered 200 is one message, never none and never two,
//! however often the provider sends it again.
//!
//! `RELAY_FAULT_KILLS=1000 cargo test --release --test faults received -- --nocapture` is the long
//! form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::client::Client;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{Random, pause, variable};

const SECRET: &str = "a secret of theirs";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PROVIDERS: u64 = 16;
const DRAIN: Duration = Duration::from_secs(300);

/// What the provider knows: events that were answered 200, and those it has no answer of.
#[derive(Default)]
struct Sent {
    answered: BTreeSet<u64>,
    open: BTreeSet<u64>,
}

/// An event as GitHub signs it; its id stands in a header.
fn push(client: &Client, number: u64) -> Option<u16> {
    // Some of the bodies are large enough to be cut in two by a kill.
    let fill = if number.is_multiple_of(50) { 100_000 } else { number % 500 };
    let body = format!("{{\"number\":{number},\"fill\":\"{}\"}}", "x".repeat(fill as usize));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [
        ("x-github-event", "push".to_owned()),
        ("x-github-delivery", format!("event-{number}")),
        ("x-hub-signature-256", format!("sha256={hex}")),
    ];
    client.provide(&format!("/in/{TOKEN}"), &headers, &body).ok()
}

/// Providers post until the relay is killed; each event that has no answer, and now and then one
/// that has, is sent again first.
fn post_until_killed(client: &Client, sent: &Mutex<Sent>, next: &AtomicU64, kill: impl FnOnce()) {
    let killed = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..PROVIDERS {
            let killed = &killed;
            scope.spawn(move || {
                while !killed.load(Ordering::SeqCst) {
                    let number = {
                        let mut sent = sent.lock().unwrap();
                        let open =
                            sent.open.iter().copied().find(|open| open % PROVIDERS == worker);
                        let again = sent.answered.iter().next_back().copied();
                        let fresh = next.fetch_add(1, Ordering::SeqCst);
                        match (open, again) {
                            (Some(open), _) => open,
                            (None, Some(again)) if fresh.is_multiple_of(5) => again,
                            _ => {
                                sent.open.insert(fresh);
                                fresh
                            }
                        }
                    };
                    if push(client, number) == Some(200) {
                        let mut sent = sent.lock().unwrap();
                        sent.open.remove(&number);
                        sent.answered.insert(number);
                    }
                }
            });
        }
        kill();
        killed.store(true, Ordering::SeqCst);
    });
}

#[test]
fn received_under_kills() {
    let kills = variable("RELAY_FAULT_KILLS", 25);
    let mut random = Random(variable("RELAY_SEED", 11));
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let receiver = Receiver::start();
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let source = json!({
        "name": "GitHub", "uid": "hub", "type": "github", "application": "load", "token": TOKEN,
        "config": {"secret": SECRET},
    });
    let (status, answer) = relay.client.post("/api/v1/source", &source.to_string()).unwrap();
    assert_eq!(status, 201, "{answer}");
    let (sent, next) = (Mutex::new(Sent::default()), AtomicU64::new(1));
    for _ in 0..kills {
        let moment = Duration::from_millis(20 + random.below(980));
        let (client, process) = (relay.client.clone(), &mut relay.process);
        post_until_killed(&client, &sent, &next, || {
            pause(moment);
            process.kill();
        });
        relay = settings.start();
    }
    // The provider goes on until everything is answered.
    let open = sent.lock().unwrap().open.clone();
    for number in open {
        assert_eq!(push(&relay.client, number), Some(200), "event {number}");
        sent.lock().unwrap().answered.insert(number);
    }
    let answered = sent.into_inner().unwrap().answered;
    let messages = relay.client.messages("load", None);
    let mut found: BTreeMap<u64, Vec<&String>> = BTreeMap::new();
    for (id, payload) in &messages {
        found.entry(payload["number"].as_u64().unwrap()).or_default().push(id);
    }
    for number in &answered {
        let ids = found.get(number).map_or(0, Vec::len);
        assert_eq!(ids, 1, "event {number} is {ids} messages");
    }
    assert_eq!(found.len(), answered.len(), "a message of no event");
    receiver.wait("every event is delivered", DRAIN, |counts| counts.len() >= messages.len());
    // Every verdict that is listed names a message that is there.
    let verdicts = verdicts(&relay.client);
    assert_eq!(verdicts["accepted"].len(), messages.len());
    assert!(verdicts["accepted"].iter().all(|id| messages.contains_key(id)));
    relay.client.account();
    println!(
        "{kills} kills, {} events answered, {} duplicates told from them",
        answered.len(),
        verdicts.get("duplicate").map_or(0, Vec::len)
    );
    relay.stop();
}

/// The messages of every request of the source, by verdict.
fn verdicts(client: &Client) -> BTreeMap<String, Vec<String>> {
    let (mut found, mut iterator) = (BTreeMap::<String, Vec<String>>::new(), String::new());
    loop {
        let path = format!("/api/v1/source/hub/request?limit=100{iterator}");
        let (status, page) = client.get(&path).unwrap();
        assert_eq!(status, 200, "{page}");
        for request in page["data"].as_array().unwrap() {
            let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
            found.entry(text("verdict")).or_default().push(text("msgId"));
        }
        if page["done"] == Value::Bool(true) {
            return found;
        }
        iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
    }
}
