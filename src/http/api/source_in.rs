//! IngestSourceIn and IngestSourceOut of the Svix API, and what sources here have more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::limits::{self, NAME_MAX, Problems};
use crate::config::source::{DeclaredDedup, DeclaredMode, DeclaredReply};
use crate::domain::application::Metadata;
use crate::domain::id::{ApplicationId, Id, Ids, Stamp};
use crate::domain::secret::Secret;
use crate::domain::source::{Dedup, Source, SourceReply, TOKEN_MAX, TOKEN_MIN, Verification};
use crate::domain::source::{METHODS, SECRET_MAX, SECRETS_MAX, is_token, normal_methods};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::DEDUP_WINDOW_MAX;

/// What the Svix API calls a source whose requests nobody signs.
const UNVERIFIED: &str = "generic-webhook";
/// One that is verified by a row of its own.
const CUSTOM: &str = "custom";
/// The application of sources that name no other.
const DEFAULT: &str = "default";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceIn {
    name: String,
    uid: Option<String>,
    r#type: String,
    #[serde(default)]
    config: ConfigIn,
    metadata: Option<Metadata>,
    application: Option<String>,
    verification: Option<Value>,
    token: Option<String>,
    methods: Option<Vec<String>>,
    max_body: Option<u64>,
    event_type: Option<String>,
    channels: Option<Vec<String>>,
    dedup: Option<DeclaredDedup>,
    dedup_window_seconds: Option<u64>,
    mode: Option<DeclaredMode>,
    set_up: Option<bool>,
    cloud_events: Option<bool>,
    public_key: Option<String>,
    refusal_status: Option<u16>,
    reply: Option<DeclaredReply>,
    expires_at: Option<String>,
}

/// The part of a source that differs from provider to provider.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ConfigIn {
    secret: Option<String>,
    secrets: Option<Vec<String>>,
    verify_token: Option<String>,
    overlap_seconds: Option<u64>,
}

impl ConfigIn {
    /// The secrets when any are given, and what a handshake has to name.
    fn read(self, problems: &mut Problems) -> (Option<Vec<Secret>>, Option<Secret>) {
        let secret = |text: String| Secret::new(text.into_bytes());
        let given = self.secret.is_some() || self.secrets.is_some();
        let all: Vec<String> =
            self.secret.into_iter().chain(self.secrets.unwrap_or_default()).collect();
        if all.len() > SECRETS_MAX {
            problems.add(&["config", "secrets"], format!("must have at most {SECRETS_MAX} items"));
        }
        if all.iter().any(|text| text.len() > SECRET_MAX) {
            let rule = format!("must have at most {SECRET_MAX} bytes");
            problems.add(&["config", "secret"], rule);
        }
        if all.iter().any(String::is_empty) {
            let words = "must not be empty: anybody could sign with it";
            problems.add(&["config", "secret"], words);
        }
        if self.verify_token.as_ref().is_some_and(|text| text.len() > SECRET_MAX) {
            let rule = format!("must have at most {SECRET_MAX} bytes");
            problems.add(&["config", "verifyToken"], rule);
        }
        let secrets = given.then(|| all.into_iter().map(secret).collect());
        (secrets, self.verify_token.map(secret))
    }
}

/// What a caller may set of a source, after the limits were looked at.
pub(super) struct Fields {
    /// But for id, application, secrets, tokens and times.
    pub source: Source,
    /// By id or uid.
    pub application: String,
    /// Given or not.
    pub secrets: Option<Vec<Secret>>,
    /// Given or not.
    pub token: Option<Secret>,
    /// How long secrets count that these replace, given or not.
    pub overlap: Option<Duration>,
}

