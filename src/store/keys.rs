//! Every key of the index: one tree, a prefix byte, fixed-width big-endian fields.
//!
//! | prefix | fields | row |
//! |---|---|---|
//! | `c` | kind, id or hash | catalog: tenants, sources, event types, keys, named values |
//! | `m` | application, message | message |
//! | `i` | application, hash of the event id | message id: event ids are unique while it is kept |
//! | `d` | message, endpoint, replay | delivery; absent while it was never tried |
//! | `q` | endpoint, due ms, message, replay | due index, empty |
//! | `r` | endpoint, message, replay, stamp | a resend asked for and not yet made |
//! | `a` | endpoint, attempt | attempt |
//! | `k` | window s, bucket, hash of the scope | remembered reply of an idempotency key |
//! | `l` | message | how often it was replayed to which endpoint; absent while it never was |
//! | `b` | task | background task |
//! | `x` | segment, offset | bytes of a body that was expunged and has to be overwritten |
//! | `t` | ms, application, message | a body that is expunged at that time |
//! | `o` | kind, … | token of an application, session, sign-in link, see [`tokens`] |
//! | `f` | hash | a trouble that the operator is alerted to |
//! | `g` | ms | what was counted in the minute that begins then |
//! | `u` | endpoint | how far each consumer of its messages has read |
//! | `y` | application, hash of the name | where a listener goes on |
//! | `v` | endpoint, hash of the consumer | what a consumer of its messages has been handed |
//! | `s` | source, request | request that came to a source |
//! | `h` | source, request | one that came while its source was paused |
//! | `w` | source, request | one that was refused and may become a message yet: its bytes |
//! | `n` | source | how much of both it has |
//! | `z` | kind, … | dead letter, see [`dead_letters`] |
//! | `j` | kind, … | entry of the audit log, see [`audit`] |
//! | `p` | key, part | the rest of a value too long for one row |

pub mod audit;
pub mod dead_letters;
pub mod erasures;
pub mod minutes;
pub mod pollers;
pub mod received;
pub mod sealing;
pub mod tokens;
pub mod troubles;

use std::fmt;

use crate::domain::delivery::DeliveryId;
use crate::domain::id::{ApplicationId, AttemptId, EndpointId, Id, MessageId, Stamp, TaskId};
use crate::domain::time::Timestamp;

/// The prefix of the due index.
const DUE: u8 = b'q';

/// The longest key in bytes.
pub const KEY_MAX: usize = 31;

/// A key, kept in place: rows are the cost, and an allocation a row is a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    length: u8,
    bytes: [u8; KEY_MAX],
}

