//! Every metric of the relay, by name, and the registry that prints them. No label holds an id.

mod flow;
mod workers;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use flow::Flow;
pub use workers::{Worker, WorkerSeen, Workers};

/// How a delivery ended, as a label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label's value is the variant's name")]
pub enum DeliveryEnd {
    /// A 2xx answer.
    delivered,
    /// It will not be tried again.
    dead,
    /// A person took it back.
    cancelled,
}

/// The label of `relay_deliveries_total`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct DeliveryLabels {
    /// How it ended.
    pub outcome: DeliveryEnd,
}

/// The label of `relay_attempts_total`; `outcome` is one of the names in
/// [`crate::domain::delivery::Outcome`], in lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct AttemptLabels {
    /// How it ended.
    pub outcome: &'static str,
}

/// What was answered to a message that does not fit its schema, as a label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label's value is the variant's name")]
pub enum SchemaAnswer {
    /// It was accepted all the same.
    accepted,
    /// 422.
    refused,
}

/// The label of `relay_schema_faults_total`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct SchemaLabels {
    /// What was answered.
    pub answer: SchemaAnswer,
}

/// The label of `relay_source_requests_total`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct ReceivedLabels {
    /// What was made of them: `accepted`, `duplicate`, `refused` and so on.
    pub verdict: &'static str,
}

/// How the telling of an alert ended, as a label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "the label's value is the variant's name")]
pub enum AlertEnd {
    /// The destination took it.
    told,
    /// It is tried again later.
    failed,
}

/// The label of `relay_alert_messages_total`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct AlertLabels {
    /// How it ended.
    pub outcome: AlertEnd,
}

/// The labels of `relay_http_requests_total`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern, `/api/v1/app/{app}`; `unknown` when none matched.
    pub route: String,
    /// The answer's status.
    pub status: u16,
}

/// Handles to every metric; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Messages accepted.
    pub messages_accepted: Counter,
    /// Deliveries ended, by outcome.
    pub deliveries: Family<DeliveryLabels, Counter>,
    /// Attempts made, by outcome.
    pub attempts: Family<AttemptLabels, Counter>,
    /// Seconds from a request's begin to the end of its answer.
    pub attempt_duration: Histogram,
    /// Deliveries that wait, whether due or not.
    pub deliveries_waiting: Gauge,
    /// Dead letters that are listed.
    pub dead_letters: Gauge,
    /// Attempts under way.
    pub attempts_in_flight: Gauge,
    /// Endpoints whose queue is held because they are down.
    pub lanes_parked: Gauge,
    /// Seconds of one sync of the journal.
    pub journal_sync_duration: Histogram,
    /// Bytes of rows that are durable and not yet in the index.
    pub store_overlay: Gauge,
    /// Bytes of disk that the data folder takes.
    pub data_folder: Gauge,
    /// Bytes of disk that the index takes.
    pub store_index: Gauge,
    /// How often the index was made smaller.
    pub index_compactions: Counter,
    /// Operational webhooks that there was no space for.
    pub untold: Counter,
    /// Bytes free on the data folder's file system.
    pub disk_free: Gauge,
    /// Messages that did not fit the schema of their event type, by what was answered.
    pub schema_faults: Family<SchemaLabels, Counter>,
    /// Requests to sources, by what was made of them.
    pub received: Family<ReceivedLabels, Counter>,
    /// Alerts sent to their destinations, by outcome.
    pub alert_messages: Family<AlertLabels, Counter>,
    /// Troubles that are there, counted for each alert.
    pub alerts_firing: Gauge,
    /// Requests answered, by route and status.
    pub http_requests: Family<RequestLabels, Counter>,
    /// Seconds from a request's head to its answer's.
    pub http_request_duration: Histogram,
    /// What charts are made of.
    pub flow: Flow,
    /// What the threads tell of themselves.
    pub workers: Workers,
    registry: std::sync::Arc<Registry>,
}

const ATTEMPT_SECONDS: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const SYNC_SECONDS: [f64; 11] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0];
const REQUEST_SECONDS: [f64; 11] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

