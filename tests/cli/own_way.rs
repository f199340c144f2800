//! Endpoints with their own order, delay, patience and wishes, over sockets.

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Asked, Folder, ScriptedRelay};

const LOCAL: &str = "[guard]\nallow = [\"127.0.0.0/8\"]\n[delivery]\njitter = 0.0\n\
                     retry_schedule = [\"1s\", \"1s\", \"1d\"]\n";

/// A relay with one endpoint, `own`, that is delivered to as `settings` says.
fn relay(receiver: &ScriptedRelay, settings: &str) -> (Folder, Live) {
    let folder = Folder::new();
    let url = &receiver.url;
    let endpoint = format!("[[endpoint]]\nuid = \"own\"\nurl = \"{url}/in\"\n");
    folder.write("relay.toml", format!("{LOCAL}{endpoint}delivery = {settings}\n"));
    let relay = Live::start(&folder);
    (folder, relay)
}

fn send(relay: &Live, event_type: &str, payload: &Value) {
    let body = json!({"eventType": event_type, "payload": payload}).to_string();
    assert_eq!(relay.call("POST", "/api/v1/app/default/msg", Some(&body)).0, 202);
}

fn attempts(relay: &Live) -> Vec<Value> {
    let path = "/api/v1/app/default/attempt/endpoint/own?limit=250";
    relay.call("GET", path, None).1["data"].as_array().unwrap().clone()
}

/// The attempts, oldest first, once there are so many.
fn wait_for(relay: &Live, count: usize) -> Vec<Value> {
    loop {
        let mut attempts = attempts(relay);
        if attempts.len() >= count {
            attempts.reverse();
            return attempts;
        }
        std::thread::yield_now();
    }
}

fn number(asked: &Asked) -> u64 {
    serde_json::from_str::<Value>(&asked.body).unwrap()["number"].as_u64().unwrap()
}

/// The numbers in the order in which they came, repetitions too.
fn came(receiver: &ScriptedRelay) -> Vec<u64> {
    receiver.asked().iter().map(number).collect()
}

