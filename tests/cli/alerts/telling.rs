//! How it is told: tried again, in one message when there is much, and shown nowhere else.

use serde_json::Value;

use super::{World, sees, send};
use crate::support::Folder;

const OFTEN: &str = "[delivery]\nretry_schedule = [\"100ms\", \"100ms\", \"100ms\", \"100ms\", \
                     \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \
                     \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]\n";
const FAILING: &str =
    "on = [\"endpoint_failing\", \"endpoint_disabled\"]\nendpoint_failing = { after = \"100ms\" }";

#[test]
fn a_destination_that_fails_is_tried_again() {
    let world = World::new();
    world.chat_answers(503);
    let mut relay = world.start("on = [\"endpoint_disabled\"]", "");
    world.endpoint(&relay, "books");
    world.hook_answers(410);
    send(&relay);
    let first = relay.wait_for("an alert was not taken");
    assert_eq!(first["alert"], "ops", "{first}");
    assert_eq!(first["error"], "it answered 503: said", "{first}");
    relay.wait_for("an alert was not taken");
    // What nobody was told yet is told after a restart.
    relay.kill();
    let relay = world.start("on = [\"endpoint_disabled\"]", "");
    world.chat_answers(200);
    world.expect("endpoint_disabled", "firing");
    world.end(relay);
}

#[test]
fn what_is_over_before_it_could_be_told_is_not_told() {
    let world = World::new();
    world.chat_answers(500);
    let mut relay = world.start(FAILING, OFTEN);
    world.endpoint(&relay, "books");
    world.hook_answers(500);
    send(&relay);
    relay.wait_for("an alert was not taken");
    assert_eq!(world.taken.try_recv().ok(), None);
    world.hook_answers(200);
    sees(&relay, 0);
    world.chat_answers(200);
    // The next one is what is told next.
    world.hook_answers(410);
    send(&relay);
    world.expect("endpoint_disabled", "firing");
    world.end(relay);
}

