//! Keys of what is sealed in the catalog, and of the row that says with which key.

use crate::store::keys::{self, Key};

/// With which key the secrets are sealed.
pub fn sealing() -> Key {
    keys::catalog().with(b"m").with(b"sealing")
}

/// Every endpoint.
pub fn all_endpoints() -> Key {
    keys::catalog().with(b"e")
}

/// Every source.
pub fn all_sources() -> Key {
    keys::catalog().with(b"s")
}
