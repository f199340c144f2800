//! Answers that bend the rules of HTTP/1.1, and what is sent to begin with.

use std::io::Read;
use std::time::Duration;

use relay::domain::delivery::Outcome;
use relay::engine::transport::{Transport, USER_AGENT};

use crate::support::{LIMIT, LONG, Receiver, Sender, post, request};

const NO_ANSWER: u16 = 0;

fn check(answer: impl Into<Vec<u8>>, outcome: Outcome, status: u16) {
    let answer = answer.into();
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
    let receiver = Receiver::answering_once(answer);
    let answer = post(&Sender::long(), &receiver.url());
    assert_eq!((answer.outcome, answer.status_code), (outcome, status), "{shown:?}");
    assert_eq!(receiver.connections(), 1, "{shown:?}");
}

#[test]
fn two_hundreds_alone_are_success() {
    for status in [200, 201, 202, 204, 299] {
        check(format!("HTTP/1.1 {status} X\r\n\r\n"), Outcome::Delivered, status);
    }
    for status in [101, 300, 301, 302, 303, 304, 307, 308, 400, 404, 410, 429, 500, 503, 999] {
        check(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"), Outcome::Status, status);
    }
    check("HTTP/1.0 200 OK\r\n\r\nold", Outcome::Delivered, 200);
}

#[test]
fn what_is_not_http_is_a_protocol_failure() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..],
        b"220 mail.example ESMTP\r\n",
        b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff\0\0\0\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"<html></html>\n\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 099 X\r\n\r\n",
        b"HTTP/1.1 20 X\r\n\r\n",
        b"HTTP/1.1 abc X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
    ] {
        check(garbage, Outcome::Protocol, NO_ANSWER);
    }
}

#[test]
fn heads_beyond_the_limits_are_protocol_failures() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    check(long, Outcome::Protocol, NO_ANSWER);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(300));
    check(many, Outcome::Protocol, NO_ANSWER);
    check("HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Outcome::Protocol, 0);
}

#[test]
fn a_connection_that_breaks_before_the_head_is_broken_and_after_it_delivered() {
    check("", Outcome::Broken, NO_ANSWER);
    check("HTTP/1.1 20", Outcome::Broken, NO_ANSWER);
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Outcome::Broken, NO_ANSWER);
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", Outcome::Delivered, 200);
    check("HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nhel", Outcome::Status, 500);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(format!("{chunked}5\r\nhel"), Outcome::Delivered, 200);
    check(format!("{chunked}zz\r\nhel"), Outcome::Delivered, 200);
    let extension = format!("{chunked}5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(100_000));
    check(extension, Outcome::Delivered, 200);
    let both = format!(
        "{}5\r\nhello\r\n0\r\n\r\n",
        chunked.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n")
    );
    check(both, Outcome::Delivered, 200);
}

#[test]
fn whether_a_body_is_all_there_is() {
    let whole = |answer: String| {
        let receiver = Receiver::answering_once(answer);
        post(&Sender::long(), &receiver.url()).is_whole
    };
    assert!(whole("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhel".to_owned()));
    assert!(!whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel".to_owned()));
    let long = |length| format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(length));
    assert!(whole(long(LIMIT)));
    assert!(!whole(long(LIMIT + 1)));
}

