//! Where providers post to: a URL with a token in it, how its requests are verified, which of them
//! are the same event, what is answered, and whose messages they become.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::application::Metadata;
use crate::domain::headers::{check_header_name, check_header_value};
use crate::domain::id::{ApplicationId, SourceId};
use crate::domain::provider::{self, Provider};
use crate::domain::secret::Secret;
use crate::domain::subscription::{EVENT_TYPE_MAX, is_name};
use crate::domain::time::Timestamp;

/// Secrets of one source at most, older ones that still count included.
pub const SECRETS_MAX: usize = 10;
/// Tokens of one source at most, older ones that still count included.
pub const TOKENS_MAX: usize = 10;
/// Places of a dedup rule at most.
pub const DEDUP_FIELDS_MAX: usize = 20;
/// Bytes of a secret at most: a public key in PEM is the longest.
pub const SECRET_MAX: usize = 8 * 1024;
/// Bytes of a reply's body at most.
pub const REPLY_BODY_MAX: usize = 16 * 1024;
/// Characters of a URL's token at least: it is all that keeps strangers out of some sources.
pub const TOKEN_MIN: usize = 16;
/// Characters of a URL's token at most.
pub const TOKEN_MAX: usize = 128;
/// Methods that a source may take.
pub const METHODS: [&str; 7] = ["POST", "PUT", "PATCH", "GET", "HEAD", "DELETE", "OPTIONS"];

/// Whether this can be the token of a URL.
pub fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (TOKEN_MIN..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// Methods in capitals, each once; POST alone when none are named.
pub fn normal_methods(methods: Option<Vec<String>>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for method in methods.unwrap_or_else(|| vec!["POST".to_owned()]) {
        let method = method.to_ascii_uppercase();
        if !kept.contains(&method) {
            kept.push(method);
        }
    }
    kept
}

/// A secret, or a token, that counts until it expires; rotation leaves the old one for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expiring {
    /// As it is written.
    pub text: Secret,
    /// When it stops to count; `None` for what is current.
    pub expires_at: Option<Timestamp>,
}

impl Expiring {
    /// One that counts until it is replaced.
    pub fn current(text: &str) -> Expiring {
        Expiring { text: Secret::new(text.as_bytes().to_vec()), expires_at: None }
    }

    /// The text.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.text.expose()).expect("invariant: made of text")
    }

    /// Whether it counts.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// How it is known who sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verification {
    /// It is not: who knows the URL may send.
    Nothing,
    /// As the provider of this name signs.
    Provider(&'static Provider),
    /// By a row of the operator's own.
    Row {
        /// As it is kept: JSON.
        text: String,
        /// As it is used.
        row: Box<Provider>,
    },
}

impl Verification {
    /// By the name of a known provider.
    pub fn known(name: &str) -> Option<Verification> {
        provider::find(name).map(Verification::Provider)
    }

    /// By a row as JSON.
    pub fn own(text: String) -> Result<Verification, serde_json::Error> {
        let mut tree: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)?;
        for (field, value) in [("name", "custom"), ("title", "This source"), ("docs", "")] {
            tree.entry(field).or_insert_with(|| value.into());
        }
        let row: Provider = serde_json::from_value(tree.into())?;
        Ok(Verification::Row { text, row: Box::new(row) })
    }

    /// The row that requests are verified by.
    pub fn row(&self) -> Option<&Provider> {
        match self {
            Verification::Nothing => None,
            Verification::Provider(row) => Some(row),
            Verification::Row { row, .. } => Some(row),
        }
    }

    /// A word for it: the provider's name, `custom` or `none`.
    pub fn name(&self) -> &str {
        match self {
            Verification::Nothing => "none",
            Verification::Provider(row) => &row.name,
            Verification::Row { .. } => "custom",
        }
    }
}

/// Which requests are the same event.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum DedupRule {
    /// Those with the same event id, where the provider has one; else those with the same body.
    #[default]
    Event,
    /// Those in which these places hold the same: `header.x-id`, `query.id`, `body.data.id`.
    Fields(Vec<String>),
    /// Those with the same body.
    Body,
    /// None.
    Off,
}

/// The rule, and how long it remembers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Dedup {
    /// Which requests are the same event.
    pub rule: DedupRule,
    /// How long an event is remembered; `None` for `sources.dedup_window`.
    pub window: Option<Duration>,
}

/// What becomes of the requests of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Mode {
    /// They become messages.
    #[default]
    Active,
    /// They are verified and kept, and become messages when it is active again.
    Paused,
    /// They are verified and kept to be looked at, and nothing more.
    Inspect,
}

/// What a taken request is answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceReply {
    /// 200 to 299.
    pub status: u16,
    /// Names in lower case; `content-type` among them.
    pub headers: BTreeMap<String, String>,
    /// Up to [`REPLY_BODY_MAX`].
    pub body: String,
}

