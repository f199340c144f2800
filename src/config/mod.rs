//! Every setting of `relay.toml`. Loaded once, by [`load::load`], into a [`Config`]. The file in
//! the repository says what each setting does, and a test holds it equal to [`Config::default`].

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::Url;

pub mod alert;
pub mod declared;
mod defaults;
pub mod egress;
mod environment;
mod file;
pub mod load;
pub mod portal;
pub mod problem;
pub mod secrets;
pub mod shown;
pub mod source;
pub mod units;
mod validate;
mod validate_declared;

#[cfg(test)]
mod tests;

use alert::DeclaredAlert;
use declared::{DeclaredApplication, DeclaredEndpoint, DeclaredEventType};
use egress::{DeclaredProxy, Egress};
use portal::Portal;
use secrets::SecretText;
use source::DeclaredSource;
use units::{AllowedNetwork, Size, Span};

use crate::domain::redact::{JsonPath, Redaction};

/// Everything that can be set. Unknown keys are errors.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP listener.
    pub server: Server,
    /// The data folder.
    pub data: Data,
    /// Who may call the API.
    pub auth: Auth,
    /// What the API takes in.
    pub intake: Intake,
    /// How deliveries are made.
    pub delivery: Delivery,
    /// Which addresses deliveries may reach.
    pub guard: Guard,
    /// What they leave through.
    pub egress: Egress,
    /// How long and how much is kept.
    pub retention: Retention,
    /// What providers send.
    pub sources: Sources,
    /// What transformations may use.
    pub transforms: Transforms,
    /// When the operator is told, and how often it is tried.
    pub alerts: Alerts,
    /// What of content is not shown.
    pub redact: Redact,
    /// The portal of an application.
    pub portal: Portal,
    /// What is logged.
    pub log: Log,
    /// Proxies that endpoints may choose by name.
    #[serde(rename = "proxy", skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<DeclaredProxy>,
    /// Applications declared in the file.
    #[serde(rename = "application", skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<DeclaredApplication>,
    /// Event types declared in the file.
    #[serde(rename = "event_type", skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<DeclaredEventType>,
    /// Endpoints declared in the file.
    #[serde(rename = "endpoint", skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<DeclaredEndpoint>,
    /// Sources declared in the file.
    #[serde(rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub declared_sources: Vec<DeclaredSource>,
    /// Whom to tell of what.
    #[serde(rename = "alert", skip_serializing_if = "Vec::is_empty")]
    pub declared_alerts: Vec<DeclaredAlert>,
}

impl Config {
    /// These settings with what a reload takes of newer ones beside what they declare.
    pub fn reloaded(&self, newer: &Config) -> Config {
        let egress = Egress { token_timeout: self.egress.token_timeout, ..newer.egress.clone() };
        Config {
            redact: newer.redact.clone(),
            portal: newer.portal.clone(),
            egress,
            proxies: newer.proxies.clone(),
            alerts: newer.alerts.clone(),
            declared_alerts: newer.declared_alerts.clone(),
            log: Log { level: newer.log.level.clone(), ..self.log.clone() },
            ..self.clone()
        }
    }

    /// These settings with what newer ones declare of the catalog.
    pub fn declaring(&self, newer: &Config) -> Config {
        Config {
            applications: newer.applications.clone(),
            event_types: newer.event_types.clone(),
            endpoints: newer.endpoints.clone(),
            declared_sources: newer.declared_sources.clone(),
            ..self.clone()
        }
    }
}

/// The HTTP listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port to listen on; port 0 takes a free one.
    #[serde(deserialize_with = "units::listen")]
    pub listen: SocketAddr,
    /// How the outside reaches this relay, behind a proxy too; `None`: `http://` and `listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<Url>,
    /// Networks of the proxies whose forwarded address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a graceful stop waits for requests and deliveries in flight.
    pub drain: Span,
    /// Threads that serve HTTP.
    pub workers: usize,
    /// Connections open at once; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// Connections that wait there at most.
    pub backlog: u32,
    /// How long a request's head may take.
    pub head_timeout: Span,
    /// How long a request's body may take, for each 64 KiB of it a second more.
    pub body_timeout: Span,
    /// How long a caller may take nothing of its answer.
    pub write_timeout: Span,
    /// Live streams open at once; 503 beyond it.
    pub live_streams: usize,
    /// How long a live stream is silent at most.
    pub live_alive: Span,
}

/// The data folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Where everything lies.
    pub dir: PathBuf,
    /// Free bytes of the file system below which nothing more is accepted.
    pub min_free: Size,
    /// Size of a journal segment.
    pub segment_size: Size,
    /// Memory for the index's page cache; plan for ten times it.
    pub index_cache: Size,
    /// Size on disk above which the index is made smaller when it takes 6 times its rows.
    pub compact_above: Size,
    /// A step of a read of the index that takes longer ends the process, and the next start makes
    /// the index anew.
    pub read_deadline: Span,
    /// Memory for rows journaled and not yet in the index; beyond it accept answers 503.
    pub overlay: Size,
    /// 32 bytes in base64 that seal endpoint secrets; made in the data folder when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<SecretText>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealing_key_file: Option<PathBuf>,
    /// Older ones, which open what they sealed until it is sealed with the present one.
    pub previous_sealing_keys: Vec<SecretText>,
    /// A file with a line for each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_sealing_keys_file: Option<PathBuf>,
}

