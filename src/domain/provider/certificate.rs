//! The key of a certificate that a request names by its URL.

use std::sync::LazyLock;
use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use super::fetched::Fetched;
use super::public;
use super::reason::Reason;
use super::request::Request;
use super::row::{Provider, Scheme};
use crate::domain::time::Timestamp;

/// Certificates in a file that are looked at.
const CERTIFICATES_MAX: usize = 8;

/// The authorities that the web trusts.
static ROOTS: LazyLock<RootCertStore> =
    LazyLock::new(|| RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()));

/// The public key, as SPKI, of a certificate that is the provider's and is valid now.
pub fn key(
    provider: &Provider,
    fetched: &Fetched<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Vec<u8>, Reason> {
    let named = request.needed(&provider.fetch.url)?;
    let (url, text) = provider.document(fetched, &named)?;
    let unusable = |why: &str| Reason::Certificate { url: url.clone(), why: why.to_owned() };
    let mut found = CertificateDer::pem_slice_iter(text.as_bytes());
    let read: Result<Vec<_>, _> = found.by_ref().take(CERTIFICATES_MAX).collect();
    let certificates = read.map_err(|_| unusable("it is none"))?;
    if found.next().is_some() {
        return Err(unusable("there are too many in its file"));
    }
    let (first, rest) = certificates.split_first().ok_or_else(|| unusable("it is none"))?;
    let parsed = ParsedCertificate::try_from(first).map_err(|_| unusable("it is none"))?;
    is_trusted(&parsed, rest, provider, fetched, now).map_err(unusable)?;
    if !names(provider, &url).any(|name| verify_server_name(&parsed, &name).is_ok()) {
        return Err(unusable("it is for another name"));
    }
    let key = parsed.subject_public_key_info().as_ref().to_vec();
    match public::is_key(Scheme::Certificate, &key) {
        true => Ok(key),
        false => Err(unusable("its key is not RSA")),
    }
}

/// Whether it is valid now, and signed by an authority where the row says so.
fn is_trusted(
    certificate: &ParsedCertificate<'_>,
    rest: &[CertificateDer<'_>],
    provider: &Provider,
    fetched: &Fetched<'_>,
    now: Timestamp,
) -> Result<(), &'static str> {
    let none = RootCertStore::empty();
    let roots = match (provider.fetch.chain, fetched.roots) {
        (false, _) => &none,
        (true, Some(roots)) => roots,
        (true, None) => &ROOTS,
    };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.seconds()));
    let algorithms = default_provider().signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(certificate, roots, rest, now, algorithms) {
        Ok(()) => Ok(()),
        // Its own dates and uses are looked at first: with no authority this is what is left.
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            if provider.fetch.chain {
                Err("no authority signed it")
            } else {
                Ok(())
            }
        }
        Err(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Err("it has ended"),
        Err(Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Err("it is not valid yet"),
        Err(_) => Err("it is not valid"),
    }
}

/// The names that it may be for, at this URL.
fn names(provider: &Provider, url: &str) -> impl Iterator<Item = ServerName<'static>> {
    let host = url.split('/').nth(2).unwrap_or_default().to_owned();
    provider.fetch.names.iter().filter_map(move |pattern| {
        let labels = pattern.split('.').enumerate();
        let name: Option<Vec<&str>> = labels
            .map(|(index, label)| match label {
                "*" => host.split('.').nth(index),
                label => Some(label),
            })
            .collect();
        ServerName::try_from(name?.join(".")).ok()
    })
}
