//! What `relay listen` sends on and shows, what `--public` makes and takes away, how both end; and
//! `relay tail`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::listen::proxy::Way;
use crate::listen::support::{Place, numbers};
use crate::listen::target::Target;

/// The bytes and the headers as they came, whatever they are.
#[test]
fn bytes_and_headers_as_they_came() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let mut listener = place.listen(&[&target.port(), "--source", "shop"]);
    listener.wait_for("connected");
    let large: Vec<u8> = (0..900_000u32).map(|number| (number % 251) as u8).collect();
    let text = "line one\r\nline two \u{1F600}\n".as_bytes();
    for body in [text, &large, b"", b"{ \"a\" : 1.0 }"] {
        let headers = [
            ("content-type", "application/x-own; charset=\"a\""),
            ("stripe-signature", "t=1,v1=abc"),
            ("webhook-id", "theirs"),
            ("x-gitlab-token", "secret"),
            ("x-forwarded-for", "192.0.2.1"),
            ("cookie", "a=b"),
        ];
        place.post("shop", body, &headers);
        listener.wait_for("forwarded");
        let came = target.came().pop().unwrap();
        assert!(came.body == body, "{} bytes", body.len());
        for (name, value) in &headers[..4] {
            assert_eq!(came.header(name), Some(*value), "{name}");
        }
        assert_eq!((came.header("x-forwarded-for"), came.header("cookie")), (None, None));
    }
    assert!(listener.stop().success());
    let chosen = ["--source", "shop", "--forward-headers", "Stripe-Signature", "--name", "chosen"];
    let mut listener = place.listen(&[&[target.port().as_str()][..], &chosen].concat());
    listener.wait_for("connected");
    let headers = [("stripe-signature", "s"), ("x-other", "1"), ("content-type", "a/b")];
    place.post("shop", b"x", &headers);
    listener.wait_for("forwarded");
    let came = target.came().pop().unwrap();
    assert_eq!(came.header("stripe-signature"), Some("s"));
    assert_eq!((came.header("content-type"), came.header("x-other")), (Some("a/b"), None));
}

#[test]
fn what_an_endpoint_would_be_sent() {
    let place = Place::start();
    let call = |method: &str, path: &str, body: Value| {
        place.relay().call(method, &format!("/api/v1{path}"), Some(&body.to_string()))
    };
    call("POST", "/app", json!({"name": "Acme", "uid": "acme"}));
    let endpoint =
        json!({"url": "https://hooks.example.com/", "uid": "books", "eventTypes": ["book.sold"]});
    assert_eq!(call("POST", "/app/acme/endpoint", endpoint).0, 201);
    let (_, secret) = place.relay().call("GET", "/api/v1/app/acme/endpoint/books/secret", None);
    let target = Target::start();
    let mut listener = place.listen(&[&target.port(), "--app", "acme", "--endpoint", "books"]);
    listener.wait_for("connected");
    for (event_type, number) in [("book.sold", 1), ("film.sold", 2), ("book.sold", 3)] {
        call("POST", "/app/acme/msg", json!({"eventType": event_type, "payload": {"n": number}}));
    }
    assert_eq!(target.wait(2), ["{\"n\":1}", "{\"n\":3}"]);
    let came = target.came().remove(0);
    let head: String =
        came.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    place.folder.write("request", format!("{head}\n{}", came.text()));
    let secret = secret["key"].as_str().unwrap();
    let verified = place.folder.run(&["verify", "--request", "request", "--secret", secret]);
    verified.expect(0, "", "");
    let (_, held) = place.relay().call("GET", "/api/v1/listener", None);
    assert_eq!(held["data"], json!([]), "an application's place is kept with it");
}

#[test]
fn a_url_for_as_long_as_somebody_looks() {
    let place = Place::start();
    let target = Target::start();
    let mut listener = place.listen(&["--public", &target.port()]);
    let made = listener.wait_for("public");
    listener.wait_for("connected");
    let path = made["url"].as_str().unwrap().splitn(4, '/').last().unwrap().to_owned();
    let url = format!("{}/{path}/sub?x=1", place.relay().url);
    place.post_to(&url, b"hello", &[("x-own", "1"), ("authorization", "Basic abc")]);
    let shown = listener.wait_for("request");
    assert_eq!(
        (&shown["original"]["method"], &shown["original"]["path"]),
        (&json!("POST"), &json!("/sub"))
    );
    let headers = shown["original"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["authorization", "Basic abc"])), "{headers:?}");
    listener.wait_for("forwarded");
    assert_eq!(target.came()[0].line, "POST /sub?x=1 HTTP/1.1");
    let source = format!("/api/v1/source/{}", made["sourceId"].as_str().unwrap());
    let (status, held) = place.relay().call("GET", &source, None);
    assert!(status == 200 && held["expiresAt"].is_string(), "{held}");
    let (_, messages) = place.relay().call("GET", "/api/v1/app/default/msg", None);
    assert_eq!(messages["data"], json!([]), "nothing of it is a message");
    assert!(listener.stop().success());
    assert_eq!(place.relay().call("GET", &source, None).0, 404, "it is gone with the listener");
}

