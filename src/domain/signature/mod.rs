//! Standard Webhooks 1.0.0 signatures: the keys, how they are written, and the headers' names.
//!
//! Signed is `{id}.{timestamp}.{body}` as bytes, so neither id nor timestamp may hold a dot. `v1`
//! is HMAC-SHA256, `v1a` is Ed25519, both in base64 with padding. [`sign()`] makes the header's
//! value, [`verify()`] is what a receiver does with it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

use crate::domain::secret::Secret;

mod sign;
mod verify;

pub use sign::sign;
pub use verify::{MAX_CANDIDATES, SignedHeaders, TOLERANCE_SECONDS, VerifyError, verify};

const HMAC_PREFIX: &str = "whsec_";
const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// The shortest HMAC key that signs, in bytes.
pub const HMAC_BYTES_MIN: usize = 24;
/// The longest HMAC key, in bytes.
pub const HMAC_BYTES_MAX: usize = 75;

/// A key that signs deliveries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SigningKey {
    /// HMAC-SHA256, `v1`; the decoded bytes of `whsec_…`.
    Hmac(Secret),
    /// Ed25519, `v1a`; the 32-byte seed of `whsk_…`.
    Ed25519(Secret),
}

/// A key that a receiver verifies with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VerifyingKey {
    /// HMAC-SHA256, `v1`; the decoded bytes of `whsec_…`.
    Hmac(Secret),
    /// Ed25519, `v1a`; the 32 bytes of `whpk_…`.
    Ed25519([u8; 32]),
}

/// Text that is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum KeyError {
    /// It begins with none of the prefixes that are allowed here.
    #[error("a key begins with whsec_ (HMAC) or whsk_ (Ed25519)")]
    Prefix,
    /// It begins with none of the prefixes that are allowed here.
    #[error("a key to verify with begins with whsec_ (HMAC), whpk_ or whsk_ (Ed25519)")]
    VerifyingPrefix,
    /// What follows the prefix is not base64.
    #[error("what follows the key's prefix is not base64 with padding")]
    Encoding,
    /// The decoded bytes are too few or too many.
    #[error("the key has {found} bytes, {least} to {most} are right")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there must be at least.
        least: usize,
        /// How many there may be.
        most: usize,
    },
    /// The public half of `whsk_…` is not that of its seed, or `whpk_…` is no point of the curve.
    #[error("the public half of the key does not belong to it")]
    Pair,
}

impl SigningKey {
    /// Reads `whsec_` and base64 of 24 to 75 bytes, or `whsk_` and base64 of seed and public half.
    pub fn parse(text: &str) -> Result<SigningKey, KeyError> {
        if let Some(encoded) = text.strip_prefix(HMAC_PREFIX) {
            return decode(encoded, HMAC_BYTES_MIN, HMAC_BYTES_MAX).map(SigningKey::Hmac);
        }
        let encoded = text.strip_prefix(PRIVATE_PREFIX).ok_or(KeyError::Prefix)?;
        let both = decode(encoded, 64, 64)?;
        let (seed, public) = both.expose().split_at(32);
        let key = SigningKey::Ed25519(Secret::new(seed.to_vec()));
        if key.ed25519().verifying_key().as_bytes() != public {
            return Err(KeyError::Pair);
        }
        Ok(key)
    }

    /// The HMAC key of random bytes that the caller drew, 24 of them by custom.
    pub fn hmac(bytes: &[u8]) -> SigningKey {
        SigningKey::Hmac(Secret::new(bytes.to_vec()))
    }

    /// The Ed25519 key of 32 random bytes that the caller drew (RFC 8032 section 5.1.5).
    pub fn ed25519_of(seed: &[u8; 32]) -> SigningKey {
        SigningKey::Ed25519(Secret::new(seed.to_vec()))
    }

    /// As it is kept and typed: `whsec_…` or `whsk_…`. It is the secret itself.
    pub fn text(&self) -> String {
        match self {
            SigningKey::Hmac(secret) => encode(HMAC_PREFIX, secret.expose()),
            SigningKey::Ed25519(_) => {
                encode(PRIVATE_PREFIX, self.ed25519().to_keypair_bytes().as_slice())
            }
        }
    }

    /// What a receiver needs: `whsec_…`, or the public half `whpk_…`.
    pub fn shown(&self) -> String {
        match self {
            SigningKey::Hmac(secret) => encode(HMAC_PREFIX, secret.expose()),
            SigningKey::Ed25519(_) => {
                encode(PUBLIC_PREFIX, self.ed25519().verifying_key().as_bytes())
            }
        }
    }

    /// The key that verifies what this one signs.
    pub fn verifying(&self) -> VerifyingKey {
        match self {
            SigningKey::Hmac(secret) => VerifyingKey::Hmac(secret.clone()),
            SigningKey::Ed25519(_) => {
                VerifyingKey::Ed25519(self.ed25519().verifying_key().to_bytes())
            }
        }
    }

