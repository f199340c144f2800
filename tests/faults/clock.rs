//! The wall clock is wrong, at a start and while the relay runs: nothing is deleted, nothing is
//! sent too often or too early, nothing remembered is forgotten, and when the clock is right again
//! life goes on. Needs libfaketime.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use relay::domain::time::Timestamp;
use serde_json::{Value, json};

use crate::support::faketime::{FakeClock, now};
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::{pause, wait_until};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// 2038-01-19T03:14:17Z, ten seconds past what 32 bits hold.
const YEAR_2038: i64 = 2_147_483_657;
/// The first retry is due so long after the first attempt: in no jump that engine time follows.
const RETRY: i64 = 3 * HOUR;
const LATER: i64 = 5 * HOUR;
/// Old segments go after this, once ages count.
const MAX_AGE: &str = "2h";
const PATIENCE: Duration = Duration::from_secs(30);
/// The janitor deletes what it would every second.
const JANITOR: Duration = Duration::from_millis(1_500);
/// How far a timestamp may be from the clock it was taken from, on a busy machine.
const SLACK: i64 = 10;

/// The hour ahead comes last: a start follows it, and a day after that would be less than a day.
fn jumps() -> [(&'static str, i64); 6] {
    [
        ("an hour back", -HOUR),
        ("a day ahead", DAY),
        ("a day back", -DAY),
        ("in 1970", 10 - now()),
        ("in 2038", YEAR_2038 - now()),
        ("an hour ahead", HOUR),
    ]
}

/// A relay with messages delivered, failing, scheduled, and what it promised to remember.
struct World {
    clock: FakeClock,
    settings: Settings,
    receiver: Receiver,
    relay: Option<Relay>,
    /// Every message of both applications.
    ids: BTreeMap<&'static str, Vec<String>>,
    /// When the deliveries that wait are due: it must not change.
    due: BTreeMap<String, String>,
    remembered: String,
    scheduled: String,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Result<World, String> {
        let folder = tempfile::tempdir().unwrap();
        let clock = FakeClock::new(folder.path())?;
        let mut settings = Settings::new(&folder.path().join("data"));
        clock.show_to(&mut settings);
        settings.set("RELAY__RETENTION__MAX_AGE", MAX_AGE);
        settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
        settings.set("RELAY__DATA__SEGMENT_SIZE", "2 MiB");
        settings.set("RELAY__DELIVERY__RETRY_SCHEDULE", &format!("{RETRY}s,{RETRY}s"));
        settings.set("RELAY__DELIVERY__JITTER", "0");
        let mut world = World {
            clock,
            settings,
            receiver: Receiver::start(),
            relay: None,
            ids: BTreeMap::new(),
            due: BTreeMap::new(),
            remembered: String::new(),
            scheduled: String::new(),
            _folder: folder,
        };
        world.start();
        world.fill();
        Ok(world)
    }

    fn relay(&self) -> &Relay {
        self.relay.as_ref().unwrap()
    }

    fn start(&mut self) {
        self.relay = Some(self.settings.start());
    }

    fn stop(&mut self) {
        self.relay.take().unwrap().stop();
    }

    fn post(&self, application: &str, body: &Value) -> (u16, Value) {
        let path = format!("/api/v1/app/{application}/msg");
        self.relay().client.post(&path, &body.to_string()).unwrap()
    }

    /// Accepts one; it is newer than all others and so is its id.
    fn accept(&mut self, application: &'static str, body: &Value) -> String {
        let (status, answer) = self.post(application, body);
        assert_eq!(status, 202, "{answer}");
        let id = answer["id"].as_str().unwrap().to_owned();
        let last = self.ids.values().flatten().max();
        assert!(last.is_none_or(|last| *last < id), "{id} after {last:?}");
        self.ids.entry(application).or_default().push(id.clone());
        id
    }

    fn fill(&mut self) {
        let urls = |path| [self.receiver.url(path)];
        self.relay().client.make_application("well", &urls("/well"));
        self.relay().client.make_application("ill", &urls("/down"));
        for _ in 0..60 {
            self.accept("well", &message(50_000));
        }
        self.remembered = self.post_once();
        self.ids.get_mut("well").unwrap().push(self.remembered.clone());
        let mut named = message(0);
        named["eventId"] = json!("only-once");
        self.accept("well", &named);
        let mut later = message(0);
        let at = Timestamp::from_millis(((now() + LATER) * 1_000) as u64);
        later["deliverAt"] = json!(at.to_string());
        self.scheduled = self.accept("well", &later);
        for _ in 0..3 {
            self.fail_one(0);
        }
        self.wait_delivered();
    }

    fn post_once(&self) -> String {
        let path = "/api/v1/app/well/msg";
        let body = message(0).to_string();
        let (status, answer) = self.relay().client.post_once(path, "once", &body).unwrap();
        assert_eq!(status, 202, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// A message whose first attempt fails; it is due again by engine time, not by the wall's.
    fn fail_one(&mut self, offset: i64) {
        let id = self.accept("ill", &message(0));
        self.wait_received("/down", &id, offset);
        let mut due = None;
        wait_until("the failure is recorded", PATIENCE, || {
            due = self.next_attempt(&id);
            let attempts = format!("/api/v1/app/ill/attempt/msg/{id}");
            let (_, page) = self.relay().client.get(&attempts).unwrap();
            page["data"].as_array().is_some_and(|attempts| attempts.len() == 1)
        });
        let due = self.next_attempt(&id).expect("it is tried again");
        let at = Timestamp::parse_rfc3339(&due).unwrap().seconds() as i64;
        // Engine time follows a start an hour ahead, and no further one.
        let expected = now() + RETRY - SLACK..now() + RETRY + HOUR + 60;
        assert!(expected.contains(&at), "due again {due}");
        self.due.insert(id, due);
    }

    fn next_attempt(&self, id: &str) -> Option<String> {
        let path = format!("/api/v1/app/ill/msg/{id}/endpoint");
        let (_, page) = self.relay().client.get(&path).unwrap();
        page["data"][0]["nextAttempt"].as_str().map(str::to_owned)
    }

    /// Waits for the request of a message just accepted, signed by the clock as it is set.
    fn wait_received(&self, path: &str, id: &str, offset: i64) {
        let key = (path.to_owned(), id.to_owned());
        self.receiver.wait("a new message arrives", PATIENCE, |counts| counts.contains_key(&key));
        let signed = i64::try_from(self.receiver.timestamps()[&key]).unwrap();
        let wrong = (signed - now() - offset).abs();
        assert!(wrong <= SLACK, "signed {wrong} s off the clock");
    }

    fn wait_delivered(&self) {
        let delivered = self.ids["well"].len() as u64 - 1;
        wait_until("all but the scheduled one are delivered", PATIENCE, || {
            self.relay().client.account().1 == delivered
        });
    }

    /// Everything that must hold while the clock is wrong by `offset`.
    fn check(&mut self, what: &str, offset: i64) {
        println!("{what}");
        let id = self.accept("well", &message(0));
        self.wait_received("/well", &id, offset);
        self.fail_one(offset);
        assert_eq!(self.post_once(), self.remembered, "the reply is forgotten, {what}");
        let mut named = message(0);
        named["eventId"] = json!("only-once");
        assert_eq!(self.post("well", &named).0, 409, "the event id is forgotten, {what}");
        pause(JANITOR);
        self.wait_delivered();
        self.check_kept(what);
        let counts = self.receiver.counts();
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
        assert!(twice.is_empty(), "sent more than once, {what}: {twice:?}");
        let scheduled = ("/well".to_owned(), self.scheduled.clone());
        assert!(!counts.contains_key(&scheduled), "sent before deliverAt, {what}");
        for (id, due) in &self.due {
            assert_eq!(self.next_attempt(id).as_ref(), Some(due), "its due time moved, {what}");
        }
    }

    fn check_kept(&self, what: &str) {
        let client = &self.relay().client;
        for (application, ids) in &self.ids {
            let stored = client.messages(application, None);
            let gone: Vec<_> = ids.iter().filter(|id| !stored.contains_key(*id)).collect();
            assert!(gone.is_empty(), "{what}, {application}: {gone:?} are gone");
            let path = format!("/api/v1/app/{application}/attempt/msg/{}", ids[0]);
            let (_, page) = client.get(&path).unwrap();
            assert_ne!(page["data"], json!([]), "an attempt is gone, {what}");
        }
        assert!(self.has_first_segment(), "a segment is gone, {what}");
    }

    fn has_first_segment(&self) -> bool {
        self.settings.data.join("journal/00000001.seg").exists()
    }

    /// `relay repair --accept-clock` under the clock as it is set.
    fn accept_clock(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.args(["repair", "--accept-clock"]).env_clear();
        command.current_dir(self.settings.data.parent().unwrap());
        let done = command.envs(self.settings.variables.iter().cloned()).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

fn message(fill: usize) -> Value {
    json!({"eventType": "clock.test", "payload": {"fill": "x".repeat(fill)}})
}

#[test]
fn a_wrong_clock_at_a_start() {
    let mut world = match World::new() {
        Ok(world) => world,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    for (what, offset) in jumps() {
        world.stop();
        world.clock.set(offset);
        world.start();
        world.check(&format!("started {what}"), offset);
        world.clock.set(0);
        world.check(&format!("set right after a start {what}"), 0);
    }
    world.stop();
    world.start();
    world.check("started right again", 0);

    // Six hours on: what was due meanwhile is made, once, and nothing goes until it is confirmed
    // that so much time went by.
    world.stop();
    world.clock.set(6 * HOUR);
    world.start();
    let due = world.due.len() as u64;
    world.receiver.wait("retries and the scheduled one are made", PATIENCE, |counts| {
        let retried = counts.iter().filter(|((path, _), count)| path == "/down" && **count == 2);
        let scheduled = ("/well".to_owned(), world.scheduled.clone());
        retried.count() as u64 == due && counts.contains_key(&scheduled)
    });
    pause(JANITOR);
    world.check_kept("before the clock is confirmed");
    world.stop();
    world.accept_clock();
    world.start();
    wait_until("the oldest segment goes for its age", PATIENCE, || !world.has_first_segment());
    let most = world.receiver.counts().values().copied().max();
    assert_eq!(most, Some(2), "one retry each");
    let id = world.accept("well", &message(0));
    world.wait_received("/well", &id, 6 * HOUR);
    world.stop();
}

#[test]
fn a_wrong_clock_while_it_runs() {
    let mut world = match World::new() {
        Ok(world) => world,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    for (what, offset) in jumps() {
        world.clock.set(offset);
        world.check(&format!("set {what}"), offset);
    }
    world.clock.set(0);
    world.check("set right again", 0);
    world.stop();
    world.start();
    world.check("started again", 0);
    world.stop();
}
