//! Connections kept, dropped, found stale and interrupted.

use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use relay::domain::delivery::Outcome;
use relay::engine::transport::Transport;

use crate::support::{LONG, Receiver, Sender, post, request};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_connection_is_used_again() {
    let receiver = Receiver::answering(OK);
    let transport = Sender::long();
    for _ in 0..20 {
        assert_eq!(post(&transport, &receiver.url()).body, b"ok");
    }
    assert_eq!(receiver.connections(), 1);
    assert_eq!(transport.origins(), 1);
}

/// The same over a proxy from the environment, which must not be asked.
#[test]
fn proxies_in_the_environment_are_ignored() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "connections::a_connection_is_used_again"]);
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "all_proxy"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let output = again.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[test]
fn bytes_after_the_answer_never_reach_the_next_one() {
    let poison = format!("{OK}HTTP/1.1 500 Poison\r\nContent-Length: 0\r\n\r\n");
    let receiver = Receiver::answering(poison);
    let transport = Sender::long();
    for _ in 0..3 {
        assert_eq!(post(&transport, &receiver.url()).status_code, 200);
    }
    assert_eq!(receiver.connections(), 3);
}

#[test]
fn bytes_that_come_later_never_reach_the_next_answer() {
    let (poisoned, told) = mpsc::channel();
    let poisoned = Mutex::new(poisoned);
    let receiver = Receiver::start(move |_, mut peer| {
        peer.read_request();
        peer.write(OK);
        // The sender has read the answer and laid the connection by when this is written or not;
        // either way it is not for the next request.
        peer.write("HTTP/1.1 500 Poison\r\nContent-Length: 0\r\n\r\n");
        let _ = poisoned.lock().unwrap().send(());
        peer.hang();
    });
    let transport = Sender::long();
    for _ in 0..3 {
        assert_eq!(post(&transport, &receiver.url()).status_code, 200);
        told.recv_timeout(LONG).unwrap();
    }
    assert_eq!(receiver.connections(), 3);
}

#[test]
fn an_idle_connection_that_the_peer_closed_is_replaced_at_once() {
    // The first connection takes a second request and closes without a byte of answer, as one
    // does that timed out while the request was on its way.
    let receiver = Receiver::start(|number, mut peer| {
        peer.read_request();
        peer.write(OK);
        if number == 0 {
            peer.read_request();
            return;
        }
        while peer.read_request().is_some() && peer.write(OK) {}
    });
    let transport = Sender::long();
    assert_eq!(post(&transport, &receiver.url()).outcome, Outcome::Delivered);
    assert_eq!(post(&transport, &receiver.url()).outcome, Outcome::Delivered);
    assert_eq!(receiver.connections(), 2);
    assert_eq!(receiver.requests().len(), 3);
}

#[test]
fn a_new_connection_that_breaks_is_not_tried_again() {
    let receiver = Receiver::start(|_, mut peer| {
        peer.read_request();
    });
    let answer = post(&Sender::long(), &receiver.url());
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Broken, 0));
    assert_eq!(answer.body, b"the connection broke before a complete answer");
    assert_eq!(receiver.connections(), 1);
}

#[test]
fn a_used_connection_that_breaks_mid_answer_is_not_tried_again() {
    let receiver = Receiver::start(|_, mut peer| {
        peer.read_request();
        peer.write(OK);
        peer.read_request();
        peer.write("HTTP/1.1 2");
    });
    let transport = Sender::long();
    assert_eq!(post(&transport, &receiver.url()).outcome, Outcome::Delivered);
    assert_eq!(post(&transport, &receiver.url()).outcome, Outcome::Broken);
    assert_eq!(receiver.connections(), 1);
}

#[test]
fn an_answer_before_the_request_was_read_is_their_answer() {
    let receiver = Receiver::start(|_, mut peer| {
        peer.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        // Unread input makes this a reset.
        peer.close();
    });
    let transport = Sender::long();
    let mut large = request(&receiver.url(), LONG);
    large.body = vec![b'x'; 8 << 20].into();
    let answer = transport.send(&large);
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Status, 413), "{answer:?}");
}

#[test]
fn a_shutdown_ends_what_is_in_flight_and_refuses_the_rest() {
    let (asked, arrived) = mpsc::channel();
    let asked = Mutex::new(asked);
    let receiver = Receiver::start(move |_, mut peer| {
        peer.read_request();
        let _ = asked.lock().unwrap().send(());
        peer.hang();
    });
    let transport = Arc::new(Sender::long());
    let (sender, url) = (transport.clone(), receiver.url());
    let waiting = thread::spawn(move || post(&sender, &url));
    arrived.recv_timeout(LONG).unwrap();
    transport.shutdown();
    let answer = waiting.join().unwrap();
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Broken, 0));
    assert!(answer.duration < LONG);
    assert_eq!(post(&transport, &receiver.url()).status_code, 0);
    let other = Receiver::answering(OK);
    assert_eq!(post(&transport, &other.url()).status_code, 0, "a new origin is refused too");
    assert_eq!((receiver.connections(), other.connections()), (1, 0));
}

#[test]
fn many_origins_hold_a_bounded_number_of_agents() {
    let receiver = Receiver::answering(OK);
    let port = receiver.address.port();
    let transport =
        Sender { lookup: crate::support::always(&["127.0.0.1"]), ..Sender::default() }.build().0;
    for number in 0..4_200 {
        let mut unsent = request(&format!("http://host-{number}.example:{port}/"), LONG);
        // Refused before a socket is opened: this is about the map.
        unsent.headers.push((String::new(), String::new()));
        assert_eq!(transport.send(&unsent).outcome, Outcome::Protocol);
    }
    assert_eq!(transport.origins(), 4_096);
    assert_eq!(post(&transport, &receiver.url()).outcome, Outcome::Delivered);
    assert_eq!(transport.origins(), 4_096);
}
