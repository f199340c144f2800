//! What is counted, kept by the minute and shown: the points of a chart over restarts and crashes.

use std::time::Duration;

use relay::domain::delivery::DeadReason;
use relay::domain::figures::Counted;
use relay::store::Verdict;
use serde_json::{Value, json};

use crate::support::acme::{acme, next_ready, send, settle};
use crate::support::image;
use crate::support::server::{PUBLIC_URL, Relay};

const MINUTE: Duration = Duration::from_secs(60);

fn history(relay: &Relay, period: &str) -> Value {
    relay.get(&format!("/stats/history?period={period}")).expect(200).json
}

/// The points in which anything was, as their places from the end and one of their counts.
fn counted(relay: &Relay, period: &str, field: &str) -> Vec<(usize, u64)> {
    let shown = history(relay, period);
    let points = shown["points"].as_array().unwrap().iter().rev().enumerate();
    let counts = points.map(|(place, point)| (place, point[field].as_u64().unwrap()));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn sequence(relay: &Relay) -> u64 {
    relay.state.store.figures().sequence
}

#[test]
fn a_chart_has_equal_steps_and_the_running_minute() {
    let relay = acme();
    send(&relay, "one", "a.b");
    for (period, points, step) in [("hour", 60, 60), ("day", 96, 900), ("week", 168, 3_600)] {
        let shown = history(&relay, period);
        assert_eq!((&shown["period"], &shown["stepSeconds"]), (&json!(period), &json!(step)));
        let all = shown["points"].as_array().unwrap();
        assert_eq!(all.len(), points, "{period}");
        assert_eq!(all[points - 1]["at"], "2026-11-21T00:00:00Z", "{period}");
        assert_eq!(all[points - 1]["accepted"], 1, "{period}");
        assert_eq!(all[points - 1]["latencyP50Ms"], Value::Null, "{period}");
        assert_eq!(shown["total"]["accepted"], 1, "{period}");
    }
    assert_eq!(relay.get("/stats/history").json["period"], "hour");
    let wrong = relay.get("/stats/history?period=year");
    assert_eq!(wrong.problem(), "query.period");
}

#[test]
fn everything_is_counted_where_it_happens() {
    let relay = acme();
    for name in ["one", "two", "three"] {
        send(&relay, name, "a.b");
    }
    settle(&relay, &next_ready(&relay), 500, Verdict::Dead(DeadReason::Exhausted));
    relay.post("/app", json!({"name": "Second", "uid": "second"})).expect(201);
    let source = json!({"name": "shop", "type": "github", "application": "second",
        "config": {"secret": "s"}});
    let source = relay.post("/source", source).expect(201);
    relay.receive(source.text("ingestUrl").strip_prefix(PUBLIC_URL).unwrap(), &[], "{}");
    // As the driver does after an attempt.
    let flow = &relay.state.metrics.flow;
    flow.failed();
    (1..=100).for_each(|millis| flow.delivered(Some(Duration::from_millis(millis * 10))));
    let shown = history(&relay, "hour")["total"].take();
    for (field, count) in
        [("accepted", 3), ("received", 1), ("delivered", 100), ("failed", 1), ("dead", 1)]
    {
        assert_eq!(shown[field], count, "{field} of {shown}");
    }
    let near = |field: &str, expected: f64| {
        let found = shown[field].as_f64().unwrap();
        assert!((found - expected).abs() <= expected / 10.0, "{field} of {shown}");
    };
    near("latencyP50Ms", 500.0);
    near("latencyP99Ms", 990.0);
}

#[test]
fn minutes_in_which_nothing_happened_are_not_written() {
    let relay = acme();
    relay.state.minutes.tick().unwrap();
    let idle = sequence(&relay);
    for _ in 0..10 {
        relay.folder.clock.advance(MINUTE);
        relay.state.minutes.tick().unwrap();
    }
    relay.state.minutes.finish().unwrap();
    assert_eq!(sequence(&relay), idle, "an idle relay writes nothing");
    send(&relay, "one", "a.b");
    let sent = sequence(&relay);
    relay.state.minutes.tick().unwrap();
    assert_eq!(sequence(&relay), sent, "the minute is not over");
    relay.folder.clock.advance(MINUTE);
    relay.state.minutes.tick().unwrap();
    relay.state.minutes.tick().unwrap();
    let written = sequence(&relay) - sent;
    assert!((1..=2).contains(&written), "one record, and the seal behind it: {written}");
    assert_eq!(counted(&relay, "hour", "accepted"), [(1, 1)]);
}

#[test]
fn a_restart_goes_on_with_the_minute_it_was_in() {
    let relay = acme();
    send(&relay, "one", "a.b");
    relay.folder.clock.advance(MINUTE);
    relay.state.minutes.tick().unwrap();
    send(&relay, "two", "a.b");
    relay.state.minutes.finish().unwrap();
    // The stop is in the same minute as the next start.
    let relay = relay.restart();
    assert_eq!(counted(&relay, "hour", "accepted"), [(0, 1), (1, 1)]);
    send(&relay, "three", "a.b");
    assert_eq!(counted(&relay, "hour", "accepted"), [(0, 2), (1, 1)]);
    relay.folder.clock.advance(MINUTE);
    relay.state.minutes.tick().unwrap();
    assert_eq!(counted(&relay, "hour", "accepted"), [(1, 2), (2, 1)]);
    relay.state.minutes.finish().unwrap();
    let relay = relay.restart();
    assert_eq!(counted(&relay, "hour", "accepted"), [(1, 2), (2, 1)]);
    assert_eq!(counted(&relay, "day", "accepted"), [(0, 3)]);
}

#[test]
fn a_crash_loses_the_running_minute_and_no_other() {
    let relay = acme();
    for (minute, count) in [2, 3, 4].into_iter().enumerate() {
        for number in 0..count {
            send(&relay, &format!("{minute}-{number}"), "a.b");
        }
        if minute < 2 {
            relay.folder.clock.advance(MINUTE);
            relay.state.minutes.tick().unwrap();
        }
    }
    assert_eq!(counted(&relay, "hour", "accepted"), [(0, 4), (1, 3), (2, 2)]);
    let crashed = Relay::over(image::copy(&relay.folder));
    assert_eq!(counted(&crashed, "hour", "accepted"), [(1, 3), (2, 2)]);
}

#[test]
fn what_is_older_than_eight_days_goes() {
    let relay = acme();
    let clock = relay.folder.clock.clone();
    let store = relay.state.store.clone();
    let one = Counted { accepted: 1, ..Counted::default() };
    let old = (0..300).map(|number| (store.now() + MINUTE * number, one.clone()));
    store.keep_minutes(old.collect()).unwrap();
    clock.advance(MINUTE * 300);
    let kept = || store.minutes(Default::default()).len();
    clock.advance(MINUTE * 60 * 24 * 8 - MINUTE * 300);
    while store.sweep_minutes().unwrap() {}
    assert_eq!(kept(), 300);
    clock.advance(MINUTE * 10);
    while store.sweep_minutes().unwrap() {}
    assert_eq!(kept(), 290);
    clock.advance(MINUTE * 400);
    assert!(store.sweep_minutes().unwrap(), "in steps");
    while store.sweep_minutes().unwrap() {}
    assert_eq!(kept(), 0);
    assert!(counted(&relay, "week", "accepted").is_empty());
}

/// While nothing may be written they wait in memory.
#[test]
fn a_full_disk_costs_no_minute() {
    let relay = acme();
    send(&relay, "one", "a.b");
    relay.state.store.refuse(Some("full".to_owned()));
    let before = sequence(&relay);
    for _ in 0..3 {
        relay.folder.clock.advance(MINUTE);
        relay.state.minutes.tick().unwrap();
    }
    assert_eq!(sequence(&relay), before);
    assert_eq!(counted(&relay, "hour", "accepted"), [(3, 1)]);
    relay.state.store.refuse(None);
    relay.state.minutes.tick().unwrap();
    assert!(sequence(&relay) > before);
    assert_eq!(counted(&relay, "hour", "accepted"), [(3, 1)]);
}
