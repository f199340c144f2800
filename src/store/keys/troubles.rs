//! Keys of the troubles that the operator is alerted to.

use crate::store::keys::Key;

/// Every trouble.
pub fn all() -> Key {
    Key::start(b'f')
}

/// A trouble, by the first 16 bytes of the SHA-256 of what names it.
pub fn one(hash: [u8; 16]) -> Key {
    all().with(&hash)
}
