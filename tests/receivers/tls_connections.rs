//! Connections inside TLS that end early or carry more than they should.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use relay::domain::delivery::Outcome;
use relay::engine::answer::Answer;
use relay::engine::transport::{Transport, UreqTransport};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{LONG, Receiver, Sender, always, post, request};
use crate::tls::{authority, private};

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A receiver of this version, what each of its connections does, and a sender that believes it.
fn world(
    version: &'static rustls::SupportedProtocolVersion,
    script: impl Fn(Stream) + Send + Sync + 'static,
) -> (Receiver, UreqTransport, String) {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["good.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private(&key))
        .unwrap();
    // They would be read before the answer, and lie elsewhere in what is read at once.
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    let receiver = Receiver::start(move |_, peer| {
        let session = ServerConnection::new(config.clone()).unwrap();
        script(StreamOwned::new(session, peer.stream));
    });
    let url = format!("https://good.example:{}/", receiver.address.port());
    let roots = vec![authority.der().clone()];
    let sender = Sender { lookup: always(&["127.0.0.1"]), roots, ..Sender::default() };
    (receiver, sender.build().0, url)
}

#[test]
fn an_answer_before_the_request_was_read_is_their_answer() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (_receiver, transport, url) = world(version, |mut stream| {
            let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
            stream.write_all(answer).unwrap();
            stream.flush().unwrap();
            // Unread input makes this a reset.
        });
        let mut large = request(&url, LONG);
        large.body = vec![b'x'; 8 << 20].into();
        let answer: Answer = transport.send(&large);
        assert_eq!((answer.outcome, answer.status_code), (Outcome::Status, 413), "{answer:?}");
    }
}

#[test]
fn bytes_after_the_answer_never_reach_the_next_one() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (receiver, transport, url) = world(version, |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            // Its record fills what rustls takes at once, 4,096 bytes, but for a few.
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{:4000}", "ok");
            stream.conn.writer().write_all(answer.as_bytes()).unwrap();
            let poison = b"HTTP/1.1 500 Poison\r\nContent-Length: 0\r\n\r\n";
            stream.conn.writer().write_all(poison).unwrap();
            let mut records = Vec::new();
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut records).unwrap();
            }
            stream.sock.write_all(&records).unwrap();
            while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
        });
        for _ in 0..3 {
            let answer = post(&transport, &url);
            assert_eq!((answer.outcome, answer.status_code), (Outcome::Delivered, 200));
        }
        assert_eq!(receiver.connections(), 3, "{version:?}");
    }
}
