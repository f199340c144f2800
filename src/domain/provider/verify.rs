//! Whether a request is from who holds a secret, by a row.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::content::{self, Parts};
use super::encoding::{self, Digest, Encoding};
use super::fetched::Fetched;
use super::handshake::{Computed, is_braintree, is_crc_token};
use super::request::Request;
use super::row::{Provider, Scheme};
use crate::domain::time::Timestamp;

/// Signatures that are tried; a request with more is refused.
pub const CANDIDATES_MAX: usize = 100;

/// Signatures by public keys that are tried.
const PUBLIC_MAX: usize = 4;

/// Who signed, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Which of the secrets it was, from 0.
    pub secret: usize,
    /// When it was signed, where the provider says so.
    pub signed_at: Option<Timestamp>,
}

/// Why a request is refused. For the operator: a sender learns no part of it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Reason {
    /// A header or field is not there, or empty.
    #[error("{place} is missing")]
    Missing {
        /// `the header x-signature`.
        place: String,
    },
    /// A header or field that may stand once: programs differ in which of two they take.
    #[error("{place} is there twice")]
    Twice {
        /// `the header x-signature`.
        place: String,
    },
    /// The place holds no signature of the version that counts.
    #[error("{place} holds no signature of the version that counts")]
    NoSignature {
        /// `the header x-signature`.
        place: String,
    },
    /// No signature is written as it should be.
    #[error("the signature is not written in {0}")]
    Encoding(EncodingName),
    /// More than [`CANDIDATES_MAX`] signatures.
    #[error("there are more than {CANDIDATES_MAX} signatures")]
    TooMany,
    /// More than one timestamp.
    #[error("the signature has two timestamps")]
    TwoTimes,
    /// The timestamp is none.
    #[error("the timestamp can't be read")]
    NoTime,
    /// It was signed too long ago.
    #[error("the timestamp is {seconds} s old, {tolerance} s are allowed")]
    Stale {
        /// Its age.
        seconds: u64,
        /// What is allowed.
        tolerance: u64,
    },
    /// It lies ahead.
    #[error("the timestamp lies {seconds} s in the future, {tolerance} s are allowed")]
    Early {
        /// How far.
        seconds: u64,
        /// What is allowed.
        tolerance: u64,
    },
    /// There is no secret, or none that can be read as the row says.
    #[error("secret {number} can't be used: it is empty or not written as this provider's are")]
    Secret {
        /// Which one, from 1; 0 when there are none.
        number: usize,
    },
    /// A header that has another value than this provider's requests have.
    #[error("the header {header} is not {value}")]
    Required {
        /// Which one.
        header: String,
        /// What it has to be.
        value: String,
    },
    /// A field that is longer or shorter than it can be.
    #[error("{place} has not the {length} characters that it has")]
    Length {
        /// `the body's signature.token`.
        place: String,
        /// How many it has.
        length: usize,
    },
    /// What looks like the challenge of a handshake, whose answer anybody may have asked for.
    #[error("the payload looks like the challenge of a handshake")]
    Challenge,
    /// The digest that the URL carries is not that of the body.
    #[error("the body is not the one whose digest stands in the URL")]
    BodyDigest,
    /// A challenge whose answer could be used as a signature, or that no answer can hold.
    #[error("what stands at {place} is no challenge that may be answered")]
    Unanswerable {
        /// `query.crc_token`.
        place: String,
    },
    /// A handshake with another verify token than was agreed on.
    #[error("the verify token is another")]
    VerifyToken,
    /// A handshake that needs a verify token, where none was agreed on.
    #[error("no verify token is set up for this source")]
    NoVerifyToken,
    /// A handshake whose answer begins with a public key, where none is known.
    #[error("no public key is set up for this source")]
    NoPublicKey,
    /// A handshake that hands out a secret, where there is one.
    #[error("the source has a secret, and is not being set up")]
    Settled,
    /// A key or certificate that has to be fetched first, from a host that the row allows.
    #[error("the key at {url} is not fetched yet")]
    KeyWanted {
        /// What to fetch with GET; the answer is handed in under the same URL.
        url: String,
    },
    /// A URL of a key that is not one of the provider's.
    #[error("{url} is no place where this provider has its keys")]
    KeyUrl {
        /// What the request named, cut at 200 characters.
        url: String,
    },
    /// All of it is there, and it was not made with any of the secrets over these bytes.
    #[error("the signature is of another secret or of other bytes")]
    Mismatch,
}

