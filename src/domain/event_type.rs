//! The catalogue of what can happen, `invoice.paid`.

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// An event type as the catalog keeps it, keyed by its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventType {
    /// Dotted name, `^[a-zA-Z0-9\-_.]+$`, at most 256 bytes.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Hidden from lists unless asked for.
    pub archived: bool,
    /// Still sent, but not to be used any more.
    pub deprecated: bool,
    /// JSON object of schemas by version, as it was given.
    pub schemas: Option<String>,
    /// Shown only to applications with one of these flags.
    pub feature_flags: Vec<String>,
    /// How a portal groups it.
    pub group_name: Option<String>,
    /// Declared in `relay.toml`: the API may not change it.
    pub managed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
