//! `relay send` and `relay health` against a relay that answers from a script.

use serde_json::{Value, json};

use crate::support::{Asked, Ended, Folder, ScriptedRelay};

const POST: &str = "POST /api/v1/app/acme/msg?with_content=false";
const DELIVERIES: &str = "GET /api/v1/app/acme/msg/msg_1/endpoint?limit=250";
const ATTEMPTS: &str = "GET /api/v1/app/acme/attempt/msg/msg_1?limit=250";

fn list(items: &[Value]) -> (u16, String) {
    (200, json!({ "data": items, "iterator": null, "done": true }).to_string())
}

fn delivery(number: u64, status: u64, next: Option<&str>) -> Value {
    let url = format!("https://h{number}.example/");
    json!({ "id": format!("ep_{number}"), "url": url, "status": status, "nextAttempt": next })
}

fn attempt(number: u64, code: u64) -> Value {
    json!({
        "id": format!("atmpt_{number}"), "endpointId": "ep_1", "url": "https://h1.example/",
        "responseStatusCode": code, "responseDurationMs": 12, "response": "connection refused",
        "statusText": if code == 200 { "success" } else { "fail" },
    })
}

/// Accepts a message; its deliveries are what `deliveries` says at the first look, the second ….
fn relay(
    deliveries: impl Fn(usize) -> Vec<Value> + Send + 'static,
    attempts: impl Fn(usize) -> Vec<Value> + Send + 'static,
) -> ScriptedRelay {
    ScriptedRelay::start(move |asked: &Asked, before| match asked.line.as_str() {
        POST => (202, json!({ "id": "msg_1", "eventType": "invoice.paid" }).to_string()),
        DELIVERIES => list(&deliveries(before)),
        ATTEMPTS => list(&attempts(before)),
        line => (404, json!({ "code": "not_found", "detail": line }).to_string()),
    })
}

fn send(relay: &ScriptedRelay, more: &[&str]) -> Ended {
    let server = ["send", "--server", &relay.url, "--token", "sk_test"];
    let message = ["--app", "acme", "--type", "invoice.paid"];
    Folder::new().run(&[&server[..], &message, more].concat())
}

#[test]
fn deliveries_are_printed_as_they_end() {
    let relay = relay(
        |look| match look {
            0 => vec![delivery(1, 1, Some("1970-01-01T00:00:00Z")), delivery(2, 3, None)],
            1 => vec![delivery(1, 1, Some("1970-01-01T00:00:00Z")), delivery(2, 0, None)],
            _ => vec![delivery(1, 0, None), delivery(2, 0, None)],
        },
        |look| match look {
            0 => vec![attempt(1, 0)],
            1 => vec![attempt(2, 500), attempt(1, 0)],
            _ => vec![attempt(3, 200), attempt(2, 500), attempt(1, 0)],
        },
    );
    let data = ["--data", "{ \"a\": 1.0 }", "--event-id", "ev1", "--channel", "eu"];
    let ended = send(&relay, &data).expect(0, "", "");
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "accepted msg_1 invoice.paid",
            "  https://h1.example/ attempt 1, 12 ms: no answer: connection refused",
            "  https://h1.example/ attempt 2, 12 ms: 500",
            "delivered https://h2.example/ ep_2",
            "  https://h1.example/ attempt 3, 12 ms: 200",
            "delivered https://h1.example/ ep_1",
        ]
    );
    assert!(lines[6].starts_with("2 of 2 endpoints delivered after "));
    let posted = &relay.asked()[0];
    // The payload goes byte for byte: no number is rewritten, no space is lost.
    let body = "{\"eventType\":\"invoice.paid\",\"payload\":{ \"a\": 1.0 },\"eventId\":\"ev1\",\
                \"channels\":[\"eu\"]}";
    assert_eq!(posted.body, body);
    let header = |text: &str| posted.headers.iter().any(|header| header.starts_with(text));
    assert!(header("authorization: Bearer sk_test") && header("idempotency-key: auto_"));
}

