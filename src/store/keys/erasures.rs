//! Keys of bytes that have to be overwritten, now or later.

use crate::domain::id::{ApplicationId, Id, MessageId, Stamp};
use crate::domain::time::Timestamp;
use crate::store::keys::Key;

/// Every place that has to be overwritten.
pub fn all_erasures() -> Key {
    Key::start(b'x')
}

/// A place that has to be overwritten.
pub fn erasure(segment: u32, offset: u32) -> Key {
    Key::start(b'x').with(&segment.to_be_bytes()).with(&offset.to_be_bytes())
}

/// Every body with an end of its own.
pub fn all_expiries() -> Key {
    Key::start(b't')
}

/// The bound in `all_expiries` at a time.
pub fn expiry_at(time: Timestamp) -> Key {
    Key::start(b't').with_u64(time.millis())
}

/// A body that is expunged at a time.
pub fn expiry(time: Timestamp, application: ApplicationId, message: MessageId) -> Key {
    expiry_at(time).with_id(application).with_id(message)
}

/// The message that a key of `all_expiries` names.
pub fn expiry_parts(key: &Key) -> Option<(ApplicationId, MessageId)> {
    Some((Id::new(Stamp(key.u64_at(9)?)), Id::new(Stamp(key.u64_at(17)?))))
}
