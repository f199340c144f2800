//! What `[[source]]` declares, and what may be wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Config;
use super::secrets::SecretText;
use super::units::{Size, Span};
use super::validate_declared::{DEFAULT_APPLICATION, name_problem};
use crate::domain::id::{Id, Stamp};
use crate::domain::source::{
    Dedup, DedupRule, Mode, SECRETS_MAX, Source, SourceReply, Verification, normal_methods,
};
use crate::domain::subscription::Subscription;
use crate::domain::time::Timestamp;

/// `[[source]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredSource {
    /// Its uid, unique among sources.
    pub uid: String,
    /// What people call it; the uid when unset.
    pub name: Option<String>,
    /// The uid of the application whose messages its events become.
    #[serde(default = "default_application")]
    pub application: String,
    /// Whose signatures are verified; `none` for nobody's.
    pub provider: Option<String>,
    /// A row as the providers' table has them, instead of `provider`.
    pub verification: Option<serde_json::Value>,
    /// What requests are signed with.
    pub secret: Option<SecretText>,
    /// A file that holds it.
    pub secret_file: Option<PathBuf>,
    /// Several, of which any may have signed; the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretText>,
    /// Files that hold one each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_files: Vec<PathBuf>,
    /// The end of its URL; made on first start when neither is set.
    pub token: Option<SecretText>,
    /// A file that holds it.
    pub token_file: Option<PathBuf>,
    /// What a handshake has to name (Meta).
    pub verify_token: Option<SecretText>,
    /// Methods that bring events.
    #[serde(default = "post")]
    pub methods: Vec<String>,
    /// The largest body; `intake.max_body` when unset.
    pub max_body: Option<Size>,
    /// The type of every message; what the provider says of each when unset.
    pub event_type: Option<String>,
    /// Given to its messages.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Which requests are the same event.
    #[serde(default)]
    pub dedup: DeclaredDedup,
    /// How long an event is remembered; `sources.dedup_window` when unset.
    pub dedup_window: Option<Span>,
    /// What becomes of its requests.
    #[serde(default)]
    pub mode: DeclaredMode,
    /// Answers handshakes that can't be signed yet.
    #[serde(default)]
    pub set_up: bool,
    /// Permits who asks to send CloudEvents.
    #[serde(default)]
    pub cloud_events: bool,
    /// What stands before answers to handshakes (Braintree).
    pub public_key: Option<String>,
    /// What a refused request is answered.
    pub refusal_status: Option<u16>,
    /// What a taken request is answered.
    pub reply: Option<DeclaredReply>,
    /// Free text.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// `dedup = "event"`, or a list of places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write \"event\", \"body\", \"off\" or a list of places")]
pub enum DeclaredDedup {
    /// A word for the rule.
    Word(DedupWord),
    /// `["header.x-id", "body.data.id"]`.
    Places(Vec<String>),
}

/// A rule without places.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DedupWord {
    /// The provider's event id, else the body.
    Event,
    /// The body.
    Body,
    /// Every request is an event of its own.
    Off,
}

impl Default for DeclaredDedup {
    fn default() -> DeclaredDedup {
        DeclaredDedup::Word(DedupWord::Event)
    }
}

impl DeclaredDedup {
    /// The rule.
    pub fn rule(&self) -> DedupRule {
        match self {
            DeclaredDedup::Word(DedupWord::Event) => DedupRule::Event,
            DeclaredDedup::Word(DedupWord::Body) => DedupRule::Body,
            DeclaredDedup::Word(DedupWord::Off) => DedupRule::Off,
            DeclaredDedup::Places(places) => DedupRule::Fields(places.clone()),
        }
    }
}

impl From<&DedupRule> for DeclaredDedup {
    fn from(rule: &DedupRule) -> DeclaredDedup {
        match rule {
            DedupRule::Event => DeclaredDedup::Word(DedupWord::Event),
            DedupRule::Body => DeclaredDedup::Word(DedupWord::Body),
            DedupRule::Off => DeclaredDedup::Word(DedupWord::Off),
            DedupRule::Fields(places) => DeclaredDedup::Places(places.clone()),
        }
    }
}

/// `mode = "active"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredMode {
    /// Requests become messages.
    #[default]
    Active,
    /// They are held until it is active again.
    Paused,
    /// They are shown and nothing more.
    Inspect,
}

impl From<DeclaredMode> for Mode {
    fn from(mode: DeclaredMode) -> Mode {
        match mode {
            DeclaredMode::Active => Mode::Active,
            DeclaredMode::Paused => Mode::Paused,
            DeclaredMode::Inspect => Mode::Inspect,
        }
    }
}

impl From<Mode> for DeclaredMode {
    fn from(mode: Mode) -> DeclaredMode {
        match mode {
            Mode::Active => DeclaredMode::Active,
            Mode::Paused => DeclaredMode::Paused,
            Mode::Inspect => DeclaredMode::Inspect,
        }
    }
}

