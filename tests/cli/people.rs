//! The first sign-in, links for others and the audit log, against a relay that serves.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Ended, Folder};

const LINK: &str = "sign in with this link";

/// Follows a link as the page at `/setup` does.
fn follow(relay: &Relay<'_>, link: &str) -> (u16, Value) {
    let (base, code) = link.split_once("/setup#code=").unwrap();
    assert_eq!(base, relay.live.url);
    let body = json!({"code": code, "name": "Ann"}).to_string();
    relay.live.call("POST", "/api/v1/auth/sign-in-link/redeem", Some(&body))
}

struct Relay<'folder> {
    folder: &'folder Folder,
    live: Live,
}

impl Relay<'_> {
    fn run(&self, key: &str, arguments: &[&str]) -> Ended {
        let at = ["--server", &*self.live.url, "--token", key];
        self.folder.run(&[arguments, &at].concat())
    }
}

#[test]
fn from_the_first_start_to_the_audit_log() {
    let folder = Folder::new();
    let mut live = Live::start(&folder);
    let line = live.wait_for(LINK);
    let link = line["message"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
    let relay = Relay { folder: &folder, live };
    let (status, ann) = follow(&relay, &link);
    assert_eq!((status, &ann["name"], &ann["role"]), (201, &json!("Ann"), &json!("operator")));
    assert_eq!(follow(&relay, &link).0, 401, "once");
    let ann = ann["token"].as_str().unwrap();
    let invite = ["sign-in-link", "--name", "Bo", "--role", "read-only"];
    let made = relay.run(ann, &invite).expect(0, "/setup#code=si_", "good once");
    let (status, bo) = follow(&relay, made.out.trim());
    assert_eq!((status, &bo["role"]), (201, &json!("read-only")));
    let bo = bo["token"].as_str().unwrap();
    links_that_wait(&relay, ann, bo);
    relay.run(bo, &invite).expect(1, "", "this key is read-only");
    let json = relay.run(ann, &[&invite[..], &["--json"]].concat()).expect(0, "\"url\":", "");
    assert!(json.out.contains("\"expiresAt\":"), "{}", json.out);
    let audit = relay.run(bo, &["audit"]).expect(0, "POST /api/v1/auth/sign-in-link", "");
    let audit = audit.expect(0, "application default: new", "");
    assert!(!audit.out.contains("si_") && !audit.out.contains("sk_"), "{}", audit.out);
    let own = relay.run(bo, &["audit", "--who", "Ann", "--since", "1h", "--json"]);
    let own: Value = serde_json::from_str(&own.expect(0, "", "").out).unwrap();
    let what: Vec<&str> =
        own.as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    // Bo's link was followed with Ann's name, too.
    let others = ["change", "link-redeemed", "change", "link-redeemed"];
    // What is taken back last.
    assert_eq!(what, [&["change", "change"][..], &others].concat());
    relay.run(bo, &["audit", "--who", "nobody"]).expect(0, "failed-sign-in", "");
    relay.run(bo, &["audit", "--who", "somebody else"]).expect(0, "no entry was found", "");
    relay.live.stop();
    tells_no_link(Live::start(&folder));
}

/// They are listed without their codes, and taken back.
fn links_that_wait(relay: &Relay<'_>, ann: &str, bo: &str) {
    let made = relay.run(ann, &["sign-in-link", "--name", "Cy"]).expect(0, "#code=si_", "");
    let listed = relay.run(bo, &["sign-in-link", "--list", "--json"]).expect(0, "\"Cy\"", "");
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    let shown = relay.run(bo, &["sign-in-link", "--list"]).expect(0, "MADE BY", "");
    assert!(shown.out.contains(id) && !shown.out.contains("si_"), "{}", shown.out);
    let revoke = ["sign-in-link", "--revoke", id];
    relay.run(bo, &revoke).expect(1, "", "this key is read-only");
    relay.run(ann, &revoke).expect(0, "revoked", "");
    relay.run(ann, &revoke).expect(1, "", "404");
    relay.run(ann, &["sign-in-link", "--list"]).expect(0, "no link was found", "");
    assert_eq!(follow(relay, made.out.trim()).0, 401);
    relay.run(ann, &["sign-in-link"]).expect(2, "", "--name");
    relay.run(ann, &["sign-in-link", "--list", "--name", "x"]).expect(2, "", "cannot be used");
}

/// Without it nobody gets in: it is told whatever is logged, in the log's format.
#[test]
fn the_first_link_is_told_whatever_is_logged() {
    for level in ["warn", "error", "off", "warn,relay=error"] {
        for format in ["json", "text"] {
            let folder = Folder::new();
            let config = format!(
                "[server]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"{level}\"\nformat = \
                 \"{format}\"\n"
            );
            folder.write("relay.toml", config);
            let mut child = folder.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let line =
                lines.next().unwrap_or_else(|| panic!("{level}, {format}: no link")).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(line.contains(LINK), "{level}, {format}: what else is logged is not: {line}");
            let read = serde_json::from_str::<Value>(&line);
            let message = match (format, read) {
                ("json", Ok(read)) => read["message"].as_str().unwrap().to_owned(),
                ("text", Err(_)) => line,
                (_, read) => panic!("{level}, {format}: {read:?}"),
            };
            let (_, link) = message.rsplit_once(' ').unwrap();
            assert!(link.starts_with("http://127.0.0.1:"), "{message}");
            assert!(link.contains("/setup#code=si_"), "{message}");
        }
    }
}

/// With a configured key no file is made; the folder is new all the same.
#[test]
fn with_a_configured_key() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    // Only for the test's own client, which looks for it there.
    std::fs::write(folder.path().join("data/operator_key"), "sk_configured_0123456789").unwrap();
    let variable = [("RELAY__AUTH__OPERATOR_KEY", "sk_configured_0123456789")];
    let mut live = Live::start_with(&folder, &variable);
    live.wait_for(LINK);
    live.stop();
    Live::start_with(&folder, &variable).wait_for(LINK);
}

