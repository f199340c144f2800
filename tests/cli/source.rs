//! `relay source` and `relay trigger` against a relay that serves: from a source's making to its
//! end, and what is wrong on the way.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Ended, Folder};

const RIGHT: &str = "It's a Secret to Everybody";
const ROW: &str = r#"
signature = { header = "x-own-signature", prefix = "sha256=" }
event_id = ["header.x-own-id"]
event_type = ["body.kind"]
"#;

fn run(folder: &Folder, relay: &Live, arguments: &[&str]) -> Ended {
    let place = ["--server", &*relay.url, "--token", &relay.key];
    folder.run(&[arguments, &place].concat())
}

/// What it prints for scripts.
fn json_of(folder: &Folder, relay: &Live, arguments: &[&str]) -> Value {
    let ended = run(folder, relay, &[arguments, &["--json"]].concat()).expect(0, "", "");
    serde_json::from_str(&ended.out).expect(&ended.out)
}

/// Verdicts of what came, the newest first.
fn verdicts(folder: &Folder, relay: &Live) -> Vec<String> {
    let listed = json_of(folder, relay, &["source", "requests", "shop"]);
    let word = |request: &Value| request["verdict"].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(word).collect()
}

fn trigger<'a>(event: &'a str, secret: &'a str) -> Vec<&'a str> {
    vec!["trigger", "github", event, "--source", "shop", "--secret", secret]
}

#[test]
fn from_its_url_to_what_was_refused_and_released() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    folder.write("secret", format!("{RIGHT}\n"));
    let add = ["source", "add", "Shop", "--uid", "shop", "--provider", "github"];
    let made = run(&[&add[..], &["--secret-file", "secret", "--channel", "code"]].concat());
    let made = made.expect(0, "relay trigger github --source shop --secret-file FILE", "");
    let url = made.out.lines().find(|line| line.contains("/in/")).unwrap();
    assert!(url.trim().starts_with(&relay.url), "its own line: {url}");
    assert!(!made.out.contains(RIGHT), "{}", made.out);
    let made = made.expect(0, "has to be the same as here: paste it, unless GitHub made it.\n", "");
    made.expect(0, "Choose the content type application/json there: ", "");
    let wrong = run(&["source", "add", "Shop", "--provider", "githib"]);
    wrong.expect(2, "", "hint: did you mean github? there are ");
    let wrong = run(&["source", "add", "Shop", "--provider", "zzz"]);
    wrong.expect(2, "", "hint: there are ");
    run(&["source", "show", "none"]).expect(1, "", "there is no source `none`");
    run(&["source", "list"]).expect(0, "shop    github    active  Shop  src_", "");
    run(&["source", "list", "--application", "none"]).expect(1, "", "names no application");
    let shown = run(&["source", "show", "shop"]).expect(0, "channels      code\n", "");
    assert!(shown.out.contains("secrets       1, never shown"), "{}", shown.out);
    run(&["source", "requests", "shop"]).expect(0, "nothing has come yet", "");

    let sent = run(&trigger("push", RIGHT)).expect(0, "answered  200 {}\naccepted  in_", "");
    assert!(sent.out.contains("is message msg_"), "{}", sent.out);
    let again = [trigger("push", RIGHT), vec!["--id", "d1"]].concat();
    let first = json_of(&folder, &relay, &again);
    let second = json_of(&folder, &relay, &again);
    assert_eq!((&first["status_code"], &first["event_id"]), (&json!(200), &json!("d1")));
    assert_eq!(second["request"]["verdict"], "duplicate");
    assert_eq!(second["request"]["duplicateOf"], first["request"]["id"]);

    let words = "the signature is of another secret";
    let wrong = run(&trigger("issues", "new")).expect(1, "answered  401 ", "");
    assert!(wrong.out.contains("refused   in_") && wrong.out.contains(words), "{}", wrong.out);
    assert_eq!(verdicts(&folder, &relay), ["refused", "duplicate", "accepted", "accepted"]);
    let table = run(&["source", "requests", "shop", "--verdict", "refused"]).expect(0, words, "");
    assert_eq!(table.out.lines().count(), 2, "{}", table.out);
    run(&["source", "requests", "shop", "--verdict", "held"]).expect(0, "nothing is held", "");
    let id = table.out.split_whitespace().find(|word| word.starts_with("in_")).unwrap();
    let request = run(&["source", "request", "shop", id]).expect(0, "x-github-event: issues", "");
    assert!(request.out.contains("\n\n{\"action\":\"opened\""), "{}", request.out);
    let hint = "hint: look at it first: --anyway";
    run(&["source", "release", "shop", id]).expect(1, "", hint);
    run(&["source", "release", "shop"]).expect(1, "0 released, 0 duplicates, 1 refused", "");

    let fixed = ["source", "secret", "shop", "--secret", "-"];
    let at = ["--server", &*relay.url, "--token", &relay.key];
    let fixed = folder.run_with_input(&[&fixed[..], &at].concat(), b"new\n");
    fixed.expect(0, "shop has a new secret; the old one counts too", "");
    run(&["source", "release", "shop"]).expect(0, "1 released, 0 duplicates, 0 refused", "");
    run(&["source", "release", "shop"]).expect(0, "0 released, 0 duplicates, 0 refused", "");
    assert_eq!(verdicts(&folder, &relay), ["accepted", "duplicate", "accepted", "accepted"]);
    run(&trigger("push", RIGHT)).expect(0, "accepted", "");

    run(&trigger("push", "wrong")).expect(1, "refused", "");
    let listed = json_of(&folder, &relay, &["source", "requests", "shop", "--limit", "1"]);
    let id = listed[0]["id"].as_str().unwrap();
    let taken = run(&["source", "release", "shop", id, "--anyway"]);
    taken.expect(0, "accepted is message msg_", "");
    relay.stop();
}

