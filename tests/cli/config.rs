//! Configurations, right and wrong.

use serde_json::Value;

use crate::support::{Folder, ended};

#[test]
fn a_broken_file_ends_with_78_and_the_place() {
    let folder = Folder::new();
    folder.write("relay.toml", "[server]\nlisten = \"127.0.0.1:8080\nworkers = 2\n");
    let ended = folder.run(&["check"]).expect(78, "", "error: the configuration has a problem\n");
    assert!(ended.err.contains("relay.toml:2:25: invalid basic string"), "{}", ended.err);
    folder.run(&["config", "print"]).expect(78, "", "relay.toml:2:25:");
    folder.run(&["check", "--config", "none.toml"]).expect(78, "", "none.toml: can't read it");
}

#[test]
fn every_problem_is_told_with_line_and_caret() {
    let folder = Folder::new();
    folder
        .write("relay.toml", "[server]\nlisen = \"127.0.0.1:8080\"\n\n[delivery]\njitter = 2.5\n");
    folder.run(&["check"]).expect(
        78,
        "",
        "relay.toml:2:1: unknown field `lisen`, expected one of `listen`",
    );
    let mut command = folder.command(&["check"]);
    let told = ended(command.env("RELAY__SERVER__WORKERS", "many"));
    let lines: Vec<&str> = told.err.lines().collect();
    assert_eq!(lines[0], "error: the configuration has 3 problems");
    assert_eq!(lines[2..5], ["   |", " 2 | lisen = \"127.0.0.1:8080\"", "   | ^^^^^"]);
    assert!(lines[5].starts_with("RELAY__SERVER__WORKERS: invalid type"), "{}", told.err);
    assert_eq!(lines[6], "relay.toml:5:10: 2.5 is out of range, 0 to 0.5 is right");
    assert_eq!(lines[7..10], ["   |", " 5 | jitter = 2.5", "   |          ^^^"]);
    assert!(lines[10].starts_with("hint: "));

    let told = folder.run(&["check", "--json"]).expect(78, "", "");
    let json: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(json["problems"][1]["line"], 5);
    assert_eq!(json["problems"][1]["column"], 10);
}

#[test]
fn what_is_declared_is_checked_as_a_whole() {
    let folder = Folder::new();
    let broken = b"[server]\nworkers = 2\n# caf\xe9\n";
    folder.write("broken.toml", broken);
    let told = folder.run(&["check", "--config", "broken.toml"]);
    let expected = "broken.toml:3:6: is not UTF-8 from here on";
    told.expect(78, "", expected);

    // An address that nothing would be sent to, an entry without its uid, a name on two lines.
    let endpoint = "[[endpoint]]\nurl = \"http://10.0.0.1/\"\nchannels = [\"a/b\"]\n\
                    headers = { \"x\\r\\ny\" = \"v\" }\n";
    folder.write("relay.toml", endpoint);
    let told = folder.run(&["check"]).expect(78, "", "4 problems");
    for part in [
        "relay.toml:1:1: missing field `uid`",
        "relay.toml:2:7: nothing is sent to 10.0.0.1, which is not public, unless guard.allow",
        "relay.toml:3:13: `a/b`: a channel has",
        r"`x\r\ny` is no name of an HTTP header",
    ] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    let source = "[[source]]\nuid = \"s\"\nprovider = \"none\"\n\
                  reply = { headers = { Host = \"x\", x-a = \"a\\r\\nb: c\" } }\n";
    folder.write("relay.toml", source);
    let told = folder.run(&["check"]).expect(78, "", "\"host\" is set by");
    assert!(told.err.contains("\"x-a\" may hold"), "{}", told.err);
    let opened = endpoint.replace("[[endpoint]]", "[[endpoint]]\nuid = \"e\"");
    let opened = opened.replace("a/b", "a").replace("x\\r\\ny", "x-y");
    folder.write("relay.toml", format!("[guard]\nallow = [\"10.0.0.0/8\"]\n{opened}"));
    folder.run(&["check"]).expect(0, "1 endpoint", "");
}

#[test]
fn failures_are_json_for_scripts() {
    let folder = Folder::new();
    let told = folder.run(&["--json", "sign", "--secret", "x"]).expect(2, "", "");
    let json: Value = serde_json::from_str(&told.err).unwrap();
    assert_eq!(json["exit_code"], 2, "{json}");
    assert!(json["error"].is_string() && json["hint"].is_string(), "{json}");
}

#[test]
fn variables_stand_over_the_file() {
    let folder = Folder::new();
    let file = folder.write("other.toml", "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 4\n");
    let mut command = folder.command(&["check"]);
    command.env("RELAY_CONFIG", &file).env("RELAY__SERVER__LISTEN", "127.0.0.1:2");
    ended(&mut command).expect(0, "listens on    127.0.0.1:2 (RELAY__SERVER__LISTEN)\n", "");
    let mut command = folder.command(&["config", "print"]);
    command.env("RELAY_CONFIG", "other.toml").env("RELAY__SERVER__LISTEN", "127.0.0.1:2");
    let printed = ended(&mut command).expect(
        0,
        "[server]\nlisten = \"127.0.0.1:2\"  # RELAY__SERVER__LISTEN\n",
        "",
    );
    assert!(printed.out.contains("\nworkers = 4  # other.toml:3\n"), "{}", printed.out);
    assert!(printed.out.contains("\ndrain = \"25s\"\n"), "{}", printed.out);
    // --config stands over RELAY_CONFIG.
    let mut command = folder.command(&["check", "--config", "other.toml"]);
    ended(command.env("RELAY_CONFIG", "none.toml")).expect(0, "right: other.toml\n", "");
    folder.run(&["check"]).expect(0, "right: no file, the defaults alone\n", "");
}

#[test]
fn what_is_printed_is_a_configuration_and_holds_no_secret() {
    let folder = Folder::new();
    let source = r#"
[auth]
operator_key = "hush-hush-hush-hush-hush"
[data]
sealing_key = "aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2g="
[[endpoint]]
uid = "books"
url = "https://books.example/hooks?token=hush"
secret = "whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2g="
headers = { Authorization = "Bearer hush" }
"#;
    folder.write("relay.toml", source);
    for arguments in [&["config", "print"][..], &["config", "print", "--json"], &["check"]] {
        let ended = folder.run(arguments).expect(0, "", "");
        assert!(!ended.out.contains("hush") && !ended.out.contains("aHVz"), "{}", ended.out);
    }
    let printed = folder.run(&["config", "print"]).expect(0, "operator_key = \"(hidden)\"", "");
    let table: toml::Table = printed.out.parse().unwrap();
    assert_eq!(table["delivery"]["timeout"].as_str(), Some("15s"));
    let printed = folder.run(&["config", "print", "--json"]);
    let json: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(json["origins"]["auth.operator_key"]["line"], 3);
    assert_eq!(json["config"]["endpoint"][0]["uid"], "books");
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.write("relay.toml", "[auth]\njwt_secret = \"hush-hush-hush-hush\"\n");
    folder.run(&["check"]).expect(0, "HS256 tokens signed with auth.jwt_secret", "");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ended = folder.run(&["check"]).expect(78, "", "relay.toml:2:14: relay.toml holds a secret");
    assert!(ended.err.contains("chmod 600 relay.toml") && !ended.err.contains("hush"));
}
