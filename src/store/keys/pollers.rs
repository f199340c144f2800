//! Keys of what consumers of an endpoint's messages have read and been handed, and of listeners.

use crate::domain::id::{ApplicationId, EndpointId};
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

/// Where every listener goes on.
pub fn all_listeners() -> Key {
    Key::start(b'y')
}

/// Those of an application.
pub fn listeners_of(application: ApplicationId) -> Key {
    all_listeners().with_id(application)
}

/// Where one goes on, by the first 16 bytes of the SHA-256 of its name.
pub fn listener(application: ApplicationId, name_hash: [u8; 16]) -> Key {
    listeners_of(application).with(&name_hash)
}
