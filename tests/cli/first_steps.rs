//! What somebody meets on the first day: a port that is taken, a name that is missing, an address
//! that the guard refuses, and what each of them is told.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};

/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new();
    let told = folder.run(&["serve", "--listen", &address]);
    let told = told.expect(1, "", &format!("can't listen on {address}"));
    for part in ["--listen 127.0.0.1:9080", "RELAY__SERVER__LISTEN", "RELAY_SERVER=http://"] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn an_address_without_a_port() {
    let folder = Folder::new();
    for wrong in ["8080", "127.0.0.1", "localhost:8080", ":8080"] {
        let told = format!("--listen: `{wrong}` is not an address with a port, write it like ");
        let told = format!("{told}\"127.0.0.1:8080\"");
        folder.run(&["serve", "--listen", wrong]).expect(78, "", &told);
    }
    folder.write("relay.toml", "[server]\nlisten = \"8080\"\n");
    folder.run(&["check"]).expect(78, "", "relay.toml:2:10: `8080` is not an address with a port");
}

#[test]
fn no_token_is_to_be_found() {
    let folder = Folder::new();
    let words = "there is no token, and ./data/operator_key can't be read";
    let told = folder.run(&["tasks", "list"]).expect(1, "", words);
    for part in ["no configuration was found", "--config", "--token", "RELAY_TOKEN"] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    folder.write("other.toml", "[data]\ndir = \"elsewhere\"\n");
    let told = folder.run(&["tasks", "list", "--config", "other.toml"]);
    let told = told.expect(1, "", "elsewhere/operator_key can't be read");
    assert!(told.err.contains("other.toml names the data folder (data.dir)"), "{}", told.err);
}

fn attempts(relay: &Live, message: &str) -> Value {
    let path = format!("/api/v1/app/default/attempt/msg/{message}");
    let began = Instant::now();
    loop {
        let (status, answer) = relay.call("GET", &path, None);
        assert_eq!(status, 200, "{answer}");
        if answer["data"][0].is_object() {
            return answer["data"][0].clone();
        }
        assert!(began.elapsed() < PATIENCE, "there is no attempt: {answer}");
    }
}

/// Operators are told of the guard; a tenant could map the network with the same words.
#[test]
fn an_address_that_the_guard_refuses() {
    let folder = Folder::new();
    let receiver = ScriptedRelay::start(|_, _| (200, String::new()));
    folder.write("relay.toml", "[guard]\nallow = [\"127.0.0.0/8\"]\n");
    let relay = Live::start(&folder);
    let body = json!({"url": receiver.url, "uid": "books"}).to_string();
    let (status, made) = relay.call("POST", "/api/v1/app/default/endpoint", Some(&body));
    assert_eq!(status, 201, "{made}");
    relay.stop();
    folder.write("relay.toml", "");
    let mut relay = Live::start(&folder);
    let body = r#"{"eventType":"a.b","eventId":"one","payload":{}}"#;
    let (status, sent) = relay.call("POST", "/api/v1/app/default/msg", Some(body));
    assert_eq!(status, 202, "{sent}");
    let tried = attempts(&relay, "one");
    let told = tried["response"].as_str().unwrap().to_owned();
    assert!(told.starts_with("the address guard refused 127.0.0.1: "), "{told}");
    assert!(told.contains("guard.allow"), "{told}");
    let path = "/api/v1/app/default/attempt/msg/one?with_content=false";
    assert_eq!(relay.call("GET", path, None).1["data"][0]["response"], "");
    let path = format!("/api/v1/app/default/msg/one/attempt/{}", tried["id"].as_str().unwrap());
    assert_eq!(relay.call("GET", &path, None).1["response"], *told);
    let at = ["--server", &*relay.url, "--token", &*relay.key];
    let show = [&["messages", "show", "default", "one"][..], &at].concat();
    folder.run(&show).expect(0, "the address guard refused 127.0.0.1", "");
    let (status, access) = relay.call("POST", "/api/v1/auth/app-portal-access/default", Some("{}"));
    assert_eq!(status, 200, "{access}");
    relay.key = access["token"].as_str().unwrap().to_owned();
    let told = attempts(&relay, "one")["response"].as_str().unwrap().to_owned();
    assert!(told.starts_with("no connection to the endpoint could be made"), "{told}");
    assert!(!told.contains("guard"), "{told}");
    assert!(receiver.asked().is_empty());
    relay.stop();
}
