//! The tenant: owns endpoints and messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::id::ApplicationId;
use crate::domain::time::Timestamp;

/// Free text a caller hangs on an application or endpoint; at most 4096 bytes in all.
pub type Metadata = BTreeMap<String, String>;

/// A tenant as the catalog keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Application {
    /// Names it for ever.
    pub id: ApplicationId,
    /// The caller's own name for it, unique among applications.
    pub uid: Option<String>,
    /// What people call it.
    pub name: String,
    /// Messages a second over all its endpoints, at least 1.
    pub throttle_rate: Option<u16>,
    /// The caller's free text.
    pub metadata: Metadata,
    /// Declared in `relay.toml`: the API may not change it.
    pub managed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
