//! How deliveries to one endpoint are made, where they are not made as to others.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::egress::{EndpointAuth, EndpointTls};
use crate::domain::filter::Selector;
use crate::domain::subscription::Subscription;

/// Seconds an endpoint may take to answer at most.
pub const TIMEOUT_SECONDS_MAX: u32 = 600;
/// Delays of a retry schedule at most.
pub const RETRIES_MAX: usize = 100;
/// Seconds of one delay at most: 30 days.
pub const DELAY_SECONDS_MAX: u32 = 30 * 86_400;
/// Event types or patterns with settings of their own at most.
pub const PACED_TYPES_MAX: usize = 50;
/// Messages in one batch at most.
pub const BATCH_MAX: u16 = 1_000;
/// Milliseconds that a batch waits for more at most.
pub const BATCH_WAIT_MS_MAX: u32 = 60_000;
/// Bytes of a batch at most.
pub const BATCH_BYTES_MAX: u32 = 16 << 20;

/// Settings of one endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// Asks the endpoint whether it takes events of this relay before it is sent any (CloudEvents,
    /// HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4).
    pub cloud_events: bool,
    /// Seconds that it may take to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Seconds to wait after the first, second … failed attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_schedule_seconds: Option<Vec<u32>>,
    /// The same two for some event types, exact or by pattern; the first in the order of their
    /// text that fits is the one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub per_event_type: BTreeMap<String, Pace>,
    /// Requests in flight at once at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u16>,
    /// Seconds that each message waits before its first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u32>,
    /// Deliveries are made one after the other, in the order in which they were accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Several messages go in one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
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

/// How patient deliveries of an event type are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Seconds that the endpoint may take to answer.
    pub timeout_seconds: Option<u32>,
    /// Seconds to wait after the first, second … failed attempt.
    pub retry_schedule_seconds: Option<Vec<u32>>,
}

/// Which deliveries wait for one another.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// Those with the same value there; all of the endpoint when unset. Messages in which nothing
    /// stands there wait for one another too.
    pub by: Option<Selector>,
}

/// How messages are put together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Messages of one request at most.
    pub size: u16,
    /// Milliseconds that the first of them waits for others at most.
    #[serde(default = "usual_wait")]
    pub wait_ms: u32,
    /// Bytes of the payloads of one request at most; a larger message goes alone.
    #[serde(default = "usual_bytes")]
    pub max_bytes: u32,
}

/// What waits for more where nothing is said of it: a second.
pub fn usual_wait() -> u32 {
    1_000
}

/// How large a batch is where nothing is said of it: 1 MiB.
pub fn usual_bytes() -> u32 {
    1 << 20
}

impl Order {
    /// Which deliveries one waits for: all with the same number. The key is what was found in its
    /// message when that was accepted; an order of all of them does not go by it.
    pub fn group(&self, key: Option<u64>) -> u64 {
        key.filter(|_| self.by.is_some()).unwrap_or_default()
    }
}

impl DeliverySettings {
    /// How long the endpoint may take to answer a message of this type, if it has a say.
    pub fn timeout(&self, event_type: &str) -> Option<Duration> {
        let own = self.pace(event_type).and_then(|pace| pace.timeout_seconds);
        own.or(self.timeout_seconds).map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// The delays between the attempts of a message of this type, if the endpoint has a say.
    pub fn retry_schedule(&self, event_type: &str) -> Option<Vec<Duration>> {
        let own = self.pace(event_type).and_then(|pace| pace.retry_schedule_seconds.as_ref());
        let schedule = own.or(self.retry_schedule_seconds.as_ref())?;
        Some(schedule.iter().map(|seconds| Duration::from_secs((*seconds).into())).collect())
    }

    /// How long a message waits before its first attempt.
    pub fn delay(&self) -> Duration {
        Duration::from_secs(self.delay_seconds.unwrap_or(0).into())
    }

    /// Where the key of its order stands, where it has one.
    pub fn order_by(&self) -> Option<&Selector> {
        self.order.as_ref()?.by.as_ref()
    }

    fn pace(&self, event_type: &str) -> Option<&Pace> {
        let mut paces = self.per_event_type.iter();
        paces.find(|(pattern, _)| fits(pattern, event_type)).map(|(_, pace)| pace)
    }

    /// What is wrong, each with the names of its fields from the outside in, as `relay.toml` has
    /// them.
    pub fn problems(&self) -> Vec<(Vec<String>, String)> {
        let mut found = Found(Vec::new());
        found.pace(&[], self.timeout_seconds, self.retry_schedule_seconds.as_deref());
        if self.per_event_type.len() > PACED_TYPES_MAX {
            found.add(&["per_event_type"], format!("must have at most {PACED_TYPES_MAX} members"));
        }
        for (pattern, pace) in &self.per_event_type {
            let place = ["per_event_type", pattern];
            if let Err(error) = Subscription::parse(vec![pattern.clone()], Vec::new()) {
                found.add(&place, error.to_string());
            }
            found.pace(&place, pace.timeout_seconds, pace.retry_schedule_seconds.as_deref());
        }
        if self.max_in_flight == Some(0) {
            found.add(&["max_in_flight"], "must be at least 1".to_owned());
        }
        let delay = self.delay_seconds.unwrap_or(0);
        found.within(&["delay_seconds"], delay, 0, DELAY_SECONDS_MAX);
        if let Some(batch) = &self.batch {
            found.within(&["batch", "size"], batch.size.into(), 2, BATCH_MAX.into());
            found.within(&["batch", "wait_ms"], batch.wait_ms, 0, BATCH_WAIT_MS_MAX);
            found.within(&["batch", "max_bytes"], batch.max_bytes, 1, BATCH_BYTES_MAX);
            if self.order.is_some() {
                let words = "can't be had with an order: one message that fails would hold up \
                             others that have arrived";
                found.add(&["batch"], words.to_owned());
            }
            if !self.per_event_type.is_empty() {
                let words = "can't be had with settings for event types: a request holds several";
                found.add(&["batch"], words.to_owned());
            }
        }
        found.0
    }
}

/// Whether a name or pattern is of this event type.
fn fits(pattern: &str, event_type: &str) -> bool {
    let one = Subscription { event_types: vec![pattern.to_owned()], ..Subscription::default() };
    one.wants_event_type(event_type)
}

struct Found(Vec<(Vec<String>, String)>);

impl Found {
    fn add(&mut self, place: &[&str], message: String) {
        self.0.push((place.iter().map(|part| (*part).to_owned()).collect(), message));
    }

