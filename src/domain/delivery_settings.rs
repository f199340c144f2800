//! How deliveries to one endpoint are made, where they are not made as to others.

use serde::{Deserialize, Serialize};

/// Settings of one endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// Asks the endpoint whether it takes events of this relay before it is sent any (CloudEvents,
    /// HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4).
    pub cloud_events: bool,
}
