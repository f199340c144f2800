//! Bytes that must not be printed, and how an operator key is written.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes that `Debug` never shows, that compare in constant time and are wiped when dropped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// The bytes, for whoever signs, seals or shows them once.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Takes as long wherever the first difference lies; only the lengths can be told apart.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

const KEY_PREFIX: &str = "sk_";
const TOKEN_PREFIX: &str = "tk_";
const SESSION_PREFIX: &str = "se_";
const CODE_PREFIX: &str = "si_";
const KEY_LENGTH_MIN: usize = 20;
const KEY_LENGTH_MAX: usize = 256;
/// 32 random bytes and 4 of checksum in hex.
const KEY_DIGITS: usize = 72;

/// Text that can't be an operator key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OperatorKeyError {
    /// Too easily guessed, or too long for a header.
    #[error("an operator key has {KEY_LENGTH_MIN} to {KEY_LENGTH_MAX} characters, this has {0}")]
    Length(usize),
    /// It could not be sent in a header.
    #[error("an operator key holds visible ASCII characters only, no spaces")]
    Characters,
    /// It has the shape of a key made by `relay token create`, but a character was changed.
    #[error("the key's checksum is wrong: a character was lost or changed while copying")]
    Checksum,
}

/// The operator key `sk_…` of 32 random bytes that the caller drew: hex, with a checksum at the end
/// that tells a mistyped key from a wrong one.
pub fn write_operator_key(random: &[u8; 32]) -> String {
    with_checksum(KEY_PREFIX, random)
}

/// The token of an application `tk_…`, of 32 random bytes that the caller drew, in the same way.
pub fn write_application_token(random: &[u8; 32]) -> String {
    with_checksum(TOKEN_PREFIX, random)
}

/// The value of a session's cookie `se_…`, of 32 random bytes, in the same way.
pub fn write_session(random: &[u8; 32]) -> String {
    with_checksum(SESSION_PREFIX, random)
}

/// The code of a sign-in link `si_…`, of 32 random bytes, in the same way.
pub fn write_sign_in_code(random: &[u8; 32]) -> String {
    with_checksum(CODE_PREFIX, random)
}

/// Whether this can be the token of an application: what is not need not be looked for.
pub fn is_application_token(text: &str) -> bool {
    has_checksum(TOKEN_PREFIX, text)
}

/// Whether this can be the value of a session's cookie.
pub fn is_session(text: &str) -> bool {
    has_checksum(SESSION_PREFIX, text)
}

/// Whether this can be the code of a sign-in link.
pub fn is_sign_in_code(text: &str) -> bool {
    has_checksum(CODE_PREFIX, text)
}

fn has_checksum(prefix: &str, text: &str) -> bool {
    let digits = text.strip_prefix(prefix).filter(|digits| digits.len() == KEY_DIGITS);
    let digits = digits.and_then(|digits| digits.split_at_checked(KEY_DIGITS - 8));
    digits.is_some_and(|(digits, sum)| checksum(digits) == sum)
}

fn with_checksum(prefix: &str, random: &[u8; 32]) -> String {
    let digits = hex(random);
    let checksum = checksum(&digits);
    format!("{prefix}{digits}{checksum}")
}

/// Checks what somebody gave as operator key: any 20 to 256 visible ASCII characters will do, so
/// that keys from elsewhere can be kept; one that looks like ours must have the right checksum.
pub fn read_operator_key(text: &str) -> Result<Secret, OperatorKeyError> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(OperatorKeyError::Characters);
    }
    if !(KEY_LENGTH_MIN..=KEY_LENGTH_MAX).contains(&text.len()) {
        return Err(OperatorKeyError::Length(text.len()));
    }
    if let Some(digits) = text.strip_prefix(KEY_PREFIX)
        && digits.len() == KEY_DIGITS
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && checksum(&digits[..64]) != digits[64..]
    {
        return Err(OperatorKeyError::Checksum);
    }
    Ok(Secret::new(text.as_bytes().to_vec()))
}

fn checksum(digits: &str) -> String {
    hex(&Sha256::digest(digits)[..4])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(b"hush".to_vec())), "Secret(…)");
    }

    #[test]
    fn an_operator_key_reads_back_and_a_typo_is_told() {
        let key = write_operator_key(&[7; 32]);
        assert_eq!(key.len(), 75);
        assert_eq!(read_operator_key(&key), Ok(Secret::new(key.clone().into_bytes())));
        let typo = key.replacen('7', "8", 1);
        assert_eq!(read_operator_key(&typo), Err(OperatorKeyError::Checksum));
    }

    #[test]
    fn tokens_of_applications() {
        let token = write_application_token(&[7; 32]);
        assert!(is_application_token(&token));
        let key = write_operator_key(&[7; 32]);
        let typo = token.replacen('7', "8", 1);
        let cut = &token[..token.len() - 1];
        for wrong in ["", "tk_", &key, &typo, cut, &format!("{token}0"), &"\u{fc}".repeat(40)] {
            assert!(!is_application_token(wrong), "{wrong}");
        }
    }

    #[test]
    fn sessions_and_codes_are_told_apart() {
        let (session, code) = (write_session(&[7; 32]), write_sign_in_code(&[7; 32]));
        assert!(is_session(&session) && is_sign_in_code(&code));
        assert!(!is_session(&code) && !is_sign_in_code(&session));
        assert!(!is_application_token(&session) && !is_session(&session.replacen('7', "8", 1)));
    }

    #[test]
    fn keys_from_elsewhere_are_kept() {
        let check = |text: &str, error: Option<OperatorKeyError>| {
            assert_eq!(read_operator_key(text).err(), error, "{text}");
        };
        check("testsk_abcdefghijklmnopqrstuv.eu", None);
        check("sk_live_0123456789abcdefghij", None);
        check("short", Some(OperatorKeyError::Length(5)));
        check(&"x".repeat(257), Some(OperatorKeyError::Length(257)));
        check("a key with spaces in the middle", Some(OperatorKeyError::Characters));
        check("schlüssel-schlüssel-schlüssel", Some(OperatorKeyError::Characters));
    }
}
