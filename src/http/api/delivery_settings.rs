//! `delivery` of an endpoint: how its deliveries are made.

use serde::{Deserialize, Serialize};

use crate::domain::delivery_settings::DeliverySettings;

/// As a caller gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeliveryIn {
    cloud_events: Option<bool>,
}

impl DeliveryIn {
    /// What is not given is as usual.
    pub fn read(self) -> DeliverySettings {
        DeliverySettings { cloud_events: self.cloud_events.unwrap_or(false) }
    }
}

/// As it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryOut {
    cloud_events: bool,
}

impl DeliveryOut {
    /// All of it, so that an export that is imported sets everything.
    pub fn new(settings: &DeliverySettings) -> DeliveryOut {
        DeliveryOut { cloud_events: settings.cloud_events }
    }
}