#[test]
fn paused_rotated_and_removed() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    let add = ["source", "add", "shop", "--provider", "github", "--secret", RIGHT];
    let made = json_of(&folder, &relay, &add);
    run(&add).expect(1, "", "answers 409");
    run(&["source", "pause", "shop"]).expect(0, "shop is paused", "");
    run(&trigger("push", RIGHT)).expect(0, "held      in_", "");
    run(&["source", "resume", "shop"]).expect(0, "shop is active", "");
    let held = || json_of(&folder, &relay, &["source", "requests", "shop", "--verdict", "held"]);
    while held() != json!([]) {}
    assert_eq!(verdicts(&folder, &relay), ["accepted"]);
    run(&["source", "inspect", "shop"]).expect(0, "shop only shows", "");
    run(&trigger("push", RIGHT)).expect(0, "inspected in_", "");
    run(&["source", "resume", "shop"]).expect(0, "", "");

    let old = made["ingestUrl"].as_str().unwrap();
    let rotated = run(&["source", "rotate", "shop", "--overlap", "1h"]);
    let rotated = rotated.expect(0, "The old one counts for another 1h", "");
    let url = rotated.out.lines().next().unwrap().trim();
    assert!(url != old && url.starts_with(&relay.url), "{url}");
    let by_url = |url: &str| run(&["trigger", "github", "push", "--url", url, "--secret", RIGHT]);
    by_url(old).expect(0, "answered  200", "");
    by_url(url).expect(0, "answered  200", "");
    run(&["source", "rotate", "shop", "--overlap", "0s"]).expect(0, "404 from now on", "");
    by_url(url).expect(1, "answered  404", "");
    run(&trigger("push", RIGHT)).expect(0, "accepted", "");
    run(&["source", "remove", "shop"]).expect(0, "removed shop\n", "");
    run(&["source", "show", "shop"]).expect(1, "", "there is no source `shop`");
    run(&["source", "list"]).expect(0, "there is no source", "");
    relay.stop();
}

#[test]
fn other_ways_to_sign() {
    let folder = Folder::new();
    folder.write("relay.toml", "[server]\npublic_url = \"https://hooks.example.com/relay\"\n");
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| run(&folder, &relay, arguments);
    folder.write("row.toml", ROW);
    let own = ["--verification-file", "row.toml", "--secret", "s", "--dedup", "body.a"];
    let made = run(&[&["source", "add", "own"], &own[..]].concat());
    let made = made.expect(0, "https://hooks.example.com/relay/in/", "");
    assert!(!made.out.contains("can't reach"), "{}", made.out);
    let sent = ["trigger", "custom", "order.paid", "--source", "own", "--secret", "s"];
    run(&sent).expect(0, "sent      order.paid sample_", "");
    run(&["source", "show", "own"]).expect(0, "dedup         body.a\n", "");
    // It signs the URL that it was given, and not the one by which it is reached from here.
    run(&["source", "add", "sms", "--provider", "twilio", "--secret", "s"]).expect(0, "", "");
    run(&["trigger", "twilio", "--source", "sms", "--secret", "s"]).expect(0, "accepted", "");
    run(&["source", "add", "open", "--provider", "none"]).expect(0, "Give this URL to whoever", "");
    run(&["trigger", "none", "--source", "open"]).expect(0, "accepted", "");
    let other = run(&["trigger", "stripe", "--source", "open", "--secret", "whsec_MTIz"]);
    other.expect(0, "", "the source is one of generic-webhook, not of stripe");
    relay.stop();
}

