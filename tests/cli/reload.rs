//! What a reload takes of `relay.toml` beside what it declares: alerts, `[redact]`, proxies.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};

/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
const LOCAL: &str = "[guard]\nallow = [\"127.0.0.0/8\"]\n[alerts]\nlook_every = \"100ms\"\n";
const MESSAGES: &str = "/api/v1/app/default/msg";
const BOOKS: &str = "/api/v1/app/default/endpoint/books";

/// Has the relay take this file; what changed by it, without what it declares.
fn reload(folder: &Folder, relay: &mut Live, text: &str) -> Vec<String> {
    folder.write("relay.toml", format!("{LOCAL}{text}"));
    relay.signal(Signal::HUP);
    let lines = relay.lines_until("reloaded");
    let changes = lines.iter().filter_map(|line| line["change"].as_str());
    changes.filter(|change| change.ends_with(": changed")).map(str::to_owned).collect()
}

fn start(folder: &Folder, text: &str) -> Live {
    folder.write("relay.toml", format!("{LOCAL}{text}"));
    let relay = Live::start(folder);
    relay.call("PUT", "/api/v1/app/default", Some(r#"{"name":"d","uid":"default"}"#));
    relay
}

fn send(relay: &Live, payload: &Value) -> String {
    let body = json!({"eventType": "a.b", "payload": payload}).to_string();
    let (status, answer) = relay.call("POST", MESSAGES, Some(&body));
    assert_eq!(status, 202, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

fn endpoint(relay: &Live, url: &str) {
    let body = json!({"url": url, "uid": "books"}).to_string();
    let (status, answer) = relay.call("POST", "/api/v1/app/default/endpoint", Some(&body));
    assert_eq!(status, 201, "{answer}");
}

#[test]
fn what_is_hidden() {
    let folder = Folder::new();
    let mut relay = start(&folder, "");
    let id = send(&relay, &json!({"card": "4111", "name": "anna"}));
    let shown = |relay: &Live| {
        let (_, message) = relay.call("GET", &format!("{MESSAGES}/{id}"), None);
        message["payload"].clone()
    };
    assert_eq!(shown(&relay), json!({"card": "4111", "name": "anna"}));
    let card = "[redact]\njson_paths = [\"$.card\"]\n";
    assert_eq!(reload(&folder, &mut relay, card), ["redact: changed"]);
    assert_eq!(shown(&relay), json!({"card": "(redacted)", "name": "anna"}));
    assert_eq!(reload(&folder, &mut relay, card), [""; 0], "nothing is another");

    // What is wrong changes nothing.
    folder.write("relay.toml", format!("{LOCAL}[redact]\njson_paths = [\"card\"]\n"));
    relay.signal(Signal::HUP);
    relay.wait_for("the configuration was not reloaded");
    assert_eq!(shown(&relay)["card"], "(redacted)");
    let name = "[redact]\njson_paths = [\"$.name\"]\n";
    assert_eq!(reload(&folder, &mut relay, name), ["redact: changed"]);
    assert_eq!(shown(&relay), json!({"card": "4111", "name": "(redacted)"}));
    relay.stop();
}

fn alert(name: &str, url: &str) -> String {
    format!("[[alert]]\nname = \"{name}\"\nurl = \"{url}\"\non = [\"endpoint_disabled\"]\n")
}

/// Takes alerts; each comes out once.
fn chat() -> (ScriptedRelay, Receiver<Value>) {
    let (sender, taken) = mpsc::channel();
    let chat = ScriptedRelay::start(move |asked, _| {
        sender.send(serde_json::from_str(&asked.body).unwrap()).unwrap();
        (200, "ok".to_owned())
    });
    (chat, taken)
}

#[test]
fn whom_to_tell() {
    let gone = ScriptedRelay::start(|_, _| (410, "gone".to_owned()));
    let ((one, to_one), (two, to_two)) = (chat(), chat());
    let folder = Folder::new();
    let mut relay = start(&folder, "");
    endpoint(&relay, &gone.url);
    send(&relay, &json!({}));
    while relay.call("GET", BOOKS, None).1["disabled"] != json!(true) {
        thread::yield_now();
    }
    // There was nobody to tell; now there is.
    let first = alert("ops", &one.url);
    assert_eq!(reload(&folder, &mut relay, &first), ["alerts: changed"]);
    let told = to_one.recv_timeout(PATIENCE).expect("an alert");
    assert_eq!((&told["state"], &told["alert"]), (&"firing".into(), &"ops".into()), "{told}");
    // One more destination: it is told, and who knows is not told again.
    let both = format!("{first}{}", alert("chat", &two.url));
    assert_eq!(reload(&folder, &mut relay, &both), ["alerts: changed"]);
    let told = to_two.recv_timeout(PATIENCE).expect("an alert");
    assert_eq!((&told["state"], &told["alert"]), (&"firing".into(), &"chat".into()), "{told}");
    // The same alert goes elsewhere, and the other one is gone.
    let moved = alert("ops", &two.url);
    assert_eq!(reload(&folder, &mut relay, &moved), ["alerts: changed"]);
    let (status, answer) = relay.call("PATCH", BOOKS, Some(r#"{"disabled":false}"#));
    assert_eq!(status, 200, "{answer}");
    let told = to_two.recv_timeout(PATIENCE).expect("an alert");
    assert_eq!((&told["state"], &told["alert"]), (&"recovered".into(), &"ops".into()), "{told}");
    // And nobody is told any more.
    assert_eq!(reload(&folder, &mut relay, ""), ["alerts: changed"]);
    relay.stop();
    assert_eq!((to_one.try_recv().ok(), to_two.try_recv().ok()), (None, None));
}

/// Refuses whoever asks; the first line of each asking comes out.
fn proxy() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, asked) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            // The test may have ended.
            let _ = sender.send(line.trim_end().to_owned());
            let _ = stream.write_all(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n");
        }
    });
    (port, asked)
}

#[test]
fn where_requests_leave() {
    let (sender, arrived) = mpsc::channel();
    let receiver = ScriptedRelay::start(move |_, _| {
        sender.send(()).unwrap();
        (200, "ok".to_owned())
    });
    let place = receiver.url.strip_prefix("http://").unwrap().to_owned();
    let ((usual, at_usual), (named, at_named)) = (proxy(), proxy());
    let folder = Folder::new();
    let mut relay = start(&folder, "");
    endpoint(&relay, &receiver.url);
    send(&relay, &json!({}));
    arrived.recv_timeout(PATIENCE).expect("a delivery without a proxy");

    let egress = format!("[egress]\nproxy = \"http://127.0.0.1:{usual}\"\n");
    assert_eq!(reload(&folder, &mut relay, &egress), ["proxies: changed"]);
    send(&relay, &json!({}));
    let asked = at_usual.recv_timeout(PATIENCE).expect("the proxy is asked");
    assert!(asked.starts_with(&format!("CONNECT {place} ")), "{asked}");

    // An endpoint may choose what the file has now, and no sooner.
    let choice = Some(r#"{"delivery":{"proxy":"eu"}}"#);
    let (status, answer) = relay.call("PATCH", BOOKS, choice);
    assert_eq!(status, 422, "{answer}");
    let chosen = format!("[[proxy]]\nname = \"eu\"\nurl = \"http://127.0.0.1:{named}\"\n");
    assert_eq!(reload(&folder, &mut relay, &chosen), ["proxies: changed"]);
    let (status, answer) = relay.call("PATCH", BOOKS, choice);
    assert_eq!(status, 200, "{answer}");
    send(&relay, &json!({}));
    let asked = at_named.recv_timeout(PATIENCE).expect("the proxy is asked");
    assert!(asked.starts_with(&format!("CONNECT {place} ")), "{asked}");
    assert!(arrived.try_recv().is_err(), "nothing went past the proxies");

    // Without one it goes straight to the receiver again.
    let (status, answer) = relay.call("PATCH", BOOKS, Some(r#"{"delivery":{}}"#));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(reload(&folder, &mut relay, ""), ["proxies: changed"]);
    send(&relay, &json!({}));
    arrived.recv_timeout(PATIENCE).expect("a delivery without a proxy");
    relay.stop();
}
