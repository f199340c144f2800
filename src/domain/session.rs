//! Sign-ins of people: sessions, and the links that bring somebody new. Only digests of the cookie
//! and of the code in a link are kept.

use serde::{Deserialize, Serialize};

use crate::domain::id::KeyId;
use crate::domain::time::Timestamp;
use crate::domain::token::Role;

/// The operator key that something hangs on: it is good for nothing once the key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Holder {
    /// The key of the configuration or of the data folder, by its SHA-256: another key is another
    /// holder.
    Configured([u8; 32]),
    /// A key that was made through the API.
    Key(KeyId),
}

/// A browser that is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of the cookie's value.
    pub digest: [u8; 32],
    /// Whose it is.
    pub holder: Holder,
    /// When it began.
    pub created_at: Timestamp,
    /// Good for nothing from then on.
    pub expires_at: Timestamp,
}

/// A link that makes a key for somebody, once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignInLink {
    /// SHA-256 of the code in it.
    pub digest: [u8; 32],
    /// What the key is called, unless whoever follows the link says another name.
    pub name: Option<String>,
    /// What the key opens.
    pub role: Role,
    /// Who made it: it is good only while this key is. `None`: the relay itself, or a caller
    /// whose token is kept nowhere.
    pub made_by: Option<Holder>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Good for nothing from then on.
    pub expires_at: Timestamp,
}
