//! Whether a request is from who holds a secret, by a row.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::content::{self, Parts};
use super::encoding::{self, Digest, Encoding};
use super::fetched::Fetched;
use super::handshake::{Computed, is_braintree, is_crc_token};
use super::reason::{EncodingName, Reason};
use super::request::Request;
use super::row::{Provider, Scheme};
use super::{adyen, certificate, client_state, ebay, jwt, public, sns};
use crate::domain::time::Timestamp;

/// Signatures that are tried; a request with more is refused.
pub const CANDIDATES_MAX: usize = 100;

/// Signatures by public keys that are tried.
const PUBLIC_MAX: usize = 4;

/// Who signed, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// By whom.
    pub by: By,
    /// When it was signed, where the provider says so.
    pub signed_at: Option<Timestamp>,
}

/// Whose word it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Who holds the secret of this number, from 0.
    Secret(usize),
    /// The provider, by a key that it publishes.
    PublishedKey,
    /// Nobody: this provider signs nothing, so that it is taken as it came, and not verified.
    Nobody,
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
    fetched: &Fetched<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Verified, Reason> {
    match provider.scheme {
        Scheme::None => return Ok(Verified { by: By::Nobody, signed_at: None }),
        Scheme::Ebay => return ebay::verify(provider, fetched, request),
        _ if secrets.is_empty() => return Err(Reason::Secret { number: 0 }),
        Scheme::Jwt => return jwt::verify(provider, secrets, request, now),
        Scheme::Adyen => return adyen::verify(provider, secrets, request),
        Scheme::ClientState => return client_state::verify(provider, secrets, request),
        _ => {}
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
    let (digest, keys) = keys(provider, secrets, fetched, request, now)?;
    let signatures = decoded(provider, &found.signatures)?;
    for (number, (secret, key)) in secrets.iter().zip(&keys).enumerate() {
        for url in content::urls(provider, request) {
            let parts = Parts { timestamp: &text, secret, url: &url, pairs: &found.pairs };
            let message = content::message(provider, request, &parts)?;
            if any_fits(provider.scheme, digest, key, &message, &signatures) {
                return Ok(Verified { by: By::Secret(number), signed_at });
            }
        }
    }
    Err(Reason::Mismatch)
}

/// Signatures that are written as they should be; the others don't count.
fn decoded(provider: &Provider, found: &[String]) -> Result<Vec<Vec<u8>>, Reason> {
    let signatures: Vec<_> = match provider.scheme {
        Scheme::Token => found.iter().map(|text| text.as_bytes().to_vec()).collect(),
        _ => found.iter().filter_map(|text| encoding::decode(provider.encoding, text)).collect(),
    };
    match signatures.is_empty() {
        true => Err(Reason::Encoding(EncodingName(provider.encoding))),
        false => Ok(signatures),
    }
}

/// The keys, all of them readable: an unusable one is told whether another fits or not.
pub(super) fn secret_keys(provider: &Provider, secrets: &[&str]) -> Result<Vec<Vec<u8>>, Reason> {
    let key = |(index, secret): (usize, &&str)| {
        let key = encoding::key(provider.key, secret);
        let key = key.filter(|key| public::is_key(provider.scheme, key));
        key.ok_or(Reason::Secret { number: index + 1 })
    };
    secrets.iter().enumerate().map(key).collect()
}

/// The digest and the key for each secret. Where there is a certificate its key is that of all, and
/// the secret is a part of the message.
fn keys(
    provider: &Provider,
    secrets: &[&str],
    fetched: &Fetched<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<(Digest, Vec<Vec<u8>>), Reason> {
    if provider.scheme != Scheme::Certificate {
        return Ok((provider.digest, secret_keys(provider, secrets)?));
    }
    if let Some(index) = secrets.iter().position(|secret| secret.is_empty()) {
        return Err(Reason::Secret { number: index + 1 });
    }
    let digest = match provider.signs_sns() {
        true => sns::digest(request)?,
        false => provider.digest,
    };
    let key = certificate::key(provider, fetched, request, now)?;
    Ok((digest, vec![key; secrets.len()]))
}

pub(super) fn recent(time: Timestamp, now: Timestamp, tolerance: u64) -> Result<(), Reason> {
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
fn any_fits(
    scheme: Scheme,
    digest: Digest,
    key: &[u8],
    message: &[u8],
    signatures: &[Vec<u8>],
) -> bool {
    match scheme {
        Scheme::Hmac => {
            let made = mac(digest, key, message);
            signatures.iter().any(|signature| same(&made, signature))
        }
        Scheme::Hash => {
            let made = encoding::digest(digest, message);
            signatures.iter().any(|signature| same(&made, signature))
        }
        Scheme::Token => signatures.iter().any(|signature| same_text(key, signature)),
        Scheme::Ed25519 | Scheme::Ecdsa | Scheme::Rsa | Scheme::Certificate => {
            let mut few = signatures.iter().take(PUBLIC_MAX);
            few.any(|signature| public::verifies(scheme, digest, key, message, signature))
        }
        Scheme::None | Scheme::Jwt | Scheme::Adyen | Scheme::ClientState | Scheme::Ebay => false,
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

/// The same of texts: their digests, so that not even the length of a secret shows.
pub(super) fn same_text(made: &[u8], given: &[u8]) -> bool {
    let digest = |text: &[u8]| encoding::digest(Digest::Sha256, text);
    same(&digest(made), &digest(given))
}
