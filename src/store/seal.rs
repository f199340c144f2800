//! Secrets at rest: XChaCha20-Poly1305 with the row's key as associated data, so that a sealed
//! value can't be moved to another row.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::domain::secret::Secret;

const NONCE: usize = 24;
const KEY_ID: usize = 4;

/// Seals and opens with one key.
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: [u8; KEY_ID],
}

/// A sealed value that can't be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnsealError {
    /// Sealed with another key.
    #[error("sealed with another key: start with the sealing_key this folder was made with")]
    OtherKey,
    /// Not what was sealed, or not in this row.
    #[error("a sealed value is damaged")]
    Damaged,
}

impl Sealer {
    /// With a key of 32 bytes; `None` for any other length.
    pub fn new(key: &Secret) -> Option<Sealer> {
        let cipher = XChaCha20Poly1305::new_from_slice(key.expose()).ok()?;
        let digest = Sha256::digest(key.expose());
        let (key_id, _) = digest.split_first_chunk::<KEY_ID>()?;
        Some(Sealer { cipher, key_id: *key_id })
    }

    /// Key id, nonce and ciphertext.
    pub fn seal(&self, row: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).expect("the kernel gives random bytes");
        let payload = Payload { msg: plain, aad: row };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a secret is far below the cipher's limit");
        [&self.key_id[..], &nonce, &sealed].concat()
    }

    /// What was sealed for this row.
    pub fn open(&self, row: &[u8], sealed: &[u8]) -> Result<Secret, UnsealError> {
        let (key_id, rest) = sealed.split_first_chunk::<KEY_ID>().ok_or(UnsealError::Damaged)?;
        if *key_id != self.key_id {
            return Err(UnsealError::OtherKey);
        }
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(UnsealError::Damaged)?;
        let payload = Payload { msg: sealed, aad: row };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), payload);
        plain.map(Secret::new).map_err(|_| UnsealError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_in_its_row_with_its_key_only() {
        let sealer = Sealer::new(&Secret::new(vec![7; 32])).unwrap();
        let sealed = sealer.seal(b"row", b"whsec");
        assert_eq!(sealer.open(b"row", &sealed).unwrap().expose(), b"whsec");
        assert_eq!(sealer.open(b"other", &sealed), Err(UnsealError::Damaged));
        let mut flipped = sealed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(sealer.open(b"row", &flipped), Err(UnsealError::Damaged));
        let other = Sealer::new(&Secret::new(vec![8; 32])).unwrap();
        assert_eq!(other.open(b"row", &sealed), Err(UnsealError::OtherKey));
        assert!(Sealer::new(&Secret::new(vec![7; 31])).is_none());
        assert!(!sealed.windows(5).any(|window| window == b"whsec"));
    }
}
