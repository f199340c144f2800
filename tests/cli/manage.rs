//! What a dashboard does, done on the command line against a relay that serves: applications,
//! endpoints, event types, messages, and what is delivered after all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Ended, Folder, ScriptedRelay};

const CONFIG: &str = "[delivery]\nretry_schedule = [\"1ms\"]\n[guard]\nallow = [\"127.0.0.0/8\"]\n";

fn run(folder: &Folder, relay: &Live, arguments: &[&str]) -> Ended {
    let place = ["--server", &*relay.url, "--token", &relay.key];
    folder.run(&[arguments, &place].concat())
}

/// What it prints for scripts.
fn json_of(folder: &Folder, relay: &Live, arguments: &[&str]) -> Value {
    let ended = run(folder, relay, &[arguments, &["--json"]].concat()).expect(0, "", "");
    serde_json::from_str(&ended.out).expect(&ended.out)
}

#[test]
fn applications_and_event_types() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    run(&["applications", "list"]).expect(0, "default  default  2", "");
    let made = run(&["applications", "add", "Acme", "--uid", "acme", "--rate", "9"]);
    made.expect(0, "made acme app_", "").expect(0, "relay endpoints add URL --app acme", "");
    run(&["applications", "add", "Acme", "--uid", "acme"]).expect(1, "", "answers 409");
    let shown = run(&["applications", "show", "acme"]);
    shown.expect(0, "at most   9 messages a second\n", "");
    assert_eq!(json_of(&folder, &relay, &["applications", "list"])[0]["uid"], "acme");
    run(&["applications", "delete", "acme"]).expect(2, "", "for good");
    run(&["applications", "delete", "acme", "--yes"]).expect(0, "deleted acme\n", "");
    let none = run(&["applications", "show", "acme"]);
    none.expect(1, "", "there is no application `acme`\nhint: relay applications list\n");

    run(&["event-types", "list"]).expect(0, "no event type was found\n", "");
    folder.write("schema.json", r#"{"examples":[{"paid":true}]}"#);
    let add = ["event-types", "add", "invoice.paid", "--description", "It is paid"];
    let add = [&add[..], &["--schema", "schema.json", "--group", "invoices"]].concat();
    run(&add).expect(0, "made invoice.paid\n", "");
    run(&add).expect(1, "", "answers 409");
    run(&["event-types", "list"]).expect(0, "invoice.paid  in use  It is paid\n", "");
    let shown = run(&["event-types", "show", "invoice.paid"]);
    shown.expect(0, "group        invoices\n", "").expect(0, "\nschema 1\n{\n  \"examples\"", "");
    run(&["event-types", "delete", "invoice.paid"]).expect(0, "archived invoice.paid\n", "");
    run(&["event-types", "list"]).expect(0, "no event type was found\n", "");
    run(&["event-types", "list", "--archived"]).expect(0, "archived  It is paid", "");
    let removed = run(&["event-types", "delete", "invoice.paid", "--expunge"]);
    removed.expect(0, "removed invoice.paid\n", "");
    let none = run(&["event-types", "show", "invoice.paid"]);
    none.expect(1, "", "there is no event type `invoice.paid`");
    let example = ["event-types", "add", "a.b", "--example"];
    run(&[&example[..], &["[1]"]].concat()).expect(2, "", "has to be a JSON object");
    run(&[&example[..], &["{\"a\":1}"]].concat()).expect(0, "made a.b\n", "");
    run(&["event-types", "show", "a.b"]).expect(0, "\"a\": 1", "");
    folder.write("no.json", "{");
    let wrong = ["event-types", "add", "a.b", "--schema", "no.json"];
    run(&wrong).expect(2, "", "no.json is not JSON");
    relay.stop();
}