fn told_link(live: &mut Live) -> String {
    let line = live.wait_for(LINK);
    line["message"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned()
}

fn tells_no_link(live: Live) {
    let rest = live.stop();
    let told = rest.iter().any(|line| line["message"].as_str().unwrap_or("").contains(LINK));
    assert!(!told, "{rest:?}");
}

/// Whoever missed the first one is told another at the next start, in its place.
#[test]
fn each_start_tells_a_link_until_somebody_is_there() {
    let folder = Folder::new();
    let mut live = Live::start(&folder);
    let first = told_link(&mut live);
    live.stop();
    let mut live = Live::start(&folder);
    let second = told_link(&mut live);
    assert_ne!(first.rsplit_once('=').unwrap().1, second.rsplit_once('=').unwrap().1);
    let (_, waiting) = live.call("GET", "/api/v1/auth/sign-in-link", None);
    assert_eq!(waiting["data"].as_array().unwrap().len(), 1, "{waiting}");
    // The test's relay listens elsewhere each time.
    let code = first.rsplit_once('=').unwrap().1;
    let relay = Relay { folder: &folder, live };
    let stale = format!("{}/setup#code={code}", relay.live.url);
    assert_eq!(follow(&relay, &stale).0, 401, "another took its place");
    let (status, ann) = follow(&relay, &second);
    assert_eq!(status, 201, "{ann}");
    // That there was somebody is remembered when the key is gone.
    let revoke = ["token", "revoke", ann["id"].as_str().unwrap()];
    let key = relay.live.key.clone();
    relay.run(&key, &revoke).expect(0, "", "");
    relay.live.stop();
    tells_no_link(Live::start(&folder));
}

/// Signing in with the operator key is signing in; using it is not.
#[test]
fn whoever_signed_in_needs_no_link() {
    let folder = Folder::new();
    let mut live = Live::start(&folder);
    told_link(&mut live);
    let (status, made) = live.call("POST", "/api/v1/app", Some(r#"{"name":"a"}"#));
    assert_eq!(status, 201, "{made}");
    live.stop();
    let mut live = Live::start(&folder);
    told_link(&mut live);
    let body = json!({"key": live.key}).to_string();
    let (status, answer) = live.call("POST", "/api/v1/auth/session", Some(&body));
    assert!((200..300).contains(&status), "{status} {answer}");
    live.stop();
    tells_no_link(Live::start(&folder));
}

#[test]
fn a_link_into_the_portal_of_a_customer() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| {
        let place = ["--server", &*relay.url, "--token", &relay.key];
        folder.run(&[arguments, &place].concat())
    };
    run(&["portal-link", "acme"]).expect(1, "", "there is no application `acme`");
    run(&["applications", "add", "Acme Ltd", "--uid", "acme"]).expect(0, "made acme", "");
    run(&["portal-link", "acme", "--expires", "1m"]).expect(1, "", "body.expiry: must be");
    // What the token in the link may do.
    let make = |more: &[&str]| {
        let made = run(&[&["portal-link", "acme", "--expires", "1h"], more].concat());
        let made = made.expect(0, "/portal#key=", "It is good for 1h.");
        let (_, token) = made.out.trim().split_once("#key=").unwrap();
        let place = ["--server", &*relay.url, "--token", token, "--app", "acme"];
        folder.run(&[&["endpoints", "add", "https://h.example/"], &place[..]].concat())
    };
    make(&[]).expect(0, "made ep_", "");
    make(&["--read-only"]).expect(1, "", "answers 403");
    relay.stop();
}
