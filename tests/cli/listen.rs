//! `relay listen` with the real binary: whatever happens to it, to the relay, to the network or to
//! the target, each message comes once and in order.

pub mod listener;
pub mod proxy;
pub mod support;
pub mod target;
pub mod tls;

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use self::listener::Listener;
use self::proxy::Way;
use self::support::{Place, numbers};
use self::target::Target;
use crate::support::Folder;

pub const NAMED: [&str; 4] = ["--source", "shop", "--name", "test"];

/// What a case works with.
struct Case {
    place: Place,
    target: Target,
    listener: Option<Listener>,
}

impl Case {
    fn arguments(&self) -> Vec<String> {
        let more = ["--retry", "forever"];
        let port = self.target.port();
        [port.as_str()].into_iter().chain(NAMED).chain(more).map(str::to_owned).collect()
    }

    fn begin(&mut self) {
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut listener = self.place.listen(&arguments);
        listener.wait_for("connected");
        self.listener = Some(listener);
    }

    fn listener(&mut self) -> &mut Listener {
        self.listener.as_mut().unwrap()
    }
}

/// Ten come, something happens, during which ten more come, and ten behind it: the target has all
/// thirty, each once and in their order, and nothing comes twice later.
fn survives(happens: impl FnOnce(&mut Case)) {
    let place = Place::with_source("shop");
    let mut case = Case { place, target: Target::start(), listener: None };
    case.begin();
    case.place.send("shop", 0..10);
    assert_eq!(case.target.wait(10), numbers(0..10));
    happens(&mut case);
    case.place.send("shop", 20..30);
    assert_eq!(case.target.wait(30), numbers(0..30));
    let last = case.listener.take().unwrap();
    assert!(last.stop().success());
    // Another one by its name has nothing left to do but what is new.
    case.begin();
    case.place.send("shop", 30..31);
    assert_eq!(case.target.wait(31), numbers(0..31));
}

/// Waits until so many were forwarded and the last of them was written down as done.
fn settled(case: &mut Case, count: usize) {
    let mut last = String::new();
    for _ in 0..count {
        case.listener().wait_for("forwarded")["id"].as_str().unwrap().clone_into(&mut last);
    }
    // Ids sort by time.
    while case.place.listener_position("test.shop").is_none_or(|position| position < last) {
        std::thread::yield_now();
    }
}

#[test]
fn nothing_happens() {
    survives(|case| case.place.send("shop", 10..20));
}

#[test]
fn it_is_killed_and_started_again() {
    survives(|case| {
        settled(case, 10);
        case.listener.take().unwrap().kill();
        case.place.send("shop", 10..20);
        case.begin();
    });
}

#[test]
fn it_is_ended_and_started_again() {
    survives(|case| {
        assert!(case.listener.take().unwrap().stop().success());
        case.place.send("shop", 10..20);
        case.begin();
    });
}

/// A machine that slept. The long form: `RELAY_LISTEN_STOPPED=60`, in seconds.
#[test]
fn it_is_stopped_for_longer_than_its_patience() {
    let seconds = std::env::var("RELAY_LISTEN_STOPPED").map_or(4, |text| text.parse().unwrap());
    survives(|case| {
        case.listener().signal(Signal::STOP);
        case.place.send("shop", 10..20);
        // Signs of life are sent meanwhile, and what is sent to it waits.
        let from = std::time::Instant::now();
        while from.elapsed() < Duration::from_secs(seconds) {
            case.place.relay().call("GET", "/api/v1/listener", None);
        }
        case.listener().signal(Signal::CONT);
    });
}

/// The same when the relay has given it up meanwhile.
#[test]
fn it_is_stopped_until_the_relay_has_closed_its_stream() {
    survives(|case| {
        case.listener().signal(Signal::STOP);
        case.place.restart();
        case.place.send("shop", 10..20);
        case.listener().signal(Signal::CONT);
        case.listener().wait_for("lost");
        case.listener().wait_for("connected");
    });
}

#[test]
fn it_is_stopped_while_the_connection_is_cut() {
    survives(|case| {
        case.listener().signal(Signal::STOP);
        case.place.send("shop", 10..20);
        case.place.proxy.cut();
        case.listener().signal(Signal::CONT);
        case.listener().wait_for("lost");
        case.listener().wait_for("connected");
    });
}

#[test]
fn the_relay_is_restarted() {
    survives(|case| {
        case.place.restart();
        case.listener().wait_for("lost");
        case.place.send("shop", 10..20);
        case.listener().wait_for("connected");
    });
}

#[test]
fn the_relay_is_killed() {
    survives(|case| {
        case.place.kill();
        case.listener().wait_for("lost");
        case.place.send("shop", 10..20);
        case.listener().wait_for("connected");
    });
}

#[test]
fn the_connection_is_cut() {
    survives(|case| {
        for part in [10..13, 13..16, 16..20] {
            case.place.proxy.cut();
            case.place.send("shop", part);
            case.listener().wait_for("lost");
            case.listener().wait_for("connected");
        }
    });
}

#[test]
fn the_connection_is_silent_and_then_open_again() {
    survives(|case| {
        case.place.proxy.set(Way::Silent);
        case.place.send("shop", 10..20);
        let lost = case.listener().wait_for("lost");
        assert!(lost["why"].as_str().unwrap().contains("not even a sign of life"), "{lost}");
        case.place.proxy.set(Way::Open);
        case.listener().wait_for("connected");
    });
}