/// `reply = { … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredReply {
    /// 200 to 299.
    #[serde(default = "ok")]
    pub status: u16,
    /// Names and values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Text.
    #[serde(default)]
    pub body: String,
}

impl From<DeclaredReply> for SourceReply {
    fn from(reply: DeclaredReply) -> SourceReply {
        let DeclaredReply { status, headers, body } = reply;
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        SourceReply { status, headers: headers.into_iter().map(lower).collect(), body }
    }
}

impl From<SourceReply> for DeclaredReply {
    fn from(reply: SourceReply) -> DeclaredReply {
        let SourceReply { status, headers, body } = reply;
        DeclaredReply { status, headers, body }
    }
}

impl DeclaredSource {
    /// How it is known who sends, or what is wrong with what says so: a field and a message.
    pub fn verified_by(&self) -> Result<Verification, (&'static str, String)> {
        match (&self.provider, &self.verification) {
            (Some(_), Some(_)) => {
                Err(("verification", "stands beside provider: leave one of them out".to_owned()))
            }
            (None, None) => {
                let words = "is missing: a provider (`relay source providers` lists them), or \
                             \"none\" to verify nothing";
                Err(("provider", words.to_owned()))
            }
            (Some(name), None) if name == "none" => Ok(Verification::Nothing),
            (Some(name), None) => Verification::known(name).ok_or_else(|| {
                let words = "is no provider that is known; `relay source providers` lists them";
                ("provider", format!("`{name}` {words}"))
            }),
            (None, Some(row)) => Verification::own(row.to_string())
                .map_err(|error| ("verification", format!("is no row: {error}"))),
        }
    }

    /// The source but for its names, secrets and times, which only a folder gives it.
    pub fn source(&self, verification: Verification) -> Source {
        Source {
            id: Id::new(Stamp(0)),
            uid: Some(self.uid.clone()),
            name: self.name.clone().unwrap_or_else(|| self.uid.clone()),
            application: Id::new(Stamp(0)),
            verification,
            secrets: Vec::new(),
            verify_token: None,
            tokens: Vec::new(),
            methods: normal_methods(Some(self.methods.clone())),
            max_body: self.max_body.map(|size| size.0),
            reply: self.reply.clone().map(SourceReply::from),
            refusal_status: self.refusal_status,
            dedup: Dedup {
                rule: self.dedup.rule(),
                window: self.dedup_window.map(|window| window.0),
            },
            channels: self.channels.clone(),
            event_type: self.event_type.clone(),
            mode: self.mode.into(),
            set_up: self.set_up,
            cloud_events: self.cloud_events,
            public_key: self.public_key.clone(),
            metadata: self.metadata.clone(),
            expires_at: None,
            managed: true,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    /// How many secrets the file gives.
    fn secrets_given(&self) -> usize {
        let one = usize::from(self.secret.is_some() || self.secret_file.is_some());
        one + self.secrets.len() + self.secret_files.len()
    }
}

/// Problems as pairs of a setting's path and a message.
pub(super) fn check(config: &Config) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, source) in config.declared_sources.iter().enumerate() {
        let mut add = |key: &str, message: String| {
            found.push((format!("source[{index}].{key}"), message));
        };
        name_problem(&source.uid).into_iter().for_each(|message| add("uid", message));
        if !seen.insert(&source.uid) {
            add("uid", format!("a second source `{}`", source.uid));
        }
        let declared = config.applications.iter().any(|one| one.uid == source.application);
        if !declared && source.application != DEFAULT_APPLICATION {
            let message = format!("no [[application]] has the uid `{}`", source.application);
            add("application", message);
        }
        if source.secret.is_some() && source.secret_file.is_some() {
            let words = "both secret and secret_file are set, leave one out";
            add("secret_file", words.to_owned());
        }
        let verification = match source.verified_by() {
            Ok(verification) => verification,
            Err((field, message)) => {
                add(field, message);
                Verification::Nothing
            }
        };
        if let Some(row) = verification.row()
            && row.needs_secret()
            && source.secrets_given() == 0
            && !source.set_up
        {
            let words = format!("is missing: {} signs with one", row.title);
            add("secret", words);
        }
        if source.secrets_given() > SECRETS_MAX {
            add("secrets", format!("are more than {SECRETS_MAX}"));
        }
        for problem in source.source(verification).problems() {
            add(problem.field, problem.message);
        }
        if let Err(error) = Subscription::parse(Vec::new(), source.channels.clone()) {
            add("channels", error.to_string());
        }
        super::validate_declared::metadata_problem(&source.metadata)
            .into_iter()
            .for_each(|message| add("metadata", message));
    }
    found
}

fn default_application() -> String {
    DEFAULT_APPLICATION.to_owned()
}

fn post() -> Vec<String> {
    vec!["POST".to_owned()]
}

fn ok() -> u16 {
    200
}