/// Who may call the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Tokens that one application may have at a time; 400 beyond it.
    pub tokens_per_application: u64,
    /// How long a sign-in with a cookie is good for.
    pub session: Span,
    /// The key that may do everything; made in the data folder when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_key: Option<SecretText>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_key_file: Option<PathBuf>,
    /// Accepts HS256 tokens signed with it, as a server of the Svix API issues them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_secret: Option<SecretText>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_secret_file: Option<PathBuf>,
}

/// What the API takes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intake {
    /// The largest request body; 413 beyond it.
    pub max_body: Size,
    /// Request bodies in memory at once, in bytes; 503 beyond it.
    pub max_in_flight: Size,
    /// How long an `Idempotency-Key` made by a client library (`auto_…`) is remembered.
    pub auto_key_window: Span,
    /// How long any other `Idempotency-Key` is remembered.
    pub key_window: Span,
    /// Whether messages are checked against the schema of their event type.
    pub schemas: SchemaCheck,
}

/// What becomes of a message that does not fit the schema of its event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaCheck {
    /// Nothing is checked.
    Off,
    /// It is accepted, with a line in the log and a count.
    Warn,
    /// It is refused with 422.
    Reject,
}

/// Which header names carry the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderNames {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Standard,
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix,
    /// Both.
    Both,
}

/// How deliveries are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Delays after the first, second … failed attempt; its length + 1 is the number of attempts.
    pub retry_schedule: Vec<Span>,
    /// Share of a delay that chance may add or take, 0 to 0.5.
    pub jitter: f64,
    /// From the request's begin to the end of the answer's head.
    pub timeout: Span,
    /// Requests under way, and threads that make them, at most; they are started as receivers keep
    /// them waiting.
    pub threads: usize,
    /// After it a delivery not yet made is dead; `None`: the schedule alone decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Span>,
    /// How much of an answer's body is kept.
    pub response_limit: Size,
    /// Names of the signature headers.
    pub headers: HeaderNames,
    /// Failures of distinct deliveries with no success between after which a lane is parked.
    pub park_after: u32,
    /// How long an endpoint fails before it is disabled.
    pub disable_after: Span,
    /// Deliveries that wait behind others of their key, past which an endpoint ordered by a key
    /// looks for those that need not wait.
    pub order_lookahead: usize,
}

/// Which addresses deliveries may reach.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Private networks that may be reached all the same, `10.1.0.0/16` or `127.0.0.1/32:3000`.
    pub allow: Vec<AllowedNetwork>,
}

/// How long and how much is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Age after which messages and attempts go.
    pub max_age: Span,
    /// Bytes of the whole data folder above which the oldest go.
    pub max_bytes: Size,
    /// Age after which entries of the audit log go.
    pub audit_age: Span,
    /// Entries of the audit log above which the oldest go.
    pub audit_entries: u64,
}

/// What providers send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sources {
    /// How long an event is remembered, so that one that is sent again is no second message; 7 days
    /// at most.
    pub dedup_window: Span,
    /// How long the URL and the secrets of a source that were rotated away still count.
    pub rotation_overlap: Span,
    /// Refused requests of one source that are kept, at most, and kept in a day.
    pub quarantine_requests: u64,
    /// Bytes of them, with their headers and URLs.
    pub quarantine_bytes: Size,
    /// Requests that a paused source holds at most; more are answered 507.
    pub held_requests: u64,
    /// Bytes of them, with their headers and URLs.
    pub held_bytes: Size,
}

/// What one call of a transformation's script may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transforms {
    /// Scripts that run at once, each in a process of its own; others wait.
    pub processes: usize,
    /// From its start to its result.
    pub time: Span,
    /// Its heap: code, body and everything it makes.
    pub memory: Size,
    /// Its stack.
    pub stack: Size,
    /// The body that it gives.
    pub output: Size,
}

/// When the operator is told, and how often it is tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// From one look at everything to the next.
    pub look_every: Span,
    /// More troubles of one kind at once than this are told in one message.
    pub summary_above: usize,
    /// How long a destination may take to accept a message.
    pub timeout: Span,
    /// The wait after the first failure of a destination; it doubles with each,
    pub retry_first: Span,
    /// up to this.
    pub retry_most: Span,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One line of text an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// What of content is not shown; it is stored, signed and sent all the same.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redact {
    /// Headers of requests, by name, whose values are hidden.
    pub headers: Vec<String>,
    /// Values of JSON bodies that are hidden.
    pub json_paths: Vec<JsonPath>,
    /// What becomes of text that no path looks into.
    pub other_bodies: OtherBodies,
}

/// What becomes of bodies that are no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtherBodies {
    /// They are shown.
    #[default]
    Show,
    /// They are not.
    Hide,
}

impl Redact {
    /// As it is applied.
    pub fn redaction(&self) -> Redaction {
        let hides_others = self.other_bodies == OtherBodies::Hide;
        Redaction::new(&self.headers, &self.json_paths, hides_others)
    }
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `relay::engine=debug`.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
}
