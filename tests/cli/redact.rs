//! `[redact]` with the real binary: what is checked of it, what it sends, and what it logs.

use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};

const CARD: &str = "4111222233334444";

#[test]
fn what_is_wrong_with_it_is_told() {
    let folder = Folder::new();
    let wrong = "[redact]\njson_paths = [\"$.a\", \"card\", \"$.a[?(@.b)]\"]\n\
                 other_bodies = \"drop\"\n";
    folder.write("relay.toml", wrong);
    let ended = folder.run(&["check"]).expect(78, "", "relay.toml:2:22: `card` begins with no `$`");
    let ended = ended.expect(78, "", "relay.toml:2:30: `$.a[?(@.b)]` can't be read from");
    ended.expect(78, "", "relay.toml:3:16: unknown variant `drop`");
    folder.write("relay.toml", "[redact]\nheaders = [\"x-a\", \"x card\"]\n");
    let words = "relay.toml:2:19: `x card` is no name of an HTTP header";
    folder.run(&["check"]).expect(78, "", words);
    folder.write("relay.toml", "[redact]\njson_paths = [\"$..ssn\", \"$.items[*].iban\"]\n");
    folder.run(&["check"]).expect(0, "right", "");
}

fn config(receiver: &str) -> String {
    let address = receiver.replace("http://", "").replace(':', "/32:");
    format!(
        r#"
[guard]
allow = ["{address}"]
[redact]
headers = ["x-card"]
json_paths = ["$.card.number"]
[[endpoint]]
uid = "e"
url = "{receiver}"
headers = {{ x-card = "{CARD}" }}
[[source]]
uid = "shop"
provider = "none"
token = "0123456789abcdef0123456789abcdef"
"#
    )
}

/// The receiver gets the true bytes; commands and the log show none of them.
#[test]
fn it_is_sent_and_not_shown() {
    let payload = format!("{{\"card\":{{\"number\":\"{CARD}\"}}}}");
    let answer = payload.clone();
    let receiver = ScriptedRelay::start(move |_, _| (200, answer.clone()));
    let folder = Folder::new();
    folder.write("relay.toml", config(&receiver.url));
    let relay = Live::start_with(&folder, &[("RELAY__LOG__LEVEL", "trace")]);
    let early = relay.early();
    let at = ["--server", &*relay.url, "--token", &*relay.key];
    let send = [&["send", "--type", "a.b", "--data", &payload][..], &at].concat();
    let sent = folder.run(&send).expect(0, "1 of 1 endpoint", "");
    assert!(!sent.out.contains(CARD) && !sent.err.contains(CARD), "{}", sent.out);
    let asked = receiver.asked();
    assert_eq!(asked[0].body, payload, "what was accepted is what is sent");
    assert!(asked[0].headers.iter().any(|header| header.ends_with(CARD)), "{asked:?}");
    relay.post("/in/0123456789abcdef0123456789abcdef", &[("x-card", CARD)]);
    let (status, messages) = relay.call("GET", "/api/v1/app/default/msg", None);
    assert_eq!((status, messages["data"].as_array().unwrap().len()), (200, 2), "{messages}");
    assert!(messages.to_string().contains("(redacted)"), "{messages}");
    let listed = [&["source", "requests", "shop"][..], &at].concat();
    let listed = folder.run(&listed).expect(0, "in_", "");
    let id = listed.out.split_whitespace().find(|word| word.starts_with("in_")).unwrap();
    let shown = folder.run(&[&["source", "request", "shop", id][..], &at].concat());
    assert!(!shown.out.contains(CARD), "{}", shown.out);
    shown.expect(0, "x-card: (redacted)", "");
    let log: String = early.into_iter().chain(relay.stop()).map(|line| line.to_string()).collect();
    assert!(log.contains("DEBUG") && !log.contains(CARD), "{log}");
}
