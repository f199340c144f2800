//! Keys of what consumers of an endpoint's messages have read and been handed.

use crate::domain::id::EndpointId;
use crate::store::keys::Key;

/// How far the consumers of an endpoint's messages have read.
pub fn positions(endpoint: EndpointId) -> Key {
    Key::start(b'u').with_id(endpoint)
}

/// What a consumer of an endpoint's messages has been handed, by the first 16 bytes of the SHA-256
/// of its name.
pub fn leases(endpoint: EndpointId, consumer_hash: [u8; 16]) -> Key {
    Key::start(b'v').with_id(endpoint).with(&consumer_hash)
}
