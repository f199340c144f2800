//! What only shows on a connection: bodies that are not wanted and still come, bodies that are too
//! many at once, and whose address is believed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use relay::config::units::{Size, Span};
use serde_json::json;

use crate::support::server::{Answer, OPERATOR_KEY, Relay, read_one};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than the buffers of a connection hold.
const BIG: usize = 16 << 20;
/// What a caller of a relay in a hurry waits for at most.
const SHORT: Duration = Duration::from_millis(300);

fn head(headers: &str) -> String {
    format!(
        "POST /api/v1/app HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR_KEY}\r\n\
         content-type: application/json\r\n{headers}\r\n"
    )
}

fn connect(relay: &Relay) -> TcpStream {
    let stream = TcpStream::connect(relay.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends all of it before it reads anything, as simple clients do; every byte must be taken and
/// the answer read to its end, or the client tells its caller of a broken connection instead.
fn send_then_read(relay: &Relay, head: &str, body: &[u8]) -> Answer {
    let mut stream = connect(relay);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).expect("the server takes what it does not want");
    read_one(&mut stream)
}

fn chunks(bytes: usize) -> Vec<u8> {
    let chunk = [b"10000\r\n".as_slice(), &[b'a'; 1 << 16], b"\r\n"].concat();
    chunk.repeat(bytes >> 16)
}

fn limited() -> Relay {
    Relay::with(|config| {
        config.intake.max_body = Size(4 << 10);
        config.intake.max_in_flight = Size(4 << 10);
    })
}

#[test]
fn a_refused_body_is_taken_to_its_end() {
    let relay = limited();
    let announced = head(&format!("content-length: {BIG}\r\n"));
    let coming = head("transfer-encoding: chunked\r\n");
    let stranger = announced.replace(OPERATOR_KEY, "nobody's");
    let ended = [chunks(BIG), b"0\r\n\r\n".to_vec()].concat();
    for (what, head, body, status, code) in [
        ("by its length", &announced, vec![b'a'; BIG], 413, "payload_too_large"),
        ("in chunks", &coming, ended, 413, "payload_too_large"),
        ("without an end", &coming, chunks(BIG), 413, "payload_too_large"),
        ("of a stranger", &stranger, vec![b'a'; BIG], 401, "authentication_failed"),
    ] {
        let answer = send_then_read(&relay, head, &body);
        assert_eq!((answer.status, answer.text("code")), (status, code), "{what}");
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
    }
    relay.post("/app", json!({"name": "it still serves"})).expect(201);
}

/// Who goes on sending for ever is not listened to for ever.
#[test]
fn a_refused_body_is_not_taken_for_ever() {
    let relay = Relay::with(|config| {
        config.intake.max_body = Size(4 << 10);
        config.server.body_timeout = Span(SHORT);
    });
    let chunked = head("transfer-encoding: chunked\r\n");
    let announced = head("content-length: 99999999999\r\n");
    let unknown = chunked.replace("/api/v1/app", "/nothing");
    let stranger = chunked.replace(OPERATOR_KEY, "nobody's");
    for (what, head) in
        [("chunked", chunked), ("announced", announced), ("unknown", unknown), ("401", stranger)]
    {
        let mut stream = connect(&relay);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&chunks(1 << 17)).unwrap();
        let began = Instant::now();
        let answer = read_one(&mut stream);
        assert!(answer.status >= 400, "{what}");
        let mut rest = Vec::new();
        // An end or a reset: either way it is over.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{what}: {error}");
        }
        let lasted = began.elapsed();
        assert!(rest.is_empty() && lasted < PATIENCE / 2, "{what}: open for {lasted:?}");
    }
}

#[test]
fn too_many_bodies_at_once_are_told_to_come_again() {
    let relay = limited();
    let whole = format!("{{\"name\":\"first\"}}{}", " ".repeat((4 << 10) - 16));
    let announced = head(&format!("content-length: {}\r\n", whole.len()));
    let second = || relay.post("/app", json!({"name": "second"}));
    let began = Instant::now();
    let (mut first, busy) = loop {
        let mut first = connect(&relay);
        first.write_all(announced.as_bytes()).unwrap();
        first.write_all(&whole.as_bytes()[..100]).unwrap();
        // As soon as the server has seen the first, there is no room for another; unless it was
        // the first that found none.
        let refused = (0..20).map(|_| second()).find(|answer| answer.status != 201);
        if let Some(refused) = refused {
            break (first, refused.expect(503));
        }
        assert!(began.elapsed() < PATIENCE, "the first is never counted");
    };
    assert_eq!(busy.text("code"), "busy");
    assert_eq!(busy.header("retry-after"), Some("1"));
    relay.get("/app").expect(200);
    first.write_all(&whole.as_bytes()[100..]).unwrap();
    read_one(&mut first).expect(201);
    second().expect(201);
}

/// Wrong keys are counted by address: so it shows who is believed to have sent them.
#[test]
fn a_forwarded_address_is_believed_of_a_trusted_peer_alone() {
    let guess = |relay: &Relay, forwarded: &str| {
        let headers = [("authorization", "Bearer wrong"), ("x-forwarded-for", forwarded)];
        relay.send("GET", "/app", &headers, None).status
    };
    let networks = |text: &str| vec![text.parse().unwrap()];

    let behind = Relay::with(|config| config.server.trusted_proxies = networks("127.0.0.1/32"));
    for _ in 0..20 {
        assert_eq!(guess(&behind, "203.0.113.7"), 401);
    }
    assert_eq!(guess(&behind, "203.0.113.7"), 429, "the address behind the proxy");
    assert_eq!(guess(&behind, "198.51.100.1, 203.0.113.7"), 429, "what it claims itself is left");
    assert_eq!(guess(&behind, "203.0.113.8"), 401, "its neighbour");
    behind.get("/app").expect(200);

    let open = Relay::with(|config| config.server.trusted_proxies = networks("10.0.0.0/8"));
    for number in 0..20 {
        assert_eq!(guess(&open, &format!("203.0.113.{number}")), 401);
    }
    assert_eq!(guess(&open, "203.0.113.99"), 429, "an untrusted peer counts itself");
    open.get("/app").expect(200);
}

/// The server that relay stands on answers `Expect` before anyone has looked at the request
/// (docs/operations.md): the refusal comes right behind, and nothing of the body is waited for.
#[test]
fn a_client_that_asks_first_is_refused_without_its_body() {
    let relay = limited();
    let mut stream = connect(&relay);
    let asks = head("content-length: 999999\r\nexpect: 100-continue\r\n");
    stream.write_all(asks.as_bytes()).unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    let answer = read_one(&mut stream).expect(413);
    assert_eq!(answer.text("code"), "payload_too_large");
}