#[test]
fn an_order_holds_over_failures_and_a_kill() {
    // Each third message fails when it comes for the first time.
    let receiver = ScriptedRelay::start({
        let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
        move |asked, _| {
            let new = seen.lock().unwrap().insert(number(asked));
            (if new && number(asked).is_multiple_of(3) { 500 } else { 200 }, "{}".to_owned())
        }
    });
    let (folder, relay) = relay(&receiver, "{ order = {} }");
    for number in 0..6 {
        send(&relay, "a.b", &json!({"number": number}));
    }
    wait_for(&relay, 4);
    drop(relay); // kills it
    let relay = Live::start(&folder);
    for number in 6..8 {
        send(&relay, "a.b", &json!({"number": number}));
    }
    // One may have been on its way when it was killed.
    loop {
        let path = "/api/v1/app/default/msg?limit=1";
        let (_, newest) = relay.call("GET", path, None);
        let id = newest["data"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/app/default/msg/{id}/endpoint");
        if relay.call("GET", &path, None).1["data"][0]["status"] == 0 {
            break;
        }
        std::thread::yield_now();
    }
    let mut once = came(&receiver);
    assert_eq!(once[..2], [0, 0], "the first failed and came again before any other");
    once.dedup();
    let mut first = Vec::new();
    once.iter().for_each(|number| {
        if !first.contains(number) {
            first.push(*number);
        }
    });
    assert_eq!(first, (0..8).collect::<Vec<_>>(), "{once:?}");
}

#[test]
fn one_key_waits_and_another_does_not() {
    let receiver = ScriptedRelay::start(|asked, _| {
        let failed = asked.body.contains("acme");
        (if failed { 500 } else { 200 }, "{}".to_owned())
    });
    let settings = "{ order = { by = \"body.customer\" }, retry_schedule_seconds = [1, 86400] }";
    let (_folder, relay) = relay(&receiver, settings);
    for number in 0..6 {
        let customer = if number % 2 == 0 { "acme" } else { "zenith" };
        send(&relay, "a.b", &json!({"number": number, "customer": customer}));
    }
    wait_for(&relay, 5);
    let mut came = came(&receiver);
    assert_eq!(came.iter().filter(|number| **number == 0).count(), 2, "{came:?}");
    came.retain(|number| *number != 0);
    assert_eq!(came, [1, 3, 5], "2 and 4 wait behind 0");
    let (_, list) = relay.call("GET", "/api/v1/app/default/msg?limit=6", None);
    let id = list["data"][5]["id"].as_str().unwrap();
    let (_, sent) = relay.call("GET", &format!("/api/v1/app/default/msg/{id}/endpoint"), None);
    assert!(sent["data"][0]["nextAttempt"].is_string(), "{sent}");
}

#[test]
fn each_message_waits_before_its_first_attempt() {
    let receiver = ScriptedRelay::start(|_, _| (200, "{}".to_owned()));
    let (_folder, relay) = relay(&receiver, "{ delay_seconds = 1 }");
    send(&relay, "a.b", &json!({}));
    let attempt = wait_for(&relay, 1).remove(0);
    let (_, list) = relay.call("GET", "/api/v1/app/default/msg", None);
    let at = |value: &Value| value["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>();
    let waited = at(&attempt).unwrap() - at(&list["data"][0]).unwrap();
    assert!(waited.get_milliseconds() + waited.get_seconds() * 1_000 >= 1_000, "{waited}");
}

#[test]
fn an_event_type_has_its_own_patience() {
    // Never answers: the listener is not accepted from.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let settings = "delivery = { timeout_seconds = 60, retry_schedule_seconds = [86400], \
                    per_event_type = { \"ping.*\" = { timeout_seconds = 1 } } }";
    let endpoint = format!("[[endpoint]]\nuid = \"own\"\nurl = \"{url}\"\n{settings}\n");
    folder.write("relay.toml", format!("{LOCAL}{endpoint}"));
    let relay = Live::start(&folder);
    send(&relay, "invoice.paid", &json!({}));
    send(&relay, "ping.one", &json!({}));
    let attempt = wait_for(&relay, 1).remove(0);
    assert_eq!(attempt["responseStatusCode"], 0);
    let (_, list) = relay.call("GET", "/api/v1/app/default/msg?event_types=ping.one", None);
    assert_eq!(attempt["msgId"], list["data"][0]["id"]);
}

#[test]
fn a_receiver_says_what_it_wants_no_more() {
    let receiver = ScriptedRelay::with_headers(|asked, _| {
        let wish = if asked.body.contains("abort") { "abort-message" } else { "disable" };
        (400, format!("Webhook-Delivery: {wish}\r\n"), "{}".to_owned())
    });
    let (_folder, relay) = relay(&receiver, "{}");
    send(&relay, "a.b", &json!({"abort": true}));
    let attempt = wait_for(&relay, 1).remove(0);
    let id = attempt["msgId"].as_str().unwrap();
    let (_, explained) = relay.call("GET", &format!("/api/v1/app/default/msg/{id}/explain"), None);
    assert!(explained.to_string().contains("rejected"), "{explained}");
    send(&relay, "a.b", &json!({}));
    loop {
        let (_, endpoint) = relay.call("GET", "/api/v1/app/default/endpoint/own", None);
        if endpoint["disabled"] == true {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(attempts(&relay).len(), 2);
}

#[test]
fn several_messages_go_in_one_request() {
    let receiver = ScriptedRelay::start(|_, before| {
        (if before == 0 { 500 } else { 200 }, r#"{"taken":true}"#.to_owned())
    });
    let settings = "{ batch = { size = 3, wait_ms = 60000 } }";
    let (folder, relay) = relay(&receiver, settings);
    for number in 0..3 {
        send(&relay, "a.b", &json!({"number": number}));
    }
    let attempts = wait_for(&relay, 6);
    let asked = receiver.asked();
    assert_eq!(asked.len(), 2, "the batch, and the batch again");
    let header = |asked: &Asked, name: &str| {
        let found = asked.headers.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("{name} of {:?}", asked.headers)).to_owned()
    };
    assert_eq!(asked[0].body, asked[1].body);
    let id = header(&asked[1], "webhook-id");
    assert!(id.starts_with("batch_") && header(&asked[0], "webhook-id") == id, "{id}");
    let members: Value = serde_json::from_str(&asked[1].body).unwrap();
    for (number, member) in members.as_array().unwrap().iter().enumerate() {
        assert_eq!(member["payload"], json!({"number": number}));
        assert_eq!(member["eventType"], "a.b");
        assert_eq!(member["id"], attempts[number + 3]["msgId"], "in their order");
        assert_eq!(attempts[number + 3]["status"], 0);
        assert_eq!(attempts[number + 3]["response"], r#"{"taken":true}"#);
    }
    let secret =
        relay.call("GET", "/api/v1/app/default/endpoint/own/secret", None).1["key"].clone();
    let body = folder.write("body.json", &asked[1].body);
    let (at, signature) =
        (header(&asked[1], "webhook-timestamp"), header(&asked[1], "webhook-signature"));
    let verified = folder.run(&[
        "verify",
        "--secret",
        secret.as_str().unwrap(),
        "--id",
        &id,
        "--timestamp",
        &at,
        "--signature",
        &signature,
        body.to_str().unwrap(),
    ]);
    assert_eq!(verified.code, 0, "{}", verified.err);
}

#[test]
fn what_is_parked_is_counted() {
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = Folder::new();
    let endpoint = format!("[[endpoint]]\nuid = \"own\"\nurl = \"http://{gone}/\"\n");
    let parking = LOCAL.replace("[delivery]\n", "[delivery]\npark_after = 1\n");
    folder.write("relay.toml", format!("{parking}{endpoint}"));
    let relay = Live::start(&folder);
    let metrics = || {
        let request = ureq::http::Request::get(format!("{}/metrics", relay.url))
            .header("authorization", format!("Bearer {}", relay.key));
        let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
        let mut answer = agent.run(request.body(()).unwrap()).unwrap();
        answer.body_mut().read_to_string().unwrap()
    };
    let says = |line: &str| metrics().lines().any(|told| told == line);
    assert!(says("relay_lanes_parked 0"));
    send(&relay, "a.b", &json!({}));
    while !says("relay_lanes_parked 1") {
        std::thread::yield_now();
    }
}
