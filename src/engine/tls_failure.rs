//! Why a TLS handshake failed, in words that help: an expired certificate is mended by another
//! person than one for another name.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, Error, OtherError, PeerIncompatible,
    RootCertStore, SignatureScheme,
};
use thiserror::Error;

use crate::domain::time::Timestamp;

/// Names of a certificate that are told.
const NAMES_MAX: usize = 5;
/// Unix seconds.
const YEAR_9000: u64 = 221_845_392_000;

/// Why TLS did not come about, or ended.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TlsFailure {
    /// Its end has passed.
    #[error("its certificate has expired{}", when(*.0))]
    Expired(Option<Timestamp>),
    /// Its beginning has not come.
    #[error("its certificate is not valid yet{}", when(*.0))]
    NotYetValid(Option<Timestamp>),
    /// Nobody that is believed signed it.
    #[error(
        "its certificate is signed by an authority that is not known here: the intermediate \
         certificates may be missing, or the authority has to be given as delivery.tls.ca"
    )]
    UnknownIssuer,
    /// It is signed with its own key.
    #[error("its certificate is self-signed: give it as delivery.tls.ca to believe it")]
    SelfSigned,
    /// It is for other names.
    #[error("its certificate is for another host name: it is for {}", names(.0))]
    WrongName(Vec<String>),
    /// It was withdrawn.
    #[error("its certificate is revoked")]
    Revoked,
    /// It can't be used for another reason.
    #[error("its certificate can't be used: {0}")]
    Certificate(String),
    /// The peer wants to be shown a certificate and was shown none.
    #[error("it asks for a client certificate: give one as delivery.tls.clientCertificate")]
    ClientRequired,
    /// The peer does not take the one that it was shown.
    #[error("it refuses the client certificate: {0}")]
    ClientRefused(&'static str),
    /// No version in common.
    #[error("it offers neither TLS 1.2 nor TLS 1.3")]
    Version,
    /// Nothing else in common.
    #[error(
        "it offers no cipher suite or key exchange that is safe today, or asks for a client \
         certificate"
    )]
    NothingInCommon,
    /// What came back is something else.
    #[error("what answers does not speak TLS")]
    NotTls,
    /// The connection ended meanwhile.
    #[error("the connection was cut during the handshake")]
    Cut,
    /// The rest, as the library says it.
    #[error("{0}")]
    Other(String),
}

fn when(time: Option<Timestamp>) -> String {
    time.map(|time| format!(" ({time})")).unwrap_or_default()
}

fn names(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = names.len() - shown.len();
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

impl TlsFailure {
    /// Sorts what the socket or the library said.
    pub fn of_io(error: &io::Error) -> TlsFailure {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match (inner, error.kind()) {
            (Some(error), _) => TlsFailure::of(error),
            (
                None,
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe,
            ) => TlsFailure::Cut,
            (None, _) => TlsFailure::Other(error.to_string()),
        }
    }

    /// Sorts what the library said.
    pub fn of(error: &Error) -> TlsFailure {
        match error {
            Error::InvalidCertificate(error) => TlsFailure::of_certificate(error),
            Error::AlertReceived(alert) => TlsFailure::of_alert(*alert),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => TlsFailure::Version,
            Error::PeerIncompatible(_) => TlsFailure::NothingInCommon,
            Error::InvalidMessage(_) => TlsFailure::NotTls,
            other => TlsFailure::Other(other.to_string()),
        }
    }

    fn of_certificate(error: &CertificateError) -> TlsFailure {
        // What lies further ahead no calendar here writes.
        let time = |time: &UnixTime| {
            let seconds = Some(time.as_secs()).filter(|seconds| *seconds < YEAR_9000);
            Some(Timestamp::from_millis(seconds? * 1_000))
        };
        match error {
            CertificateError::Expired => TlsFailure::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => {
                TlsFailure::Expired(time(not_after))
            }
            CertificateError::NotValidYet => TlsFailure::NotYetValid(None),
            CertificateError::NotValidYetContext { not_before, .. } => {
                TlsFailure::NotYetValid(time(not_before))
            }
            CertificateError::UnknownIssuer => TlsFailure::UnknownIssuer,
            CertificateError::NotValidForName => TlsFailure::WrongName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsFailure::WrongName(presented.iter().map(|name| plain_name(name)).collect())
            }
            CertificateError::Revoked => TlsFailure::Revoked,
            CertificateError::Other(OtherError(inner)) if inner.is::<SelfSigned>() => {
                TlsFailure::SelfSigned
            }
            other => TlsFailure::Certificate(other.to_string()),
        }
    }

    fn of_alert(alert: AlertDescription) -> TlsFailure {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                TlsFailure::ClientRequired
            }
            AlertDescription::UnknownCA => TlsFailure::ClientRefused("it does not know its issuer"),
            AlertDescription::CertificateExpired => TlsFailure::ClientRefused("it has expired"),
            AlertDescription::CertificateRevoked => TlsFailure::ClientRefused("it is revoked"),
            AlertDescription::UnsupportedCertificate => {
                TlsFailure::ClientRefused("it is of a kind that it does not take")
            }
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
                TlsFailure::ClientRefused("it can't use it")
            }
            AlertDescription::DecryptError => {
                TlsFailure::ClientRefused("its signature is wrong to it")
            }
            AlertDescription::AccessDenied => TlsFailure::ClientRefused("access is denied"),
            AlertDescription::ProtocolVersion => TlsFailure::Version,
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
                TlsFailure::NothingInCommon
            }
            other => TlsFailure::Other(format!("it ended the handshake: {other:?}")),
        }
    }
}

