//! `relay listen` on a machine of its own whose network goes: every message comes once and in
//! order, it is connected when it says so, and the relay keeps no place for who is not there. This
//! needs root and network namespaces.
//!
//! The long forms: `RELAY_FAULT_LISTEN_CUTS` cuts, `RELAY_FAULT_LISTEN_ASLEEP` seconds asleep.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use self::listener::Listener;
use self::target::Target;
use crate::support::namespace::{Elsewhere, inside, run};
use crate::support::process::{Relay, Settings};
use crate::support::{LONG, pause, variable, wait_until};

#[path = "../cli/listen/listener.rs"]
#[allow(dead_code, reason = "shared with tests/cli")]
mod listener;
#[path = "../cli/listen/target.rs"]
#[allow(dead_code, reason = "shared with tests/cli")]
mod target;

/// Where the relay listens: at no end of a cable, so that it is there whichever goes.
const RELAY: &str = "10.67.9.1";
const LIVE: &str = "/api/v1/live?follow=false";

/// A relay here that has room for one live stream, and a machine there that reaches it over the
/// cable `net`, and the program that it forwards to over the cable `dev`.
struct Places {
    relay: Relay,
    laptop: Elsewhere,
    target: Target,
    path: String,
    sent: usize,
    _folder: tempfile::TempDir,
}

impl Places {
    fn new() -> Places {
        let laptop = Elsewhere::new();
        laptop.connect("net", "10.67.1.1/24", "10.67.1.2/24").unwrap();
        laptop.connect("dev", "10.67.2.1/24", "10.67.2.2/24").unwrap();
        run("ip", &["address", "add", &format!("{RELAY}/32"), "dev", "lo"]).unwrap();
        laptop.ip(&["route", "add", RELAY, "via", "10.67.1.1"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(&folder.path().join("data"));
        settings.set("RELAY__SERVER__LISTEN", &format!("{RELAY}:0"));
        settings.set("RELAY__SERVER__LIVE_ALIVE", "200ms");
        settings.set("RELAY__SERVER__LIVE_STREAMS", "1");
        settings.set("RELAY__SERVER__WRITE_TIMEOUT", "1s");
        let relay = settings.start();
        let source = "{\"name\":\"shop\",\"uid\":\"shop\",\"type\":\"generic-webhook\",\
                      \"dedup\":\"off\"}";
        let (status, made) = relay.client.post("/api/v1/source", source).unwrap();
        assert_eq!(status, 201, "{made}");
        let url = made["ingestUrl"].as_str().unwrap();
        let path = format!("/{}", url.splitn(4, '/').last().unwrap());
        let target = Target::on("10.67.2.1:0");
        Places { relay, laptop, target, path, sent: 0, _folder: folder }
    }

    /// There, with `connected` said.
    fn listen(&self) -> Listener {
        let wrapper = self.laptop.wrapper();
        let mut command = Command::new(&wrapper[0]);
        let server = format!("http://{}", self.relay.client.address());
        let key = self.relay.client.key();
        command
            .args(&wrapper[1..])
            .arg(env!("CARGO_BIN_EXE_relay"))
            .args(["listen", "--json", &format!("http://{}", self.target.address)])
            .args(["--source", "shop", "--name", "laptop", "--alive-timeout", "3s"])
            .args(["--server", &server, "--token", key]);
        let mut listener = Listener::start(command);
        listener.wait_for("connected");
        listener
    }

    /// So many providers' requests, with the next numbers as their bodies.
    fn send(&mut self, count: usize) {
        for _ in 0..count {
            let status = self.relay.client.provide(&self.path, &[], &self.sent.to_string());
            assert_eq!(status.unwrap(), 200);
            self.sent += 1;
        }
    }

    /// Waits until all that was sent has come, each once and in order.
    #[track_caller]
    fn all_came(&self) {
        let expected: Vec<String> = (0..self.sent).map(|number| number.to_string()).collect();
        assert_eq!(self.target.wait(self.sent), expected);
    }

    /// Whether the relay has room for another live stream.
    fn has_room(&self) -> bool {
        self.relay.client.get(LIVE).unwrap().0 == 200
    }

    fn link(&self, end: End, state: &str) {
        match end {
            End::Laptop => self.laptop.ip(&["link", "set", "net1", state]),
            End::Relay => run("ip", &["link", "set", "net0", state]),
        }
        .unwrap();
        if matches!(end, End::Laptop) && state == "up" {
            // It went with the link.
            self.laptop.ip(&["route", "add", RELAY, "via", "10.67.1.1"]).unwrap();
        }
    }
}

#[derive(Clone, Copy)]
enum End {
    Laptop,
    Relay,
}

/// How many it has said that it forwarded, as far as that was read.
fn forwarded(listener: &Listener) -> usize {
    listener.seen().iter().filter(|line| line["kind"] == "forwarded").count()
}

/// Says why the test is not run, where it is not.
fn is_inside(test: &str) -> bool {
    inside(test).unwrap_or_else(|why| {
        println!("SKIPPED: {why}");
        false
    })
}

#[test]
fn the_link_goes_and_comes_back_while_messages_arrive() {
    if !is_inside("listen::the_link_goes_and_comes_back_while_messages_arrive") {
        return;
    }
    let mut places = Places::new();
    let mut listener = places.listen();
    let cuts = variable("RELAY_FAULT_LISTEN_CUTS", 2);
    for cut in 0..cuts {
        let end = if cut % 2 == 0 { End::Laptop } else { End::Relay };
        places.send(10);
        places.all_came();
        // All that it says of the time before is read.
        while forwarded(&listener) < places.sent {
            listener.wait_for("forwarded");
        }
        places.link(end, "down");
        let before = listener.seen().len();
        places.send(5);
        // It is tried again meanwhile, which fails too.
        (0..2).for_each(|_| drop(listener.wait_for("lost")));
        places.send(5);
        let said: Vec<_> = listener.seen()[before..].iter().map(|line| &line["kind"]).collect();
        assert!(!said.contains(&&"connected".into()), "without a network: {said:?}");
        places.link(end, "up");
        listener.wait_for("connected");
        places.send(5);
        places.all_came();
        // One that is too short for anybody to notice.
        places.link(end, "down");
        places.send(3);
        places.link(end, "up");
        places.all_came();
    }
    assert!(listener.stop().success());
    println!("{cuts} cuts of a listener's network, {} messages", places.sent);
    places.relay.stop();
}

/// With the machine goes its network; meanwhile the relay gives its stream up.
#[test]
fn the_machine_sleeps_until_the_relay_has_given_it_up() {
    if !is_inside("listen::the_machine_sleeps_until_the_relay_has_given_it_up") {
        return;
    }
    let mut places = Places::new();
    let mut listener = places.listen();
    places.send(5);
    places.all_came();
    assert!(!places.has_room(), "the listener has the one place");
    listener.signal(Signal::STOP);
    places.link(End::Laptop, "down");
    places.send(5);
    let asleep = variable("RELAY_FAULT_LISTEN_ASLEEP", 0);
    pause(Duration::from_secs(asleep));
    wait_until("its place is free again", LONG, || places.has_room());
    places.link(End::Laptop, "up");
    listener.signal(Signal::CONT);
    listener.wait_for("lost");
    listener.wait_for("connected");
    places.send(5);
    places.all_came();
    assert!(listener.stop().success());
    println!("{asleep} s asleep at least, {} messages", places.sent);
    places.relay.stop();
}