#[test]
fn many_at_once_are_one_message() {
    let world = World::new();
    let relay = world.start_with("");
    (0..7).for_each(|number| world.endpoint(&relay, &format!("e{number}")));
    world.hook_answers(410);
    send(&relay);
    let path = "/api/v1/app/default/endpoint";
    let disabled = || {
        let (_, list) = relay.call("GET", path, None);
        list["data"].as_array().unwrap().iter().all(|endpoint| endpoint["disabled"] == true)
    };
    while !disabled() {
        std::thread::yield_now();
    }
    relay.stop();
    // All of it was there before the first look.
    let relay = world.start("on = [\"endpoint_disabled\"]", "");
    let told = world.expect("endpoint_disabled", "firing");
    assert_eq!(told["count"], 7, "{told}");
    assert_eq!(told["subjects"].as_array().unwrap().len(), 7, "{told}");
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("7 endpoints were disabled by relay: endpoint e0 (ep_"), "{text}");
    sees(&relay, 7);
    relay.stop();
    let relay = world.start_with("");
    for number in 0..7 {
        let path = format!("{path}/e{number}");
        assert_eq!(relay.call("PATCH", &path, Some(r#"{"disabled":false}"#)).0, 200);
    }
    relay.stop();
    let relay = world.start("on = [\"endpoint_disabled\"]", "");
    assert_eq!(world.expect("endpoint_disabled", "recovered")["count"], 7);
    sees(&relay, 0);
    world.end(relay);
}

#[test]
fn a_test_message_and_what_came_back() {
    let world = World::new();
    let url = &world.receiver.url;
    let entry = |name: &str, rest: &str| {
        format!("[[alert]]\nname = \"{name}\"\nurl = \"{url}/alert\"\n{rest}\n")
    };
    let slack = entry("chat", "format = \"slack\"\nheaders = { X-Team = \"ops\" }");
    let both = format!("{}{slack}", entry("ops", ""));
    world.folder.write("relay.toml", &both);
    let blocked = world.folder.run(&["alerts", "test"]);
    // A literal that is not open is a problem of the file.
    blocked.expect(78, "", "nothing is sent to 127.0.0.1, which is not public");
    let open = format!("[guard]\nallow = [\"127.0.0.0/8\"]\n{both}");
    world.folder.write("relay.toml", &open);
    world.folder.run(&["alerts", "test"]).expect(0, "ops: taken: 200 said\nchat: taken: 200", "");
    let told = world.expect("test", "firing");
    assert_eq!((&told["count"], &told["subjects"]), (&0.into(), &serde_json::json!([])));
    let chat = world.next();
    let text = chat["text"].as_str().unwrap();
    assert!(text.starts_with("[relay http://127.0.0.1:8080] chat firing: test\nThis is"), "{chat}");
    let asked = world.receiver.asked();
    let headers = &asked.last().unwrap().headers;
    assert!(headers.iter().any(|header| header.eq_ignore_ascii_case("x-team: ops")), "{headers:?}");
    world.folder.run(&["alerts", "test", "none"]).expect(2, "", "no [[alert]] has the name");
    world.chat_answers(404);
    let ended = world.folder.run(&["--json", "alerts", "test", "chat"]).expect(1, "", "");
    let json: Value = serde_json::from_str(&ended.out).unwrap();
    let answer = serde_json::json!(
        [{"alert": "chat", "taken": false, "answer": "it answered 404: said"}]
    );
    assert_eq!(json, answer);
    world.folder.write("relay.toml", "");
    world.folder.run(&["alerts", "test"]).expect(1, "", "has no [[alert]]");
}

#[test]
fn entries_are_checked_and_hide_their_secrets() {
    let folder = Folder::new();
    let broken = r#"
[[alert]]
name = "a b"
on = []
[[alert]]
name = "two"
url = "ftp://hush.example/hush"
headers = { Host = "x" }
endpoint_failing = { after = "0s" }
dead_letters = { count = 0 }
source_refusing = { share = 2.0 }
[[alert]]
name = "two"
url = "https://hooks.slack.com/services/hush"
[alert.smtp]
host = "mail.example"
from = "relay@example.com"
to = ["ops@example.com"]
[[alert]]
name = "mail"
[alert.smtp]
host = "mail.example"
tls = "none"
username = "relay"
password = "hush"
ca_file = "/nowhere"
from = "me"
to = ["a b@example.com"]
"#;
    folder.write("relay.toml", broken);
    let told = folder.run(&["check"]).expect(78, "", "14 problems");
    for part in [
        "`a b` is no name",
        "is empty: it would tell of nothing",
        "is missing: set it, url_file or [alert.smtp]",
        "relay.toml:7:7: the URL must begin with",
        "is set by the relay itself",
        "0s is out of range, 100ms to 365d is right",
        "0 is out of range, at least 1 is right",
        "2 is out of range, 0 to 1 is right",
        "a second alert `two`",
        "stands beside url: make an [[alert]] for each destination",
        "would show the password",
        "can't read /nowhere",
        "`me` is no mail address",
        "`a b@example.com` is no mail address",
    ] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    assert!(!told.err.contains("hush"), "{}", told.err);
    let right = "[[alert]]\nname = \"ops\"\nurl = \"https://hooks.slack.com/services/hush\"\n\
                 headers = { X-Key = \"hush\" }\n[[alert]]\nname = \"mail\"\n[alert.smtp]\n\
                 host = \"mail.example\"\nusername = \"me\"\npassword = \"hush\"\n\
                 from = \"a@b.example\"\nto = [\"c@d.example\"]\n";
    folder.write("relay.toml", right);
    folder.run(&["check"]).expect(0, "2 alerts", "");
    for arguments in [&["config", "print"][..], &["--json", "config", "print"]] {
        let ended = folder.run(arguments).expect(0, "mail.example", "");
        assert!(!ended.out.contains("hush"), "{}", ended.out);
    }
}