impl SourceIn {
    pub fn check(self) -> Result<Fields, ApiError> {
        let mut problems = Problems::default();
        let verification = verification(&self.r#type, self.verification, &mut problems);
        problems.check(&["name"], limits::text(&self.name, 1, NAME_MAX));
        if let Some(uid) = &self.uid {
            problems.check(&["uid"], limits::name(uid));
        }
        if let Some(channels) = self.channels.as_ref().filter(|channels| !channels.is_empty()) {
            problems.check(&["channels"], limits::channels(channels));
        }
        let metadata = self.metadata.unwrap_or_default();
        problems.check(&["metadata"], limits::metadata(&metadata));
        let window = self.dedup_window_seconds.map(Duration::from_secs);
        if window.is_some_and(|window| window.is_zero() || window > DEDUP_WINDOW_MAX) {
            let most = DEDUP_WINDOW_MAX.as_secs();
            problems.add(&["dedupWindowSeconds"], format!("must be 1 to {most}, or null"));
        }
        let overlap = self.config.overlap_seconds;
        problems.check(&["config", "overlapSeconds"], limits::overlap(overlap));
        let overlap = overlap.map(Duration::from_secs);
        if self.methods.as_ref().is_some_and(|methods| methods.len() > METHODS.len()) {
            problems.add(&["methods"], format!("must have at most {} items", METHODS.len()));
        }
        let (secrets, verify_token) = self.config.read(&mut problems);
        if self.token.as_ref().is_some_and(|token| !is_token(token)) {
            let rule = format!("must be {TOKEN_MIN} to {TOKEN_MAX} letters, digits, - and _");
            problems.add(&["token"], rule);
        }
        let expires_at = end(self.expires_at.as_deref(), &mut problems);
        let source = Source {
            id: Id::new(Stamp(0)),
            uid: self.uid,
            name: self.name,
            application: ApplicationId::new(Stamp(0)),
            verification,
            secrets: Vec::new(),
            verify_token,
            tokens: Vec::new(),
            methods: normal_methods(self.methods),
            max_body: self.max_body,
            reply: self.reply.map(SourceReply::from),
            refusal_status: self.refusal_status,
            dedup: Dedup { rule: self.dedup.unwrap_or_default().rule(), window },
            channels: self.channels.unwrap_or_default(),
            event_type: self.event_type,
            mode: self.mode.unwrap_or_default().into(),
            set_up: self.set_up.unwrap_or(false),
            cloud_events: self.cloud_events.unwrap_or(false),
            public_key: self.public_key,
            metadata,
            expires_at,
            managed: false,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        };
        for problem in source.problems() {
            let path: Vec<&str> = problem.field.split('.').collect();
            problems.add(&path.iter().map(|part| camel(part)).collect::<Vec<_>>(), problem.message);
        }
        problems.finish()?;
        Ok(Fields {
            source,
            application: self.application.unwrap_or_else(|| DEFAULT.to_owned()),
            secrets,
            token: self.token.map(|text| Secret::new(text.into_bytes())),
            overlap,
        })
    }
}

/// When a source is deleted; `None` for one that stays.
fn end(text: Option<&str>, problems: &mut Problems) -> Option<Timestamp> {
    let end = text.map(Timestamp::parse_rfc3339);
    if end == Some(None) {
        problems.add(&["expiresAt"], "must be a time such as 2026-11-21T00:00:00Z, or null");
    }
    end.flatten()
}

/// The fields of a source by the names of this API.
fn camel(field: &str) -> &str {
    match field {
        "refusal_status" => "refusalStatus",
        "public_key" => "publicKey",
        "event_type" => "eventType",
        "secrets" => "config",
        other => other,
    }
}

/// Types of the Svix API whose requests are signed as Svix signs.
const AS_SVIX: [&str; 16] = [
    "beehiiv",
    "brex",
    "clerk",
    "guesty",
    "incident-io",
    "lithic",
    "nash",
    "open-ai",
    "pleo",
    "psi-fi",
    "render",
    "replicate",
    "resend",
    "safebase",
    "sardine",
    "stych",
];

fn verification(kind: &str, row: Option<Value>, problems: &mut Problems) -> Verification {
    let kind = if AS_SVIX.contains(&kind) { "svix" } else { kind };
    let found = match (kind, row) {
        (UNVERIFIED | "none", None) => Ok(Verification::Nothing),
        (CUSTOM, Some(row)) => {
            Verification::own(row.to_string()).map_err(|error| ("verification", error.to_string()))
        }
        (CUSTOM, None) => Err(("verification", "is missing: the row to verify by".to_owned())),
        (_, Some(_)) => {
            let words = format!("goes with the type {CUSTOM:?} alone");
            Err(("verification", words))
        }
        (name, None) => Verification::known(name).ok_or_else(|| {
            let words = format!(
                "must be a provider that this relay knows, {UNVERIFIED:?} or {CUSTOM:?}; \
                 GET /api/v1/source-type lists them"
            );
            ("type", words)
        }),
    };
    found.unwrap_or_else(|(field, message)| {
        problems.add(&[field], message);
        Verification::Nothing
    })
}

/// A source as it is shown; secrets are not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceOut<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    name: &'a str,
    ingest_url: String,
    #[serde(rename = "type")]
    kind: &'a str,
    /// Left out of what verifies nothing: the Svix library for Rust knows none there.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<BTreeMap<&'static str, &'a str>>,
    metadata: &'a Metadata,
    application: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Value>,
    secrets: usize,
    methods: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_body: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    channels: &'a [String],
    dedup: DeclaredDedup,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_window_seconds: Option<u64>,
    mode: DeclaredMode,
    set_up: bool,
    cloud_events: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<DeclaredReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    managed: bool,
    created_at: String,
    updated_at: String,
}

