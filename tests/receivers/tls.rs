//! Certificates that must be refused, one that must not, and a handshake on a sender's small stack.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, mpsc};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use relay::domain::delivery::Outcome;
use relay::engine::answer::Answer;
use relay::engine::sender::{Bound, SenderPool};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{LONG, Receiver, Sender, always, post};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An authority of the test's own.
pub fn authority() -> CertifiedIssuer<'static, KeyPair> {
    authority_called("an authority")
}

/// One that is told from others by its name, as those of the web are.
pub fn authority_called(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server that answers every request over TLS.
pub fn server(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Receiver {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private(key))
        .unwrap();
    serving(config)
}

pub fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

/// `-----BEGIN CERTIFICATE-----` and so on.
pub fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

/// The same by any configuration.
pub fn serving(config: ServerConfig) -> Receiver {
    let config = Arc::new(config);
    Receiver::start(move |_, peer| {
        let session = ServerConnection::new(config.clone()).unwrap();
        answer_all(StreamOwned::new(session, peer.stream));
    })
}

pub fn answer_all(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = std::io::Read::read(&mut stream, &mut chunk) {
        request.extend_from_slice(&chunk[..read]);
        if request.ends_with(b"{\"a\":  1}\n") {
            request.clear();
            if stream.write_all(OK).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    }
}

pub fn deliver(receiver: &Receiver, roots: Vec<CertificateDer<'static>>, host: &str) -> Answer {
    let sender = Sender { lookup: always(&["127.0.0.1"]), roots, ..Sender::default() };
    post(&sender.build().0, &format!("https://{host}:{}/", receiver.address.port()))
}

#[test]
fn a_certificate_of_a_known_authority_delivers_on_a_small_stack() {
    let authority = authority();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["good.example".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let receiver = server(certificate.der().clone(), &key, &[version]);
        let sender = Sender {
            lookup: always(&["127.0.0.1"]),
            roots: vec![authority.der().clone()],
            ..Sender::default()
        };
        let transport = sender.build().0;
        let url = format!("https://good.example:{}/", receiver.address.port());
        let (done, answers) = mpsc::channel();
        let pool = SenderPool::new(&Bound::new(1), move |()| {
            let _ = done.send(post(&transport, &url));
        });
        for _ in 0..3 {
            pool.submit(()).unwrap();
            let answer = answers.recv_timeout(LONG).unwrap();
            assert_eq!((answer.outcome, answer.body), (Outcome::Delivered, b"ok".to_vec()));
        }
        assert_eq!(receiver.connections(), 1, "{version:?}");
    }
}

#[test]
fn certificates_that_do_not_prove_the_host_are_refused() {
    let authority = authority();
    let roots = vec![authority.der().clone()];
    let check = |receiver: &Receiver, roots: &[CertificateDer<'static>], host: &str| {
        let answer = deliver(receiver, roots.to_vec(), host);
        assert_eq!((answer.outcome, answer.status_code), (Outcome::Tls, 0), "{answer:?}");
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.starts_with("the TLS handshake failed: "), "{text}");
        assert_eq!(receiver.requests().len(), 0);
    };
    let key = KeyPair::generate().unwrap();
    let named = || CertificateParams::new(vec!["good.example".to_owned()]).unwrap();
    let versions = rustls::ALL_VERSIONS;

    let own = named().self_signed(&key).unwrap();
    check(&server(own.der().clone(), &key, versions), &roots, "good.example");

    let good = named().signed_by(&key, &authority).unwrap();
    let receiver = server(good.der().clone(), &key, versions);
    check(&receiver, &roots, "other.example");
    check(&receiver, &roots, "127.0.0.1");
    check(&receiver, &[], "good.example");
    assert_eq!(deliver(&receiver, roots.clone(), "good.example").outcome, Outcome::Delivered);

    let mut past = named();
    (past.not_before, past.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let past = past.signed_by(&key, &authority).unwrap();
    check(&server(past.der().clone(), &key, versions), &roots, "good.example");

    let mut future = named();
    (future.not_before, future.not_after) = (date_time_ymd(2100, 1, 1), date_time_ymd(2101, 1, 1));
    let future = future.signed_by(&key, &authority).unwrap();
    check(&server(future.der().clone(), &key, versions), &roots, "good.example");
}

#[test]
fn a_port_without_tls_is_a_tls_failure() {
    let receiver = Receiver::start(|_, mut peer| {
        peer.write("HTTP/1.1 400 Plain\r\n\r\n");
        peer.hang();
    });
    let answer = deliver(&receiver, Vec::new(), "plain.example");
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Tls, 0));
    let closing = Receiver::start(|_, peer| peer.close());
    let answer = deliver(&closing, Vec::new(), "plain.example");
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Tls, 0));
}

#[test]
fn a_handshake_that_hangs_runs_out_of_time() {
    let receiver = Receiver::start(|_, mut peer| peer.hang());
    let sender = Sender { timeout: crate::support::SHORT, ..Sender::default() };
    let url = format!("https://{}/", receiver.address);
    let request = crate::support::request(&url, crate::support::SHORT);
    let answer = relay::engine::transport::Transport::send(&sender.build().0, &request);
    assert_eq!((answer.outcome, answer.status_code), (Outcome::TimedOut, 0));
}