impl Key {
    /// The bytes as a key; `None` when they are too many.
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let mut key = Key { length: u8::try_from(bytes.len()).ok()?, bytes: [0; KEY_MAX] };
        key.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(key)
    }

    /// The bytes that sort.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The prefix byte.
    pub fn prefix(&self) -> u8 {
        self.bytes[0]
    }

    /// Whether it is a row of the due index.
    pub fn is_due(&self) -> bool {
        self.prefix() == DUE
    }

    fn start(prefix: u8) -> Key {
        let mut key = Key { length: 1, bytes: [0; KEY_MAX] };
        key.bytes[0] = prefix;
        key
    }

    fn with(mut self, field: &[u8]) -> Key {
        let from = usize::from(self.length);
        self.bytes[from..from + field.len()].copy_from_slice(field);
        self.length += field.len() as u8;
        self
    }

    fn with_u64(self, value: u64) -> Key {
        self.with(&value.to_be_bytes())
    }

    fn with_id<K>(self, id: Id<K>) -> Key {
        self.with_u64(id.stamp().0)
    }

    /// The `u64` field that begins at byte `at`.
    pub fn u64_at(&self, at: usize) -> Option<u64> {
        let (field, _) = self.as_bytes().get(at..)?.split_first_chunk::<8>()?;
        Some(u64::from_be_bytes(*field))
    }

    /// The `u16` field that begins at byte `at`.
    pub fn u16_at(&self, at: usize) -> Option<u16> {
        let (field, _) = self.as_bytes().get(at..)?.split_first_chunk::<2>()?;
        Some(u16::from_be_bytes(*field))
    }

    /// The first key after this one.
    pub fn successor(&self) -> Key {
        self.with(&[0])
    }

    /// The first key after every key that begins with this one.
    pub fn after_prefix(&self) -> Key {
        let mut end = *self;
        while end.length > 0 {
            let last = usize::from(end.length) - 1;
            if end.bytes[last] < u8::MAX {
                end.bytes[last] += 1;
                return end;
            }
            end.bytes[last] = 0;
            end.length -= 1;
        }
        Key { length: 1, bytes: [u8::MAX; KEY_MAX] }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", char::from(self.prefix()))?;
        self.as_bytes()[1..].iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Everything in the catalog.
pub fn catalog() -> Key {
    Key::start(b'c')
}

/// An application.
pub fn application(id: ApplicationId) -> Key {
    Key::start(b'c').with(b"a").with_id(id)
}

/// An endpoint.
pub fn endpoint(application: ApplicationId, id: EndpointId) -> Key {
    Key::start(b'c').with(b"e").with_id(application).with_id(id)
}

/// An event type, by the first 16 bytes of its name's SHA-256.
pub fn event_type(name_hash: [u8; 16]) -> Key {
    Key::start(b'c').with(b"t").with(&name_hash)
}

/// A further name of an application or endpoint, by the first 16 bytes of the SHA-256 of its
/// owner and the name; see [`aliases`](crate::store::aliases).
pub fn alias(name_hash: [u8; 16]) -> Key {
    Key::start(b'c').with(b"n").with(&name_hash)
}

/// An endpoint that fails, with the time since when.
pub fn failing(endpoint: EndpointId) -> Key {
    Key::start(b'c').with(b"f").with_id(endpoint)
}

/// The salt of this folder's ids.
pub fn salt() -> Key {
    Key::start(b'c').with(b"m").with(b"salt")
}

/// The oldest segment of the journal.
pub fn oldest_segment() -> Key {
    Key::start(b'c').with(b"m").with(b"oldest")
}

/// The sequence number up to which the index holds every row.
pub fn applied() -> Key {
    Key::start(b'!').with(b"applied")
}

/// Every message.
pub fn all_messages() -> Key {
    Key::start(b'm')
}

/// Messages of an application.
pub fn messages(application: ApplicationId) -> Key {
    Key::start(b'm').with_id(application)
}

/// A message.
pub fn message(application: ApplicationId, id: MessageId) -> Key {
    messages(application).with_id(id)
}

/// The message that a key of `all_messages` names, and whose it is.
pub fn message_of(key: &Key) -> Option<(ApplicationId, MessageId)> {
    let application = (key.prefix() == b'm').then(|| key.u64_at(1)).flatten()?;
    Some((Id::new(Stamp(application)), Id::new(Stamp(key.u64_at(9)?))))
}

/// The bound in `messages` at a stamp.
pub fn message_at(application: ApplicationId, stamp: Stamp) -> Key {
    messages(application).with_u64(stamp.0)
}

/// The message that has an event id.
pub fn event_id(application: ApplicationId, hash: [u8; 16]) -> Key {
    Key::start(b'i').with_id(application).with(&hash)
}

/// Every delivery.
pub fn all_deliveries() -> Key {
    Key::start(b'd')
}

/// Deliveries of a message.
pub fn deliveries(message: MessageId) -> Key {
    Key::start(b'd').with_id(message)
}

/// A delivery.
pub fn delivery(id: DeliveryId) -> Key {
    deliveries(id.message).with_id(id.endpoint).with(&id.replay.to_be_bytes())
}

/// The delivery that a key of `deliveries` names.
pub fn delivery_of(key: &Key) -> Option<DeliveryId> {
    Some(DeliveryId {
        message: Id::new(Stamp(key.u64_at(1)?)),
        endpoint: Id::new(Stamp(key.u64_at(9)?)),
        replay: key.u16_at(17)?,
    })
}

/// The whole due index.
pub fn all_due() -> Key {
    Key::start(DUE)
}

/// The due index of an endpoint.
pub fn due_of(endpoint: EndpointId) -> Key {
    Key::start(DUE).with_id(endpoint)
}

/// A place in the due index.
pub fn due(id: DeliveryId, due: Timestamp) -> Key {
    due_of(id.endpoint).with_u64(due.millis()).with_id(id.message).with(&id.replay.to_be_bytes())
}

/// The delivery and due time that a key of the due index names.
pub fn due_parts(key: &Key) -> Option<(DeliveryId, Timestamp)> {
    let id = DeliveryId {
        endpoint: Id::new(Stamp(key.u64_at(1)?)),
        message: Id::new(Stamp(key.u64_at(17)?)),
        replay: key.u16_at(25)?,
    };
    Some((id, Timestamp::from_millis(key.u64_at(9)?)))
}

/// Resends asked for and not yet made.
pub fn all_resends() -> Key {
    Key::start(b'r')
}

/// All resends asked for at an endpoint.
pub fn resends_of(endpoint: EndpointId) -> Key {
    all_resends().with_id(endpoint)
}

/// A resend asked for.
pub fn resend(id: DeliveryId) -> Key {
    Key::start(b'r').with_id(id.endpoint).with_id(id.message).with(&id.replay.to_be_bytes())
}

/// The delivery that a key of `all_resends` names.
pub fn resend_of(key: &Key) -> Option<DeliveryId> {
    Some(DeliveryId {
        endpoint: Id::new(Stamp(key.u64_at(1)?)),
        message: Id::new(Stamp(key.u64_at(9)?)),
        replay: key.u16_at(17)?,
    })
}

/// Attempts at an endpoint.
pub fn attempts(endpoint: EndpointId) -> Key {
    Key::start(b'a').with_id(endpoint)
}

/// An attempt.
pub fn attempt(endpoint: EndpointId, id: AttemptId) -> Key {
    attempts(endpoint).with_id(id)
}

/// The bound in `attempts` at a stamp.
pub fn attempt_at(endpoint: EndpointId, stamp: Stamp) -> Key {
    attempts(endpoint).with_u64(stamp.0)
}

/// The replays of a message.
pub fn replays(message: MessageId) -> Key {
    Key::start(b'l').with_id(message)
}

/// Every background task.
pub fn all_tasks() -> Key {
    Key::start(b'b')
}

/// A background task.
pub fn task(id: TaskId) -> Key {
    Key::start(b'b').with_id(id)
}

/// Every remembered reply.
pub fn all_replies() -> Key {
    Key::start(b'k')
}

/// A remembered reply. The bucket is the time of its making divided by the window, so that a
/// look-up asks two buckets and expiry is one range.
pub fn reply(window_s: u32, bucket: u32, scope_hash: [u8; 16]) -> Key {
    Key::start(b'k').with(&window_s.to_be_bytes()).with(&bucket.to_be_bytes()).with(&scope_hash)
}

/// Window in seconds and bucket of a key of `all_replies`.
pub fn reply_parts(key: &Key) -> Option<(u32, u32)> {
    let both = key.u64_at(1)?;
    Some(((both >> 32) as u32, both as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_key_fits() {
        let id = DeliveryId {
            message: Id::new(Stamp(u64::MAX)),
            endpoint: Id::new(Stamp(u64::MAX)),
            replay: u16::MAX,
        };
        assert_eq!(due(id, Timestamp::MAX).as_bytes().len(), 27);
        assert_eq!(reply(1, 2, [3; 16]).as_bytes().len(), 25);
        assert_eq!(reply_parts(&reply(7, 9, [3; 16])), Some((7, 9)));
        assert!(Key::from_bytes(&[0; KEY_MAX + 1]).is_none());
    }

    proptest! {
        #[test]
        fn fields_read_back_and_sort_by_time(
            endpoint: u64, message: u64, replay: u16,
            early in 0u64..1 << 40, later in 1u64..1 << 20,
        ) {
            let id = DeliveryId {
                message: Id::new(Stamp(message)),
                endpoint: Id::new(Stamp(endpoint)),
                replay,
            };
            let at = Timestamp::from_millis(early);
            prop_assert_eq!(due_parts(&due(id, at)), Some((id, at)));
            prop_assert_eq!(delivery_of(&delivery(id)), Some(id));
            prop_assert_eq!(resend_of(&resend(id)), Some(id));
            prop_assert!(due(id, at) < due(id, Timestamp::from_millis(early + later)));
        }

        #[test]
        fn prefix_ends_where_it_ends(
            bytes in proptest::collection::vec(any::<u8>(), 1..20), tail: u8,
        ) {
            let key = Key::from_bytes(&bytes).unwrap();
            prop_assume!(key.prefix() < u8::MAX);
            let inside = key.with(&[tail]);
            prop_assert!(inside < key.after_prefix());
        }
    }
}
