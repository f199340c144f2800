//! A panic at every named point of the code: the process ends and says where, and the next start
//! has all that was acknowledged and does again what was under way. A panic of a process that runs
//! scripts costs one attempt.
//!
//! Release builds have no such points; `telemetry::panic_point` is what this is done with.
//! `RELAY_FAULT_PANICS=20 cargo test --test faults panics -- --nocapture` is the long form.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::Client;
use crate::support::load::Load;
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::{variable, wait_until};

const PATIENCE: Duration = Duration::from_secs(120);
/// As Rust's own.
const PANICKED: i32 = 101;
const WRITERS: usize = 4;
/// So many are acknowledged before a panic.
const MORE: usize = 20;
/// So many endpoints are made to be deleted at a time, with so many characters to describe each.
const GONE: usize = 600;
const DESCRIPTION: usize = 5_000;

/// Points that messages alone come to, most of them at a start already.
const UNDER_LOAD: [&str; 10] = [
    "request",
    "accept",
    "journal-write",
    "journal-written",
    "index-apply",
    "index-applied",
    "scheduler",
    "send",
    "sent",
    "janitor",
];
/// Points on the way to a smaller index.
const COMPACTION: [&str; 2] = ["compactor", "index-switch"];
/// Points that need something else to be done.
const BY_OTHERS: [&str; 4] = ["read", "task", "alert", "alert-sent"];
/// Points of the processes that run scripts.
const OF_SCRIPTS: [&str; 2] = ["script", "script-process"];

/// A relay whose code panics where the test says.
struct World {
    settings: Settings,
    receiver: Receiver,
    load: Load,
    points: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let points = folder.path().join("points");
        fs::create_dir(&points).unwrap();
        let mut settings = Settings::new(&folder.path().join("data"));
        settings.set("RELAY_TEST_PANIC_POINTS", points.to_str().unwrap());
        settings.set("RELAY__DATA__COMPACT_ABOVE", "1 MiB");
        settings.set("RELAY__ALERTS__LOOK_EVERY", "100ms");
        let receiver = Receiver::start();
        let file = format!(
            "[[alert]]\nname = \"ops\"\non = [\"endpoint_failing\"]\nurl = \"{}\"\n\
             endpoint_failing = {{ after = \"1s\" }}\n",
            receiver.url("/alert")
        );
        let path = folder.path().join("relay.toml");
        fs::write(&path, file).unwrap();
        // It holds a URL that is a secret.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        World { settings, receiver, load: Load::default(), points, _folder: folder }
    }

    fn arm(&self, point: &str) {
        fs::write(self.points.join(point), "").unwrap();
    }

    fn is_armed(&self, point: &str) -> bool {
        self.points.join(point).exists()
    }

    /// Waits until more is acknowledged, which is to be there later.
    fn more(&self) {
        let count = || self.load.acknowledged.lock().unwrap().len();
        let before = count();
        wait_until("messages", PATIENCE, || count() >= before + MORE);
    }

    /// The relay ends at the point and says so; `meanwhile` is done once messages come.
    fn ends(&self, mut relay: Relay, point: &str, meanwhile: impl FnOnce(&Relay)) {
        let client = relay.client.clone();
        self.load.run(&client, WRITERS, &fill, |_| {
            meanwhile(&relay);
            wait_until(&format!("it ends at {point}"), PATIENCE, || relay.process.has_ended());
        });
        self.ended(relay, point);
    }

    fn ended(&self, relay: Relay, point: &str) {
        let (status, lines) = relay.process.ended();
        self.told(point, &lines);
        assert_eq!(status.code(), Some(PANICKED), "{point}: {lines:#?}");
    }

    fn told(&self, point: &str, lines: &[String]) {
        let words = [format!("the point {point}\""), "the relay ends".to_owned()];
        let told = lines.iter().any(|line| words.iter().all(|words| line.contains(words)));
        assert!(told, "{point}: it ends without a word: {lines:#?}");
        assert!(!self.is_armed(point), "{point}");
    }

    /// The next start has everything and delivers it.
    fn recovers(&self, point: &str) -> Relay {
        let relay = self.settings.start();
        let all: Vec<String> = self.load.acknowledged.lock().unwrap().keys().cloned().collect();
        let compared = self.load.check(&relay.client, &all);
        self.receiver.wait("every delivery arrives", PATIENCE, |counts| {
            all.iter().all(|id| counts.contains_key(&("/books".to_owned(), id.clone())))
        });
        relay.client.account();
        println!("{point}: {compared} there");
        relay
    }
}