    fn within(&mut self, place: &[&str], value: u32, least: u32, most: u32) {
        if !(least..=most).contains(&value) {
            self.add(place, format!("must be {least} to {most}"));
        }
    }

    fn pace(&mut self, place: &[&str], timeout: Option<u32>, schedule: Option<&[u32]>) {
        let at = |name| [place, &[name]].concat();
        if let Some(timeout) = timeout {
            self.within(&at("timeout_seconds"), timeout, 1, TIMEOUT_SECONDS_MAX);
        }
        let Some(schedule) = schedule else { return };
        let place = at("retry_schedule_seconds");
        if schedule.is_empty() || schedule.len() > RETRIES_MAX {
            self.add(&place, format!("must have 1 to {RETRIES_MAX} items"));
        }
        for (index, delay) in schedule.iter().enumerate() {
            let index = index.to_string();
            self.within(&[&place[..], &[&index]].concat(), *delay, 1, DELAY_SECONDS_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(settings: serde_json::Value) -> DeliverySettings {
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn an_order_of_all_goes_by_no_key() {
        let by = Selector::try_from("event_type".to_owned()).unwrap();
        let by_key = Order { by: Some(by) };
        assert_eq!((by_key.group(Some(7)), by_key.group(None)), (7, 0));
        // A message that was accepted under another order has its key still.
        assert_eq!(Order::default().group(Some(7)), 0);
    }

    #[test]
    fn an_event_type_has_its_own_pace() {
        let settings = read(json!({
            "timeout_seconds": 5, "retry_schedule_seconds": [1, 2],
            "per_event_type": {
                "invoice.*": {"timeout_seconds": 60},
                "ping": {"retry_schedule_seconds": [9]},
            },
        }));
        let seconds = Duration::from_secs;
        assert_eq!(settings.timeout("invoice.paid"), Some(seconds(60)));
        assert_eq!(settings.timeout("ping"), Some(seconds(5)));
        assert_eq!(settings.retry_schedule("invoice.paid"), Some(vec![seconds(1), seconds(2)]));
        assert_eq!(settings.retry_schedule("ping"), Some(vec![seconds(9)]));
        assert_eq!(DeliverySettings::default().timeout("ping"), None);
        assert_eq!(DeliverySettings::default().retry_schedule("ping"), None);
    }

    #[test]
    fn limits() {
        let check = |settings, places: &[&str]| {
            let found = read(settings).problems();
            let found: Vec<_> = found.iter().map(|(place, _)| place.join(".")).collect();
            assert_eq!(found, places);
        };
        check(json!({}), &[]);
        check(json!({"order": {"by": "body.id"}, "delay_seconds": 60, "max_in_flight": 1}), &[]);
        check(json!({"batch": {"size": 10}}), &[]);
        check(json!({"batch": {"size": 10}, "order": {}}), &["batch"]);
        check(json!({"timeout_seconds": 0}), &["timeout_seconds"]);
        check(json!({"timeout_seconds": 601}), &["timeout_seconds"]);
        check(json!({"retry_schedule_seconds": []}), &["retry_schedule_seconds"]);
        check(json!({"retry_schedule_seconds": [1, 0]}), &["retry_schedule_seconds.1"]);
        check(json!({"per_event_type": {"a b": {}}}), &["per_event_type.a b"]);
        check(
            json!({"per_event_type": {"a": {"timeout_seconds": 0}}}),
            &["per_event_type.a.timeout_seconds"],
        );
        check(json!({"max_in_flight": 0}), &["max_in_flight"]);
        check(json!({"delay_seconds": 2_592_001}), &["delay_seconds"]);
        check(
            json!({"batch": {"size": 1, "wait_ms": 60_001, "max_bytes": 0}}),
            &["batch.size", "batch.wait_ms", "batch.max_bytes"],
        );
        check(json!({"batch": {"size": 2}, "order": {"by": "body.id"}}), &["batch"]);
        check(json!({"batch": {"size": 2}, "per_event_type": {"a": {}}}), &["batch"]);
    }
}
