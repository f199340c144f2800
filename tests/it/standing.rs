//! How the relay and its endpoints stand, as pages show it. Nothing is delivered here, so what only
//! the scheduler knows is null; `tests/cli/standing.rs` asks a relay that delivers.

use std::time::Duration;

use relay::domain::delivery::{AttemptContent, DeadReason, Outcome, Trigger};
use relay::domain::time::Timestamp;
use relay::store::{Reference, Settlement, Verdict};
use serde_json::{Value, json};

use crate::support::acme::{acme, dead, endpoint, next_ready, send, settle};
use crate::support::model::flush;
use crate::support::server::Relay;

fn overview(relay: &Relay) -> Value {
    relay.get("/stats/overview").expect(200).json
}

fn health(relay: &Relay, uid: &str) -> Value {
    relay.get(&format!("/app/acme/endpoint/{uid}/health")).expect(200).json
}

fn retry(relay: &Relay) -> Verdict {
    Verdict::RetryAt(relay.state.store.now() + Duration::from_secs(300))
}

/// Why no connection was made would map the network that relay stands in.
#[test]
fn a_tenant_is_not_told_what_stands_in_the_way() {
    let relay = acme();
    send(&relay, "e-1", "a.b");
    let ready = next_ready(&relay);
    relay.state.store.settle(Settlement {
        delivery: ready.delivery(),
        due: ready.due,
        first_due: ready.due,
        trigger: Trigger::Scheduled,
        started_at: ready.due,
        duration_ms: 0,
        status_code: 0,
        outcome: Outcome::Blocked,
        verdict: retry(&relay),
        content: AttemptContent::default(),
    });
    flush(relay.open.as_ref().unwrap());
    assert_eq!(health(&relay, "books")["lastFailure"]["outcome"], "blocked");
    let made = relay.post("/auth/app-portal-access/acme", json!({})).expect(200);
    let bearer = format!("Bearer {}", made.text("token"));
    let path = "/app/acme/endpoint/books/health";
    let shown = relay.send("GET", path, &[("authorization", &bearer)], None).expect(200).json;
    assert_eq!(shown["lastFailure"]["outcome"], "connect");
}

#[test]
fn the_overview_counts_what_there_is() {
    let relay = acme();
    let shown = overview(&relay);
    for (field, value) in [
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("startedAt", json!("2026-11-21T00:00:00Z")),
        ("ready", json!(true)),
        ("accepting", json!(true)),
        ("refusal", Value::Null),
        ("waiting", json!(0)),
        ("inFlight", Value::Null),
        ("parkedEndpoints", Value::Null),
        ("applications", json!(1)),
        ("endpoints", json!(1)),
        ("alertsFiring", json!([])),
    ] {
        assert_eq!(shown[field], value, "{field} of {shown}");
    }
    for name in ["one", "two", "three"] {
        send(&relay, name, "a.b");
    }
    let [first, second, _] = [(); 3].map(|()| next_ready(&relay));
    dead(&relay, &first);
    settle(&relay, &second, 500, retry(&relay));
    endpoint(&relay, "off");
    relay.patch("/app/acme/endpoint/off", json!({"disabled": true})).expect(200);
    // Behind all that it would be told of.
    relay.post("/operational-webhook/endpoint", json!({"url": "https://o.example/"})).expect(201);
    relay.state.store.refuse(Some("the disk is full".to_owned()));
    relay.state.readiness.hold("server", "stopping");
    let shown = overview(&relay);
    for (field, value) in [
        ("ready", json!(false)),
        ("reasons", json!({"server": "stopping"})),
        ("accepting", json!(false)),
        ("refusal", json!("the disk is full")),
        ("waiting", json!(2)),
        ("failingEndpoints", json!(1)),
        ("disabledEndpoints", json!(1)),
        ("deadLetters", json!(1)),
        ("endpoints", json!(2)),
        ("sources", json!(0)),
    ] {
        assert_eq!(shown[field], value, "{field} of {shown}");
    }
    assert_eq!(
        (&shown["lastHour"]["accepted"], &shown["lastHour"]["dead"]),
        (&3.into(), &1.into())
    );
    assert_eq!(shown["sinceStart"], shown["lastHour"]);
    let disk = &shown["disk"];
    assert!(disk["used"].as_u64().unwrap() > 1 << 20, "a segment at least: {disk}");
    assert!(disk["cap"].as_u64() > disk["used"].as_u64(), "{disk}");
}

