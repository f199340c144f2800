//! `relay export` and `relay import`, between two relays that serve.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Ended, Folder};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const DECLARED: &str = r#"
[[application]]
uid = "acme"
name = "Acme, as declared"
"#;

fn run(folder: &Folder, relay: &Live, arguments: &[&str]) -> Ended {
    let place = ["--server", &relay.url, "--token", &relay.key];
    folder.run(&[arguments, &place].concat())
}

fn json_of(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).expect(&ended.out)
}

fn fill(relay: &Live) {
    let post = |path: &str, body: Value| {
        let (status, answer) = relay.call("POST", path, Some(&body.to_string()));
        assert_eq!(status, 201, "{answer}");
    };
    post("/api/v1/app", json!({ "uid": "acme", "name": "Acme" }));
    let endpoint = json!({
        "uid": "books", "url": "https://h.example/w", "secret": SECRET,
        "headers": { "authorization": "Bearer x" },
    });
    post("/api/v1/app/acme/endpoint", endpoint);
    post("/api/v1/event-type", json!({ "name": "a.b", "description": "" }));
}

#[test]
fn out_of_one_relay_and_into_another() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (source, target) = (Live::start(&folder), Live::start(&other));
    fill(&source);
    let plain = run(&folder, &source, &["export"]).expect(0, "\"acme\"", "");
    assert!(!plain.out.contains("whsec_") && !plain.out.contains("Bearer x"), "{}", plain.out);
    run(&folder, &source, &["export", "--with-secrets", "--output", "all.json"]).expect(0, "", "");
    let path = folder.path().join("all.json");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "it holds secrets");
    let file = path.to_str().unwrap();

    let dry = run(&folder, &target, &["import", file, "--dry-run", "--json"]).expect(0, "", "");
    assert_eq!((&json_of(&dry)["created"], &json_of(&dry)["dry_run"]), (&json!(3), &json!(true)));
    assert_eq!(target.call("GET", "/api/v1/app/acme", None).0, 404);
    let words = "created  endpoint acme/books\n";
    let done = run(&folder, &target, &["import", file]).expect(0, words, "");
    assert!(done.out.ends_with("3 created, 1 updated, 0 left, 0 refused\n"), "{}", done.out);
    let (_, secret) = target.call("GET", "/api/v1/app/acme/endpoint/books/secret", None);
    assert_eq!(secret["key"], SECRET);
    let again = run(&folder, &target, &["import", file, "--json"]).expect(0, "", "");
    assert_eq!((&json_of(&again)["left"], &json_of(&again)["created"]), (&json!(4), &json!(0)));
    source.stop();
    target.stop();
}

#[test]
fn what_relay_toml_declares_is_refused_and_the_rest_is_done() {
    let (folder, other) = (Folder::new(), Folder::new());
    other.write("relay.toml", DECLARED);
    let (source, target) = (Live::start(&folder), Live::start(&other));
    fill(&source);
    run(&folder, &source, &["export", "--output", "all.json"]).expect(0, "", "");
    let done =
        run(&folder, &target, &["import", "all.json"]).expect(1, "refused  application acme", "");
    assert!(done.out.contains("declared in relay.toml"), "{}", done.out);
    assert!(done.out.contains("created  endpoint acme/books"), "{}", done.out);
    assert!(done.out.contains("lacks the header authorization"), "{}", done.out);
    assert_eq!(target.call("GET", "/api/v1/app/acme", None).1["name"], "Acme, as declared");
    let (status, answer) = target.call(
        "POST",
        "/api/v1/environment/import",
        Some(&json!({ "applications": [{ "uid": "acme", "name": "x" }] }).to_string()),
    );
    assert_eq!((status, &answer["detail"][0]["loc"][2]), (422, &json!("[0]")), "{answer}");
    source.stop();
    target.stop();
}

#[test]
fn wrong_files_and_absent_relays() {
    let folder = Folder::new();
    let at = |arguments: &[&str]| {
        folder.run(&[arguments, &["--server", "http://127.0.0.1:1", "--token", "x"]].concat())
    };
    folder.write("a.json", "{}");
    folder.write("b.json", "no");
    folder.write("c.json", r#"{"eventTypes":[]}"#);
    at(&["import", "a.json"]).expect(1, "", "neither eventTypes nor applications");
    at(&["import", "b.json"]).expect(1, "", "no document of relay export");
    at(&["import", "nothing.json"]).expect(1, "", "nothing.json");
    at(&["import", "c.json"]).expect(69, "", "is the relay running?");
    at(&["export"]).expect(69, "", "is the relay running?");
}