#[test]
fn how_it_ends_is_the_exit_code() {
    let dead = relay(|_| vec![delivery(1, 2, None), delivery(2, 0, None)], |_| Vec::new());
    send(&dead, &["--data", "{}"]).expect(1, "dead https://h1.example/ ep_1", "");
    let never = "2999-01-01T00:00:00Z";
    let later = relay(move |_| vec![delivery(1, 1, Some(never))], |_| Vec::new());
    let waiting = format!("waiting https://h1.example/ until {never}");
    send(&later, &["--data", "{}"]).expect(75, &waiting, "");
    let stuck = relay(|_| vec![delivery(1, 1, None)], |_| Vec::new());
    send(&stuck, &["--data", "{}", "--timeout", "100ms"]).expect(75, "until somebody enables", "");
    let nobody = relay(|_| Vec::new(), |_| Vec::new());
    send(&nobody, &["--data", "{}"]).expect(0, "no endpoint of the application wants it", "");
    let sent = send(&nobody, &["--data", "{}", "--no-wait"]).expect(0, "accepted msg_1", "");
    assert_eq!(sent.out.lines().count(), 1);
}

#[test]
fn json_lines_for_scripts() {
    let relay = relay(|_| vec![delivery(1, 0, None)], |_| vec![attempt(1, 200)]);
    let ended = send(&relay, &["--data", "{}", "--json"]).expect(0, "", "");
    let lines: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({ "accepted": "msg_1" }));
    assert_eq!(lines[1]["status_code"], 200);
    assert_eq!(lines[2]["delivery"], "delivered");
    assert_eq!(lines[3], json!({ "delivered": 1, "dead": 0, "cancelled": 0, "waiting": 0 }));
}

#[test]
fn what_the_relay_refuses() {
    let folder = Folder::new();
    let answer = |status: u16, body: Value| {
        let relay = ScriptedRelay::start(move |_, _| (status, body.to_string()));
        (send(&relay, &["--data", "{}"]), relay.asked())
    };
    let item =
        json!({ "loc": ["body", "eventType"], "msg": "no such type", "type": "value_error" });
    let (ended, _) = answer(422, json!({ "detail": [item] }));
    ended.expect(1, "", "answers 422: body.eventType: no such type");
    let (ended, _) = answer(401, json!({ "code": "authentication_failed", "detail": "no" }));
    ended.expect(1, "", "hint: the token is not that of this relay");
    let (ended, asked) = answer(503, json!({ "code": "busy", "detail": "catching up" }));
    ended.expect(75, "", "answers 503: catching up\nhint: it is busy");
    // Sent again under the same key, so that it counts once.
    let key = |asked: &Asked| {
        asked.headers.iter().find(|header| header.starts_with("idempotency-key")).cloned()
    };
    assert_eq!(asked.len(), 3);
    assert!(key(&asked[0]).is_some() && asked.iter().all(|one| key(one) == key(&asked[0])));
    let none = ["send", "--server", "http://127.0.0.1:1", "--token", "x", "--type", "a"];
    folder.run(&[&none[..], &["--data", "{}"]].concat()).expect(
        69,
        "",
        "no answer from http://127",
    );
    for wrong in ["[1]", "{", "{} {}"] {
        folder.run(&[&none[..], &["--data", wrong]].concat()).expect(2, "", "the payload ");
    }
}

#[test]
fn the_token_comes_from_the_data_folder() {
    let folder = Folder::new();
    let relay = relay(|_| Vec::new(), |_| Vec::new());
    let send = |folder: &Folder| {
        let arguments = ["send", "--app", "acme", "--type", "invoice.paid", "--server"];
        folder.run_with_input(&[&arguments[..], &[relay.url.as_str(), "-"]].concat(), b"{}")
    };
    send(&folder).expect(1, "", "there is no token, and ./data/operator_key can't be read");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    folder.write("data/operator_key", "sk_from_the_folder\n");
    send(&folder).expect(0, "accepted msg_1", "");
    let headers = &relay.asked()[0].headers;
    assert!(headers.iter().any(|header| header == "authorization: Bearer sk_from_the_folder"));
}

#[test]
fn health() {
    let folder = Folder::new();
    let check = |healthz: u16, readyz: u16, code: i32, word: &str| {
        let relay = ScriptedRelay::start(move |asked, _| match asked.line.as_str() {
            "GET /healthz" => (healthz, "{}".to_owned()),
            _ => (readyz, json!({ "reason": "rebuilding" }).to_string()),
        });
        folder.run(&["health", "--server", &relay.url]).expect(code, word, "");
    };
    check(200, 200, 0, " is ready\n");
    check(200, 503, 69, " is alive, not ready: {\"reason\":\"rebuilding\"}");
    check(500, 503, 69, " is not well");
    let nobody = ["health", "--server", "http://127.0.0.1:1"];
    folder.run(&nobody).expect(69, "", "caused by: ");
    folder.run(&[&nobody[..], &["--json"]].concat()).expect(69, "\"alive\":false", "");
}
