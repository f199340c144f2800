//! Secrets at rest: XChaCha20-Poly1305 with the row's key as associated data, so that a sealed
//! value can't be moved to another row.
//!
//! One key seals; older ones still open what they sealed. A sealed value names its key.

use std::fmt;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::secret::Secret;

const NONCE: usize = 24;
const KEY_ID: usize = 4;

/// Names a sealing key and tells nothing of it: the first bytes of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SealingKeyId(pub(super) [u8; KEY_ID]);

impl fmt::Display for SealingKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Where the key that seals comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyOrigin {
    /// A file in the data folder, which the relay replaces itself.
    Folder,
    /// The configuration, which only the operator changes.
    Configuration,
}

/// The keys that a folder is opened with, 32 bytes each.
#[derive(Clone, Debug)]
pub struct SealingKeys {
    /// Seals, and opens what it sealed.
    pub current: Secret,
    /// Where it comes from.
    pub origin: KeyOrigin,
    /// Configured to open what they sealed; those that the folder itself keeps come with it.
    pub previous: Vec<Secret>,
}

/// Seals with the current key and opens with the one that a value names.
pub struct Sealer {
    ring: RwLock<Ring>,
    origin: KeyOrigin,
    /// Whether a value was met that the current key did not seal.
    met_older: AtomicBool,
}

struct Ring {
    current: RingKey,
    previous: Vec<RingKey>,
}

struct RingKey {
    id: SealingKeyId,
    key: Secret,
    cipher: XChaCha20Poly1305,
    /// Whether it stays when the folder forgets its previous keys.
    configured: bool,
}

/// A sealed value that can't be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnsealError {
    /// Sealed with another key.
    #[error(
        "sealed with another key ({0}): start with the sealing_key this folder was made with, or \
         name that key in data.previous_sealing_keys"
    )]
    OtherKey(SealingKeyId),
    /// Not what was sealed, or not in this row.
    #[error("a sealed value is damaged")]
    Damaged,
}

impl RingKey {
    fn new(key: Secret, configured: bool) -> Option<RingKey> {
        let cipher = XChaCha20Poly1305::new_from_slice(key.expose()).ok()?;
        let id = key_id(&key)?;
        Some(RingKey { id, key, cipher, configured })
    }
}

fn key_id(key: &Secret) -> Option<SealingKeyId> {
    let digest = Sha256::digest(key.expose());
    digest.split_first_chunk().map(|(id, _)| SealingKeyId(*id))
}

impl Ring {
    /// A key that is there already is not taken twice.
    fn add(&mut self, key: RingKey) {
        let known = |held: &RingKey| held.key == key.key;
        if !known(&self.current) && !self.previous.iter().any(known) {
            self.previous.push(key);
        }
    }
}

impl Sealer {
    /// With these keys and those that the folder `kept`; `None` when one has not 32 bytes.
    pub fn new(keys: &SealingKeys, kept: Vec<Secret>) -> Option<Sealer> {
        let mut ring = Ring {
            current: RingKey::new(keys.current.clone(), true)?,
            previous: Vec::with_capacity(keys.previous.len() + kept.len()),
        };
        for key in &keys.previous {
            ring.add(RingKey::new(key.clone(), true)?);
        }
        for key in kept {
            ring.add(RingKey::new(key, false)?);
        }
        let ring = RwLock::new(ring);
        Some(Sealer { ring, origin: keys.origin, met_older: AtomicBool::new(false) })
    }

    /// Where the current key comes from.
    pub fn origin(&self) -> KeyOrigin {
        self.origin
    }

    /// The key that seals.
    pub fn current(&self) -> SealingKeyId {
        self.read(|ring| ring.current.id)
    }

    /// The older ones, and whether each is configured.
    pub fn previous(&self) -> Vec<(SealingKeyId, bool)> {
        self.read(|ring| ring.previous.iter().map(|key| (key.id, key.configured)).collect())
    }

    /// All of them, the current one first, for the file that keeps them.
    pub fn expose_all(&self) -> Vec<Secret> {
        self.read(|ring| {
            let all = std::iter::once(&ring.current).chain(&ring.previous);
            all.map(|key| key.key.clone()).collect()
        })
    }

    /// Whether a key would be named as one that is there.
    pub fn is_named(&self, key: &Secret) -> bool {
        self.read(|ring| {
            let mut all = std::iter::once(&ring.current).chain(&ring.previous);
            all.any(|held| Some(held.id) == key_id(key))
        })
    }

    /// Whether a value was opened, or met and not opened, that the current key did not seal.
    pub fn met_older(&self) -> bool {
        self.met_older.load(Ordering::Relaxed)
    }

    /// Seals with another key from now on; the present one opens what it sealed.
    pub fn replace(&self, key: Secret) {
        let new = RingKey::new(key, true).expect("invariant: a key that was made has 32 bytes");
        let mut ring = self.ring.write().expect("no reader panics");
        let mut old = std::mem::replace(&mut ring.current, new);
        old.configured = false;
        ring.add(old);
    }

    /// Forgets the older keys that are not configured.
    pub fn forget_previous(&self) {
        self.ring.write().expect("no reader panics").previous.retain(|key| key.configured);
    }