impl Reason {
    /// A word for scripts and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Missing { .. } => "missing",
            Reason::Twice { .. } | Reason::TwoTimes | Reason::TooMany => "ambiguous",
            Reason::NoSignature { .. }
            | Reason::Encoding(_)
            | Reason::NoTime
            | Reason::Required { .. }
            | Reason::Length { .. }
            | Reason::Challenge
            | Reason::Unanswerable { .. } => "malformed",
            Reason::Stale { .. } => "stale",
            Reason::Early { .. } => "early",
            Reason::Secret { .. } | Reason::NoVerifyToken | Reason::NoPublicKey => "secret",
            Reason::Settled => "settled",
            Reason::KeyWanted { .. } => "key-wanted",
            Reason::KeyUrl { .. } => "key-url",
            Reason::VerifyToken | Reason::BodyDigest | Reason::Mismatch => "mismatch",
        }
    }
}

/// An encoding in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncodingName(pub Encoding);

impl fmt::Display for EncodingName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Encoding::Hex => "hexadecimal",
            Encoding::Base64 => "base64 with padding",
            Encoding::Base64Url => "base64 for URLs",
        })
    }
}

/// Verifies a request as of `now`. Any of the secrets may have signed it: while one is rotated
/// there are two. Every signature of the right version is tried with every secret.
pub fn verify(
    provider: &Provider,
    secrets: &[&str],
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Verified, Reason> {
    verify_with(provider, secrets, &Fetched::default(), request, now)
}

/// The same with keys that were fetched. [`Reason::KeyWanted`] names one that is needed.
pub fn verify_with(
    provider: &Provider,
    secrets: &[&str],
    _fetched: &Fetched<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Verified, Reason> {
    if secrets.is_empty() {
        return Err(Reason::Secret { number: 0 });
    }
    let found = content::signatures(&provider.signature, request)?;
    let (text, signed_at) = match &provider.timestamp {
        None => (String::new(), None),
        Some(row) => {
            let (text, time) = content::timestamp(row, request, &found.pairs)?;
            row.tolerance.map_or(Ok(()), |tolerance| recent(time, now, tolerance))?;
            (text, Some(time))
        }
    };
    check_rest(provider, request)?;
    let keys = keys(provider, secrets)?;
    let mut signatures = Vec::with_capacity(found.signatures.len());
    for text in &found.signatures {
        match provider.scheme {
            Scheme::Token => signatures.push(text.as_bytes().to_vec()),
            _ => signatures.extend(encoding::decode(provider.encoding, text)),
        }
    }
    if signatures.is_empty() {
        return Err(Reason::Encoding(EncodingName(provider.encoding)));
    }
    for (number, (secret, key)) in secrets.iter().zip(&keys).enumerate() {
        for url in content::urls(provider, request) {
            let parts = Parts { timestamp: &text, secret, url: &url };
            let message = content::message(provider, request, &parts)?;
            if any_fits(provider, key, &message, &signatures) {
                return Ok(Verified { secret: number, signed_at });
            }
        }
    }
    Err(Reason::Mismatch)
}

/// The keys, all of them readable: an unusable one is told whether another fits or not.
fn keys(provider: &Provider, secrets: &[&str]) -> Result<Vec<Vec<u8>>, Reason> {
    let key = |(index, secret): (usize, &&str)| {
        let key = encoding::key(provider.key, secret).filter(|key| match provider.scheme {
            Scheme::Ed25519 => key.len() == 32,
            Scheme::Ecdsa => key.starts_with(&P256),
            Scheme::Rsa => rsa_key(key).is_some(),
            Scheme::Hmac | Scheme::Hash | Scheme::Token => true,
        });
        key.ok_or(Reason::Secret { number: index + 1 })
    };
    secrets.iter().enumerate().map(key).collect()
}

fn recent(time: Timestamp, now: Timestamp, tolerance: u64) -> Result<(), Reason> {
    let (signed, now) = (time.seconds(), now.seconds());
    let seconds = now.abs_diff(signed);
    match seconds > tolerance {
        false => Ok(()),
        true if signed < now => Err(Reason::Stale { seconds, tolerance }),
        true => Err(Reason::Early { seconds, tolerance }),
    }
}

/// What a provider asks for beside a signature that fits.
fn check_rest(provider: &Provider, request: &Request<'_>) -> Result<(), Reason> {
    for (header, value) in &provider.required {
        if request.header(header) != Some(value) {
            return Err(Reason::Required { header: header.clone(), value: value.clone() });
        }
    }
    for (field, length) in &provider.lengths {
        let place = || format!("the body's {field}");
        let text = request.field(field)?.ok_or_else(|| Reason::Missing { place: place() })?;
        if text.chars().count() != *length {
            return Err(Reason::Length { place: place(), length: *length });
        }
    }
    // What a handshake may be answered with is no signature over an event.
    let answered = provider.handshakes.iter().any(|row| match row.computed {
        Some(Computed::X) => is_crc_token(request.body),
        Some(Computed::Braintree) => {
            let payload = request.form("bt_payload").unwrap_or_default();
            is_braintree(payload.trim().as_bytes())
        }
        _ => false,
    });
    if answered {
        return Err(Reason::Challenge);
    }
    // What a bare digest of secret and body leaves open: more can be put behind, with padding
    // between that begins with a byte which no text has there.
    if provider.scheme == Scheme::Hash && std::str::from_utf8(request.body).is_err() {
        return Err(Reason::Mismatch);
    }
    check_body_digest(provider, request)
}

fn check_body_digest(provider: &Provider, request: &Request<'_>) -> Result<(), Reason> {
    let Some(parameter) = &provider.body_digest else { return Ok(()) };
    let Some(given) = request.query(parameter) else {
        // Without a digest a form alone is covered by the signature.
        let covered = request.body.is_empty() || request.is_form();
        let place = format!("the query's {parameter}");
        return if covered { Ok(()) } else { Err(Reason::Missing { place }) };
    };
    let made = encoding::digest(Digest::Sha256, request.body);
    let right = encoding::decode(Encoding::Hex, &given).is_some_and(|given| same(&given, &made));
    if right { Ok(()) } else { Err(Reason::BodyDigest) }
}

/// Whether one of the signatures is of this message and key. What is compared is made once, however
/// many there are; those that take a verification each may be few.
fn any_fits(provider: &Provider, key: &[u8], message: &[u8], signatures: &[Vec<u8>]) -> bool {
    let made = match provider.scheme {
        Scheme::Hmac => mac(provider.digest, key, message),
        Scheme::Hash => encoding::digest(provider.digest, message),
        // Of digests, so that not even the length of the secret shows.
        Scheme::Token => {
            let made = encoding::digest(Digest::Sha256, key);
            let given = |signature: &Vec<u8>| encoding::digest(Digest::Sha256, signature);
            return signatures.iter().any(|signature| same(&made, &given(signature)));
        }
        Scheme::Ed25519 | Scheme::Ecdsa | Scheme::Rsa => {
            let few = signatures.iter().take(PUBLIC_MAX);
            return few.into_iter().any(|signature| verifies(provider, key, message, signature));
        }
    };
    signatures.iter().any(|signature| same(&made, signature))
}

fn verifies(provider: &Provider, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    match provider.scheme {
        Scheme::Ecdsa => spki(&signature::ECDSA_P256_SHA256_ASN1, &P256, key, message, signature),
        Scheme::Rsa => spki(&signature::RSA_PKCS1_2048_8192_SHA256, &[], key, message, signature),
        _ => public(&signature::ED25519, key, message, signature),
    }
}

pub(super) fn mac(digest: Digest, key: &[u8], message: &[u8]) -> Vec<u8> {
    const ANY: &str = "invariant: any length is a key";
    match digest {
        Digest::Sha1 => {
            let mac = Hmac::<Sha1>::new_from_slice(key).expect(ANY);
            mac.chain_update(message).finalize().into_bytes().to_vec()
        }
        Digest::Sha256 => {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect(ANY);
            mac.chain_update(message).finalize().into_bytes().to_vec()
        }
        Digest::Sha512 => {
            let mac = Hmac::<Sha512>::new_from_slice(key).expect(ANY);
            mac.chain_update(message).finalize().into_bytes().to_vec()
        }
    }
}

pub(super) fn same(made: &[u8], given: &[u8]) -> bool {
    made.ct_eq(given).into()
}

fn public(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

/// The head of a P-256 key as SPKI (RFC 5480): what follows is the point.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// With a key in its wrapping (SPKI, RFC 5280 section 4.1): the library wants what is inside.
fn spki(
    algorithm: &'static dyn VerificationAlgorithm,
    head: &[u8],
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let inside = if head.is_empty() { rsa_key(key) } else { key.strip_prefix(head) };
    inside.is_some_and(|inside| public(algorithm, inside, message, signature))
}

/// The `RSAPublicKey` (RFC 8017 appendix A.1.1) in an SPKI: the contents of its bit string, which
/// is the last thing in it.
fn rsa_key(key: &[u8]) -> Option<&[u8]> {
    const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let at = key.windows(RSA.len()).position(|window| window == RSA)? + RSA.len();
    let rest = key.get(at..)?.strip_prefix(&[0x05, 0x00])?.strip_prefix(&[0x03])?;
    let long = usize::from(rest.first()? & 0x80 != 0) * usize::from(rest.first()? & 0x7f);
    // The length, then the count of unused bits: none.
    rest.get(1 + long..)?.strip_prefix(&[0x00])
}