#[test]
fn the_connection_is_silent_and_then_closed() {
    survives(|case| {
        case.place.proxy.set(Way::Silent);
        case.place.send("shop", 10..20);
        case.listener().wait_for("lost");
        case.place.proxy.set(Way::Closed);
        case.place.proxy.cut();
        case.listener().wait_for("lost");
        case.place.proxy.set(Way::Open);
        case.listener().wait_for("connected");
    });
}

#[test]
fn a_short_silence_is_none() {
    survives(|case| {
        case.place.proxy.set(Way::Silent);
        case.place.send("shop", 10..20);
        case.place.proxy.set(Way::Open);
        case.target.wait(20);
        let kinds: Vec<_> =
            case.listener().seen().iter().map(|line| line["kind"].clone()).collect();
        assert!(!kinds.contains(&json!("lost")), "{kinds:?}");
    });
}

/// At the edge a message may come twice: the one that was on its way when the listener died. None
/// is left out, and none comes before another.
#[test]
fn what_is_on_its_way_at_a_crash_comes_again() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let port = target.port();
    let arguments = [&[port.as_str()][..], &NAMED].concat();
    let mut listener = place.listen(&arguments);
    listener.wait_for("connected");
    place.send("shop", 0..1);
    listener.wait_for("forwarded");
    target.wait(1);
    target.hold(true);
    place.send("shop", 1..4);
    target.wait(2);
    listener.kill();
    target.hold(false);
    let mut listener = place.listen(&arguments);
    listener.wait_for("connected");
    let came = target.wait(5);
    assert_eq!(came.iter().filter(|body| *body != "0").collect::<Vec<_>>(), ["1", "1", "2", "3"]);
}

#[test]
fn several_sources_and_targets_at_once() {
    let place = Place::with_source("one");
    ["two", "three"].iter().for_each(|uid| place.source(uid));
    let targets = [Target::start(), Target::start(), Target::start()];
    let port = |number: usize| targets[number].port();
    let two = format!("two={}/hooks", port(1));
    let three = format!("three=http://127.0.0.1:{}", port(2));
    let first = port(0);
    let arguments = [
        first.as_str(),
        "--source",
        "one",
        "--source",
        &two,
        "--source",
        &three,
        "--name",
        "all",
        "--path",
        "/in",
    ];
    let mut listener = place.listen(&arguments);
    (0..3).for_each(|_| drop(listener.wait_for("connected")));
    for number in 0..10 {
        ["one", "two", "three"].iter().for_each(|uid| place.send(uid, number..number + 1));
    }
    for (target, path) in targets.iter().zip(["/in", "/hooks", "/in"]) {
        assert_eq!(target.wait(10), numbers(0..10));
        let line = format!("POST {path} HTTP/1.1");
        assert!(target.came().iter().all(|came| came.line == line), "{line}");
    }
    assert!(listener.stop().success());
    place.send("two", 10..12);
    place.send("three", 10..11);
    let mut listener = place.listen(&arguments);
    (0..3).for_each(|_| drop(listener.wait_for("connected")));
    assert_eq!(targets[1].wait(12)[10..], ["10", "11"]);
    assert_eq!(targets[2].wait(11)[10..], ["10"]);
    place.send("one", 10..11);
    assert_eq!(targets[0].wait(11)[10..], ["10"]);
}

/// By its name it goes on wherever it is started, to whatever target.
#[test]
fn it_moves_to_another_machine() {
    let place = Place::with_source("shop");
    let (here, there) = (Target::start(), Target::start());
    let mut listener = place.listen(&[&[here.port().as_str()][..], &NAMED].concat());
    listener.wait_for("connected");
    place.send("shop", 0..3);
    here.wait(3);
    assert!(listener.stop().success());
    place.send("shop", 3..6);
    let elsewhere = Folder::new();
    let port = there.port();
    let arguments = [&[port.as_str()][..], &NAMED].concat();
    let mut listener = place.begin_listener(&elsewhere, &arguments);
    listener.wait_for("connected");
    assert_eq!(there.wait(3), numbers(3..6));
    assert_eq!(here.came().len(), 3);
}

#[test]
fn it_begins_where_it_is_told_to() {
    let place = Place::with_source("shop");
    let target = Target::start();
    let port = target.port();
    place.send("shop", 0..3);
    let with = |from: &str| {
        let mut listener =
            place.listen(&[&[port.as_str()][..], &NAMED, &["--from", from]].concat());
        listener.wait_for("connected");
        listener
    };
    let first = with("now");
    place.send("shop", 3..4);
    assert_eq!(target.wait(1), ["3"]);
    assert!(first.stop().success());
    let again = with("beginning");
    assert_eq!(target.wait(5)[1..], numbers(0..4));
    assert!(again.stop().success());
    let brief = with("1h");
    assert_eq!(target.wait(9)[5..], numbers(0..4));
    assert!(brief.stop().success());
}

#[test]
fn two_of_different_names_have_all_of_it_each() {
    let place = Place::with_source("shop");
    let targets = [Target::start(), Target::start()];
    let listeners: Vec<Listener> = targets
        .iter()
        .zip(["anna", "ben"])
        .map(|(target, name)| {
            let mut listener =
                place.listen(&[target.port().as_str(), "--source", "shop", "--name", name]);
            listener.wait_for("connected");
            listener
        })
        .collect();
    place.send("shop", 0..10);
    targets.iter().for_each(|target| assert_eq!(target.wait(10), numbers(0..10)));
    drop(listeners);
}