#[test]
fn an_endpoint_from_its_making_to_its_end() {
    let folder = Folder::new();
    folder.write("relay.toml", CONFIG);
    let receiver = ScriptedRelay::start(|_, _| (200, "{}".to_owned()));
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    run(&["endpoints", "list"]).expect(0, "no endpoint was found\n", "");
    let url = format!("{}/hook", receiver.url);
    let add = ["endpoints", "add", &url, "--uid", "books", "--event-type", "invoice.*"];
    let more = ["--header", "X-Own: a: b", "--rate", "50", "--channel", "eu"];
    let made = run(&[&add[..], &more].concat()).expect(0, "made books ep_", "");
    made.expect(0, "relay endpoints show books --secret", "");
    run(&["endpoints", "list"]).expect(0, &format!("enabled  {url}"), "");
    let shown = run(&["endpoints", "show", "books"]);
    let shown = shown.expect(0, "wants       invoice.*\n", "").expect(0, "50 messages a", "");
    assert!(!shown.out.contains("whsec_") && shown.out.contains("0 dead"), "{}", shown.out);
    let key = json_of(&folder, &relay, &["endpoints", "show", "books", "--secret"]);
    assert!(key["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(key["headers"], json!({"X-Own": "a: b"}));

    let update = ["endpoints", "update", "books"];
    run(&update).expect(2, "", "nothing is to be changed");
    let both = ["--rate", "5", "--clear", "rate"];
    run(&[&update[..], &both].concat()).expect(2, "", "rate is given, and to be cleared");
    let changes = ["--description", "Bookkeeping", "--clear", "channels", "--clear", "rate"];
    let headers = ["--header", "x-two: 2", "--delete-header", "X-Own"];
    run(&[&update[..], &changes, &headers].concat()).expect(0, "changed http", "");
    let now = json_of(&folder, &relay, &["endpoints", "show", "books"]);
    assert_eq!((&now["channels"], &now["throttleRate"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&now["description"], &now["headers"]),
        (&json!("Bookkeeping"), &json!({"x-two": "2"}))
    );

    let secret = run(&["endpoints", "rotate-secret", "books", "--grace", "0s"]);
    let secret = secret.expect(0, "whsec_", "signs no more");
    let again = json_of(&folder, &relay, &["endpoints", "show", "books", "--secret"]);
    assert_eq!(secret.out.trim(), again["secret"].as_str().unwrap());

    let test = ["endpoints", "test", "books", "--event-type", "invoice.paid"];
    run(&test).expect(
        1,
        "",
        "hint: relay event-types add invoice.paid --example '{…}' makes it with one",
    );
    folder.write("schema.json", r#"{"examples":[{"paid":true}]}"#);
    run(&["event-types", "add", "invoice.paid", "--schema", "schema.json"]).expect(0, "", "");
    run(&test).expect(0, "accepted msg_", "").expect(0, "1 of 1 endpoint delivered", "");
    assert_eq!(receiver.asked()[0].body, "{\"paid\":true}");

    let paused = run(&["endpoints", "pause", "books"]);
    paused.expect(0, "disabled http", "").expect(0, "relay replay-missing", "");
    run(&["endpoints", "list"]).expect(0, "disabled  http", "");
    run(&test).expect(1, "", "the endpoint is disabled");
    run(&["endpoints", "enable", "books"]).expect(0, "enabled http", "");
    run(&["applications", "add", "Second", "--uid", "second"]).expect(0, "", "");
    run(&["endpoints", "show", "books"]).expect(2, "", "there is more than one application");
    let delete = ["endpoints", "delete", "books", "--app", "default"];
    run(&delete).expect(0, "deleted books\n", "");
    let none = run(&delete);
    none.expect(1, "", "there is no endpoint `books`\nhint: relay endpoints list --app default\n");
    relay.stop();
}

/// A relay with the endpoint `books`, whose receiver answers 503 while it is down.
fn down(folder: &Folder) -> (Live, ScriptedRelay, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let receiver = ScriptedRelay::start(move |_, _| {
        let busy = is_down.load(Ordering::Relaxed);
        if busy { (503, "too busy\u{7}".to_owned()) } else { (200, "thanks".to_owned()) }
    });
    let url = &receiver.url;
    let endpoint = format!("[[endpoint]]\nuid = \"books\"\nurl = \"{url}/\"\n");
    let other = format!("[[endpoint]]\nuid = \"c\"\nurl = \"{url}/c\"\nevent_types = [\"c.*\"]\n");
    folder.write("relay.toml", format!("{CONFIG}{endpoint}{other}"));
    (Live::start(folder), receiver, down)
}

#[test]
fn messages_are_found_shown_and_sent_again() {
    let folder = Folder::new();
    let (relay, receiver, down) = down(&folder);
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    let of = |more: &[&str]| {
        let listed = json_of(&folder, &relay, &[&["messages", "list"], more].concat());
        let id = |item: &Value| item["eventId"].as_str().unwrap().to_owned();
        listed.as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    run(&["messages", "list"]).expect(0, "no message was found\n", "");
    for (id, data) in [("one", "{\"customer\":\"Ada\"}"), ("two", "{\"customer\":\"Grace\"}")] {
        let send = ["send", "--type", "a.b", "--event-id", id, "--data", data];
        run(&send).expect(1, "dead ", "");
    }
    let listed = run(&["messages", "list"]).expect(0, "ACCEPTED", "");
    let listed = listed.expect(0, "1 dead      a.b         default      msg_", "");
    assert!(!listed.out.contains("FOUND IN"), "nothing was looked for: {}", listed.out);
    assert_eq!(of(&[]), ["two", "one"]);
    assert_eq!(of(&["--status", "dead", "--since", "1h"]), ["two", "one"]);
    assert_eq!(of(&["--status", "failed", "--limit", "1", "--app", "default"]), ["two"]);
    assert!(of(&["--status", "delivered"]).is_empty() && of(&["--until", "1h"]).is_empty());
    assert!(of(&["--event-type", "c.d"]).is_empty() && of(&["--tag", "t"]).is_empty());
    assert_eq!(of(&["--search", "ADA"]), ["one"]);
    assert_eq!(of(&["--search", "two"]), ["two"]);
    let found = run(&["messages", "list", "--search", "grace"]);
    found.expect(0, "{\"customer\":\"Grace\"}\n", "").expect(0, "FOUND IN\n", "");
    run(&["messages", "list", "--since", "soon"]).expect(2, "", "write how long ago, like 1h");
    run(&["messages", "list", "--search", "x", "--since", "30d"]).expect(1, "", "at most 7 days");
    run(&["messages", "list", "--app", "none"]).expect(1, "", "there is no application `none`");

    let shown = run(&["messages", "show", "default", "one"]).expect(0, "a.b msg_", "");
    let place =
        |text: &str| shown.out.find(text).unwrap_or_else(|| panic!("{text}: {}", shown.out));
    let order = [
        "event id   one\n",
        "\"customer\": \"Ada\"",
        "not sent http",
        "it does not want a.b, but c.*",
        "dead http",
        "given up after 2 attempts",
        "Z 503 in ",
        "    > webhook-id: msg_",
        "    < too busy\u{fffd}\n",
    ];
    assert!(order.map(place).is_sorted(), "{}", shown.out);
    let story = json_of(&folder, &relay, &["messages", "show", "default", "one"]);
    assert_eq!(story["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(story["endpoints"][1]["reason"], "exhausted");
    run(&["messages", "show", "default", "none"]).expect(1, "", "there is no message `none`");

    down.store(false, Ordering::Relaxed);
    let asked = run(&["resend", "default", "one"]).expect(0, "asked for http", "");
    asked.expect(0, "relay messages show default one", "");
    while of(&["--status", "delivered"]) != ["one"] {}
    run(&["resend", "default", "one"]).expect(1, "", "it was delivered everywhere");
    let before = receiver.asked().len();
    let again = json_of(&folder, &relay, &["resend", "default", "one", "--all"]);
    assert_eq!(again["resent"].as_array().unwrap().len(), 1);
    while receiver.asked().len() == before {}
    run(&["resend", "default", "one", "c"]).expect(
        1,
        "",
        "the message `one` was not meant for `ep_",
    );
    let by_hand = run(&["messages", "show", "default", "one"]);
    let by_hand = by_hand.expect(0, "asked for by a person", "");
    let by_hand = by_hand.expect(0, "    < thanks\n", "");
    by_hand.expect(0, "delivered after 4 attempts, 2 scheduled, 2 asked for\n", "");
    relay.stop();
}

#[test]
fn what_was_missed_is_made_up_for() {
    let folder = Folder::new();
    let (relay, receiver, down) = down(&folder);
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    for _ in 0..3 {
        run(&["send", "--type", "a.b", "--data", "{}"]).expect(1, "dead ", "");
    }
    down.store(false, Ordering::Relaxed);
    let recover = ["recover", "default", "books", "--since", "1h"];
    let done = run(&[&recover[..], &["--follow"]].concat());
    let done = done.expect(0, "endpoint.recover finished qtask_", "");
    done.expect(0, "put back to be sent: 3 of 3 looked at\n", "");
    let delivered = || {
        let list = ["messages", "list", "--status", "delivered"];
        json_of(&folder, &relay, &list).as_array().unwrap().len()
    };
    while delivered() < 3 {}
    run(&recover).expect(0, "begun as qtask_", "");
    run(&["recover", "default", "books"]).expect(2, "", "--since");
    run(&["recover", "default", "books", "--since", "30d"]).expect(1, "", "at most 14 days");

    let url = format!("{}/late", receiver.url);
    run(&["endpoints", "add", &url, "--uid", "late"]).expect(0, "made late", "");
    let replay = ["replay-missing", "default", "late", "--since", "1h", "--follow"];
    let done = run(&[&replay[..], &["--json"]].concat()).expect(0, "", "");
    let task: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&task["status"], &task["data"]["done"]), (&json!("finished"), &json!(3)));
    let came = || receiver.asked().iter().filter(|asked| asked.line == "POST /late").count();
    while came() < 3 {}
    relay.stop();
}

#[test]
fn a_page_of_the_manual_for_each_command() {
    let folder = Folder::new();
    let page = folder.run(&["man"]).expect(0, ".TH relay 1", "");
    assert!(page.out.contains("relay\\-messages(1)"), "{}", page.out);
    let written =
        folder.run(&["man", "--dir", "deep/man1"]).expect(0, " pages written to deep", "");
    let count: usize = written.out.split(' ').next().unwrap().parse().unwrap();
    let pages: Vec<_> = std::fs::read_dir(folder.path().join("deep/man1")).unwrap().collect();
    assert!(count == pages.len() && count > 60, "{count} of {}", pages.len());
    let read = |name: &str| {
        let path = folder.path().join("deep/man1").join(name);
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert!(read("relay-endpoints-rotate-secret.1").contains("\\-\\-grace"));
    assert!(read("relay-messages-list.1").contains("relay messages list"));
    assert!(!folder.path().join("deep/man1/relay-run-scripts.1").exists());
    folder.write("file", "");
    folder.run(&["man", "--dir", "file"]).expect(1, "", "file can't be made");
    for shell in ["bash", "zsh", "fish"] {
        let script = folder.run(&["completions", shell]).expect(0, "", "");
        let commands = ["messages", "resend", "recover", "replay-missing", "endpoints", "man"];
        for word in commands.iter().chain(&["applications", "event-types", "rotate-secret"]) {
            assert!(script.out.contains(word), "{shell} knows no {word}");
        }
    }
}
