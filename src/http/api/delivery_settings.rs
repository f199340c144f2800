//! `delivery` of an endpoint: how its deliveries are made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::egress::{self, AuthIn, AuthOut, TlsIn, TlsOut};
use super::limits::Problems;
use crate::domain::delivery_settings::{
    Batch, DeliverySettings, Order, Pace, usual_bytes, usual_wait,
};
use crate::domain::filter::Selector;
use crate::http::state::CheckUrl;

/// As a caller gives it.
#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeliveryIn {
    cloud_events: Option<bool>,
    timeout_seconds: Option<u32>,
    retry_schedule_seconds: Option<Vec<u32>>,
    per_event_type: Option<BTreeMap<String, PaceShape>>,
    max_in_flight: Option<u16>,
    delay_seconds: Option<u32>,
    order: Option<OrderIn>,
    batch: Option<BatchIn>,
    auth: Option<AuthIn>,
    tls: Option<TlsIn>,
    proxy: Option<String>,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PaceShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_schedule_seconds: Option<Vec<u32>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct OrderIn {
    by: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchIn {
    size: u16,
    wait_ms: Option<u32>,
    max_bytes: Option<u32>,
}

impl DeliveryIn {
    /// What is not given is as usual; credentials that are left out are for
    /// [`settle`](egress::settle).
    pub fn read(self, check_url: &CheckUrl, problems: &mut Problems) -> DeliverySettings {
        let paces = self.per_event_type.unwrap_or_default();
        let settings = DeliverySettings {
            cloud_events: self.cloud_events.unwrap_or(false),
            timeout_seconds: self.timeout_seconds,
            retry_schedule_seconds: self.retry_schedule_seconds,
            per_event_type: paces.into_iter().map(|(types, pace)| (types, pace.read())).collect(),
            max_in_flight: self.max_in_flight,
            delay_seconds: self.delay_seconds,
            order: self.order.map(|order| order.read(problems)),
            batch: self.batch.map(BatchIn::read),
            auth: self.auth.and_then(|auth| auth.read(check_url, problems)),
            tls: self.tls.and_then(TlsIn::read),
            proxy: self.proxy,
        };
        for (place, message) in settings.problems() {
            let place: Vec<String> = place.iter().map(|part| camel(part)).collect();
            let place = ["delivery"].into_iter().chain(place.iter().map(String::as_str));
            problems.add(&place.collect::<Vec<_>>(), message);
        }
        egress::check(&settings, problems);
        settings
    }
}

impl PaceShape {
    fn read(self) -> Pace {
        let PaceShape { timeout_seconds, retry_schedule_seconds } = self;
        Pace { timeout_seconds, retry_schedule_seconds }
    }

    fn new(pace: &Pace) -> PaceShape {
        let Pace { timeout_seconds, retry_schedule_seconds } = pace.clone();
        PaceShape { timeout_seconds, retry_schedule_seconds }
    }
}

impl OrderIn {
    fn read(self, problems: &mut Problems) -> Order {
        let by = self.by.and_then(|text| {
            let read = Selector::try_from(text);
            read.map_err(|message| problems.add(&["delivery", "order", "by"], message)).ok()
        });
        Order { by }
    }
}

impl BatchIn {
    fn read(self) -> Batch {
        Batch {
            size: self.size,
            wait_ms: self.wait_ms.unwrap_or_else(usual_wait),
            max_bytes: self.max_bytes.unwrap_or_else(usual_bytes),
        }
    }
}

/// The name of a setting as the API has it; others stay as they are.
fn camel(name: &str) -> String {
    let known = ["timeout_seconds", "retry_schedule_seconds", "per_event_type"];
    let more = ["max_in_flight", "delay_seconds", "wait_ms", "max_bytes"];
    if !known.contains(&name) && !more.contains(&name) {
        return name.to_owned();
    }
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        name + &initial.to_ascii_uppercase() + rest
    })
}

/// As it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryOut {
    cloud_events: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_schedule_seconds: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    per_event_type: BTreeMap<String, PaceShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<AuthOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
}

#[derive(Serialize)]
struct OrderOut {
    by: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchOut {
    size: u16,
    wait_ms: u32,
    max_bytes: u32,
}

impl DeliveryOut {
    /// All of it, so that an export that is imported sets everything; what is secret of it only
    /// where `secrets` says so.
    pub fn new(settings: &DeliverySettings, secrets: bool) -> DeliveryOut {
        let paces = settings.per_event_type.iter();
        let by = |order: &Order| order.by.as_ref().map(|by| by.text().to_owned());
        DeliveryOut {
            cloud_events: settings.cloud_events,
            timeout_seconds: settings.timeout_seconds,
            retry_schedule_seconds: settings.retry_schedule_seconds.clone(),
            per_event_type: paces
                .map(|(types, pace)| (types.clone(), PaceShape::new(pace)))
                .collect(),
            max_in_flight: settings.max_in_flight,
            delay_seconds: settings.delay_seconds,
            order: settings.order.as_ref().map(|order| OrderOut { by: by(order) }),
            batch: settings.batch.map(|batch| {
                let Batch { size, wait_ms, max_bytes } = batch;
                BatchOut { size, wait_ms, max_bytes }
            }),
            auth: settings.auth.as_ref().map(|auth| AuthOut::new(auth, secrets)),
            tls: settings.tls.as_ref().map(|tls| TlsOut::new(tls, secrets)),
            proxy: settings.proxy.clone(),
        }
    }
}
