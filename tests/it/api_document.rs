//! `docs/openapi.json` against the server: the same routes, the same limits, and nothing left out.

use std::collections::BTreeSet;

use actix_web::http::Method;
use relay::config::Config;
use relay::domain::{endpoint_url, headers, subscription};
use relay::http::api::limits;
use relay::http::routes;
use serde_json::{Value, json};

use crate::support::document::{DOCUMENT, Document};
use crate::support::server::{Relay, parse};
use crate::support::walk::role;

/// Lists of what a caller sends that only the body's length bounds.
const BOUNDED_AS_A_WHOLE: [&str; 6] = [
    "PlanIn.application",
    "PlanIn.event_type",
    "PlanIn.endpoint",
    "PlanIn.keys",
    "PlanIn.source",
    "PlanIn.secrets",
];

/// A path without the names in its braces, which are short in routes and told in the document.
fn bare(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_is_documented_and_nothing_else() {
    let served: BTreeSet<(String, String, bool)> = routes::all()
        .into_iter()
        .map(|route| (bare(&route.path), route.method.to_string(), route.guarded))
        .collect();
    let told: BTreeSet<(String, String, bool)> = Document::read()
        .operations()
        .into_iter()
        .map(|call| (bare(call.path), call.method.clone(), role(&call).is_some()))
        .collect();
    let missing: Vec<_> = served.difference(&told).collect();
    assert!(missing.is_empty(), "add to docs/openapi.json: {missing:#?}");
    let gone: Vec<_> = told.difference(&served).collect();
    assert!(gone.is_empty(), "docs/openapi.json tells of what is not served: {gone:#?}");
    assert!(served.len() > 50, "only {} routes listed", served.len());
}

/// The table that is walked is the one that is served.
#[test]
fn every_route_is_there() {
    let relay = Relay::start();
    for route in routes::all() {
        for path in [route.path.clone(), format!("{}/", route.path)] {
            let other = Method::OPTIONS;
            let answer = relay.call(other.as_str(), &path, &[], None);
            assert_eq!(answer.status, 405, "{path} takes {} and no {other}", route.method);
        }
    }
}

#[test]
fn it_is_served_as_it_stands() {
    let relay = Relay::start();
    let request = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = relay.raw(request.as_bytes());
    assert!(answer.ends_with(DOCUMENT.as_bytes()), "byte for byte, without a key");
    assert_eq!(parse(&answer).header("content-type"), Some("application/json"));
    let document = &Document::read().0;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let relay = Relay::with(|config| {
        config.server.public_url = Some("https://hooks.example.com/relay/".parse().unwrap());
    });
    let mut served = relay.get("/openapi.json").expect(200).json;
    assert_eq!(served["servers"], json!([{"url": "https://hooks.example.com/relay"}]));
    served["servers"] = document["servers"].clone();
    assert_eq!(served, *document, "nothing else depends on where it is served");
}

/// The page, its style and its script, to anybody and from nowhere else.
#[test]
fn the_page_needs_this_server_alone() {
    let relay = Relay::start();
    let open = |path: &str| relay.call("GET", path, &[("authorization", "")], None);
    let page = open("/docs").expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("link"), Some("<api/v1/openapi.json>; rel=\"service-desc\""));
    let html = page.json.as_str().unwrap();
    assert!(html.contains("href=\"api/v1/openapi.json\""), "the document is one link away");
    let linked = |part: &str| part.split('"').next().unwrap().to_owned();
    let ways = ["href=\"", "src=\""].map(|way| html.split(way).skip(1).map(linked));
    let links: BTreeSet<String> = ways.into_iter().flatten().collect();
    let named = |link: &&String| !link.starts_with('#') && *link != "data:,";
    for link in links.iter().filter(named) {
        assert!(!link.contains(':') && !link.starts_with('/'), "{link} leads elsewhere");
        open(&format!("/{link}")).expect(200);
    }
    assert!(links.len() > 4, "{links:?}");
    for path in ["/docs", "/docs/docs.css", "/docs/docs.js"] {
        let answer = open(path).expect(200);
        let policy = answer.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(
            policy.contains("require-trusted-types-for 'script'") && !policy.contains("unsafe")
        );
        let text = answer.json.as_str().unwrap();
        let foreign = ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacent", "eval("];
        for word in foreign {
            assert!(!text.contains(word), "{path} holds {word}");
        }
        let inline = [" style=", " onclick=", "<style"].iter().any(|word| text.contains(word));
        assert!(!inline, "{path} holds what its own policy forbids");
    }
    let slash = relay.raw(b"GET /docs/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(parse(&slash).header("location"), Some("../docs"));
}

#[test]
fn every_call_is_told_in_full() {
    let document = Document::read();
    let tags = document.0["tags"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for call in document.operations() {
        let what = format!("{} {}", call.method, call.path);
        let id = call.told["operationId"].as_str().unwrap_or_default();
        assert!(ids.insert(id), "{what}: a second {id}");
        let begins = id.split('.').next().unwrap();
        let shaped = id.split('.').count() == 3 && ["v1", "relay"].contains(&begins);
        assert!(shaped, "{what}: an operationId is written as v1.message.create, not {id}");
        let tag = &call.told["tags"][0];
        assert!(tags.iter().any(|told| told["name"] == *tag), "{what}: the tag {tag} is not told");
        assert!(call.told["summary"].as_str().is_some_and(|words| words.len() > 2), "{what}");
        let statuses = call.told["responses"].as_object().unwrap();
        for status in expected(&call.method, call.told) {
            assert!(statuses.contains_key(status), "{what} can be answered {status} too");
        }
        assert!(statuses.keys().any(|status| status.starts_with('2')), "{what}: when all is well");
        let parameters = document.parameters(call.told);
        let in_path = call.path.split('/').filter_map(|part| part.strip_prefix('{'));
        for name in in_path.map(|part| part.trim_end_matches('}')) {
            let told = parameters.iter().find(|told| told["name"] == name && told["in"] == "path");
            let bound = told.and_then(|told| told["schema"]["maxLength"].as_u64());
            assert_eq!(bound, Some(limits::UID_MAX as u64), "{what}: tell of {name}");
        }
        if let Some(schema) = document.json(&call.told["requestBody"]) {
            assert!(schema["examples"].is_array(), "{what}: give an example of its body");
        }
    }
}

/// What can happen to every call of a kind, before its handler or in what all handlers use.
fn expected(method: &str, told: &Value) -> Vec<&'static str> {
    let document = Document::read();
    let parameters = document.parameters(told);
    let mut statuses = Vec::new();
    if method != "HEAD" {
        statuses.push("400");
    }
    // It alone is answered while the journal is read back.
    if method != "HEAD" && told["operationId"] != "relay.health.alive" {
        statuses.push("503");
    }
    if told["security"][0].is_object() {
        statuses.extend(["401", "429", "500"]);
        if method != "GET" {
            statuses.extend(["403", "409", "507"]);
        }
        if parameters.iter().any(|parameter| parameter["in"] == "path") {
            statuses.push("404");
        }
    }
    if parameters.iter().any(|parameter| parameter["in"] != "path") {
        statuses.push("422");
    }
    if told["requestBody"].is_object() {
        statuses.extend(["408", "413", "415", "422"]);
    }
    statuses
}

/// Everything below `components` is reached, and told in words; examples are as their schema says.
#[test]
fn every_shape_is_told_in_full() {
    let document = Document::read();
    let components = document.0["components"].as_object().unwrap();
    for (kind, named) in components.iter().filter(|(kind, _)| *kind != "securitySchemes") {
        for name in named.as_object().unwrap().keys() {
            let used = DOCUMENT.contains(&format!("\"#/components/{kind}/{name}\""));
            assert!(used, "components/{kind}/{name} is not used");
        }
    }
    references(&document.0);
    for (name, schema) in components["schemas"].as_object().unwrap() {
        let examples = schema["examples"].as_array();
        assert!(examples.is_some_and(|examples| !examples.is_empty()), "{name} has no example");
        for example in examples.into_iter().flatten() {
            let wrong = document.problems(schema, example, true);
            assert!(wrong.is_empty(), "the example of {name}: {wrong:#?}");
        }
        assert!(schema["description"].is_string(), "{name} has no description");
        for (field, told) in schema["properties"].as_object().unwrap() {
            let in_words = told["description"].is_string() || told["$ref"].is_string();
            assert!(in_words, "{name}.{field} has no description");
            let whole = BOUNDED_AS_A_WHOLE.contains(&format!("{name}.{field}").as_str());
            let bounded = whole || is_bounded(told);
            assert!(bounded || !is_input(name), "{name}.{field} has no limit");
        }
    }
}

fn references(value: &Value) {
    if value["$ref"].is_string() {
        Document::read().follow(value);
    }
    value.as_array().into_iter().flatten().for_each(references);
    value.as_object().into_iter().flat_map(|fields| fields.values()).for_each(references);
}

/// Whether what a caller sends as this has an end of its own.
fn is_bounded(told: &Value) -> bool {
    let kinds = told["type"].to_string();
    let has = |names: &[&str]| names.iter().any(|name| !told[name].is_null());
    if kinds.contains("string") {
        has(&["maxLength", "enum", "format", "const"])
    } else if kinds.contains("integer") {
        has(&["maximum", "enum"])
    } else {
        !kinds.contains("array") || has(&["maxItems"])
    }
}

/// The figures of the document are those of the code, in every shape that a caller sends.
#[test]
fn limits_are_the_same() {
    let figures = [
        ("name", "/maxLength", limits::NAME_MAX),
        ("uid", "/maxLength", limits::UID_MAX),
        ("eventId", "/maxLength", limits::UID_MAX),
        ("groupName", "/maxLength", limits::UID_MAX),
        ("description", "/maxLength", limits::DESCRIPTION_MAX),
        ("url", "/maxLength", endpoint_url::MAX_URL_BYTES),
        ("metadata", "/x-max-bytes", limits::METADATA_MAX),
        ("schemas", "/x-max-bytes", limits::SCHEMAS_MAX),
        ("featureFlag", "/maxLength", limits::UID_MAX),
        ("featureFlags", "/maxItems", limits::FEATURE_FLAGS_MAX),
        ("featureFlags", "/items/maxLength", limits::UID_MAX),
        ("tags", "/maxItems", limits::TAGS_MAX),
        ("tags", "/items/maxLength", limits::TAG_MAX),
        ("eventType", "/maxLength", subscription::EVENT_TYPE_MAX),
        ("eventTypes", "/maxItems", subscription::EVENT_TYPES_MAX),
        ("channel", "/maxLength", subscription::CHANNEL_MAX),
        ("tag", "/maxLength", limits::TAG_MAX),
        ("eventTypes", "/items/maxLength", subscription::EVENT_TYPE_MAX),
        ("filterTypes", "/maxItems", subscription::EVENT_TYPES_MAX),
        ("channels", "/maxItems", subscription::CHANNELS_MAX),
        ("channels", "/items/maxLength", subscription::CHANNEL_MAX),
        ("headers", "/maxProperties", headers::HEADERS_MAX),
        ("headers", "/propertyNames/maxLength", headers::HEADER_NAME_MAX),
        ("headers", "/additionalProperties/maxLength", headers::HEADER_VALUE_MAX),
        ("deleteHeaders", "/maxItems", headers::HEADERS_MAX),
        ("secret", "/maxLength", limits::KEY_TEXT_MAX),
        ("key", "/maxLength", limits::KEY_TEXT_MAX),
        ("throttleRate", "/maximum", usize::from(u16::MAX)),
        ("rateLimit", "/maximum", usize::from(u16::MAX)),
        ("gracePeriodSeconds", "/maximum", limits::GRACE_MAX.as_secs() as usize),
    ];
    let components = &Document::read().0["components"];
    for (field, place, figure) in figures {
        let mut found = 0;
        for (name, schema) in components["schemas"].as_object().unwrap() {
            let told = &schema["properties"][field];
            if is_input(name) && !told.is_null() {
                let right = told.pointer(place) == Some(&json!(figure));
                assert!(right, "{name}.{field}{place} is {figure} in the code");
                found += 1;
            }
        }
        assert!(found > 0, "no shape has a {field} any more: correct this table");
    }
    let content_type = "/schemas/MessageIn/properties/transformationsParams/properties/headers\
                        /properties/content-type/maxLength";
    for (place, figure) in [
        (content_type, limits::CONTENT_TYPE_MAX as u64),
        ("/parameters/limit/schema/maximum", limits::PAGE_MAX),
        ("/parameters/limit/schema/default", limits::PAGE_DEFAULT),
        ("/parameters/idempotency-key/schema/maxLength", limits::IDEMPOTENCY_KEY_MAX as u64),
    ] {
        assert_eq!(components.pointer(place), Some(&json!(figure)), "{place}");
    }
    let days = limits::DELIVER_AT_MAX.as_secs() / 86_400;
    assert!(DOCUMENT.contains(&format!("due, at most {days} days ahead")));
    let told = format!("at most `intake.max_body` bytes, {}", Config::default().intake.max_body);
    assert!(DOCUMENT.contains(&told), "{told}");
}

/// Whether callers send it, by its name.
fn is_input(schema: &str) -> bool {
    ["In", "Patch", "Update"].iter().any(|end| schema.ends_with(end))
}
