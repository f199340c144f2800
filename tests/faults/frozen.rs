//! Data folders of earlier formats, kept in `tests/faults/frozen`: what is in them is served, also
//! when the first starts on them are killed half way; one of a later format is refused with words.
//!
//! `RELAY_FAULT_UPGRADES=20 cargo test --release --test faults frozen -- --nocapture` is the long
//! form. `RELAY_FAULT_FREEZE=NAME cargo test --test faults frozen` writes the folder `NAME` of the
//! present formats: do so when one changes, before it does.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use relay::domain::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::support::faketime::now;
use crate::support::namespace::run;
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::{LONG, Random, pause, variable, wait_until};

const DELIVERED: u64 = 20;
const WAITING: u64 = 10;
/// A start much later does not believe the clock, so that this never comes.
const LATER: i64 = 80 * 86_400;
/// A start is over after so long, or is killed half way.
const START_MS: u64 = 500;
/// Where a segment says which format it has, and where the checksum over that stands.
const FORMAT_AT: u64 = 8;
const CHECKSUM_AT: u64 = 32;
/// What is asked of a folder.
const PATHS: [&str; 10] = [
    "/api/v1/app?limit=100",
    "/api/v1/app/books/endpoint?limit=100",
    "/api/v1/app/books/endpoint/books-0/secret",
    "/api/v1/app/books/msg?limit=100&with_content=true",
    "/api/v1/app/books/attempt/endpoint/books-0?limit=100",
    "/api/v1/event-type?limit=100",
    "/api/v1/source?limit=100",
    "/api/v1/app/letters/dead-letter?limit=100",
    "/api/v1/app/held/endpoint?limit=100",
    HELD,
];
const HELD: &str = "/api/v1/app/held/attempt/endpoint/held-0?limit=100";
/// What is failed for good at once, and what waits in its order for as long as a retry may.
const FAILING: [(&str, u32); 2] = [("letters", 1), ("held", 30 * 86_400)];
/// Messages to each of these.
const FAILED: u64 = 2;
/// Under which name the answers say how many that are; folders of format 1 have none.
const FAILED_TOO: &str = "failed";

fn frozen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/frozen")
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::new(&folder.join("data"));
    settings.set("RELAY__INTAKE__MAX_BODY", "4 KiB");
    settings.set("RELAY__DATA__SEGMENT_SIZE", "128 KiB");
    settings.set("RELAY__DELIVERY__RESPONSE_LIMIT", "2 KiB");
    // Stands in the URLs of sources.
    settings.set("RELAY__SERVER__PUBLIC_URL", "https://hooks.example");
    settings
}

fn unpack(archive: &Path, folder: &Path) {
    let words = ["-xzf", &archive.display().to_string(), "-C", &folder.display().to_string()];
    run("tar", &words).unwrap();
}

fn post(relay: &Relay, path: &str, body: &Value, expected: u16) -> Value {
    let (status, answer) = relay.client.post(path, &body.to_string()).unwrap();
    assert_eq!(status, expected, "{answer}");
    answer
}

/// Applications whose only endpoint is down and keeps an order.
fn fail_some(relay: &Relay, receiver: &Receiver) {
    for (uid, retry) in FAILING {
        relay.client.make_application(uid, &[]);
        let endpoint = json!({
            "uid": format!("{uid}-0"), "url": receiver.url("/down"),
            "delivery": {"order": {}, "retryScheduleSeconds": [retry]},
        });
        post(relay, &format!("/api/v1/app/{uid}/endpoint"), &endpoint, 201);
        for number in 0..FAILED {
            let message = json!({"eventType": "frozen.test", "payload": {"number": number}});
            post(relay, &format!("/api/v1/app/{uid}/msg"), &message, 202);
        }
    }
    let count = |path: &str| relay.client.get(path).unwrap().1["data"].as_array().unwrap().len();
    wait_until("one order has ended and one is held up", LONG, || {
        count("/api/v1/app/letters/dead-letter") == FAILED as usize && count(HELD) == 1
    });
}