/// A source as the catalog keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Names it for ever.
    pub id: SourceId,
    /// The caller's own name for it, unique among sources.
    pub uid: Option<String>,
    /// What people call it.
    pub name: String,
    /// Whose messages its events become.
    pub application: ApplicationId,
    /// How it is known who sends.
    pub verification: Verification,
    /// The current secret first.
    pub secrets: Vec<Expiring>,
    /// What a handshake has to name (Meta, eBay).
    pub verify_token: Option<Secret>,
    /// What stands before answers to handshakes (Braintree).
    pub public_key: Option<String>,
    /// The last part of its URL, the current one first.
    pub tokens: Vec<Expiring>,
    /// Methods that bring events, of [`METHODS`].
    pub methods: Vec<String>,
    /// Bytes of a body at most; `None` for `intake.max_body`, which is the bound of any.
    pub max_body: Option<u64>,
    /// `None` for what the provider expects.
    pub reply: Option<SourceReply>,
    /// What a refused request is answered; `None` for what the provider expects, else 401.
    pub refusal_status: Option<u16>,
    /// Which requests are the same event.
    pub dedup: Dedup,
    /// Given to its messages.
    pub channels: Vec<String>,
    /// The event type of every message; `None` for what the provider says of each.
    pub event_type: Option<String>,
    /// What becomes of its requests.
    pub mode: Mode,
    /// Whether handshakes are answered that can't be signed yet, and secrets taken that they bring.
    pub set_up: bool,
    /// Whether who asks is permitted to send CloudEvents (their HTTP webhooks, section 4).
    pub cloud_events: bool,
    /// The caller's free text.
    pub metadata: Metadata,
    /// When it is deleted, with what it holds; `None` for one that stays.
    pub expires_at: Option<Timestamp>,
    /// Declared in `relay.toml`: the API may not change it.
    pub managed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A source that can't be kept: the field and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{field} {message}")]
pub struct SourceError {
    /// As `relay.toml` has it, `dedup.fields`.
    pub field: &'static str,
    /// What would be right.
    pub message: String,
}

impl Source {
    /// The secrets that count at `now`, the current one first.
    pub fn live_secrets(&self, now: Timestamp) -> Vec<&str> {
        self.secrets.iter().filter(|held| held.is_live(now)).map(Expiring::expose).collect()
    }

    /// The token that its URL is shown with.
    pub fn token(&self) -> &str {
        self.tokens.first().map_or("", Expiring::expose)
    }

    /// What endpoints may name it by.
    pub fn is_named(&self, name: &str, id_text: &str) -> bool {
        name == id_text || self.uid.as_deref() == Some(name)
    }

    /// Everything that is wrong with it.
    pub fn problems(&self) -> Vec<SourceError> {
        let mut found = Vec::new();
        let mut add = |field: &'static str, message: String| {
            found.push(SourceError { field, message });
        };
        if self.secrets.len() > SECRETS_MAX {
            add("secrets", format!("are more than {SECRETS_MAX}"));
        }
        if self.secrets.iter().any(|held| held.text.expose().is_empty()) {
            add("secrets", "hold an empty one, with which anybody could sign".to_owned());
        }
        if self.secrets.iter().any(|held| held.text.expose().len() > SECRET_MAX) {
            add("secrets", format!("have at most {SECRET_MAX} bytes each"));
        }
        let unknown = |method: &&String| !METHODS.contains(&method.as_str());
        if let Some(method) = self.methods.iter().find(unknown) {
            add("methods", format!("`{method}` is none of {}", METHODS.join(", ")));
        }
        if self.methods.is_empty() {
            add("methods", "must name one at least".to_owned());
        }
        if let DedupRule::Fields(places) = &self.dedup.rule {
            let (count, most) = (places.len(), DEDUP_FIELDS_MAX);
            if !(1..=most).contains(&count) {
                add("dedup.fields", format!("name 1 to {most} places"));
            }
            if let Some(place) = places.iter().find(|place| !provider::is_place(place)) {
                let words = "is no place: write header.NAME, query.NAME or body.FIELD";
                add("dedup.fields", format!("`{place}` {words}"));
            }
        }
        if let Some(reply) = &self.reply {
            if !(200..300).contains(&reply.status) {
                add("reply.status", "must be 200 to 299: any other has it sent again".to_owned());
            }
            for (name, value) in &reply.headers {
                // HTTP and the relay set the rest.
                let checked = if name.eq_ignore_ascii_case("content-type") {
                    Ok(())
                } else {
                    check_header_name(name)
                };
                if let Err(error) = checked.and_then(|()| check_header_value(value)) {
                    add("reply.headers", format!("{name:?} {error}"));
                }
            }
            if reply.body.len() > REPLY_BODY_MAX {
                add("reply.body", format!("has at most {REPLY_BODY_MAX} bytes"));
            }
        }
        if self.refusal_status.is_some_and(|status| !(400..600).contains(&status)) {
            add("refusal_status", "must be 400 to 599".to_owned());
        }
        let shown = |key: &String| (1..=SECRET_MAX).contains(&key.len()) && key.is_ascii();
        if !self.public_key.as_ref().is_none_or(shown) {
            add("public_key", format!("has 1 to {SECRET_MAX} ASCII characters"));
        }
        if self.event_type.as_ref().is_some_and(|name| !is_name(name, EVENT_TYPE_MAX)) {
            let words = "is no event type: letters, digits, `-`, `_` and `.`";
            add("event_type", words.to_owned());
        }
        found
    }
}