impl Metrics {
    /// All at zero.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("relay");
        let mut metrics = Metrics {
            messages_accepted: Counter::default(),
            deliveries: Family::default(),
            attempts: Family::default(),
            attempt_duration: Histogram::new(ATTEMPT_SECONDS),
            deliveries_waiting: Gauge::default(),
            dead_letters: Gauge::default(),
            attempts_in_flight: Gauge::default(),
            lanes_parked: Gauge::default(),
            journal_sync_duration: Histogram::new(SYNC_SECONDS),
            store_overlay: Gauge::default(),
            data_folder: Gauge::default(),
            store_index: Gauge::default(),
            index_compactions: Counter::default(),
            untold: Counter::default(),
            disk_free: Gauge::default(),
            schema_faults: Family::default(),
            received: Family::default(),
            alert_messages: Family::default(),
            alerts_firing: Gauge::default(),
            http_requests: Family::default(),
            http_request_duration: Histogram::new(REQUEST_SECONDS),
            flow: Flow::default(),
            workers: Workers::default(),
            registry: std::sync::Arc::default(),
        };
        metrics.register_deliveries(&mut registry);
        metrics.register_store_and_http(&mut registry);
        metrics.registry = std::sync::Arc::new(registry);
        metrics
    }

    fn register_deliveries(&self, registry: &mut Registry) {
        registry.register("messages_accepted", "Messages accepted", self.messages_accepted.clone());
        registry.register("deliveries", "Deliveries ended, by outcome", self.deliveries.clone());
        registry.register("attempts", "Attempts made, by outcome", self.attempts.clone());
        registry.register_with_unit(
            "attempt_duration",
            "From a request's begin to the end of its answer",
            Unit::Seconds,
            self.attempt_duration.clone(),
        );
        let waiting = self.deliveries_waiting.clone();
        registry.register("deliveries_waiting", "Deliveries that wait, due or not", waiting);
        let dead = self.dead_letters.clone();
        registry.register("dead_letters", "Dead letters that are listed", dead);
        let in_flight = self.attempts_in_flight.clone();
        registry.register("attempts_in_flight", "Attempts under way", in_flight);
        let parked = self.lanes_parked.clone();
        registry.register("lanes_parked", "Endpoints whose queue is held, being down", parked);
    }

    fn register_store_and_http(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "journal_sync_duration",
            "One sync of the journal",
            Unit::Seconds,
            self.journal_sync_duration.clone(),
        );
        registry.register_with_unit(
            "store_overlay",
            "Rows that are durable and not yet in the index",
            Unit::Bytes,
            self.store_overlay.clone(),
        );
        registry.register_with_unit(
            "disk_free",
            "Free on the data folder's file system",
            Unit::Bytes,
            self.disk_free.clone(),
        );
        registry.register_with_unit(
            "data_folder",
            "Disk that the data folder takes, without the reserve for a start on a full disk",
            Unit::Bytes,
            self.data_folder.clone(),
        );
        registry.register_with_unit(
            "store_index",
            "Disk that the index takes",
            Unit::Bytes,
            self.store_index.clone(),
        );
        let compactions = self.index_compactions.clone();
        registry.register("index_compactions", "Times the index was made smaller", compactions);
        let faults = self.schema_faults.clone();
        let help = "Messages that did not fit the schema of their event type, by answer";
        registry.register("schema_faults", help, faults);
        let untold = "Operational webhooks that there was no space for";
        registry.register("operational_webhooks_dropped", untold, self.untold.clone());
        let help = "Requests to sources, by what was made of them";
        registry.register("source_requests", help, self.received.clone());
        let alerts = "Alerts sent to their destinations, by outcome";
        registry.register("alert_messages", alerts, self.alert_messages.clone());
        let firing = "Troubles that alerts tell of, those that are there";
        registry.register("alerts_firing", firing, self.alerts_firing.clone());
        let requests = self.http_requests.clone();
        registry.register("http_requests", "Requests answered, by route and status", requests);
        registry.register_with_unit(
            "http_request_duration",
            "From a request's head to its answer's",
            Unit::Seconds,
            self.http_request_duration.clone(),
        );
    }

    /// All of them in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dashboards and alerts rely on these names.
    #[test]
    fn names_stay() {
        let metrics = Metrics::new();
        metrics.deliveries.get_or_create(&DeliveryLabels { outcome: DeliveryEnd::dead }).inc();
        metrics.attempts.get_or_create(&AttemptLabels { outcome: "dns" }).inc();
        let labels = SchemaLabels { answer: SchemaAnswer::refused };
        metrics.schema_faults.get_or_create(&labels).inc();
        metrics.alert_messages.get_or_create(&AlertLabels { outcome: AlertEnd::failed }).inc();
        let labels = RequestLabels { route: "/api/v1/app/{app}".to_owned(), status: 200 };
        metrics.http_requests.get_or_create(&labels).inc();
        let text = metrics.text();
        for line in [
            "relay_messages_accepted_total 0",
            "relay_deliveries_total{outcome=\"dead\"} 1",
            "relay_attempts_total{outcome=\"dns\"} 1",
            "relay_attempt_duration_seconds_count 0",
            "relay_deliveries_waiting 0",
            "relay_dead_letters 0",
            "relay_attempts_in_flight 0",
            "relay_lanes_parked 0",
            "relay_journal_sync_duration_seconds_count 0",
            "relay_store_overlay_bytes 0",
            "relay_disk_free_bytes 0",
            "relay_data_folder_bytes 0",
            "relay_store_index_bytes 0",
            "relay_index_compactions_total 0",
            "relay_schema_faults_total{answer=\"refused\"} 1",
            "relay_operational_webhooks_dropped_total 0",
            "relay_alert_messages_total{outcome=\"failed\"} 1",
            "relay_alerts_firing 0",
            "relay_http_requests_total{route=\"/api/v1/app/{app}\",status=\"200\"} 1",
            "relay_http_request_duration_seconds_count 0",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
