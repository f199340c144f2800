//! `relay token create --remote`, `list` and `revoke` against a relay that serves.

use serde_json::Value;

use crate::live::Live;
use crate::support::{Ended, Folder};

#[test]
fn a_key_from_its_making_to_its_end() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let run = |key: &str, arguments: &[&str]| -> Ended {
        let at = ["--server", &*relay.url, "--token", key];
        folder.run(&[&["token"], arguments, &at].concat())
    };
    let create = ["create", "--remote", "--name", "deploy", "--expires", "90d"];
    let made = run(&relay.key, &create).expect(0, "sk_", "the only time it is shown");
    let key = made.out.trim().to_owned();
    let listed = run(&key, &["list"]).expect(0, "deploy\n", "");
    let listed =
        listed.expect(0, "operator_key  from the file operator_key in the data folder", "");
    listed.expect(0, "  operator  deploy\n", "");
    let looks = ["create", "--remote", "--name", "Ann", "--role", "read-only"];
    let looks = run(&relay.key, &looks).expect(0, "sk_", "").out.trim().to_owned();
    run(&looks, &["list"]).expect(0, "  read-only  Ann\n", "");
    run(&looks, &["create", "--remote"]).expect(1, "", "this key is read-only");
    let listed = run(&key, &["list", "--json"]).expect(0, "", "");
    assert!(!listed.out.contains("sk_"), "{}", listed.out);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    assert!(listed[0]["expiresAt"].is_string());
    run(&key, &["revoke", "operator_key"]).expect(1, "", "comes from the file operator_key");
    run(&relay.key, &["revoke", id]).expect(0, &format!("revoked {id}\n"), "");
    run(&relay.key, &["revoke", id]).expect(1, "", "answers 404");
    run(&key, &["list"]).expect(1, "", "answers 401");
    let made = run(&relay.key, &["create", "--remote", "--json"]).expect(0, "\"token\":\"sk_", "");
    let made: Value = serde_json::from_str(&made.out).unwrap();
    assert!(made["expiresAt"].is_null() && made["name"].is_null(), "{made}");
    relay.stop();
}

#[test]
fn what_does_not_go_together() {
    let folder = Folder::new();
    folder.run(&["token", "create", "--expires", "1d"]).expect(2, "", "--remote or --jwt");
    folder.run(&["token", "create", "--name", "x"]).expect(2, "", "--remote");
    folder.run(&["token", "create", "--role", "read-only"]).expect(2, "", "--remote");
    folder.run(&["token", "create", "--remote", "--jwt"]).expect(2, "", "cannot be used with");
    folder.run(&["token", "create", "--remote", "--expires", "0s"]).expect(
        2,
        "",
        "too old at once",
    );
}
