//! Fields of the calls for sources and their requests.

use serde_json::json;

use super::{Call, Case, at, long, metadata, uid};

/// The sources that an endpoint asks for.
pub fn wanted() -> Case {
    at("sources", vec![json!([]), json!(vec!["s"; 101]), json!("s")])
        .and(json!(["s", "a b"]), "sources.[1]")
        .and(json!([1]), "sources.[0]")
}

/// What it asks of the content.
pub fn filter() -> Case {
    let deep = (0..40).fold(json!(1), |inner, _| json!({"a": inner}));
    at("filter", vec![json!(1), json!("x"), json!([])])
        .and(json!({"bdy": {}}), "filter.bdy")
        .and(json!({"body": {"a": {"$gt": true}}}), "filter.body.a.$gt")
        .and(json!({"body": {"a": {"$regex": "("}}}), "filter.body.a.$regex")
        .and(json!({"body": {"a": {"$foo": 1}}}), "filter.body.a.$foo")
        .and(json!({"body": deep}), filter_place(32))
}

fn filter_place(levels: usize) -> &'static str {
    let place = format!("filter.body{}", ".a".repeat(levels - 1));
    Box::leak(place.into_boxed_str())
}

fn source() -> Vec<Case> {
    let methods = vec![json!(["BREW"]), json!("POST"), json!([])];
    vec![
        at("name", vec![json!(""), json!(long(257)), json!("\u{0}"), json!(1)]),
        uid(),
        at("type", vec![json!("nobody"), json!(""), json!(1)]),
        at("config", vec![json!(1)])
            .and(json!({"secrets": vec!["s"; 11]}), "config.secrets")
            .and(json!({"secret": long(8_193)}), "config.secret")
            .and(json!({"secret": ""}), "config.secret")
            .and(json!({"secret": 1}), "config.secret")
            .and(json!({"secrets": ["a", ""]}), "config.secret")
            .and(json!({"verifyToken": 1}), "config.verifyToken"),
        metadata(),
        at("application", vec![json!("nobody"), json!(1)]),
        at("verification", vec![json!({"signature": {"header": "x"}})]),
        at("token", vec![json!("short"), json!(long(129)), json!("a/0123456789abcdef"), json!(1)]),
        at("methods", methods).and(json!([1]), "methods.[0]"),
        at("maxBody", vec![json!(-1), json!("1")]),
        at("eventType", vec![json!("a b"), json!(""), json!(long(257)), json!(1)]),
        at("channels", vec![json!(vec!["c"; 11]), json!(["a b"]), json!("c")])
            .and(json!([1]), "channels.[0]"),
        at("dedup", vec![json!("id"), json!(1)])
            .and(json!([]), "dedup.fields")
            .and(json!(["id"]), "dedup.fields")
            .and(json!(vec!["body.id"; 21]), "dedup.fields"),
        at("dedupWindowSeconds", vec![json!(0), json!(604_801), json!(-1), json!("1")]),
        at("mode", vec![json!("off"), json!(1)]),
        at("setUp", vec![json!("yes"), json!(1)]),
        at("cloudEvents", vec![json!("yes"), json!(1)]),
        at("publicKey", vec![json!(""), json!(long(8_193)), json!("\u{fc}"), json!(1)]),
        at("expiresAt", vec![json!("soon"), json!("2026-11-21"), json!(1)]),
        at("refusalStatus", vec![json!(200), json!(600), json!("401")]),
        at("reply", vec![json!(1)])
            .and(json!({"status": 302}), "reply.status")
            .and(json!({"body": long(16_385)}), "reply.body")
            .and(json!({"headers": {"Host": "x"}}), "reply.headers")
            .and(json!({"headers": {"x-a": "a\r\nb: c"}}), "reply.headers")
            .and(json!({"colour": 1}), "reply.colour"),
    ]
}

/// What a `relay.toml` may declare of sources.
pub fn plan() -> Vec<Case> {
    vec![
        at("source", vec![json!(1)])
            .and(json!([{"uid": "a b", "provider": "none"}]), "source[0].uid")
            .and(json!([{"uid": "a", "provider": "nobody"}]), "source[0].provider")
            .and(json!([{"uid": "a", "provider": "github"}]), "source[0].secret")
            .and(json!([{"uid": 1}]), "source.[0].uid"),
        at("secrets", vec![json!(1)])
            .and(json!([{"source": "s", "secrets": 1}]), "secrets.[0].secrets")
            .and(json!([{"source": "s", "token": 1}]), "secrets.[0].token")
            .and(json!([{"source": "s", "verify_token": 1}]), "secrets.[0].verify_token")
            .and(json!([{"source": 1}]), "secrets.[0].source"),
    ]
}

/// Calls for sources and requests.
pub fn bodies() -> Vec<Call> {
    let right = json!({
        "name": "s", "type": "github", "config": {"secret": "s"}, "application": "acme",
    });
    let request = "/source/s/request/in_3GfoFMOwdHMe4sYvJLLXLvlYDUt/release";
    vec![
        ("POST", "/source", "SourceIn", right.clone(), source()),
        ("PUT", "/source/s", "SourceIn", right, source()),
        (
            "POST",
            "/source/s/token/rotate",
            "RotateTokenIn",
            json!({}),
            vec![at("overlapSeconds", vec![json!(31_536_001), json!(-1), json!("1")])],
        ),
        (
            "POST",
            "/source/s/request/release",
            "ReleaseAllIn",
            json!({}),
            vec![at("iterator", vec![json!("none"), json!(1)])],
        ),
        ("POST", request, "ReleaseIn", json!({}), vec![at("anyway", vec![json!(1), json!("yes")])]),
    ]
}
