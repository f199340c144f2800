//! Calls over many messages, of many event types, to many applications.

use serde_json::json;

use super::{Call, at, channels, long, message};

/// Where a listener goes on.
fn listener() -> Call {
    let wrong = vec![json!("soon"), json!("msg_1"), json!(long(300)), json!(1)];
    let right = json!({"position": "2026-11-20T00:00:00Z"});
    ("PUT", "/listener/one", "ListenerIn", right, vec![at("position", wrong)])
}

fn imported() -> Call {
    let document = json!({"openapi": "3.1.0", "webhooks": {"a.b": {"post": {}}}});
    let imported = vec![
        at("spec", vec![json!({})]).and(json!({"webhooks": 1}), "spec.webhooks"),
        at("specRaw", vec![json!(1)]),
        at("replaceAll", vec![json!("yes"), json!(1)]),
        at("dryRun", vec![json!("yes"), json!(1)]),
    ];
    ("POST", "/event-type/import/openapi", "ImportIn", json!({"spec": document}), imported)
}

/// Their cases.
pub fn windows() -> Vec<Call> {
    let since = json!({"since": "2026-11-20T00:00:00Z"});
    let wrong = || vec![json!("soon"), json!("2026-11-20"), json!(1)];
    let before = json!("2020-01-01T00:00:00Z");
    let window = || vec![at("since", wrong()), at("until", wrong()).and(before.clone(), "until")];
    let recover = at("since", wrong()).and(before.clone(), "since");
    let recover = vec![recover, at("until", wrong()), at("waiting", vec![json!("yes"), json!(1)])];
    let replayed = vec![
        at("eventTypes", vec![json!(vec!["a"; 501]), json!("a")])
            .and(json!(["a", "b.*"]), "eventTypes.[1]")
            .and(json!([1]), "eventTypes.[0]"),
        at("channel", vec![json!("a b"), json!(""), json!(long(129)), json!(1)]),
        at("tag", vec![json!(""), json!(long(129)), json!("\u{0}"), json!(1)]),
        at("status", vec![json!(5), json!(-1), json!("0")]),
        at("statusCodeClass", vec![json!(201), json!(600), json!(-1), json!("200")]),
    ];
    let mut taken: Vec<_> = window();
    taken.extend([
        at("plan", vec![json!("yes"), json!(1)]),
        at(
            "endpointId",
            vec![json!("nobody"), json!(""), json!("a b"), json!(long(257)), json!(1)],
        ),
        at("reason", vec![json!("blocked"), json!(""), json!(1)]),
        at("eventTypes", vec![json!(vec!["a"; 501]), json!("a")])
            .and(json!(["a", "b.*"]), "eventTypes.[1]"),
        at("channel", vec![json!("a b"), json!(""), json!(long(129)), json!(1)]),
        at("tag", vec![json!(""), json!(long(129)), json!("\u{0}"), json!(1)]),
        at("statusCodeClass", vec![json!(201), json!(600), json!(-1), json!("200")]),
    ]);
    let replayed = window().into_iter().chain(replayed).collect();
    let used = json!({"since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"});
    let usage = vec![
        at("since", wrong()),
        at("until", wrong()),
        at("appIds", vec![json!(vec!["a"; 1_001]), json!(["nobody"]), json!("acme")]),
    ];
    let expunged = vec![
        at("ids", vec![json!([]), json!(vec!["a"; 1_001]), json!("a")]).and(json!([1]), "ids.[0]"),
    ];
    let asked = vec![
        at("eventType", vec![json!("a.*"), json!("a b"), json!(""), json!(long(257)), json!(1)]),
        channels(false),
    ];
    let right = json!({"ids": ["none"]});
    let sought = json!({"after": "2026-11-20T00:00:00Z"});
    let seek = vec![at("after", wrong())];
    let none = json!({"offset": 0});
    let committed = vec![at("offset", vec![json!(1), json!(-1), json!("1"), json!(1.5)])];
    vec![
        ("POST", "/app/acme/endpoint/e/recover", "RecoverIn", since.clone(), recover),
        ("POST", "/app/acme/endpoint/e/replay-missing", "WindowIn", since.clone(), window()),
        ("POST", "/app/acme/endpoint/e/bulk-replay", "BulkReplayIn", since.clone(), replayed),
        ("POST", "/app/acme/dead-letter/resend", "DeadLetterWorkIn", since.clone(), taken),
        imported(),
        ("POST", "/stats/usage/app", "UsageIn", used, usage),
        ("POST", "/app/acme/msg/bulk-expunge", "ExpungeIn", right, expunged),
        ("POST", "/app/acme/poller/e/consumer/one/seek", "SeekIn", sought, seek),
        ("POST", "/app/acme/polling-endpoint/e/consumer/one/commit", "CommitIn", none, committed),
        listener(),
        (
            "POST",
            "/msg/broadcast",
            "MessageIn",
            json!({"eventType": "a", "payload": {}}),
            message(),
        ),
        ("POST", "/app/acme/msg/precheck/active", "PrecheckIn", json!({"eventType": "a"}), asked),
    ]
}
