//! eBay: ECDSA over the body with a key that is fetched by the name that the signature gives it.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{DerSignature, VerifyingKey};

use super::encoding::{self, Digest, Encoding, KeyForm};
use super::fetched::Fetched;
use super::json;
use super::public;
use super::reason::{EncodingName, Reason};
use super::request::Request;
use super::row::Provider;
use super::verify::{By, Verified};

/// Characters that the name of a key may have.
const KEY_NAME_MAX: usize = 64;

/// Verifies the body. The same keys sign for every application: this says that eBay sent it, and
/// not to whom.
pub fn verify(
    provider: &Provider,
    fetched: &Fetched<'_>,
    request: &Request<'_>,
) -> Result<Verified, Reason> {
    let header = provider.signature.header.as_deref().unwrap_or_default();
    let place = || format!("the header {header}");
    let written = || Reason::Encoding(EncodingName(Encoding::Base64));
    let text = request.needed(&format!("header.{header}"))?;
    let document = encoding::decode(Encoding::Base64, &text).ok_or_else(written)?;
    let field = |name: &str| match json::text(&document, name) {
        Ok(Some(value)) => Ok(value),
        Ok(None) | Err(_) => Err(Reason::NoSignature { place: place() }),
    };
    let (name, signature) = (field("kid")?, field("signature")?);
    let signature = encoding::decode(Encoding::Base64, &signature).ok_or_else(written)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !(1..=KEY_NAME_MAX).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(Reason::NoSignature { place: place() });
    }
    let (url, answer) = provider.document(fetched, &provider.fetch.url.replace("{kid}", &name))?;
    let key = Key::read(answer).ok_or(Reason::Key { url })?;
    match key.verifies(request.body, &signature) {
        true => Ok(Verified { by: By::PublishedKey, signed_at: None }),
        false => Err(Reason::Mismatch),
    }
}

/// What eBay answers with: the key says of which digest its signatures are, not the request.
struct Key {
    point: VerifyingKey,
    digest: Digest,
}

impl Key {
    fn read(answer: &str) -> Option<Key> {
        let field = |name: &str| json::text(answer.as_bytes(), name).ok().flatten();
        let digest = match field("digest")?.as_str() {
            "SHA1" => Digest::Sha1,
            "SHA256" => Digest::Sha256,
            _ => return None,
        };
        if field("algorithm")? != "ECDSA" {
            return None;
        }
        // All in one line: the marks are no lines of their own.
        let pem = field("key")?.replace("-----BEGIN PUBLIC KEY-----", "");
        let pem = pem.replace("-----END PUBLIC KEY-----", "");
        let pem: String = pem.split_whitespace().collect();
        let key = encoding::key(KeyForm::Base64, &pem)?;
        let point = VerifyingKey::from_sec1_bytes(public::p256_point(&key)?).ok()?;
        Some(Key { point, digest })
    }

    fn verifies(&self, body: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = DerSignature::try_from(signature) else { return false };
        let digest = encoding::digest(self.digest, body);
        self.point.verify_prehash(&digest, &signature).is_ok()
    }
}