/// Fills a folder with something of everything and packs it, with what is answered of it.
fn freeze(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (receiver, relay) = (Receiver::start(), settings.start());
    relay.client.make_application("books", &[receiver.url("/books"), receiver.url("/mail")]);
    let event_type = json!({"name": "frozen.test", "description": "Kept for later builds."});
    post(&relay, "/api/v1/event-type", &event_type, 201);
    let source = json!({
        "name": "GitHub", "uid": "hub", "type": "github", "application": "books",
        "token": "0123456789abcdef0123456789abcdef", "config": {"secret": "a secret of theirs"},
    });
    post(&relay, "/api/v1/source", &source, 201);
    let later = Timestamp::from_millis(((now() + LATER) * 1_000) as u64).to_string();
    for number in 0..DELIVERED + WAITING {
        let mut message = json!({
            "eventType": "frozen.test", "eventId": format!("event-{number}"),
            "payload": {"number": number, "text": "ä".repeat(number as usize * 5)},
        });
        if number >= DELIVERED {
            message["deliverAt"] = json!(later);
        }
        post(&relay, "/api/v1/app/books/msg", &message, 202);
    }
    wait_until("what is due is delivered", LONG, || relay.client.account().1 == 2 * DELIVERED);
    fail_some(&relay, &receiver);
    let answers = PATHS.map(|path| (path.to_owned(), relay.client.get(path).unwrap().1));
    relay.stop();
    fs::remove_file(settings.data.join("ballast")).unwrap();
    let mut answers: Map<String, Value> = answers.into_iter().collect();
    answers.insert(FAILED_TOO.to_owned(), json!(FAILED * FAILING.len() as u64));
    let text = serde_json::to_string_pretty(&answers).unwrap() + "\n";
    fs::create_dir_all(frozen()).unwrap();
    fs::write(frozen().join(format!("{name}.json")), text).unwrap();
    let archive = frozen().join(format!("{name}.tar.gz")).display().to_string();
    let owner = ["--owner=0", "--group=0", "--sort=name"];
    let from = ["-czf", &archive, "-C", &folder.path().display().to_string(), "data"];
    run("tar", &[&owner[..], &from].concat()).unwrap();
}

/// Later builds may say more, and no less.
fn holds(found: &Value, kept: &Value) -> bool {
    match (found, kept) {
        (Value::Object(found), Value::Object(kept)) => {
            kept.iter().all(|(name, kept)| found.get(name).is_some_and(|found| holds(found, kept)))
        }
        (Value::Array(found), Value::Array(kept)) => {
            found.len() == kept.len()
                && found.iter().zip(kept).all(|(one, other)| holds(one, other))
        }
        (found, kept) => found == kept,
    }
}

fn check(relay: &Relay, kept: &Value, what: &str) {
    let paths = kept.as_object().unwrap().iter().filter(|(path, _)| path.starts_with('/'));
    for (path, kept) in paths {
        let (status, found) = relay.client.get(path).unwrap();
        assert_eq!(status, 200, "{what}, {path}: {found}");
        assert!(holds(&found, kept), "{what}, {path}: {found:#} instead of {kept:#}");
    }
    let failed = kept.get(FAILED_TOO).map_or(0, |failed| failed.as_u64().unwrap());
    let deliveries = 2 * (DELIVERED + WAITING) + failed;
    assert_eq!(relay.client.account(), (deliveries, 2 * DELIVERED), "{what}");
}

#[test]
fn frozen_folders_are_served_and_kills_half_way_lose_nothing() {
    if let Ok(name) = std::env::var("RELAY_FAULT_FREEZE") {
        return freeze(&name);
    }
    let kills = variable("RELAY_FAULT_UPGRADES", 4);
    let mut random = Random(variable("RELAY_SEED", 23));
    let mut formats = 0;
    for entry in fs::read_dir(frozen()).unwrap().flatten() {
        let archive = entry.path();
        let Some(name) = archive.to_str().and_then(|path| path.strip_suffix(".tar.gz")) else {
            continue;
        };
        let kept = fs::read_to_string(format!("{name}.json")).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let folder = tempfile::tempdir().unwrap();
        unpack(&archive, folder.path());
        let settings = settings(folder.path());
        for _ in 0..kills {
            let mut process = settings.spawn();
            pause(Duration::from_millis(random.below(START_MS)));
            process.kill();
        }
        let relay = settings.start();
        check(&relay, &kept, name);
        // And it goes on from there.
        let message = json!({"eventType": "frozen.test", "eventId": "event-0", "payload": {}});
        post(&relay, "/api/v1/app/books/msg", &message, 409);
        relay.stop();
        formats += 1;
    }
    assert!(formats > 0, "no folder is kept");
    println!("{formats} formats, {kills} kills each, nothing lost");
}

#[test]
fn a_folder_of_a_later_format_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    settings.start().stop();
    let path = settings.data.join("journal/00000001.seg");
    let segment = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    segment.write_all_at(&99u32.to_le_bytes(), FORMAT_AT).unwrap();
    let mut head = [0; CHECKSUM_AT as usize];
    segment.read_exact_at(&mut head, 0).unwrap();
    segment.write_all_at(&crc32c::crc32c(&head).to_le_bytes(), CHECKSUM_AT).unwrap();
    // However the index stands, and whoever asks.
    for trusted in [true, false] {
        if !trusted {
            fs::remove_file(settings.data.join("checkpoint")).unwrap();
        }
        let before = fs::read(&path).unwrap();
        let seen = settings.try_start().err().expect("it is not served").join("\n");
        assert!(seen.contains("format 99, newer than this build reads"), "{trusted}: {seen}");
        let repaired = settings.run(&["repair", "--accept-loss"]);
        assert!(!repaired.status.success(), "a later format is given up: {repaired:?}");
        assert_eq!(fs::read(&path).unwrap(), before, "it was changed");
    }
}
