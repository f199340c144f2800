//! A secret that is shown once and of which a digest is kept.
//!
//! A client library sends the same request again when no answer came. Then the same secret has to
//! be answered, though it is nowhere: it is made from a nonce, which is remembered with the reply,
//! and from what this process drew when it began, which is written nowhere.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::application::unexpected;
use crate::domain::secret::Secret;
use crate::http::auth::digest;
use crate::http::error::ApiError;
use crate::store::{Reply, Written};

/// What makes secrets of nonces.
pub(in crate::http) struct Mint(Secret);

/// A secret and what is kept of it.
pub(super) struct Minted {
    pub text: String,
    pub nonce: [u8; 32],
    pub digest: [u8; 32],
}

impl Minted {
    /// What is remembered of it.
    pub fn reply(&self) -> Reply {
        Reply::Shown { nonce: self.nonce, digest: self.digest }
    }
}

impl Mint {
    /// With a key of its own, for as long as the process lives.
    pub fn new() -> Mint {
        Mint(Secret::new(random().to_vec()))
    }

    /// A new secret, written by `write`.
    pub(super) fn draw(&self, write: fn(&[u8; 32]) -> String) -> Minted {
        self.make(random(), write)
    }

    /// The secret that was shown when the write was made, `None` for one made just now.
    pub(super) fn again(
        &self,
        written: &Written,
        write: fn(&[u8; 32]) -> String,
    ) -> Result<Minted, ApiError> {
        let Reply::Shown { nonce, digest } = written.reply else {
            return Err(unexpected(&written.reply));
        };
        let minted = self.make(nonce, write);
        if minted.digest == digest {
            return Ok(minted);
        }
        let words = "this Idempotency-Key was used before, and what was made then is shown once; \
                     use another";
        Err(ApiError::Conflict(words.to_owned()))
    }

    fn make(&self, nonce: [u8; 32], write: fn(&[u8; 32]) -> String) -> Minted {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose());
        let mut mac = mac.expect("invariant: any length is a key");
        mac.update(&nonce);
        let text = write(&mac.finalize().into_bytes().into());
        let digest = digest(&text);
        Minted { text, nonce, digest }
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}