#[test]
fn an_endpoint_is_idle_then_well_then_fails_then_is_disabled() {
    let relay = acme();
    let shown = health(&relay, "books");
    assert_eq!(shown["status"], "idle", "{shown}");
    assert_eq!(shown["waiting"], json!({"count": 0, "exact": true}));
    send(&relay, "one", "a.b");
    let shown = health(&relay, "books");
    assert_eq!((&shown["status"], &shown["waiting"]["count"]), (&"healthy".into(), &1.into()));
    assert_eq!(shown["oldestWaiting"], "2026-11-21T00:00:00Z");
    settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    let shown = health(&relay, "books");
    assert_eq!(shown["status"], "healthy", "it was just tried: {shown}");
    assert_eq!(shown["lastSuccess"], "2026-11-21T00:00:00Z");
    assert_eq!(shown["lastFailure"], Value::Null);
    relay.folder.clock.advance(Duration::from_secs(3_601));
    assert_eq!(health(&relay, "books")["status"], "idle");
    send(&relay, "two", "a.b");
    settle(&relay, &next_ready(&relay), 503, retry(&relay));
    let shown = health(&relay, "books");
    assert_eq!((&shown["status"], &shown["waiting"]["count"]), (&"failing".into(), &1.into()));
    assert_eq!(shown["oldestWaiting"], Value::Null, "it is due later");
    assert_eq!(shown["failingSince"], "2026-11-21T01:00:01Z");
    assert_eq!(
        shown["lastFailure"],
        json!({"at": "2026-11-21T01:00:01Z", "outcome": "status", "statusCode": 503})
    );
    assert!(shown["words"].as_str().unwrap().contains("no attempt has succeeded since 2026"));
    relay.patch("/app/acme/endpoint/books", json!({"disabled": true})).expect(200);
    let shown = health(&relay, "books");
    assert_eq!(shown["status"], "disabled");
    assert_eq!(shown["words"], "it is disabled by a caller of the API");
    relay.get("/app/acme/endpoint/nobody/health").expect(404);
}

#[test]
fn what_is_counted_of_an_endpoint_has_an_end() {
    let relay = acme();
    let one = relay.state.store.application(&Reference::Name("acme".to_owned()));
    let (application, store) = (one.unwrap().id, relay.state.store.clone());
    // Below the bound of a page, above that of a list.
    for number in 0..250 {
        relay.open.as_ref().unwrap().accept(application, Some(&format!("{number}")), b"x").unwrap();
    }
    let id = store.endpoint(application, &Reference::Name("books".to_owned()));
    let id = id.unwrap().id;
    let waiting = store.waiting_of(id, 100);
    assert_eq!((waiting.count, waiting.exact), (100, false));
    assert_eq!(waiting.first_due, Some(store.now()));
    let waiting = store.waiting_of(id, 250);
    assert_eq!((waiting.count, waiting.exact), (250, true));
    relay.patch("/app/acme/endpoint/books", json!({"disabled": true})).expect(200);
    let listed = relay.get("/stats/endpoints?status=disabled").expect(200).json;
    assert_eq!(listed["data"][0]["waiting"], json!({"count": 200, "exact": false}));
    assert_eq!(health(&relay, "books")["waiting"], json!({"count": 250, "exact": true}));
}