#[test]
fn what_terminals_would_read_is_not_printed() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let made = json_of(&folder, &relay, &["source", "add", "open", "--provider", "none"]);
    let url = made["ingestUrl"].as_str().unwrap();
    let post = |body: &[u8]| {
        let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
        let answer = agent.post(url).header("x-evil", "a\tb").send(body).unwrap();
        assert_eq!(answer.status(), 200);
        let listed = json_of(&folder, &relay, &["source", "requests", "open", "--limit", "1"]);
        let id = listed[0]["id"].as_str().unwrap().to_owned();
        run(&folder, &relay, &["source", "request", "open", &id]).expect(0, "x-evil: a", "").out
    };
    let shown = post(b"one\r\n\x1b[2Jtwo\n");
    assert!(shown.ends_with("\n\none\n\u{fffd}[2Jtwo\n\n") && !shown.contains('\x1b'), "{shown:?}");
    let shown = post(b"\xff\x00");
    assert!(shown.ends_with("2 bytes that are no text, base64:\n/wA=\n"), "{shown:?}");
    relay.stop();
}

#[test]
/// Reading the file again does not let another one choose the secret.
fn a_door_that_was_closed_stays_closed() {
    let folder = Folder::new();
    let token = "0123456789abcdefghijABCDEFGHIJ0123456789abc";
    let declared = |more: &str| {
        format!(
            "[[source]]\nuid = \"tasks\"\nprovider = \"asana\"\nset_up = true\n\
             token_file = \"token\"\n{more}"
        )
    };
    folder.write("token", token);
    folder.write("relay.toml", declared(""));
    let mut relay = Live::start(&folder);
    let path = format!("/in/{token}");
    let hand_over = |relay: &Live, secret: &str| relay.post(&path, &[("x-hook-secret", secret)]);
    assert_eq!(hand_over(&relay, "the-one"), 200);
    assert_eq!(hand_over(&relay, "another"), 401);
    folder.write("relay.toml", declared("name = \"Tasks\"\n"));
    relay.signal(Signal::HUP);
    relay.wait_for("reloaded");
    assert_eq!(hand_over(&relay, "another"), 401);
    relay.stop();
    let relay = Live::start(&folder);
    assert_eq!(hand_over(&relay, "another"), 401);
    relay.stop();
}

#[test]
fn offline_and_wrong() {
    let folder = Folder::new();
    folder.write("row.toml", "signature = { header = \"a\", json = \"b\" }");
    let nobody = ["--server", "http://127.0.0.1:1", "--token", "x"];
    let check = |arguments: &[&str], code: i32, out: &str, err: &str| {
        folder.run(&[arguments, &nobody].concat()).expect(code, out, err);
    };
    folder.run(&["source", "providers"]).expect(0, "github  ", "");
    folder.run(&["source", "providers", "--json"]).expect(0, "{\"docs\":\"https://", "");
    folder.run(&["trigger", "github", "--list"]).expect(0, "issues\nping\npush\n", "");
    folder.run(&["trigger", "square", "--list"]).expect(0, "the body of any EVENT", "");
    let add = |more: &[&'static str]| [&["source", "add", "a"][..], more].concat();
    check(&add(&[]), 2, "", "--provider");
    check(&add(&["--provider", "gihub"]), 2, "", "there are adyen, ");
    check(&add(&["--provider", "github"]), 2, "", "can't be verified without a secret");
    check(&add(&["--provider", "github", "--secret", ""]), 2, "", "anybody could sign");
    check(&add(&["--verification-file", "row.toml"]), 2, "", "row.toml holds no row: ");
    check(&["source", "secret", "a"], 2, "", "no secret is given");
    check(&["source", "release", "a", "--anyway"], 2, "", "<ID>");
    check(&["source", "list"], 69, "", "is the relay running?");
    let url = ["--url", "http://127.0.0.1:1/"];
    let trigger = |name: &'static str| [&["trigger", name][..], &url].concat();
    check(&trigger("github"), 2, "", "GitHub signs with a secret, and none is given");
    check(&trigger("discord"), 1, "", "hint: have Discord send a test event");
    check(&trigger("custom"), 2, "", "custom is for a source that has a row of its own");
    check(&[&trigger("none")[..], &["--source", "a"]].concat(), 69, "", "no answer from");
    check(&trigger("none"), 69, "", "no answer from http://127.0.0.1:1\n");
    check(&[&trigger("adyen")[..], &["--secret", "no"]].concat(), 1, "", "is it all of the HMAC");
    check(&["trigger", "github", "push"], 2, "", "--source <REF>");
}