/// Types that client libraries of the Svix API read, of those that this relay knows.
const IN_LIBRARIES: [&str; 11] = [
    "docusign",
    "generic-webhook",
    "github",
    "hubspot",
    "meta",
    "segment",
    "shopify",
    "slack",
    "stripe",
    "svix",
    "zoom",
];

fn in_libraries(kind: &str) -> bool {
    IN_LIBRARIES.contains(&kind)
}

fn kind_of(verification: &Verification) -> &str {
    match verification {
        Verification::Nothing => UNVERIFIED,
        Verification::Provider(row) => &row.name,
        Verification::Row { .. } => CUSTOM,
    }
}

impl Fields {
    /// A library that gives the type back which stands in for one that it can't read means no
    /// other.
    pub fn keep_unshown(&mut self, held: &Verification) {
        let given = &mut self.source.verification;
        if matches!(given, Verification::Nothing) && !in_libraries(kind_of(held)) {
            given.clone_from(held);
        }
    }
}

impl<'a> SourceOut<'a> {
    /// Calls a type that they don't read what they call any other: one that they can't read would
    /// break the whole list for them.
    pub fn for_libraries(&mut self) {
        if !in_libraries(self.kind) {
            (self.kind, self.config) = (UNVERIFIED, None);
        }
    }

    /// Everything there is to show; `url` is what the provider is given.
    pub fn new(ids: &Ids, source: &'a Source, url: String, now: Timestamp) -> SourceOut<'a> {
        let (kind, verification) = match &source.verification {
            Verification::Nothing => (UNVERIFIED, None),
            Verification::Provider(row) => (row.name.as_str(), None),
            Verification::Row { text, .. } => (CUSTOM, serde_json::from_str(text).ok()),
        };
        SourceOut {
            id: ids.text(source.id),
            uid: source.uid.as_deref(),
            name: &source.name,
            ingest_url: url,
            kind,
            config: source.verification.row().map(|_| BTreeMap::new()),
            metadata: &source.metadata,
            application: ids.text(source.application),
            verification,
            secrets: source.live_secrets(now).len(),
            methods: &source.methods,
            max_body: source.max_body,
            event_type: source.event_type.as_deref(),
            channels: &source.channels,
            dedup: DeclaredDedup::from(&source.dedup.rule),
            dedup_window_seconds: source.dedup.window.map(|window| window.as_secs()),
            mode: source.mode.into(),
            set_up: source.set_up,
            cloud_events: source.cloud_events,
            public_key: source.public_key.as_deref(),
            refusal_status: source.refusal_status,
            reply: source.reply.clone().map(DeclaredReply::from),
            expires_at: source.expires_at.map(|end| end.to_string()),
            managed: source.managed,
            created_at: source.created_at.to_string(),
            updated_at: source.updated_at.to_string(),
        }
    }
}