    /// The seed as a key of the library; must not be asked of an HMAC key.
    fn ed25519(&self) -> ed25519_dalek::SigningKey {
        let SigningKey::Ed25519(seed) = self else {
            unreachable!("invariant: callers have matched the kind");
        };
        let seed = seed.expose().try_into().expect("invariant: a seed has 32 bytes");
        ed25519_dalek::SigningKey::from_bytes(seed)
    }
}

impl VerifyingKey {
    /// Reads `whsec_…` of 1 to 75 bytes (senders elsewhere use short ones), `whpk_…`, or the public
    /// half of `whsk_…`.
    pub fn parse(text: &str) -> Result<VerifyingKey, KeyError> {
        if let Some(encoded) = text.strip_prefix(HMAC_PREFIX) {
            return decode(encoded, 1, HMAC_BYTES_MAX).map(VerifyingKey::Hmac);
        }
        if text.starts_with(PRIVATE_PREFIX) {
            return SigningKey::parse(text).map(|key| key.verifying());
        }
        let encoded = text.strip_prefix(PUBLIC_PREFIX).ok_or(KeyError::VerifyingPrefix)?;
        let public = decode(encoded, 32, 32)?;
        let public = public.expose().try_into().expect("invariant: decode gave 32 bytes");
        ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| KeyError::Pair)?;
        Ok(VerifyingKey::Ed25519(*public))
    }
}

/// Which names the three headers have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderFamily {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Standard,
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix,
}

impl HeaderFamily {
    /// Both, the standard one first.
    pub const ALL: [HeaderFamily; 2] = [HeaderFamily::Standard, HeaderFamily::Svix];

    /// Names the header with the message's id.
    pub const fn id(self) -> &'static str {
        match self {
            HeaderFamily::Standard => "webhook-id",
            HeaderFamily::Svix => "svix-id",
        }
    }

    /// Names the header with the attempt's time in Unix seconds.
    pub const fn timestamp(self) -> &'static str {
        match self {
            HeaderFamily::Standard => "webhook-timestamp",
            HeaderFamily::Svix => "svix-timestamp",
        }
    }

    /// Names the header with the signatures.
    pub const fn signature(self) -> &'static str {
        match self {
            HeaderFamily::Standard => "webhook-signature",
            HeaderFamily::Svix => "svix-signature",
        }
    }
}

fn encode(prefix: &str, bytes: &[u8]) -> String {
    let mut text = prefix.to_owned();
    BASE64.encode_string(bytes, &mut text);
    text
}

fn decode(encoded: &str, least: usize, most: usize) -> Result<Secret, KeyError> {
    let bytes = BASE64.decode(encoded).map_err(|_| KeyError::Encoding).map(Secret::new)?;
    let found = bytes.expose().len();
    if (least..=most).contains(&found) {
        Ok(bytes)
    } else {
        Err(KeyError::Length { found, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRIVATE: &str = concat!(
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfV",
        "KIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    );
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

    #[test]
    fn an_asymmetric_key_shows_its_public_half_only() {
        let key = SigningKey::parse(PRIVATE).unwrap();
        assert_eq!(key.text(), PRIVATE);
        assert_eq!(key.shown(), PUBLIC);
        assert_eq!(VerifyingKey::parse(PUBLIC), Ok(key.verifying()));
        assert_eq!(VerifyingKey::parse(PRIVATE), Ok(key.verifying()));
        assert_eq!(format!("{key:?}"), "Ed25519(Secret(…))");
    }

    #[test]
    fn text_that_is_no_key() {
        let length = |found, least, most| KeyError::Length { found, least, most };
        let check = |text: &str, error: KeyError| {
            assert_eq!(SigningKey::parse(text), Err(error), "{text}");
        };
        check("", KeyError::Prefix);
        check(PUBLIC, KeyError::Prefix);
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", KeyError::Prefix);
        check("whsec_", length(0, 24, 75));
        check("whsec_plJ3nmyCDGBKInavdOK15jsl", length(18, 24, 75));
        check("whsec_!!!!", KeyError::Encoding);
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", KeyError::Encoding);
        check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA", KeyError::Encoding);
        check("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=", length(32, 64, 64));
        check(&PRIVATE.replace("Kvg==", "Kvw=="), KeyError::Pair);
        assert_eq!(VerifyingKey::parse("whsec_"), Err(length(0, 1, 75)));
        assert_eq!(VerifyingKey::parse(""), Err(KeyError::VerifyingPrefix));
        assert!(VerifyingKey::parse("whsec_plJ3nmyCDGBKInavdOK15jsl").is_ok());
    }

    proptest! {
        #[test]
        fn an_hmac_key_reads_back(bytes in prop::collection::vec(any::<u8>(), 24..=75)) {
            let key = SigningKey::hmac(&bytes);
            prop_assert_eq!(SigningKey::parse(&key.text()), Ok(key.clone()));
            prop_assert_eq!(VerifyingKey::parse(&key.shown()), Ok(key.verifying()));
        }
    }
}
