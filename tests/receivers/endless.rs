//! Receivers that never finish: bounded in bytes, or in time where they send few.

use relay::domain::delivery::Outcome;

use crate::support::{LIMIT, Receiver, Sender, post, post_short};

/// More than the socket buffers of both ends and the transport's own hold, less than endless.
const BUFFERED: usize = 24 << 20;

/// Posts to a receiver that writes `piece` for ever after `head`, and waits until it noticed.
fn flood(head: &'static str, piece: &'static [u8]) -> (relay::engine::answer::Answer, usize) {
    let (gone, noticed) = std::sync::mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let receiver = Receiver::start(move |_, mut peer| {
        peer.read_request();
        peer.write(head);
        peer.write_for_ever(piece);
        let _ = gone.lock().unwrap().send(());
    });
    let answer = post_short(&receiver.url());
    noticed.recv_timeout(crate::support::LONG).expect("the connection was dropped");
    (answer, receiver.bytes_written())
}

#[test]
fn an_endless_body_is_kept_to_the_limit() {
    for head in
        ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"]
    {
        let (answer, written) = flood(head, &[b'x'; 4096]);
        assert_eq!((answer.outcome, answer.status_code), (Outcome::Delivered, 200));
        assert_eq!(answer.body, vec![b'x'; LIMIT]);
        assert!(written < BUFFERED, "{written}");
    }
}

#[test]
fn endless_chunks_trailers_and_extensions_end_after_a_known_status() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &b"4\r\nabcd\r\n"[..]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", &b"a: b\r\n"[..]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", &b"extension"[..]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", &[b'x'; 512][..]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &b"ffffffffff"[..]),
    ] {
        let (answer, written) = flood(head, piece);
        assert_eq!((answer.outcome, answer.status_code), (Outcome::Delivered, 200), "{head}");
        assert!(answer.body.len() <= LIMIT, "{head}");
        assert!(written < BUFFERED, "{head}: {written}");
    }
}

#[test]
fn an_endless_head_is_no_answer() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\nX: ", &[b'x'; 4096][..]),
        ("HTTP/1.1 200 OK\r\n", &b"X: y\r\n"[..]),
        ("", &[b'x'; 4096][..]),
        ("", &b"\r\n"[..]),
    ] {
        let (answer, written) = flood(head, piece);
        assert_eq!(answer.status_code, 0, "{head}");
        assert_eq!(answer.outcome, Outcome::Protocol, "{head:?}");
        assert!(written < BUFFERED, "{head}: {written}");
    }
}

#[test]
fn a_flood_of_interim_answers_is_no_answer() {
    let (answer, written) = flood("", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Protocol, 0), "{answer:?}");
    assert!(written < BUFFERED, "{written}");
    assert!(answer.duration < crate::support::SHORT, "not by the timeout: {answer:?}");
}

#[test]
fn a_slower_flood_of_interim_answers_is_counted() {
    let receiver = Receiver::start(|_, mut peer| {
        peer.read_request();
        let piece = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(200);
        while peer.pace(&piece) {}
    });
    let answer = post(&Sender::long(), &receiver.url());
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Protocol, 0), "{answer:?}");
    assert!(answer.duration < crate::support::LONG, "not by the timeout: {answer:?}");
}

#[test]
fn a_body_that_drips_is_cut_and_its_status_counts() {
    let receiver = Receiver::start(|_, mut peer| {
        peer.read_request();
        peer.write("HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\n");
        while peer.drip("x") {}
    });
    let answer = post_short(&receiver.url());
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Status, 503));
    assert!((1..100).contains(&answer.body.len()), "{}", answer.body.len());
}

#[test]
fn a_head_that_drips_runs_out_of_time() {
    let receiver = Receiver::start(|_, mut peer| {
        peer.read_request();
        peer.drip("HTTP/1.1 200 OK\r\n");
        while peer.drip("X-Slow: yes\r\n") {}
    });
    let answer = post_short(&receiver.url());
    assert_eq!((answer.outcome, answer.status_code), (Outcome::TimedOut, 0));
    assert_eq!(answer.body, b"the endpoint did not answer in time");
}

#[test]
fn one_that_hangs_runs_out_of_time() {
    let receiver = Receiver::start(|_, mut peer| peer.hang());
    let answer = post_short(&receiver.url());
    assert_eq!((answer.outcome, answer.status_code), (Outcome::TimedOut, 0));
    assert!(answer.duration >= crate::support::SHORT);
}

#[test]
fn one_that_never_reads_runs_out_of_time() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let receiver = Receiver::start(move |_, peer| {
        let _ = held.lock().unwrap().recv();
        peer.close();
    });
    let mut request = crate::support::request(&receiver.url(), crate::support::SHORT);
    request.body = vec![0; BUFFERED].into();
    let answer = relay::engine::transport::Transport::send(&Sender::short(), &request);
    assert_eq!((answer.outcome, answer.status_code), (Outcome::TimedOut, 0));
    drop(release);
}

#[test]
fn a_compressed_answer_stays_as_it_came() {
    let packed = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &[0xed; 2_000]].concat();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    let receiver = Receiver::answering([head.as_bytes(), &packed].concat());
    let answer = post(&Sender::long(), &receiver.url());
    assert_eq!(answer.outcome, Outcome::Delivered);
    assert_eq!(answer.body, packed);
    let sent = String::from_utf8(receiver.requests().remove(0)).unwrap().to_lowercase();
    assert!(sent.contains("\r\naccept-encoding: identity\r\n"), "{sent}");
}
