//! `delivery` of an endpoint.

use serde_json::{Value, json};

use super::{Case, at, long};

/// Fields within it, whose cases are among its own.
pub const ELSEWHERE: [(&str, &str); 18] = [
    ("DeliveryIn", "cloudEvents"),
    ("DeliveryIn", "auth"),
    ("DeliveryIn", "tls"),
    ("DeliveryIn", "proxy"),
    ("AuthIn", "username"),
    ("AuthIn", "password"),
    ("AuthIn", "token"),
    ("AuthIn", "name"),
    ("AuthIn", "value"),
    ("AuthIn", "tokenUrl"),
    ("AuthIn", "clientId"),
    ("AuthIn", "clientSecret"),
    ("AuthIn", "scope"),
    ("AuthIn", "audience"),
    ("AuthIn", "credentialsIn"),
    ("TlsIn", "clientCertificate"),
    ("TlsIn", "clientKey"),
    ("TlsIn", "ca"),
];

pub fn settings() -> Case {
    let many: serde_json::Map<String, Value> =
        (0..51).map(|number| (format!("type.{number}"), json!({}))).collect();
    let case = at("delivery", vec![json!(1), json!([])])
        .and(json!({"cloudEvents": "yes"}), "delivery.cloudEvents")
        .and(json!({"colour": 1}), "delivery.colour")
        .and(json!({"timeoutSeconds": 0}), "delivery.timeoutSeconds")
        .and(json!({"timeoutSeconds": 601}), "delivery.timeoutSeconds")
        .and(json!({"retryScheduleSeconds": []}), "delivery.retryScheduleSeconds")
        .and(json!({"retryScheduleSeconds": vec![1; 101]}), "delivery.retryScheduleSeconds")
        .and(json!({"retryScheduleSeconds": [1, 2_592_001]}), "delivery.retryScheduleSeconds.1")
        .and(json!({"perEventType": many}), "delivery.perEventType")
        .and(json!({"perEventType": {"a b": {}}}), "delivery.perEventType.a b")
        .and(
            json!({"perEventType": {"a": {"timeoutSeconds": 0}}}),
            "delivery.perEventType.a.timeoutSeconds",
        )
        .and(json!({"maxInFlight": 0}), "delivery.maxInFlight")
        .and(json!({"delaySeconds": 2_592_001}), "delivery.delaySeconds")
        .and(json!({"order": {"by": "customer"}}), "delivery.order.by")
        .and(json!({"order": {"by": "body.a[$index]"}}), "delivery.order.by")
        .and(json!({"order": true}), "delivery.order")
        .and(json!({"batch": {"size": 1}}), "delivery.batch.size")
        .and(json!({"batch": {"size": 1_001}}), "delivery.batch.size")
        .and(json!({"batch": {"size": 2, "waitMs": 60_001}}), "delivery.batch.waitMs")
        .and(json!({"batch": {"size": 2, "maxBytes": 0}}), "delivery.batch.maxBytes")
        .and(json!({"batch": {"size": 2}, "order": {"by": "body.a"}}), "delivery.batch")
        .and(json!({"auth": 1}), "delivery.auth")
        .and(json!({"auth": {}}), "delivery.auth.type")
        .and(json!({"auth": {"type": "digest"}}), "delivery.auth.type")
        .and(json!({"tls": 1}), "delivery.tls")
        .and(json!({"tls": {"clientCertificate": "x"}}), "delivery.tls.clientCertificate")
        .and(json!({"tls": {"clientCertificate": 1}}), "delivery.tls.clientCertificate")
        .and(json!({"tls": {"clientKey": "x"}}), "delivery.tls.clientKey")
        .and(json!({"tls": {"clientKey": 1}}), "delivery.tls.clientKey")
        .and(json!({"tls": {"ca": "x"}}), "delivery.tls.ca")
        .and(json!({"tls": {"ca": long(32_769)}}), "delivery.tls.ca")
        .and(json!({"tls": {"verify": false}}), "delivery.tls.verify")
        .and(json!({"proxy": "http://10.0.0.1:3128"}), "delivery.proxy")
        .and(json!({"proxy": "none"}), "delivery.proxy")
        .and(json!({"proxy": 1}), "delivery.proxy");
    plain(oauth2(case))
}

fn auth(kind: &str, field: &str, value: Value) -> Value {
    let mut auth = match kind {
        "basic" => json!({"type": "basic", "username": "anna", "password": "p"}),
        "bearer" => json!({"type": "bearer", "token": "t"}),
        "header" => json!({"type": "header", "name": "x-key", "value": "v"}),
        _ => json!({
            "type": "oauth2", "tokenUrl": "https://t.example/", "clientId": "c",
            "clientSecret": "s",
        }),
    };
    auth[field] = value;
    json!({"auth": auth})
}

fn plain(case: Case) -> Case {
    case.and(auth("basic", "username", json!("a:b")), "delivery.auth.username")
        .and(auth("basic", "username", json!(long(1_025))), "delivery.auth.username")
        .and(auth("basic", "username", json!(null)), "delivery.auth.username")
        .and(auth("basic", "password", json!("\u{fc}")), "delivery.auth.password")
        .and(auth("basic", "password", json!(1)), "delivery.auth.password")
        .and(auth("basic", "password", json!(null)), "delivery.auth.password")
        .and(auth("basic", "token", json!("t")), "delivery.auth.token")
        .and(auth("bearer", "token", json!("")), "delivery.auth.token")
        .and(auth("bearer", "token", json!(long(3_001))), "delivery.auth.token")
        .and(auth("bearer", "token", json!("a\r\nb: c")), "delivery.auth.token")
        .and(auth("bearer", "colour", json!(1)), "delivery.auth.colour")
        .and(auth("header", "name", json!("Host")), "delivery.auth.name")
        .and(auth("header", "name", json!("webhook-id")), "delivery.auth.name")
        .and(auth("header", "name", json!("a b")), "delivery.auth.name")
        .and(auth("header", "value", json!("")), "delivery.auth.value")
        .and(auth("header", "value", json!(long(4_097))), "delivery.auth.value")
}

fn oauth2(case: Case) -> Case {
    case.and(auth("oauth2", "tokenUrl", json!("ftp://t.example/")), "delivery.auth.tokenUrl")
        .and(auth("oauth2", "tokenUrl", json!(null)), "delivery.auth.tokenUrl")
        .and(auth("oauth2", "clientId", json!("")), "delivery.auth.clientId")
        .and(auth("oauth2", "clientId", json!(long(1_025))), "delivery.auth.clientId")
        .and(auth("oauth2", "clientSecret", json!("")), "delivery.auth.clientSecret")
        .and(auth("oauth2", "clientSecret", json!(null)), "delivery.auth.clientSecret")
        .and(auth("oauth2", "scope", json!("")), "delivery.auth.scope")
        .and(auth("oauth2", "scope", json!(long(1_025))), "delivery.auth.scope")
        .and(auth("oauth2", "audience", json!("\u{0}")), "delivery.auth.audience")
        .and(auth("oauth2", "credentialsIn", json!("query")), "delivery.auth.credentialsIn")
        .and(auth("bearer", "scope", json!("a")), "delivery.auth.scope")
}
