//! Keys of the audit log, below the prefix `j`:
//!
//! | kind | fields | row |
//! |---|---|---|
//! | `e` | entry | an entry |
//! | `n` | | how many there are |

use super::Key;
use crate::domain::id::{AuditId, Stamp};

/// Every entry.
pub fn all() -> Key {
    Key::start(b'j').with(b"e")
}

/// An entry.
pub fn one(id: AuditId) -> Key {
    all().with_id(id)
}

/// The bound in `all` at a stamp.
pub fn at(stamp: Stamp) -> Key {
    all().with_u64(stamp.0)
}

/// The entry that a key of `all` names.
pub fn id_of(key: &Key) -> Option<AuditId> {
    key.u64_at(2).map(|stamp| AuditId::new(Stamp(stamp)))
}

/// How many entries there are.
pub fn count() -> Key {
    Key::start(b'j').with(b"n")
}
