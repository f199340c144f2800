//! How deliveries to one endpoint are made, where they are not made as to others.

use serde::{Deserialize, Serialize};

use crate::domain::egress::{EndpointAuth, EndpointTls};

/// Settings of one endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// Asks the endpoint whether it takes events of this relay before it is sent any (CloudEvents,
    /// HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4).
    pub cloud_events: bool,
    /// What its requests prove themselves with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<EndpointAuth>,
    /// The TLS of its connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<EndpointTls>,
    /// The name of a proxy, or `direct`; `None`: as the operator set it for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}
