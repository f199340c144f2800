//! Where messages go: a URL, a subscription and the keys its deliveries are signed with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::application::Metadata;
use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::signature::SigningKey;
use crate::domain::subscription::Subscription;
use crate::domain::time::Timestamp;
use crate::domain::transform::Transform;

/// Why an endpoint takes no deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Disabled {
    /// A caller of the API set `disabled`.
    ByCaller,
    /// It answered 410 Gone.
    Gone,
    /// It failed for longer than `delivery.disable_after`.
    Failing,
    /// It left `relay.toml`.
    LeftConfig,
}

/// A key that signs until it expires; rotation leaves the old one here for its grace period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointKey {
    /// What signs.
    pub key: SigningKey,
    /// When it stops signing; `None` for the current key.
    pub expires_at: Option<Timestamp>,
}

/// What changes an endpoint's requests before they are signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transformation {
    /// What is done.
    pub transform: Transform,
    /// Whether it is.
    pub enabled: bool,
    /// What it may read by name; may hold credentials.
    pub variables: BTreeMap<String, String>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An endpoint as the catalog keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Names it for ever.
    pub id: EndpointId,
    /// The tenant it belongs to.
    pub application: ApplicationId,
    /// The caller's own name for it, unique in the application.
    pub uid: Option<String>,
    /// Where to POST: the normalised form of what `url::Url` parsed.
    pub url: String,
    /// Free text for people.
    pub description: String,
    /// Which messages it wants.
    pub subscription: Subscription,
    /// Why it takes nothing, `None` while it does.
    pub disabled: Option<Disabled>,
    /// Messages a second, at least 1.
    pub throttle_rate: Option<u16>,
    /// How its deliveries are made.
    pub delivery: DeliverySettings,
    /// The caller's free text.
    pub metadata: Metadata,
    /// Sent with every delivery; names are lower-case.
    pub headers: BTreeMap<String, String>,
    /// What changes its requests; `None` sends messages as they are.
    pub transformation: Option<Arc<Transformation>>,
    /// The current key first, then the older ones that still sign.
    pub keys: Vec<EndpointKey>,
    /// Declared in `relay.toml`: the API may not change it.
    pub managed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Endpoint {
    /// The keys that sign at `now`, current key first.
    pub fn signing_keys(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        self.keys
            .iter()
            .filter(move |key| key.expires_at.is_none_or(|end| now < end))
            .map(|key| &key.key)
    }
}