/// `DnsName("a.example")` as `a.example`, of bytes that a terminal prints.
fn plain_name(presented: &str) -> String {
    let inside = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    let name = inside.unwrap_or(presented).trim_matches('"');
    name.chars().filter(char::is_ascii_graphic).take(253).collect()
}

/// Says of a certificate that nobody believed that it is signed with its own key.
#[derive(Debug, Error)]
#[error("self-signed")]
struct SelfSigned;

/// The library's verifier, which tells a self-signed certificate from one of an unknown authority;
/// it believes nothing that the library does not.
pub(super) struct Verifier(pub(super) Arc<WebPkiServerVerifier>);

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0.verify_server_cert(certificate, chain, name, ocsp, now).map_err(|error| {
            let unknown = matches!(
                error,
                Error::InvalidCertificate(
                    CertificateError::UnknownIssuer
                        | CertificateError::BadSignature
                        | CertificateError::Other(_)
                )
            );
            match unknown && is_self_signed(certificate, now) {
                true => CertificateError::Other(OtherError(Arc::new(SelfSigned))).into(),
                false => error,
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Whether issuer and subject are the same and its own key may have signed it.
fn is_self_signed(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let mut itself = RootCertStore::empty();
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
    if !names_itself(certificate) || itself.add(certificate.clone().into_owned()).is_err() {
        return false;
    }
    let algorithms = default_provider().signature_verification_algorithms.all;
    let signed = verify_server_cert_signed_by_trust_anchor(&parsed, &itself, &[], now, algorithms);
    !matches!(
        signed,
        Err(Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        ))
    )
}

/// Whether issuer and subject are the same (RFC 5280 section 4.1).
fn names_itself(certificate: &[u8]) -> bool {
    let same = || {
        let (whole, _) = element(certificate)?;
        let (signed, _) = element(whole.content)?;
        let mut parts = Vec::new();
        let mut content = signed.content;
        // Version (which may be missing), serial number, algorithm, issuer, validity, subject.
        while parts.len() < 6 && !content.is_empty() {
            let (part, after) = element(content)?;
            if !(parts.is_empty() && part.tag == 0xa0) {
                parts.push(part.whole);
            }
            content = after;
        }
        Some(parts.get(2)? == parts.get(4)?)
    };
    same().unwrap_or(false)
}

/// One element of DER.
struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

/// The first element of some bytes, and what follows it.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Three bytes of length are more than any certificate has.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    let whole = &bytes[..bytes.len() - after.len()];
    Some((Element { tag, whole, content }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        assert!(element(&[]).is_none());
        assert!(element(&[0x30]).is_none());
        assert!(element(&[0x30, 2, 1]).is_none());
        assert!(element(&[0x30, 0x84, 0, 0, 0, 1, 1]).is_none());
        let bytes = [0x30, 0x81, 2, 5, 6, 7];
        let (found, after) = element(&bytes).unwrap();
        assert_eq!((found.tag, found.content, after), (0x30, &[5, 6][..], &[7][..]));
        assert!(!names_itself(&[0x30, 2, 0x30, 0]));
    }

    #[test]
    fn names_are_few_and_plain() {
        assert_eq!(plain_name("DnsName(\"a.example\")"), "a.example");
        assert_eq!(plain_name("IpAddress(10.0.0.1)"), "10.0.0.1");
        assert_eq!(plain_name("a\u{1b}[2Jb"), "a[2Jb");
        let many: Vec<String> = (0..7).map(|number| format!("n{number}")).collect();
        assert_eq!(names(&many), "n0, n1, n2, n3, n4 and 2 more");
        assert_eq!(names(&[]), "none");
    }
}
