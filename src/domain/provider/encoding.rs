//! How signatures and secrets are written, and the digests over them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;
use sha1::Sha1;
use sha2::Digest as _;

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// SHA-1, of those that never moved on.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal, in either case.
    #[default]
    Hex,
    /// Base64 with padding (RFC 4648 section 4).
    Base64,
    /// Base64 for URLs, padded or not (RFC 4648 section 5).
    Base64Url,
}

/// How the secret's text becomes the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyForm {
    /// Its bytes as they are.
    #[default]
    Utf8,
    /// Hexadecimal.
    Hex,
    /// Base64.
    Base64,
    /// Base64 behind `whsec_`, which may be missing.
    Whsec,
    /// The SHA-1 of its bytes.
    Sha1,
    /// A PEM block (RFC 7468).
    Pem,
}

/// The bytes of a signature as it was written; `None` when it is not written so.
pub fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex(text),
        Encoding::Base64 => STANDARD.decode(text).ok(),
        Encoding::Base64Url => URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok(),
    }
}

/// Bytes as they are written.
pub fn encode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
    }
}

/// The key of a secret's text; `None` when the text is none.
pub fn key(form: KeyForm, text: &str) -> Option<Vec<u8>> {
    let key = match form {
        KeyForm::Utf8 => Some(text.as_bytes().to_vec()),
        KeyForm::Hex => hex(text),
        KeyForm::Base64 => STANDARD.decode(text).ok(),
        KeyForm::Whsec => STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok(),
        KeyForm::Sha1 => Some(Sha1::digest(text.as_bytes()).to_vec()),
        KeyForm::Pem => {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
            STANDARD.decode(lines.collect::<String>()).ok()
        }
    };
    key.filter(|key| !key.is_empty() && !text.is_empty())
}

/// The digest of some bytes.
pub fn digest(digest: Digest, bytes: &[u8]) -> Vec<u8> {
    match digest {
        Digest::Sha1 => Sha1::digest(bytes).to_vec(),
        Digest::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
        Digest::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let value = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8; 2]| Some((value(pair[0])? * 16 + value(pair[1])?) as u8);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_bytes_are_written() {
        assert_eq!(decode(Encoding::Hex, "00fFa1"), Some(vec![0, 255, 161]));
        for wrong in ["0", "0g", "+1", "é"] {
            assert_eq!(decode(Encoding::Hex, wrong), None, "{wrong}");
        }
        assert_eq!(decode(Encoding::Base64, "/+8="), Some(vec![255, 239]));
        assert_eq!(decode(Encoding::Base64, "/+8"), None, "padding is a part of it");
        assert_eq!(decode(Encoding::Base64Url, "_-8"), decode(Encoding::Base64Url, "_-8="));
        assert_eq!(key(KeyForm::Utf8, ""), None);
        assert_eq!(key(KeyForm::Whsec, "whsec_"), None);
        assert_eq!(key(KeyForm::Whsec, "whsec_AAE="), key(KeyForm::Base64, "AAE="));
        assert_eq!(key(KeyForm::Hex, "zz"), None);
    }
}
