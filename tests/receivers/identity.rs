//! Endpoints with a TLS of their own: certificates that they ask for, authorities of theirs.

use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use relay::domain::delivery::Outcome;
use relay::domain::delivery_settings::DeliverySettings;
use relay::domain::egress::{Credential, EndpointTls};
use relay::engine::answer::Answer;
use relay::engine::transport::{Transport, UreqTransport};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::support::{Receiver, Sender, always, post, request_to};
use crate::tls::{authority, authority_called, pem, private, serving};

/// A server that asks everyone for a certificate of `clients`.
fn asking(
    own: &CertifiedIssuer<'static, KeyPair>,
    clients: &CertifiedIssuer<'static, KeyPair>,
    version: &'static rustls::SupportedProtocolVersion,
) -> Receiver {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(clients.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["mutual.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, own).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(vec![certificate.der().clone()], private(&key))
        .unwrap();
    serving(config)
}

/// What an endpoint shows: a certificate that `issuer` signed, and its key.
fn shown(issuer: &CertifiedIssuer<'static, KeyPair>, expired: bool) -> EndpointTls {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["relay.example".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if expired {
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    EndpointTls {
        client_certificate: Some(pem("CERTIFICATE", params.signed_by(&key, issuer).unwrap().der())),
        client_key: Credential::new(pem("PRIVATE KEY", &key.serialize_der())),
        ca: None,
    }
}

fn send(transport: &UreqTransport, number: u64, tls: Option<EndpointTls>, url: &str) -> Answer {
    let delivery = DeliverySettings { tls, ..DeliverySettings::default() };
    transport.send(&request_to(number, delivery, url))
}

fn words(answer: Answer) -> String {
    assert_eq!((answer.outcome, answer.status_code), (Outcome::Tls, 0), "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_endpoints_own() {
    let (own, clients, strangers) =
        (authority(), authority_called("clients"), authority_called("strangers"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let receiver = asking(&own, &clients, version);
        let url = format!("https://mutual.example:{}/", receiver.address.port());
        let roots = vec![own.der().clone()];
        let sender = Sender { lookup: always(&["127.0.0.1"]), roots, ..Sender::default() };
        let transport = sender.build().0;
        let tls = shown(&clients, false);
        for _ in 0..3 {
            let answer = send(&transport, 1, Some(tls.clone()), &url);
            assert_eq!(answer.outcome, Outcome::Delivered, "{answer:?}");
        }
        assert_eq!(receiver.connections(), 1, "kept for the endpoint");

        let none = words(send(&transport, 2, None, &url));
        let asks = "the TLS handshake failed: it asks for a client certificate: give one as \
                    delivery.tls.clientCertificate";
        assert_eq!(none, asks);
        let stranger = words(send(&transport, 3, Some(shown(&strangers, false)), &url));
        let begin = "the TLS handshake failed: it refuses the client certificate: ";
        assert_eq!(stranger, format!("{begin}it does not know its issuer"));
        let expired = words(send(&transport, 4, Some(shown(&clients, true)), &url));
        assert_eq!(expired, format!("{begin}it has expired"));
        assert_eq!(receiver.connections(), 4);
    }
}

#[test]
fn an_authority_of_an_endpoint_is_believed_for_it_alone() {
    let (own, clients) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["inner.example".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &own).unwrap();
    let receiver = crate::tls::server(certificate.der().clone(), &key, rustls::ALL_VERSIONS);
    let url = format!("https://inner.example:{}/", receiver.address.port());
    let sender = Sender { lookup: always(&["127.0.0.1"]), ..Sender::default() };
    let transport = sender.build().0;
    let ca = |issuer: &CertifiedIssuer<'static, KeyPair>| {
        Some(EndpointTls { ca: Some(pem("CERTIFICATE", issuer.der())), ..EndpointTls::default() })
    };
    assert_eq!(send(&transport, 1, ca(&own), &url).outcome, Outcome::Delivered);
    assert_eq!(send(&transport, 2, ca(&clients), &url).outcome, Outcome::Tls);
    assert_eq!(post(&transport, &url).outcome, Outcome::Tls);
    assert_eq!(send(&transport, 3, None, &url).outcome, Outcome::Tls);
    assert_eq!(transport.origins(), 3, "the last two share one");

    // What was believed before a change is believed no more after it, open connection or not.
    assert_eq!(send(&transport, 1, ca(&own), &url).outcome, Outcome::Delivered);
    assert_eq!(send(&transport, 1, ca(&clients), &url).outcome, Outcome::Tls);
    assert_eq!(transport.origins(), 3, "the one that was changed went");
    assert_eq!(send(&transport, 1, None, &url).outcome, Outcome::Tls);
}
