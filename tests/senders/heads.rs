//! Request lines and headers that are none, other protocols on the port, and heads too large.

use crate::support::Relay;

fn get(line: &str, headers: &str) -> Vec<u8> {
    format!("{line}\r\nhost: x\r\n{headers}connection: close\r\n\r\n").into_bytes()
}

#[test]
fn request_lines() {
    let relay = Relay::start();
    relay.check(&[
        ("nothing", Vec::new(), &[]),
        ("empty lines", b"\r\n\r\n\r\n".to_vec(), &[]),
        ("a method alone", b"GET\r\n\r\n".to_vec(), &[400]),
        ("HTTP/0.9", b"GET /healthz\r\n\r\n".to_vec(), &[400]),
        ("HTTP/0.9 with a version", get("GET /healthz HTTP/0.9", ""), &[400]),
        ("two spaces", get("GET  /healthz HTTP/1.1", ""), &[400]),
        ("tabs", get("GET\t/healthz\tHTTP/1.1", ""), &[400]),
        ("no method", get("/healthz HTTP/1.1", ""), &[400]),
        ("a space first", get(" GET /healthz HTTP/1.1", ""), &[400]),
        ("a word too many", get("GET /healthz HTTP/1.1 now", ""), &[400]),
        ("HTTP/9.9", get("GET /healthz HTTP/9.9", ""), &[400]),
        ("HTTP/1.10", get("GET /healthz HTTP/1.10", ""), &[400]),
        ("HTTP/2 in words", get("GET /healthz HTTP/2", ""), &[400]),
        ("small letters", get("GET /healthz http/1.1", ""), &[400]),
        ("another protocol", get("GET /healthz ICAP/1.0", ""), &[400]),
        ("a NUL in the method", get("G\0T /healthz HTTP/1.1", ""), &[400]),
        ("a colon in the method", get("GET: /healthz HTTP/1.1", ""), &[400]),
        ("a method in small letters", get("get /healthz HTTP/1.1", ""), &[405]),
        ("a method that nobody knows", get("BREW /healthz HTTP/1.1", ""), &[405]),
        ("TRACE", get("TRACE /healthz HTTP/1.1", "x-secret: a\r\n"), &[405]),
        ("CONNECT", get("CONNECT 10.0.0.1:22 HTTP/1.1", ""), &[405]),
        ("DELETE", get("DELETE /healthz HTTP/1.1", ""), &[405]),
        ("a large method", get(&format!("{} /healthz HTTP/1.1", "A".repeat(10_000)), ""), &[405]),
        ("HTTP/1.0", get("GET /healthz HTTP/1.0", ""), &[200]),
        ("HTTP/1.0 without a host", b"GET /healthz HTTP/1.0\r\n\r\n".to_vec(), &[200]),
    ]);
}

#[test]
fn other_protocols() {
    let relay = Relay::start();
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), vec![7; 501]].concat();
    let h2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec();
    let binary: Vec<u8> = (0..=255).cycle().take(4_096).collect();
    let to = |name: &str| get("GET /healthz HTTP/1.1", &format!("upgrade: {name}\r\n"));
    relay.check(&[
        ("a TLS hello", hello, &[400]),
        ("the HTTP/2 preface", h2, &[400]),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), &[400]),
        ("SMTP", b"EHLO mail.example\r\nMAIL FROM:<a@b>\r\n".to_vec(), &[400]),
        ("SOCKS 5", b"\x05\x01\x00".to_vec(), &[400]),
        (
            "PROXY",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /healthz HTTP/1.1\r\n\r\n".to_vec(),
            &[400],
        ),
        ("Redis", b"*1\r\n$4\r\nINFO\r\n".to_vec(), &[400]),
        ("all bytes there are", binary, &[400]),
        ("zeros", vec![0; 4_096], &[400]),
        ("an upgrade to websocket", to("websocket"), &[400]),
        ("an upgrade to TLS", to("TLS/1.0"), &[400]),
        ("an offer of HTTP/2", to("h2c"), &[200]),
        ("an offer of two", to("h2c, websocket"), &[400]),
    ]);
}

/// A name over 64 KiB makes the HTTP library panic: that connection ends, and no other.
#[test]
fn large_heads() {
    let relay = Relay::start();
    let with = |headers: &str| get("GET /healthz HTTP/1.1", headers);
    let many = |count: usize| with(&"x-a: b\r\n".repeat(count));
    let target = |bytes: usize| get(&format!("GET /healthz?{} HTTP/1.1", "a".repeat(bytes)), "");
    relay.check(&[
        ("90 headers", many(90), &[200]),
        ("500 headers", many(500), &[431]),
        ("10,000 headers", many(10_000), &[431]),
        ("one of 31 KiB", with(&format!("x-a: {}\r\n", "b".repeat(31 << 10))), &[200]),
        ("one of 33 KiB", with(&format!("x-a: {}\r\n", "b".repeat(33 << 10))), &[400]),
        ("one of 1 MiB", with(&format!("x-a: {}\r\n", "b".repeat(1 << 20))), &[431]),
        ("a name of 33 KiB", with(&format!("{}: b\r\n", "a".repeat(33 << 10))), &[400]),
        ("a name of 70 KiB", with(&format!("{}: b\r\n", "a".repeat(70 << 10))), &[]),
        (
            "two names of 66 KiB",
            with(&format!("{}: b\r\n", "a".repeat(66 << 10)).repeat(2)),
            &[431],
        ),
        ("a target of 8 KiB", target(8 << 10), &[200]),
        ("a target of 70 KiB", target(70 << 10), &[400]),
        ("a target of 1 MiB", target(1 << 20), &[431]),
    ]);
}

/// More of them than connections may be open: each gives its place back.
#[test]
fn a_name_too_long_costs_no_place() {
    let relay = Relay::with(&[("RELAY__SERVER__MAX_CONNECTIONS", "8")]);
    let long = get("GET /healthz HTTP/1.1", &format!("{}: b\r\n", "a".repeat(70 << 10)));
    for _ in 0..50 {
        assert_eq!(relay.statuses(&long), [0; 0]);
    }
    relay.still_serves();
}

/// Nothing is decided by the host that a caller names.
#[test]
fn expectations_and_hosts() {
    let relay = Relay::start();
    let host = |value: &str| {
        format!("GET /healthz HTTP/1.1\r\nhost: {value}\r\nconnection: close\r\n\r\n").into_bytes()
    };
    let expects = |value: &str| get("GET /healthz HTTP/1.1", &format!("expect: {value}\r\n"));
    relay.check(&[
        ("an expectation that nobody knows", expects("200-maybe"), &[200]),
        ("a host with a space", host("a b"), &[200]),
        ("a host with a slash", host("a/b"), &[200]),
        ("a host with a user", host("user@x"), &[200]),
        ("a host that is empty", host(""), &[200]),
        ("no host", b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec(), &[400]),
        ("a port that is none", host("x:99999"), &[200]),
        ("another's host", host("evil.example"), &[200]),
    ]);
}