#[test]
fn a_reset_behind_the_head_is_delivered() {
    for status in ["200 OK", "500 No"] {
        let receiver = Receiver::start(move |_, mut peer| {
            // What is left unread makes the end a reset.
            let _ = peer.stream.read_exact(&mut [0; 64]);
            peer.write(format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhel"));
            peer.close();
        });
        let answer = post(&Sender::long(), &receiver.url());
        let expected = if status.starts_with('2') { Outcome::Delivered } else { Outcome::Status };
        // The reset may overtake the head, and then there was no answer.
        let broken = answer.outcome == Outcome::Broken && answer.status_code == NO_ANSWER;
        assert!(answer.outcome == expected || broken, "{answer:?}");
        assert_eq!(receiver.connections(), 1);
    }
}

#[test]
fn heads_with_odd_bytes() {
    let with = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 0\r\n\r\n");
    check(with("X: a\r\n b"), Outcome::Protocol, NO_ANSWER);
    check(with("X: \0"), Outcome::Protocol, NO_ANSWER);
    check(with("X\0: a"), Outcome::Protocol, NO_ANSWER);
    check(with("X : a"), Outcome::Protocol, NO_ANSWER);
    check(with(": a"), Outcome::Protocol, NO_ANSWER);
    check(with(&format!("{}: a", "X".repeat(70_000))), Outcome::Protocol, NO_ANSWER);
    check(with(&format!("{}: a", "X".repeat(15_000))), Outcome::Delivered, 200);
    check("HTTP/1.1 200 OK\nContent-Length: 0\n\n", Outcome::Delivered, 200);
    check("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Outcome::Delivered, 200);
    check("HTTP/1.1  200 OK\r\n\r\n", Outcome::Protocol, NO_ANSWER);
    check("HTTP/1.1 200\r\n\r\n", Outcome::Delivered, 200);
}

#[test]
fn retry_after_counts_on_429_and_503_alone() {
    let asks = |status: u16, value: &str| {
        let answer =
            format!("HTTP/1.1 {status} X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
        let receiver = Receiver::answering(answer);
        post(&Sender::long(), &receiver.url()).retry_after
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(asks(429, "120"), seconds(120));
    assert_eq!(asks(503, "Sat, 21 Nov 2026 00:02:00 GMT"), seconds(120));
    assert_eq!(asks(429, "1000000000000"), seconds(86_400));
    assert_eq!(asks(503, "Fri, 01 Jan 9999 00:00:00 GMT"), seconds(86_400));
    assert_eq!(asks(429, "0"), seconds(1));
    assert_eq!(asks(429, "99999999999999999999999999"), seconds(86_400));
    for (status, value) in [(429, "-5"), (503, "soon"), (500, "120"), (200, "120"), (301, "120")] {
        assert_eq!(asks(status, value), None, "{status} {value}");
    }
}

#[test]
fn headers_and_body_come_back_as_text_and_bytes() {
    let receiver = Receiver::answering(
        &b"HTTP/1.1 200 OK\r\nX-Script: <script>alert(1)</script>\r\nX-Raw: \xff\xfe\r\n\
           Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 4\r\n\r\n\xff<b>"[..],
    );
    let transport = Sender::long();
    let answer = post(&transport, &receiver.url());
    assert_eq!(answer.body, b"\xff<b>");
    let header = |name: &str| -> Vec<&str> {
        let named = answer.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(header("x-script"), ["<script>alert(1)</script>"]);
    assert_eq!(header("x-raw"), ["\u{fffd}\u{fffd}"]);
    assert_eq!(header("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(post(&transport, &receiver.url()).outcome, Outcome::Delivered);
    let second = String::from_utf8(receiver.requests().remove(1)).unwrap().to_lowercase();
    assert!(!second.contains("cookie"), "{second}");
}

#[test]
fn the_request_is_what_was_signed() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let transport = Sender::long();
    post(&transport, &receiver.url());
    let mut large = request(&receiver.url(), LONG);
    large.body = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    assert_eq!(transport.send(&large).outcome, Outcome::Delivered);
    let mut empty = request(&receiver.url(), LONG);
    empty.body = bytes::Bytes::new();
    assert_eq!(transport.send(&empty).outcome, Outcome::Delivered);
    let requests = receiver.requests();
    let text = String::from_utf8(requests[0].clone()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"a\":  1}\n");
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /hook?a=1 HTTP/1.1"));
    let rest: Vec<_> = lines.map(str::to_lowercase).collect();
    let expected = [
        format!("host: {}", receiver.address),
        "content-type: application/json".to_owned(),
        "webhook-id: msg_1".to_owned(),
        "webhook-timestamp: 1795219200".to_owned(),
        "webhook-signature: v1,c2lnbmf0dxjl".to_owned(),
        format!("user-agent: {USER_AGENT}"),
        "x-own: yes".to_owned(),
        "content-length: 10".to_owned(),
    ];
    for line in expected {
        assert!(rest.contains(&line), "{line} in {rest:?}");
    }
    assert!(requests[1].ends_with(&large.body), "the large body arrived whole");
    assert!(requests[2].ends_with(b"\r\n\r\n"));
    assert_eq!(receiver.connections(), 1);
}

#[test]
fn a_header_that_would_split_the_request_is_never_sent() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let transport = Sender::long();
    for (name, value) in [
        ("x-own", "a\r\nx-injected: b"),
        ("x-own", "a\nb"),
        ("x-own\r\nx-injected", "b"),
        ("x own", "b"),
        ("", "b"),
        ("x-own", "a\0b"),
    ] {
        let mut split = request(&receiver.url(), LONG);
        split.headers.push((name.to_owned(), value.to_owned()));
        let answer = transport.send(&split);
        assert_eq!((answer.outcome, answer.status_code), (Outcome::Protocol, 0), "{name} {value}");
    }
    assert_eq!(receiver.connections(), 0);
}
