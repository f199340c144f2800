//! Keys of sources and of the requests that came to them.

use crate::domain::id::{Id, RequestId, SourceId, Stamp};
use crate::store::keys::{self, Key};

/// A source, in the catalog.
pub fn source(id: SourceId) -> Key {
    Key::start(b'c').with(b"s").with_id(id)
}

/// Events, and replies, that are remembered for this long.
pub fn events_of(window_s: u32) -> Key {
    keys::all_replies().with(&window_s.to_be_bytes())
}

/// Requests of a source.
pub fn requests(source: SourceId) -> Key {
    Key::start(b's').with_id(source)
}

/// A request.
pub fn request(source: SourceId, id: RequestId) -> Key {
    requests(source).with_id(id)
}

/// The bound in `requests` at a stamp.
pub fn request_at(source: SourceId, stamp: Stamp) -> Key {
    requests(source).with_u64(stamp.0)
}

/// Requests of a source that were refused and may become messages yet.
pub fn waiting(source: SourceId) -> Key {
    Key::start(b'w').with_id(source)
}

/// One of them.
pub fn waiting_one(source: SourceId, id: RequestId) -> Key {
    waiting(source).with_id(id)
}

/// Requests that came to a source while it was paused.
pub fn held(source: SourceId) -> Key {
    Key::start(b'h').with_id(source)
}

/// One of them.
pub fn held_one(source: SourceId, id: RequestId) -> Key {
    held(source).with_id(id)
}

/// How much waits of a source.
pub fn waiting_of(source: SourceId) -> Key {
    Key::start(b'n').with_id(source)
}

/// Whether a key is that of a request.
pub fn is_request(key: &Key) -> bool {
    key.prefix() == b's'
}

/// The source that a key of `waiting_of`, `requests`, `held` or `waiting` names.
pub fn source_of(key: &Key) -> Option<SourceId> {
    key.u64_at(1).map(|stamp| Id::new(Stamp(stamp)))
}

/// The request that a key of `requests`, `held` or `waiting` names.
pub fn request_of(key: &Key) -> Option<(SourceId, RequestId)> {
    Some((source_of(key)?, Id::new(Stamp(key.u64_at(9)?))))
}
