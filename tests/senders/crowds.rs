//! More connections than are served at once: those that wait to be accepted, and those that are
//! idle while others wait.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{LONG, Relay, read_to_end, statuses};

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
/// Far more than the standard library lets wait.
const WAITING: usize = 500;
/// How long the kernel is given to take a connection that it has no place for.
const GLANCE: Duration = Duration::from_millis(300);

/// Asks for nothing much and reads the answer; whether the connection is kept then.
fn ask(stream: &TcpStream) -> bool {
    let mut writing = stream;
    writing.write_all(GET).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut kept, mut length, mut line) = (true, 0, String::new());
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200 "), "{line:?}");
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "connection" => kept = value != "close",
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    kept
}

/// What the kernel lets wait at most, whoever asks for more.
fn allowed() -> usize {
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn many_wait_while_nobody_accepts() {
    if allowed() <= WAITING {
        return println!("SKIPPED: net.core.somaxconn is {}", allowed());
    }
    let relay = Relay::start();
    relay.signal("STOP");
    // The kernel takes them: the process can't.
    let waiting: Result<Vec<_>, _> =
        (0..WAITING).map(|_| TcpStream::connect_timeout(&relay.address, LONG)).collect();
    let mut waiting = waiting.expect("all are taken");
    for stream in &mut waiting {
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    }
    relay.signal("CONT");
    for mut stream in waiting {
        assert_eq!(statuses(&read_to_end(&mut stream)), [200]);
    }
}

#[test]
fn as_many_wait_as_the_setting_says() {
    let relay = Relay::with(&[("RELAY__SERVER__BACKLOG", "8")]);
    relay.signal("STOP");
    let connect = |_| TcpStream::connect_timeout(&relay.address, GLANCE);
    let waiting: Vec<_> = (0..WAITING).map_while(|number| connect(number).ok()).collect();
    relay.signal("CONT");
    // Linux takes one more than it was told.
    assert!((8..=9).contains(&waiting.len()), "{} were taken", waiting.len());
    drop(waiting);
    relay.still_serves();
}

/// Their keep-alive goes on while others come: nobody waits for its end.
#[test]
fn idle_ones_keep_nobody_waiting() {
    const MOST: usize = 20;
    let relay = Relay::with(&[("RELAY__SERVER__MAX_CONNECTIONS", "20")]);
    let mut all: Vec<_> = (0..MOST).map(|_| relay.connect()).collect();
    // One after the other; those that make room have ended before the next is asked.
    all.retain_mut(|stream| {
        let kept = ask(stream);
        if !kept {
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it says that it closes, and does");
        }
        kept
    });
    assert!((MOST / 2..MOST).contains(&all.len()), "{} of {MOST} are kept", all.len());
    for _ in 0..2 * MOST {
        ask(&relay.connect());
    }
    for stream in &mut all {
        stream.set_nonblocking(true).unwrap();
        let found = stream.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(found, Err(ErrorKind::WouldBlock), "it was closed before");
        stream.set_nonblocking(false).unwrap();
    }
    // With room again they are kept as ever.
    all.truncate(MOST / 4);
    let room = (0..1_000).any(|_| ask(&relay.connect()));
    assert!(room, "every connection is closed after its answer");
    assert!(all.iter().all(|stream| ask(stream) && ask(stream)));
}
