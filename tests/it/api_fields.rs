//! Every field of every body, with what lies beyond its limit: 422, the place and words. The source
//! says which there are, so that a new one without a case fails here.

mod delivery;
mod elsewhere;
mod sources;
mod tokens;
mod transformations;
mod windows;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::server::Relay;
use crate::support::source;
use elsewhere::ELSEWHERE;

/// Wrong values of one field, each with the place that the answer names below `body`.
struct Case {
    field: &'static str,
    wrong: Vec<(Value, &'static str)>,
}

/// A case whose wrong values are all told of at the field itself.
fn at(field: &'static str, wrong: Vec<Value>) -> Case {
    Case { field, wrong: wrong.into_iter().map(|value| (value, field)).collect() }
}

impl Case {
    fn and(mut self, wrong: Value, place: &'static str) -> Case {
        self.wrong.push((wrong, place));
        self
    }
}

pub fn long(count: usize) -> String {
    "a".repeat(count)
}

fn uid() -> Case {
    at("uid", vec![json!("a b"), json!(""), json!(long(257)), json!(1)])
}

fn rate(field: &'static str) -> Case {
    at(field, vec![json!(0), json!(65_536), json!(-1), json!(1.5), json!("1")])
}

fn metadata() -> Case {
    at("metadata", vec![json!({"k": long(4_096)}), json!([]), json!("x")])
        .and(json!({"k": 1}), "metadata.k")
}

fn headers() -> Case {
    let many: serde_json::Map<String, Value> =
        (0..51).map(|number| (format!("x-{number}"), json!("v"))).collect();
    at("headers", vec![json!(many), json!([]), json!("x")])
        .and(json!({"Host": "x"}), "headers.Host")
        .and(json!({"Webhook-Id": "x"}), "headers.Webhook-Id")
        .and(json!({"a b": "x"}), "headers.a b")
        .and(json!({"": "x"}), "headers.")
        .and(json!({"a:b": "x"}), "headers.a:b")
        .and(json!({"x-a": "a\r\nb: c"}), "headers.x-a")
        .and(json!({"x-a": "\u{fc}"}), "headers.x-a")
        .and(json!({"x-a": long(4_097)}), "headers.x-a")
        .and(json!({"x-a": 1}), "headers.x-a")
        .and(json!({"X-A": "1", "x-a": "2"}), "headers.x-a")
}

fn event_types(field: &'static str, second: &'static str) -> Case {
    at(field, vec![json!([]), json!(vec!["a"; 501]), json!("a")])
        .and(json!(["a", "b*"]), second)
        .and(json!(["a", long(257)]), second)
        .and(json!(["a", 1]), second)
}

fn channels(each: bool) -> Case {
    let case = at("channels", vec![json!([]), json!(vec!["c"; 11]), json!("c")]);
    let place = if each { "channels.[0]" } else { "channels" };
    case.and(json!(["a b"]), place).and(json!([long(129)]), place).and(json!([1]), "channels.[0]")
}

fn application(patch: bool) -> Vec<Case> {
    let blank = ["", "   ", "\u{7}"].map(|name| json!(name));
    let mut name = at("name", blank.into_iter().chain([json!(long(257)), json!(1)]).collect());
    let mut data = metadata();
    if patch {
        name = name.and(json!(null), "name");
        data = data.and(json!(null), "metadata");
    }
    vec![name, uid(), rate("throttleRate"), rate("rateLimit"), data]
}

fn endpoint(patch: bool) -> Vec<Case> {
    let long_url = format!("https://h.example/{}", long(2_048));
    let urls = ["", "ftp://h.example", "h.example", "https://", "https://h.example/\r\nx: y"];
    let url = at("url", urls.map(|url| json!(url)).into_iter().collect());
    let mut secret = at("secret", vec![json!("whsec_AAAA"), json!(long(257)), json!(1)]);
    let mut cases = vec![
        url.and(json!(long_url), "url").and(json!(1), "url"),
        at("description", vec![json!(long(5_001)), json!("\u{0}"), json!(1)]),
        uid(),
        at("disabled", vec![json!("no"), json!(1)]),
        event_types("eventTypes", "eventTypes.[1]"),
        event_types("filterTypes", "filterTypes.[1]"),
        channels(true),
        sources::wanted(),
        sources::filter(),
        rate("throttleRate"),
        rate("rateLimit"),
        delivery::settings(),
        metadata(),
        at("version", vec![json!(0), json!(65_536), json!("1")]),
    ];
    if patch {
        // The key of an endpoint is changed by a rotation, so that receivers can follow.
        secret = secret.and(json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "secret");
    } else {
        cases.push(headers());
    }
    cases.push(secret);
    cases
}

fn event_type(kind: &str) -> Vec<Case> {
    let large = json!({"1": {"title": long(256 << 10)}});
    let flags = vec![json!(vec!["f"; 11]), json!(["a b"]), json!([long(257)]), json!("f")];
    let mut cases = vec![
        at("description", vec![json!(long(5_001)), json!("\u{0}"), json!(1)]),
        at("archived", vec![json!("no"), json!(1)]),
        at("deprecated", vec![json!("no"), json!(1)]),
        at("schemas", vec![json!({"1": 1}), json!([]), json!("x"), large]),
        at("featureFlag", vec![json!("a b"), json!(""), json!(long(257)), json!(1)]),
        at("featureFlags", flags).and(json!([1]), "featureFlags.[0]"),
        at("groupName", vec![json!("a b"), json!(""), json!(long(257)), json!(1)]),
    ];
    match kind {
        // The path has the name; what the body says of it is not looked at beyond its kind.
        "PUT" => cases.push(at("name", vec![json!(1)])),
        "POST" => {
            let names = vec![json!(""), json!("a.*"), json!("a b"), json!(long(257)), json!(1)];
            cases.push(at("name", names));
        }
        _ => {}
    }
    cases
}

fn message() -> Vec<Case> {
    let params = "transformationsParams";
    let content_type = "transformationsParams.headers.content-type";
    let sent = |value: Value| json!({"headers": {"content-type": value}});
    vec![
        at("eventType", vec![json!(""), json!("a.*"), json!("a b"), json!(long(257)), json!(1)]),
        at("payload", vec![json!([1]), json!("x"), json!(1), json!(null)]),
        at("eventId", vec![json!("a b"), json!(""), json!(long(257)), json!(1)]),
        channels(false),
        at("tags", vec![json!(vec!["t"; 6]), json!([""]), json!([long(129)]), json!(["a\u{0}"])])
            .and(json!([1]), "tags.[0]"),
        at("deliverAt", vec![json!("soon"), json!("2027-11-21T00:00:00Z"), json!(1)]),
        at("payloadRetentionPeriod", vec![json!("x"), json!(-1)]),
        at("payloadRetentionHours", vec![json!("x"), json!(-1)]),
        at(params, vec![json!(1)])
            .and(json!({"rawPayload": 1}), "transformationsParams.rawPayload")
            .and(json!({"rawPayloadBase64": 1}), "transformationsParams.rawPayloadBase64")
            .and(json!({"rawPayloadBase64": "?"}), "transformationsParams.rawPayloadBase64")
            .and(
                json!({"rawPayloadBase64": "", "rawPayload": ""}),
                "transformationsParams.rawPayloadBase64",
            )
            .and(json!({"headers": 1}), "transformationsParams.headers")
            .and(sent(json!("text")), content_type)
            .and(sent(json!("text/a\r\nb: c")), content_type)
            .and(sent(json!(format!("text/{}", long(252)))), content_type)
            .and(json!({"headers": {"content-type": "a/b", "Content-Type": "a/c"}}), content_type),
    ]
}

/// Method, path, the struct that its body is read as, a right body, and the cases.
type Call = (&'static str, &'static str, &'static str, Value, Vec<Case>);

fn plan() -> Vec<Case> {
    let key = |field: &str, value: Value| {
        let mut key = json!({"application": "a", "endpoint": "e", "key": "x"});
        key[field] = value;
        json!([key])
    };
    let own = vec![
        at("application", vec![json!(1)])
            .and(json!([{"uid": "a b"}]), "application[0].uid")
            .and(json!([{"uid": 1}]), "application.[0].uid"),
        at("event_type", vec![json!(1)])
            .and(json!([{"name": "a b"}]), "event_type[0].name")
            .and(json!([{"name": 1}]), "event_type.[0].name"),
        at("endpoint", vec![json!(1)])
            .and(json!([{"uid": "e", "url": "ftp://x"}]), "endpoint[0].url")
            .and(json!([{"uid": "e", "url": 1}]), "endpoint.[0].url"),
        at("keys", vec![json!(1)])
            .and(key("key", json!("x")), "keys[0].key")
            .and(key("key", json!(1)), "keys.[0].key")
            .and(key("application", json!(1)), "keys.[0].application")
            .and(key("endpoint", json!(1)), "keys.[0].endpoint"),
        at("unknown", vec![json!(1)]),
    ];
    own.into_iter().chain(sources::plan()).collect()
}

fn bodies() -> Vec<Call> {
    let app = json!({"name": "a"});
    let url = json!({"url": "https://h.example/"});
    let described = json!({"name": "c", "description": ""});
    let own = "/app/acme/endpoint/e";
    let deleted = at("deleteHeaders", vec![json!(vec!["x-a"; 51]), json!("x-a")])
        .and(json!(["a b"]), "deleteHeaders.[0]")
        .and(json!(["x-a", "Host"]), "deleteHeaders.[1]");
    let rotated = vec![
        at("key", vec![json!(""), json!("whsec_AAAA"), json!(long(257)), json!(1)]),
        at("gracePeriodSeconds", vec![json!(604_801), json!(-1), json!("1")]),
    ];
    let example = vec![
        at("eventType", vec![json!("none"), json!(1)]),
        at("exampleIndex", vec![json!(7), json!(-1), json!("0")]),
    ];
    let plan = plan();
    let patched = vec![headers().and(json!({"a b": null}), "headers.a b"), deleted];
    vec![
        ("POST", "/app", "ApplicationIn", app.clone(), application(false)),
        ("PUT", "/app/acme", "ApplicationIn", app, application(false)),
        ("PATCH", "/app/acme", "ApplicationPatch", json!({}), application(true)),
        ("POST", "/app/acme/endpoint", "EndpointIn", url.clone(), endpoint(false)),
        ("PUT", own, "EndpointIn", url, endpoint(false)),
        ("PATCH", own, "EndpointPatch", json!({}), endpoint(true)),
        ("PUT", "/app/acme/endpoint/e/headers", "HeadersIn", json!({}), vec![headers()]),
        ("PATCH", "/app/acme/endpoint/e/headers", "HeadersPatchIn", json!({}), patched),
        ("POST", "/app/acme/endpoint/e/secret/rotate", "RotateIn", json!({}), rotated),
        ("POST", "/event-type", "EventTypeIn", described.clone(), event_type("POST")),
        ("PUT", "/event-type/c", "EventTypeIn", described, event_type("PUT")),
        ("PATCH", "/event-type/a.b", "EventTypePatch", json!({}), event_type("PATCH")),
        ("POST", "/app/acme/msg", "MessageIn", json!({"eventType": "a", "payload": {}}), message()),
        (
            "POST",
            "/app/acme/endpoint/e/send-example",
            "ExampleIn",
            json!({"eventType": "a.b"}),
            example,
        ),
        ("POST", "/config/plan", "PlanIn", json!({}), plan),
    ]
    .into_iter()
    .chain(windows::windows())
    .chain(tokens::bodies())
    .chain(sources::bodies())
    .chain(transformations::bodies())
    .collect()
}

/// With an application, an endpoint, an event type and a message in it.
pub fn relay() -> Relay {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let endpoint = json!({"url": "https://h.example/", "uid": "e"});
    relay.post("/app/acme/endpoint", endpoint).expect(201);
    let config = json!({"secret": "s"});
    let source = json!({
        "name": "s", "uid": "s", "type": "github", "application": "acme", "config": config,
    });
    relay.post("/source", source).expect(201);
    let schemas = json!({"1": {"examples": [{"a": 1}]}});
    let event_type = json!({"name": "a.b", "description": "", "schemas": schemas});
    relay.post("/event-type", event_type).expect(201);
    let message = json!({"eventType": "a.b", "payload": {}, "eventId": "one"});
    relay.post("/app/acme/msg", message).expect(202);
    relay
}

#[test]
fn every_field_beyond_its_limit() {
    let relay = relay();
    let before = [relay.get("/app").json, relay.get("/app/acme/endpoint").json];
    for (method, path, _, right, cases) in bodies() {
        for Case { field, wrong } in cases {
            for (value, place) in wrong {
                let mut body = right.clone();
                body[field] = value;
                let mut shown = format!("{method} {path} {body}");
                shown.truncate(200);
                let answer = relay.send(method, path, &[], Some(&body.to_string()));
                assert_eq!(answer.status, 422, "{shown}: {answer:?}");
                let first = &answer.json["detail"][0];
                assert!(first["msg"].as_str().is_some_and(|msg| msg.len() > 5), "{shown}");
                assert_eq!(answer.problem(), format!("body.{place}"), "{shown}");
            }
        }
    }
    let after = [relay.get("/app").json, relay.get("/app/acme/endpoint").json];
    assert_eq!(before, after, "nothing was changed");
}

#[test]
fn fields_that_must_be_there() {
    let relay = relay();
    for (method, path, missing) in [
        ("POST", "/app", "name"),
        ("PUT", "/app/acme", "name"),
        ("POST", "/app/acme/endpoint", "url"),
        ("PUT", "/app/acme/endpoint/e", "url"),
        ("PUT", "/app/acme/endpoint/e/headers", "headers"),
        ("POST", "/app/acme/endpoint/e/send-example", "eventType"),
        ("PUT", "/event-type/c", "description"),
        ("POST", "/event-type", "description"),
        ("POST", "/app/acme/msg", "eventType"),
    ] {
        let place = relay.send(method, path, &[], Some("{}")).problem();
        assert_eq!(place, format!("body.{missing}"), "{method} {path}");
    }
    assert_eq!(relay.post("/app/acme/msg", json!({"eventType": "a"})).problem(), "body.payload");
    assert_eq!(relay.post("/event-type", json!({"description": ""})).problem(), "body.name");
}

/// The last value within each limit is taken.
#[test]
fn fields_at_their_limit() {
    let relay = relay();
    let app = json!({
        "name": long(256), "uid": long(256), "throttleRate": 65_535,
        "metadata": {"k": long(4_095)},
    });
    relay.post("/app", app).expect(201);
    let mut headers: serde_json::Map<String, Value> =
        (0..49).map(|number| (format!("x-{number}"), json!("v"))).collect();
    headers.insert(format!("x-{}", long(254)), json!(long(4_096)));
    let endpoint = json!({
        "url": format!("https://h.example/{}", long(2_048 - 18)), "description": long(5_000),
        "eventTypes": vec!["a"; 500], "channels": vec![long(128); 10], "headers": headers,
        "version": 65_535,
    });
    relay.post("/app/acme/endpoint", endpoint).expect(201);
    let event_type = json!({
        "name": long(256), "description": long(5_000), "featureFlags": vec![long(256); 10],
        "groupName": long(256),
    });
    relay.post("/event-type", event_type).expect(201);
    let message = json!({
        "eventType": long(256), "payload": {}, "eventId": long(256),
        "channels": vec![long(128); 10], "tags": vec![long(128); 5],
        "deliverAt": "2027-02-19T00:00:00Z",
        "transformationsParams": {
            "rawPayload": "x", "headers": {"content-type": format!("text/{}", long(251))},
        },
    });
    relay.post("/app/acme/msg", message).expect(202);
    let rotated = json!({"gracePeriodSeconds": 604_800});
    relay.post("/app/acme/endpoint/e/secret/rotate", rotated).expect(200);
}

#[test]
fn the_table_has_every_field() {
    let elsewhere = ELSEWHERE.iter().chain(&delivery::ELSEWHERE);
    let mut covered: BTreeSet<(String, String)> =
        elsewhere.map(|(kind, field)| ((*kind).to_owned(), (*field).to_owned())).collect();
    for (method, path, kind, _, cases) in bodies() {
        let own: BTreeSet<String> = cases.iter().map(|case| case.field.to_owned()).collect();
        for (_, field) in source::fields().into_iter().filter(|(name, _)| name == kind) {
            let elsewhere = ELSEWHERE.contains(&(kind, field.as_str()));
            let plain =
                if kind == "PlanIn" { field.replace("eventType", "event_type") } else { field };
            assert!(elsewhere || own.contains(&plain), "{method} {path}: no case for {plain}");
            covered.insert((kind.to_owned(), plain.replace("event_type", "eventType")));
        }
    }
    let known = source::fields();
    assert!(known.len() > 50, "{known:#?}");
    let missing: Vec<_> = known.difference(&covered).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
