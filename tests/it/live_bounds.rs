//! A live stream whose reader takes nothing keeps its place for a bounded time.

use std::time::{Duration, Instant};

use relay::config::units::Span;
use serde_json::json;

use crate::support::live::Stream;
use crate::support::server::Relay;

/// Far longer than the bound that is set.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than fits on the way.
const COUNT: usize = 400;
const SIZE: usize = 40_000;

/// Who asks for `path` and never reads is cut off, and another has the one place.
fn makes_room(path: &str) {
    let relay = Relay::with(|config| {
        config.server.live_streams = 1;
        config.server.write_timeout = Span(Duration::from_secs(4));
    });
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    for number in 0..COUNT {
        let body = json!({
            "eventType": "a.b", "eventId": number.to_string(),
            "payload": {"t": "x".repeat(SIZE)},
        });
        relay.post("/app/acme/msg", body).expect(202);
    }
    let mut never_read_on = Stream::raw(&relay, path, &[]);
    assert_eq!(never_read_on.head(), 200);
    relay.get("/live?follow=false").expect(503);
    let until = Instant::now() + PATIENCE;
    while relay.get("/live?follow=false").status == 503 {
        assert!(Instant::now() < until, "it keeps the place");
        std::thread::yield_now();
    }
    let path = "/live?follow=false&after=1970-01-01T00:00:00Z";
    let all = Stream::open(&relay, path, &[]).rest();
    assert_eq!(all.len(), COUNT, "another has all of it");
}

#[test]
fn who_never_reads_makes_room() {
    makes_room("/live?with_content=true&after=1970-01-01T00:00:00Z");
}

#[test]
fn so_does_who_wants_no_more_than_there_is() {
    makes_room("/live?with_content=true&follow=false&after=1970-01-01T00:00:00Z");
}
