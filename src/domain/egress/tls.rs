//! The TLS of one endpoint: who relay is to it, and whom it believes beside the web's authorities.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};
use serde::{Deserialize, Serialize};

use super::{Credential, Wrong};

/// Bytes of PEM at most, of each setting.
pub const PEM_MAX: usize = 32 << 10;
/// Certificates in a chain or a list of authorities at most.
pub const CERTIFICATES_MAX: usize = 16;

/// What connections to one endpoint use beside what all use; PEM.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointTls {
    /// Shown to the endpoint when it asks: relay's own first, then those that lead to an authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// Its private key: PKCS #8, SEC 1 or PKCS #1.
    #[serde(default, skip_serializing_if = "Credential::is_left_out")]
    pub client_key: Credential,
    /// Authorities that are believed beside those of the web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl EndpointTls {
    /// The chain and key that it shows; `None` when it has none.
    pub fn identity(&self) -> Result<Option<Arc<CertifiedKey>>, Wrong> {
        let Some(chain) = &self.client_certificate else { return Ok(None) };
        let chain = certificates(chain).map_err(|words| ("tls.client_certificate", words))?;
        let in_key = |words: &str| ("tls.client_key", words.to_owned());
        let pem = self.client_key.expose();
        if pem.len() > PEM_MAX {
            return Err(("tls.client_key", format!("must have at most {PEM_MAX} bytes")));
        }
        if pem.contains("ENCRYPTED") {
            return Err(in_key("is encrypted: give it without a passphrase"));
        }
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            in_key("holds no private key in PEM (-----BEGIN PRIVATE KEY-----, or RSA, or EC)")
        })?;
        match CertifiedKey::from_der(chain, key, &default_provider()) {
            Ok(identity) => Ok(Some(Arc::new(identity))),
            Err(Error::InconsistentKeys(_)) => {
                Err(in_key("is not the key of the client certificate"))
            }
            Err(_) => Err(in_key(
                "is of no kind that can be used: RSA of 2048 to 8192 bits, ECDSA P-256 or P-384, \
                 Ed25519",
            )),
        }
    }

    /// Adds its authorities to others.
    pub fn add_authorities(&self, roots: &mut RootCertStore) -> Result<(), Wrong> {
        let Some(pem) = &self.ca else { return Ok(()) };
        let found = certificates(pem).map_err(|words| ("tls.ca", words))?;
        found.into_iter().enumerate().try_for_each(|(index, certificate)| {
            roots.add(certificate).map_err(|_| {
                let words = format!("its certificate {} is none that can be believed", index + 1);
                ("tls.ca", words)
            })
        })
    }

    /// Everything that is wrong with it; a key that was left out is not looked at.
    pub fn problems(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        match (&self.client_certificate, self.client_key.is_left_out()) {
            (None, false) => {
                let words = "stands without its certificate: give that too";
                found.push(("tls.client_key", words.to_owned()));
            }
            (Some(chain), true) => {
                let read = certificates(chain);
                found.extend(read.err().map(|words| ("tls.client_certificate", words)));
            }
            _ => found.extend(self.identity().err()),
        }
        found.extend(self.add_authorities(&mut RootCertStore::empty()).err());
        found
    }
}

/// The certificates of a PEM text, each of which can be read.
fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if pem.len() > PEM_MAX {
        return Err(format!("must have at most {PEM_MAX} bytes"));
    }
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let number = found.len() + 1;
        if number > CERTIFICATES_MAX {
            return Err(format!("must have at most {CERTIFICATES_MAX} certificates"));
        }
        let unreadable = || format!("its certificate {number} can't be read: give it as PEM");
        let certificate = certificate.map_err(|_| unreadable())?;
        ParsedCertificate::try_from(&certificate).map_err(|_| unreadable())?;
        found.push(certificate);
    }
    if found.is_empty() {
        let words = "holds no certificate: give PEM, -----BEGIN CERTIFICATE----- and so on";
        return Err(words.to_owned());
    }
    Ok(found)
}
