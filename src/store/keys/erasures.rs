//! Keys of bytes of bodies that were expunged and have to be overwritten.

use crate::store::keys::Key;

/// Every place that has to be overwritten.
pub fn all() -> Key {
    Key::start(b'x')
}

/// A place that has to be overwritten.
pub fn one(segment: u32, offset: u32) -> Key {
    Key::start(b'x').with(&segment.to_be_bytes()).with(&offset.to_be_bytes())
}