#[test]
fn those_that_are_not_well_are_listed_the_worst_first() {
    let relay = acme();
    let listed = |query: &str| relay.get(&format!("/stats/endpoints{query}")).expect(200).json;
    assert_eq!(listed(""), json!({"data": [], "total": 0, "done": true}));
    send(&relay, "one", "a.b");
    settle(&relay, &next_ready(&relay), 500, retry(&relay));
    for uid in ["off-1", "off-2"] {
        relay.folder.clock.advance(Duration::from_secs(1));
        endpoint(&relay, uid);
        relay.patch(&format!("/app/acme/endpoint/{uid}"), json!({"disabled": true})).expect(200);
    }
    endpoint(&relay, "fine");
    const EVERY: &str = "?status=parked,failing,paused,disabled";
    let all = listed(EVERY);
    let names = |all: &Value| {
        let data = all["data"].as_array().unwrap().iter();
        let name = |one: &Value| format!("{} {}", one["status"], one["endpointUid"]);
        data.map(|one| name(one).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(names(&all), ["failing books", "disabled off-1", "disabled off-2"]);
    let first = &all["data"][0];
    assert_eq!((&first["appUid"], &first["appName"]), (&"acme".into(), &"Acme".into()));
    assert_eq!(first["lastAttempt"]["statusCode"], 500);
    assert_eq!(first["since"], "2026-11-21T00:00:00Z");
    assert_eq!(names(&listed("?status=disabled")), ["disabled off-1", "disabled off-2"]);
    assert_eq!(names(&listed("?status=failing,parked")), ["failing books"]);
    assert_eq!(names(&listed("")), ["failing books"], "what is meant to be off is not told of");
    let part = listed(&format!("{EVERY}&limit=2"));
    assert_eq!((names(&part).len(), &part["total"], &part["done"]), (2, &3.into(), &false.into()));
    for wrong in ["?status=healthy", "?status=idle", "?status=failing,x", "?limit=0"] {
        assert_eq!(relay.get(&format!("/stats/endpoints{wrong}")).status, 422, "{wrong}");
    }
    let told = json!({"url": "https://o.example/", "disabled": true});
    relay.post("/operational-webhook/endpoint", told).expect(201);
    let all = listed(EVERY);
    let own = all["data"].as_array().unwrap().iter().find(|one| one["appId"].is_null()).unwrap();
    assert_eq!(own["appName"], "operational webhooks");
}

#[test]
fn attempts_are_counted_by_when_they_were_made() {
    let relay = acme();
    let history = |period: &str| {
        let path = format!("/app/acme/endpoint/books/attempt-history?period={period}");
        relay.get(&path).expect(200).json
    };
    let points = |period: &str, field: &str| {
        let shown = history(period);
        let points = shown["points"].as_array().unwrap().iter().rev().enumerate();
        let counts = points.map(|(place, point)| (place, point[field].as_u64().unwrap()));
        counts.filter(|(_, count)| *count > 0).collect::<Vec<_>>()
    };
    let shown = history("hour");
    assert_eq!((&shown["complete"], &shown["stepSeconds"]), (&true.into(), &60.into()));
    assert_eq!(shown["since"], "2026-11-20T23:01:00Z");
    for minute in 0..3 {
        for number in 0..=minute {
            send(&relay, &format!("{minute}-{number}"), "a.b");
            let status = if number == 0 { 200 } else { 500 };
            let verdict = if number == 0 { Verdict::Delivered } else { retry(&relay) };
            settle(&relay, &next_ready(&relay), status, verdict);
        }
        relay.folder.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(points("hour", "delivered"), [(1, 1), (2, 1), (3, 1)]);
    assert_eq!(points("hour", "failed"), [(1, 2), (2, 1)]);
    assert_eq!(points("week", "failed"), [(0, 3)]);
    let total = &history("day")["total"];
    assert_eq!((&total["latencyP50Ms"], &total["latencyP99Ms"]), (&12.into(), &12.into()));
    relay.folder.clock.advance(Duration::from_secs(3_600));
    assert_eq!(points("hour", "delivered"), []);
    assert_eq!(points("day", "delivered"), [(4, 3)]);
    assert_eq!(
        relay.get("/app/acme/endpoint/books/attempt-history?period=x").problem(),
        "query.period"
    );
}

#[test]
fn a_count_of_attempts_that_is_cut_says_from_when_on() {
    let relay = acme();
    for number in 0..10 {
        send(&relay, &format!("{number}"), "a.b");
        let ready = next_ready(&relay);
        settle(&relay, &ready, 500, Verdict::Dead(DeadReason::Exhausted));
        relay.folder.clock.advance(Duration::from_secs(1));
    }
    let store = &relay.state.store;
    let application = Reference::Name("acme".to_owned());
    let application = store.application(&application).unwrap().id;
    let endpoint = Reference::Name("books".to_owned());
    let id = store.endpoint(application, &endpoint).unwrap().id;
    let mut seen = Vec::new();
    let since = Timestamp::default();
    let cut = store.attempts_since(id, since, 4, &mut |attempt| seen.push(attempt.started_at));
    assert_eq!(seen.len(), 4);
    assert_eq!(cut, seen.last().copied());
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
    let cut = store.attempts_since(id, since, 10, &mut |_| {});
    assert_eq!(cut, None, "that is all");
    let last = store.last_attempts(id, 3);
    assert_eq!(last.last.map(|one| one.outcome), Some(Outcome::Status));
    assert_eq!(last.success, None);
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let relay = Relay::with(|config| {
        config.data.sealing_key = Some(relay::config::secrets::SecretText::new("hidden-one"));
        config.redact.headers = vec!["x-mine".to_owned()];
    });
    let shown = relay.get("/config").expect(200).json;
    assert_eq!(shown["config"]["redact"]["headers"], json!(["x-mine"]));
    assert_eq!(shown["origins"], json!({}));
    assert!(!shown.to_string().contains("hidden-one"), "{shown}");
}
