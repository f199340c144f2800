//! Senders that are slow, many, or never read what they asked for.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{HURRY, LONG, Relay, read_to_end, statuses};

const PIPELINED: usize = 100;
const MANY: usize = 600;
/// Answers to one who reads none: far more than the buffers of a connection hold.
const UNREAD: usize = 2_000;

fn hurried() -> Relay {
    Relay::with(&[
        ("RELAY__SERVER__HEAD_TIMEOUT", HURRY),
        ("RELAY__SERVER__BODY_TIMEOUT", HURRY),
        // In chunks it may take as long as one of this size.
        ("RELAY__INTAKE__MAX_BODY", "60 KiB"),
    ])
}

/// Sends a byte now and then until the other side is done; what came by then.
fn drip(stream: &mut TcpStream, byte: u8) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let (mut all, mut part, began) = (Vec::new(), [0; 4_096], Instant::now());
    loop {
        assert!(began.elapsed() < LONG, "it is listened to for ever");
        // An error shows when reading.
        let _ = stream.write_all(&[byte]);
        match stream.read(&mut part) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return all,
        }
    }
}

#[test]
fn slow_ones_are_not_waited_for() {
    let relay = hurried();
    for (what, begun, expected) in [
        ("nothing", String::new(), &[408][..]),
        ("half a line", "GET /heal".to_owned(), &[408]),
        ("half a head", "GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned(), &[408]),
        (
            "half a body",
            format!("{}content-length: 99\r\n\r\n{{", relay.head("POST", "/api/v1/app")),
            &[408],
        ),
        (
            "half a chunk",
            format!(
                "{}transfer-encoding: chunked\r\n\r\n2000\r\n{{",
                relay.head("POST", "/api/v1/app")
            ),
            &[408],
        ),
    ] {
        let mut stream = relay.connect();
        stream.write_all(begun.as_bytes()).unwrap();
        let answer = read_to_end(&mut stream);
        assert_eq!(statuses(&answer), expected, "{what}, then silence");
        let mut stream = relay.connect();
        stream.write_all(begun.as_bytes()).unwrap();
        if begun.is_empty() {
            continue;
        }
        let answer = drip(&mut stream, b'a');
        assert_eq!(statuses(&answer), expected, "{what}, then a byte now and then");
        relay.still_serves();
    }
    assert_eq!(relay.applications(), ["app"]);
}

#[test]
fn requests_in_a_row() {
    let relay = Relay::start();
    let get = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let post = |number: usize| relay.post("/api/v1/app", &format!("{{\"name\":\"n{number}\"}}"));
    relay.check(&[
        ("many", get.repeat(PIPELINED).into_bytes(), &[200; PIPELINED]),
        ("bodies between", format!("{}{get}{}", post(1), post(2)).into_bytes(), &[201, 200, 201]),
        ("a bad one in the middle", format!("{get}NO\r\n\r\n{get}").into_bytes(), &[200, 400]),
        ("a length that hides one", format!("{}{get}", post(3)).into_bytes(), &[201, 200]),
    ]);
}

#[test]
fn many_connections() {
    let relay = Relay::with(&[("RELAY__SERVER__HEAD_TIMEOUT", "10s")]);
    let idle: Vec<_> = (0..MANY).map(|_| relay.connect()).collect();
    relay.still_serves();
    let mut half: Vec<_> = (0..MANY / 2).map(|_| relay.connect()).collect();
    for stream in &mut half {
        stream.write_all(b"POST /in/nobody HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n").unwrap();
    }
    relay.still_serves();
    assert_eq!(relay.applications(), ["app"]);
    drop((idle, half));
    relay.still_serves();
}

/// Asks for far more than it reads: what is answered to it stays bounded, others are served, and
/// its own answers are whole once it does read.
#[test]
fn one_that_never_reads() {
    let relay = Relay::start();
    let ask = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(UNREAD);
    let mut asking = relay.connect();
    let mut writing = asking.try_clone().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Blocks as soon as the server has had enough; the end of the connection frees it.
            let _ = writing.write_all(ask.as_bytes());
            done.store(true, Ordering::SeqCst);
        });
        for _ in 0..20 {
            relay.still_serves();
            assert_eq!(relay.applications(), ["app"]);
        }
        let grown = relay.resident();
        println!("{} KiB resident with {UNREAD} large answers unread", grown);
        let mut first = [0; 15];
        asking.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        asking.shutdown(std::net::Shutdown::Both).unwrap();
    });
    assert!(done.load(Ordering::SeqCst));
    relay.still_serves();
}
