//! What is told of a handshake that failed: enough to know who has to mend what.

use std::io::Read;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use relay::domain::delivery::Outcome;
use rustls::pki_types::CertificateDer;

use crate::support::{Receiver, Sender, always, post};
use crate::tls::{authority, deliver, server};

const VERSIONS: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

#[track_caller]
fn told(receiver: &Receiver, roots: &[CertificateDer<'static>], host: &str, words: &str) {
    let answer = deliver(receiver, roots.to_vec(), host);
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Tls, 0), "{answer:?}");
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(text, format!("the TLS handshake failed: {words}"));
}

fn named(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

#[test]
fn certificates() {
    let authority = authority();
    let roots = [authority.der().clone()];
    let key = KeyPair::generate().unwrap();
    let of = |params: CertificateParams, issuer: &CertifiedIssuer<'static, KeyPair>| {
        server(params.signed_by(&key, issuer).unwrap().der().clone(), &key, VERSIONS)
    };

    let mut past = named(&["good.example"]);
    (past.not_before, past.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let words = "its certificate has expired (2021-01-01T00:00:00Z)";
    told(&of(past, &authority), &roots, "good.example", words);

    let mut future = named(&["good.example"]);
    (future.not_before, future.not_after) = (date_time_ymd(2100, 1, 1), date_time_ymd(2101, 1, 1));
    let words = "its certificate is not valid yet (2100-01-01T00:00:00Z)";
    told(&of(future, &authority), &roots, "good.example", words);

    // The end of the calendar, which no text of ours can hold.
    let mut never = named(&["good.example"]);
    (never.not_before, never.not_after) =
        (date_time_ymd(9999, 12, 31), date_time_ymd(9999, 12, 31));
    let words = "its certificate is not valid yet";
    told(&of(never, &authority), &roots, "good.example", words);

    let good = of(named(&["good.example", "*.good.example"]), &authority);
    let words = "its certificate is for another host name: it is for good.example, *.good.example";
    told(&good, &roots, "other.example", words);
    let unknown = "its certificate is signed by an authority that is not known here: the \
                   intermediate certificates may be missing, or the authority has to be given as \
                   delivery.tls.ca";
    told(&good, &[], "good.example", unknown);

    let own = "its certificate is self-signed: give it as delivery.tls.ca to believe it";
    let plain = named(&["good.example"]).self_signed(&key).unwrap();
    told(&server(plain.der().clone(), &key, VERSIONS), &roots, "good.example", own);
    let mut ca = named(&["good.example"]);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = ca.self_signed(&key).unwrap();
    told(&server(ca.der().clone(), &key, VERSIONS), &roots, "good.example", own);

    let mut client = named(&["good.example"]);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let answer = deliver(&of(client, &authority), roots.to_vec(), "good.example");
    let text = String::from_utf8(answer.body).unwrap();
    let begin = "the TLS handshake failed: its certificate can't be used: ";
    assert!(text.starts_with(begin), "{text}");
}

#[test]
fn connections() {
    let plain = Receiver::start(|_, mut peer| {
        peer.write("HTTP/1.1 400 Plain\r\n\r\n");
        peer.hang();
    });
    told(&plain, &[], "plain.example", "what answers does not speak TLS");

    let cut = Receiver::start(|_, mut peer| {
        let _ = peer.stream.read(&mut [0; 16]);
        peer.close();
    });
    told(&cut, &[], "cut.example", "the connection was cut during the handshake");

    // The alert of a server that knows TLS 1.0 alone: `protocol_version`.
    let old = Receiver::start(|_, mut peer| {
        let _ = peer.stream.read(&mut [0; 4096]);
        peer.write([21, 3, 1, 0, 2, 2, 70]);
        peer.hang();
    });
    told(&old, &[], "old.example", "it offers neither TLS 1.2 nor TLS 1.3");

    let nothing = Receiver::start(|_, mut peer| {
        let _ = peer.stream.read(&mut [0; 4096]);
        peer.write([21, 3, 3, 0, 2, 2, 40]);
        peer.hang();
    });
    let words = "it offers no cipher suite or key exchange that is safe today, or asks for a \
                 client certificate";
    told(&nothing, &[], "nothing.example", words);
}

/// A peer that says a byte now and then gets no more time than one that says nothing.
#[test]
fn a_handshake_that_drips_ends_in_time() {
    let receiver = Receiver::start(|_, mut peer| {
        // A record of 16 KiB, a byte at a time.
        while peer.drip([22, 3, 3, 64, 0, 2]) && peer.drip([0; 1024]) {}
    });
    let sender = Sender { timeout: crate::support::SHORT, ..Sender::default() };
    let url = format!("https://{}/", receiver.address);
    let request = crate::support::request(&url, crate::support::SHORT);
    let answer = relay::engine::transport::Transport::send(&sender.build().0, &request);
    assert_eq!((answer.outcome, answer.status_code), (Outcome::TimedOut, 0));
}

/// What goes wrong with one host says nothing of another: the agent goes on.
#[test]
fn a_certificate_that_was_mended_is_believed() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = named(&["good.example"]).signed_by(&key, &authority).unwrap();
    let receiver = server(certificate.der().clone(), &key, VERSIONS);
    let roots = vec![authority.der().clone()];
    let sender = Sender { lookup: always(&["127.0.0.1"]), roots, ..Sender::default() };
    let transport = sender.build().0;
    let port = receiver.address.port();
    let outcome = |host: &str| post(&transport, &format!("https://{host}:{port}/")).outcome;
    assert_eq!(outcome("other.example"), Outcome::Tls);
    assert_eq!(outcome("good.example"), Outcome::Delivered);
}