fn fill(number: u64) -> usize {
    (number % 300) as usize
}

/// Fills the index with rows that go again, until the relay ends: it takes many times what is left.
fn churn(client: &Client) {
    let path = "/api/v1/app/gone/endpoint";
    let endpoint = json!({"url": "https://gone.example/", "description": "x".repeat(DESCRIPTION)});
    let make = json!({"name": "gone", "uid": "gone"}).to_string();
    let until = Instant::now() + PATIENCE;
    while is_done(client.post("/api/v1/app", &make))
        && (0..GONE).all(|_| is_done(client.post(path, &endpoint.to_string())))
        && is_done(client.delete("/api/v1/app/gone"))
    {
        assert!(Instant::now() < until, "the index was not made smaller");
    }
}

/// Whether the relay is still there, and then does what it is asked for.
fn is_done<T: Debug, E>(answer: Result<(u16, T), E>) -> bool {
    let Ok((status, answer)) = answer else { return false };
    assert!((200..300).contains(&status), "{status} {answer:?}");
    true
}

/// The points of the code, as it names them.
fn points_of_the_code(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            points_of_the_code(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let named = text.split("panic_point::reach(\"").skip(1);
        found.extend(named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
}

#[test]
fn no_point_is_left_out() {
    let mut code = BTreeSet::new();
    points_of_the_code(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    let tested = UNDER_LOAD.iter().chain(&COMPACTION).chain(&BY_OTHERS).chain(&OF_SCRIPTS);
    assert_eq!(code, tested.map(|point| (*point).to_owned()).collect());
}

#[test]
fn a_panic_ends_the_process_and_loses_nothing() {
    if !cfg!(debug_assertions) {
        return println!("SKIPPED: a release build has no points to panic at");
    }
    let world = World::new();
    let mut relay = world.settings.start();
    relay.client.make_application("load", &[world.receiver.url("/books")]);
    for _ in 0..variable("RELAY_FAULT_PANICS", 1) {
        for point in UNDER_LOAD {
            world.ends(relay, point, |_| {
                world.more();
                world.arm(point);
            });
            relay = world.recovers(point);
        }
        world.arm("read");
        world.ends(relay, "read", |relay| {
            let soon = jiff::Timestamp::now() + Duration::from_secs(1);
            let body = json!({"eventType": "a", "payload": {}, "deliverAt": soon.to_string()});
            let (status, answer) =
                relay.client.post("/api/v1/app/load/msg", &body.to_string()).unwrap();
            assert_eq!(status, 202, "{answer}");
        });
        relay = world.recovers("read");
        world.arm("task");
        world.ends(relay, "task", |relay| {
            let (_, application) = relay.client.get("/api/v1/app/load").unwrap();
            let body = json!({"since": application["createdAt"]}).to_string();
            let answer = relay.client.post("/api/v1/app/load/endpoint/load-0/recover", &body);
            // It may not come any more.
            assert!(answer.is_err() || answer.is_ok_and(|(status, _)| status == 202));
        });
        relay = world.recovers("task");
        let (_, tasks) = relay.client.get("/api/v1/background-task").unwrap();
        assert_eq!(tasks["data"][0]["task"], json!("endpoint.recover"), "{tasks}");
        wait_until("the task goes on", PATIENCE, || {
            let (_, tasks) = relay.client.get("/api/v1/background-task").unwrap();
            tasks["data"][0]["status"] == json!("finished")
        });
        world.arm("alert");
        world.ends(relay, "alert", |_| ());
        relay = world.recovers("alert");
    }
    relay.stop();
}

#[test]
fn a_panic_while_the_index_is_made_smaller() {
    if !cfg!(debug_assertions) {
        return println!("SKIPPED: a release build has no points to panic at");
    }
    for _ in 0..variable("RELAY_FAULT_PANICS", 1) {
        for point in COMPACTION {
            let mut world = World::new();
            // What is churned comes to the index before it is gone.
            world.settings.set("RELAY__DATA__OVERLAY", "2 MiB");
            let relay = world.settings.start();
            relay.client.make_application("load", &[world.receiver.url("/books")]);
            // Not beside what is churned: its rows are to be few.
            world.load.run(&relay.client, WRITERS, &fill, |_| world.more());
            world.arm(point);
            churn(&relay.client);
            world.ended(relay, point);
            world.recovers(point).stop();
        }
    }
}

/// What a start comes to before anybody can ask it for anything.
#[test]
fn a_panic_at_a_start_is_passed_by_the_next() {
    if !cfg!(debug_assertions) {
        return println!("SKIPPED: a release build has no points to panic at");
    }
    let world = World::new();
    let relay = world.settings.start();
    relay.client.make_application("load", &[world.receiver.url("/books")]);
    assert_eq!(relay.client.send("load", 1, 10).unwrap().0, 202);
    relay.stop();
    for point in ["scheduler", "janitor", "alert", "index-apply", "journal-write"] {
        world.arm(point);
        match world.settings.try_start() {
            Ok(relay) => world.ends(relay, point, |_| ()),
            Err(lines) => world.told(point, &lines),
        }
        world.recovers(point).stop();
    }
}

/// Between a message and its record: it is told again rather than never.
#[test]
fn an_alert_is_told_again_after_a_panic() {
    if !cfg!(debug_assertions) {
        return println!("SKIPPED: a release build has no points to panic at");
    }
    let world = World::new();
    let relay = world.settings.start();
    relay.client.make_application("load", &[world.receiver.url("/books")]);
    relay.client.make_application("down", &[world.receiver.url("/down")]);
    world.arm("alert-sent");
    world.ends(relay, "alert-sent", |relay| {
        assert_eq!(relay.client.send("down", 1, 10).unwrap().0, 202);
    });
    let relay = world.recovers("alert-sent");
    world.receiver.wait("it is told again", PATIENCE, |counts| {
        counts.iter().any(|((path, _), count)| path == "/alert" && *count > 1)
    });
    relay.stop();
}

/// It is not the relay that ends: the attempt failed, the next one succeeds in another process.
#[test]
fn a_process_that_runs_scripts_panics() {
    if !cfg!(debug_assertions) {
        return println!("SKIPPED: a release build has no points to panic at");
    }
    let world = World::new();
    let relay = world.settings.start();
    relay.client.make_application("load", &[world.receiver.url("/books")]);
    let path = "/api/v1/app/load/endpoint/load-0/transformation";
    let code = json!({"code": "function handler(webhook) { return webhook }"}).to_string();
    let (status, answer) = relay.client.patch(path, &code).unwrap();
    assert_eq!(status, 200, "{answer}");
    for (number, point) in (1..).zip(OF_SCRIPTS) {
        world.arm(point);
        let (status, message) = relay.client.send("load", number, 10).unwrap();
        assert_eq!(status, 202, "{message}");
        let id = message["id"].as_str().unwrap().to_owned();
        world.receiver.wait("it arrives all the same", PATIENCE, |counts| {
            counts.contains_key(&("/books".to_owned(), id.clone()))
        });
        assert!(!world.is_armed(point), "{point}");
        let path = format!("/api/v1/app/load/attempt/msg/{id}");
        wait_until("both attempts are recorded", PATIENCE, || {
            let (_, attempts) = relay.client.get(&path).unwrap();
            attempts["data"].as_array().is_some_and(|all| all.len() == 2)
        });
        let (_, attempts) = relay.client.get(&path).unwrap();
        let said = attempts["data"][1]["response"].as_str().unwrap();
        assert!(said.contains("(crashed)"), "{attempts}");
    }
    relay.client.account();
    relay.stop();
}