    /// Key id, nonce and ciphertext.
    pub fn seal(&self, row: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).expect("the kernel gives random bytes");
        let payload = Payload { msg: plain, aad: row };
        self.read(|ring| {
            let RingKey { id, cipher, .. } = &ring.current;
            let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
            let sealed = sealed.expect("a secret is far below the cipher's limit");
            [&id.0[..], &nonce, &sealed].concat()
        })
    }

    /// What was sealed for this row.
    pub fn open(&self, row: &[u8], sealed: &[u8]) -> Result<Secret, UnsealError> {
        let (key_id, rest) = sealed.split_first_chunk::<KEY_ID>().ok_or(UnsealError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(UnsealError::Damaged)?;
        let (nonce, id) = (XNonce::from(*nonce), SealingKeyId(*key_id));
        self.read(|ring| {
            if id != ring.current.id {
                self.met_older.store(true, Ordering::Relaxed);
            }
            let all = std::iter::once(&ring.current).chain(&ring.previous);
            let mut named = all.filter(|key| key.id == id).peekable();
            named.peek().ok_or(UnsealError::OtherKey(id))?;
            let open =
                |key: &RingKey| key.cipher.decrypt(&nonce, Payload { msg: sealed, aad: row }).ok();
            named.find_map(open).map(Secret::new).ok_or(UnsealError::Damaged)
        })
    }

    /// Whether the current key sealed a value.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.current().0)
    }

    /// Seals a value with the current key unless it is; whether it was not.
    pub fn reseal(&self, row: &[u8], sealed: &mut Vec<u8>) -> Result<bool, UnsealError> {
        if self.is_current(sealed) {
            return Ok(false);
        }
        let plain = self.open(row, sealed)?;
        *sealed = self.seal(row, plain.expose());
        Ok(true)
    }

    fn read<T>(&self, look: impl FnOnce(&Ring) -> T) -> T {
        look(&self.ring.read().expect("no writer panics"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::new(vec![byte; 32])
    }

    fn sealer(current: u8, previous: &[u8]) -> Sealer {
        let previous = previous.iter().copied().map(key).collect();
        let keys = SealingKeys { current: key(current), origin: KeyOrigin::Folder, previous };
        Sealer::new(&keys, Vec::new()).unwrap()
    }

    #[test]
    fn opens_in_its_row_with_its_key_only() {
        let sealer7 = sealer(7, &[]);
        let sealed = sealer7.seal(b"row", b"whsec");
        assert_eq!(sealer7.open(b"row", &sealed).unwrap().expose(), b"whsec");
        assert_eq!(sealer7.open(b"other", &sealed), Err(UnsealError::Damaged));
        let mut flipped = sealed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(sealer7.open(b"row", &flipped), Err(UnsealError::Damaged));
        let id = sealer7.current();
        assert_eq!(sealer(8, &[9]).open(b"row", &sealed), Err(UnsealError::OtherKey(id)));
        let short = Secret::new(vec![7; 31]);
        let keys =
            |current, previous| SealingKeys { current, origin: KeyOrigin::Configuration, previous };
        assert!(Sealer::new(&keys(short.clone(), Vec::new()), Vec::new()).is_none());
        assert!(Sealer::new(&keys(key(7), vec![short.clone()]), Vec::new()).is_none());
        assert!(Sealer::new(&keys(key(7), Vec::new()), vec![short]).is_none());
        assert!(!sealed.windows(5).any(|window| window == b"whsec"));
    }

    #[test]
    fn older_keys_open_and_the_newest_seals() {
        let old = sealer(7, &[]);
        let mut sealed = old.seal(b"row", b"whsec");
        let new = sealer(8, &[9, 7, 8]);
        assert_eq!(new.previous().len(), 2, "the current one is not taken twice");
        assert!(!new.met_older());
        assert_eq!(new.open(b"row", &sealed).unwrap().expose(), b"whsec");
        assert!(new.met_older() && !new.is_current(&sealed));
        assert_eq!(new.reseal(b"other", &mut sealed.clone()), Err(UnsealError::Damaged));
        assert_eq!(new.reseal(b"row", &mut sealed), Ok(true));
        assert_eq!(new.reseal(b"row", &mut sealed), Ok(false));
        assert_eq!(sealer(8, &[]).open(b"row", &sealed).unwrap().expose(), b"whsec");
        assert_eq!(old.open(b"row", &sealed), Err(UnsealError::OtherKey(new.current())));
    }

    #[test]
    fn a_key_that_was_replaced_opens_until_it_is_forgotten() {
        let sealer = sealer(7, &[5]);
        let sealed = sealer.seal(b"row", b"whsec");
        assert!(sealer.is_named(&key(7)) && sealer.is_named(&key(5)) && !sealer.is_named(&key(8)));
        sealer.replace(key(8));
        assert_eq!(sealer.expose_all(), [key(8), key(5), key(7)]);
        assert!(sealer.open(b"row", &sealed).is_ok());
        sealer.forget_previous();
        assert_eq!(sealer.expose_all(), [key(8), key(5)], "what is configured stays");
        assert!(matches!(sealer.open(b"row", &sealed), Err(UnsealError::OtherKey(_))));
    }
}
