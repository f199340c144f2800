//! What a listener does with targets that are down, slow or angry, and with a relay that says
//! nothing.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::listen::NAMED;
use crate::listen::proxy::{Proxy, Way};
use crate::listen::support::{Place, numbers};
use crate::listen::target::Target;
use crate::support::{Folder, ScriptedRelay};

/// A relay that takes a connection and does not say that the stream is there has none.
#[test]
fn it_is_not_connected_before_the_relay_says_so() {
    let relay = ScriptedRelay::start(|asked, _| match asked.line.contains("/live") {
        true => (200, ": hello\n\n".to_owned()),
        false => (404, "{\"code\": \"not_found\"}".to_owned()),
    });
    let folder = Folder::new();
    let arguments = ["listen", "--json", "3000", "--source", "shop", "--token", "t"];
    let mut child = folder
        .command(&[&arguments[..], &["--server", &relay.url]].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let kinds: Vec<Value> = lines
        .take(3)
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["kind"].clone())
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(kinds, ["lost", "lost", "lost"]);
}

#[test]
fn the_target_is_down_and_comes_back() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let door = Proxy::to(target.address);
    let port = door.address.port().to_string();
    let arguments = [&[port.as_str()][..], &NAMED, &["--retry", "forever"]].concat();
    let mut listener = place.listen(&arguments);
    listener.wait_for("connected");
    place.send("shop", 0..3);
    // What was not answered when it went down would rightly come again.
    (0..3).for_each(|_| drop(listener.wait_for("forwarded")));
    door.set(Way::Closed);
    door.cut();
    place.send("shop", 3..6);
    for _ in 0..3 {
        let failed = listener.wait_for("failed");
        assert!(failed["retryIn"].as_f64().is_some(), "{failed}");
    }
    door.set(Way::Open);
    assert_eq!(target.wait(6), numbers(0..6));
}

#[test]
fn a_target_that_stays_down_is_given_up() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let door = Proxy::to(target.address);
    door.set(Way::Closed);
    let port = door.address.port().to_string();
    let mut listener = place.listen(&[&[port.as_str()][..], &NAMED, &["--retry", "1"]].concat());
    listener.wait_for("connected");
    place.send("shop", 0..1);
    let failed = listener.wait_for("failed");
    assert!(failed["retryIn"].as_f64().is_some());
    let why = failed["why"].as_str().unwrap();
    assert!(why.starts_with(&format!("no answer from localhost:{port}: ")), "{failed}");
    assert!(listener.wait_for("failed")["retryIn"].is_null());
    door.set(Way::Open);
    place.send("shop", 1..2);
    assert_eq!(target.wait(1), ["1"]);
}

/// Nobody is asked for such a name, and few machines have one of them in their list.
#[test]
fn names_below_localhost_are_this_machine() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let url = format!("http://shop.localhost:{}/", target.port());
    let mut listener = place.listen(&[&[url.as_str()][..], &NAMED, &["--retry", "0"]].concat());
    listener.wait_for("connected");
    place.send("shop", 0..2);
    assert_eq!(target.wait(2), ["0", "1"]);
}

#[test]
fn a_target_that_hangs_is_given_its_time() {
    let place = Place::with_source("shop");
    let target = Target::start();
    target.hold(true);
    let more = ["--retry", "0", "--timeout", "300ms"];
    let mut listener = place.listen(&[&[target.port().as_str()][..], &NAMED, &more].concat());
    listener.wait_for("connected");
    place.send("shop", 0..1);
    let failed = listener.wait_for("failed");
    assert!(failed["why"].as_str().unwrap().contains("timeout"), "{failed}");
    target.hold(false);
    place.send("shop", 1..2);
    assert_eq!(target.wait(2), ["0", "1"]);
}

#[test]
fn an_answer_of_any_status_is_one() {
    let place = Place::with_source("shop");
    let target = Target::start();
    target.answer(500);
    let mut listener = place.listen(&[&[target.port().as_str()][..], &NAMED].concat());
    listener.wait_for("connected");
    place.send("shop", 0..2);
    assert_eq!(listener.wait_for("forwarded")["status"], 500);
    assert_eq!(listener.wait_for("forwarded")["status"], 500);
    assert_eq!(target.wait(2), ["0", "1"]);
}
