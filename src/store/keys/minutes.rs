//! Keys of what was counted by the minute.

use super::Key;
use crate::domain::time::Timestamp;

/// Every minute.
pub fn all() -> Key {
    Key::start(b'g')
}

/// The minute that begins at this time.
pub fn one(begin: Timestamp) -> Key {
    all().with_u64(begin.millis())
}

/// When the minute of a key begins.
pub fn begin_of(key: &Key) -> Option<Timestamp> {
    key.u64_at(1).map(Timestamp::from_millis)
}
