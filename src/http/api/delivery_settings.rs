//! `delivery` of an endpoint: how its deliveries are made.

use serde::{Deserialize, Serialize};

use super::egress::{self, AuthIn, AuthOut, TlsIn, TlsOut};
use super::limits::Problems;
use crate::domain::delivery_settings::DeliverySettings;
use crate::http::state::CheckUrl;

/// As a caller gives it.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeliveryIn {
    cloud_events: Option<bool>,
    auth: Option<AuthIn>,
    tls: Option<TlsIn>,
    proxy: Option<String>,
}

impl DeliveryIn {
    /// What is not given is as usual; credentials that are left out are for
    /// [`settle`](egress::settle).
    pub fn read(self, check_url: &CheckUrl, problems: &mut Problems) -> DeliverySettings {
        let settings = DeliverySettings {
            cloud_events: self.cloud_events.unwrap_or(false),
            auth: self.auth.and_then(|auth| auth.read(check_url, problems)),
            tls: self.tls.and_then(TlsIn::read),
            proxy: self.proxy,
        };
        egress::check(&settings, problems);
        settings
    }
}

/// As it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryOut {
    cloud_events: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<AuthOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
}

impl DeliveryOut {
    /// All of it, so that an export that is imported sets everything; what is secret of it only
    /// where `secrets` says so.
    pub fn new(settings: &DeliverySettings, secrets: bool) -> DeliveryOut {
        DeliveryOut {
            cloud_events: settings.cloud_events,
            auth: settings.auth.as_ref().map(|auth| AuthOut::new(auth, secrets)),
            tls: settings.tls.as_ref().map(|tls| TlsOut::new(tls, secrets)),
            proxy: settings.proxy.clone(),
        }
    }
}