#[test]
fn what_is_of_no_use_is_told_and_ends_it() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let port = target.port();
    let mut nobody = place.listen(&[&port, "--source", "nobody"]);
    assert!(nobody.wait_for("error")["error"].as_str().unwrap().contains("404"));
    assert_eq!(nobody.ended(), 1);
    let mut listener = place.listen(&[&port, "--source", "shop"]);
    listener.wait_for("connected");
    place.relay().call("DELETE", "/api/v1/source/shop", None);
    listener.wait_for("error");
    assert_eq!(listener.ended(), 1);
    let run = |arguments: &[&str]| {
        let url = place.proxy.url();
        place.folder.run(&[arguments, &["--token", "wrong", "--server", &url]].concat())
    };
    run(&["listen", "3000", "--source", "shop"]).expect(
        1,
        "",
        "the token is not that of this relay",
    );
    run(&["tail"]).expect(1, "", "401");
    run(&["listen", "3000"]).expect(2, "", "--source");
    run(&["listen", "--source", "shop"]).expect(2, "", "--source shop=3000");
    run(&["listen", "ftp://x", "--source", "shop"]).expect(2, "", "is no target");
    run(&["tail", "--since", "soon"]).expect(2, "", "is no beginning");
    let unreachable = ["tail", "--token", "x", "--server", "http://127.0.0.1:1"];
    place.folder.run(&unreachable).expect(69, "", "is the relay running?");
}

/// A key that is revoked ends the stream, and there is no other with it.
#[test]
fn a_key_that_is_revoked() {
    let mut place = Place::with_source("shop");
    let made = place.relay().call("POST", "/api/v1/auth/key", Some("{\"name\": \"k\"}")).1;
    let operator = std::mem::replace(&mut place.key, made["token"].as_str().unwrap().to_owned());
    let target = Target::start();
    let mut listener = place.listen(&[&target.port(), "--source", "shop"]);
    listener.wait_for("connected");
    place.key = operator;
    let path = format!("/api/v1/auth/key/{}", made["id"].as_str().unwrap());
    assert_eq!(place.relay().call("DELETE", &path, None).0, 204);
    let said = listener.wait_for("error");
    assert!(said["error"].as_str().unwrap().contains("401"), "{said}");
    assert_eq!(listener.ended(), 1);
}

#[test]
fn tail_prints_each_once_in_order() {
    let mut place = Place::with_source("shop");
    place.send("shop", 0..3);
    let url = place.proxy.url();
    let at = ["--server", &*url, "--token", &place.key.clone(), "--alive-timeout", "3s"];
    let all = ["tail", "--since", "beginning", "--no-follow", "--json"];
    let printed = place.folder.run(&[&all[..], &at].concat()).expect(0, "", "");
    assert_eq!(printed.out.lines().count(), 3, "{}", printed.out);
    let people = ["tail", "--since", "1h", "--no-follow", "--body", "--source", "shop"];
    let printed = place.folder.run(&[&people[..], &at].concat()).expect(0, "received  msg_", "");
    assert_eq!(printed.out.lines().filter(|line| line.starts_with("    ")).count(), 3);

    let follow = ["tail", "--json", "--body", "--since", "beginning"];
    let mut child = place
        .folder
        .command(&[&follow[..], &at].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let stderr = BufReader::new(child.stderr.take().unwrap());
    thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
    let (sender, notes) = mpsc::channel();
    thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
    let next = || {
        let line = lines.recv_timeout(std::time::Duration::from_secs(120)).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        line["payload"]["rawPayload"].as_str().unwrap().to_owned()
    };
    let said = |text: &str| while !notes.recv().unwrap().contains(text) {};
    let mut seen: Vec<String> = (0..3).map(|_| next()).collect();
    place.restart();
    said("lost");
    place.send("shop", 3..6);
    said("connected again");
    seen.extend((0..3).map(|_| next()));
    place.proxy.set(Way::Silent);
    place.send("shop", 6..9);
    said("not even a sign of life");
    place.proxy.set(Way::Open);
    seen.extend((0..3).map(|_| next()));
    assert_eq!(seen, numbers(0..9));
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    child.wait().unwrap();
}
