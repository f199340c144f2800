//! Endpoints that are asked before they are sent events, over sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};

const LOCAL: &str = "[guard]\nallow = [\"127.0.0.0/8\"]\n[server]\n\
                     public_url = \"https://hooks.example.com\"\n";

/// The newest attempt, once there is one more than `before`.
fn attempt(relay: &Live, before: usize) -> Value {
    loop {
        let path = "/api/v1/app/default/attempt/endpoint/events";
        let (_, list) = relay.call("GET", path, None);
        let attempts = list["data"].as_array().unwrap();
        if attempts.len() > before {
            return attempts[0].clone();
        }
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_sent_before_it_is_permitted() {
    // What the receiver says to OPTIONS, one answer after the other.
    let turn = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&turn);
    let receiver = ScriptedRelay::with_headers(move |asked, _| {
        if !asked.line.starts_with("OPTIONS ") {
            return (200, String::new(), "{}".to_owned());
        }
        let (status, headers) = match now.load(Ordering::Relaxed) {
            0 => (405, ""),
            1 => (200, ""),
            2 => (200, "WebHook-Allowed-Origin: other.example.com\r\n"),
            3 => (200, "WebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: fast\r\n"),
            _ => {
                (200, "WebHook-Allowed-Origin: hooks.example.com\r\nWebHook-Allowed-Rate: 6000\r\n")
            }
        };
        (status, headers.to_owned(), String::new())
    });
    let folder = Folder::new();
    let url = &receiver.url;
    folder.write(
        "relay.toml",
        format!(
            "{LOCAL}[[endpoint]]\nuid = \"events\"\nurl = \"{url}/in\"\n\
             headers = {{ authorization = \"Bearer t\" }}\ndelivery = {{ cloud_events = true }}\n"
        ),
    );
    let relay = Live::start(&folder);
    let (_, shown) = relay.call("GET", "/api/v1/app/default/endpoint/events", None);
    assert_eq!(shown["delivery"]["cloudEvents"], true, "{shown}");
    let send = r#"{"eventType":"a.b","eventId":"one","payload":{}}"#;
    assert_eq!(relay.call("POST", "/api/v1/app/default/msg", Some(send)).0, 202);
    let resend = "/api/v1/app/default/msg/one/endpoint/events/resend";
    let words = [
        "it answered OPTIONS with 405",
        "webhook-allowed-origin is missing",
        "webhook-allowed-origin names another",
        "is no number of requests a minute",
    ];
    for (number, words) in words.iter().enumerate() {
        let failed = attempt(&relay, number);
        assert_eq!(failed["status"], 2, "{failed}");
        assert!(failed["response"].as_str().unwrap().contains(words), "{failed}");
        turn.fetch_add(1, Ordering::Relaxed);
        assert_eq!(relay.call("POST", resend, None).0, 202);
    }
    assert_eq!(attempt(&relay, 4)["status"], 0);
    // Once permitted it is not asked again.
    let second = send.replace("one", "two");
    assert_eq!(relay.call("POST", "/api/v1/app/default/msg", Some(&second)).0, 202);
    assert_eq!(attempt(&relay, 5)["status"], 0);
    let asked = receiver.asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
    let mut expected = vec!["OPTIONS /in"; 5];
    expected.extend(["POST /in", "POST /in"]);
    assert_eq!(lines, expected);
    let has = |line: &str| asked[0].headers.iter().any(|header| header == line);
    assert!(has("webhook-request-origin: hooks.example.com"), "{:?}", asked[0].headers);
    assert!(has("authorization: Bearer t"), "{:?}", asked[0].headers);
    relay.stop();
}
