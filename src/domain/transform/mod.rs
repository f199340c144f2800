//! What changes a delivery's request on its way to one endpoint.
//!
//! A [`Transform`] is a list of declared steps, done here, or a script, run by `engine::script`.
//! Either makes of an [`Outgoing`] and its [`Context`] another one, nothing at all (the delivery is
//! dropped), or a [`Failure`]. Start with [`Transform`], [`step::Step`] and [`result`].

pub mod cloudevents;
pub mod content;
mod failure;
pub mod path;
pub mod result;
pub mod step;
pub mod template;

use std::collections::BTreeMap;

pub use failure::{Failure, Part};
use serde::{Deserialize, Serialize};

/// Bytes of a script's code at most.
pub const CODE_MAX: usize = 1 << 20;
/// Bytes of the body that a transform makes at most.
pub const OUTPUT_MAX: usize = 4 << 20;

/// A change of requests, as `relay.toml` and the API write it: `{ "steps": [{ "pick": "data" }] }`
/// or `{ "script": "function handler(webhook) { return webhook }" }`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Declared steps, done one after the other.
    Steps(Vec<step::Step>),
    /// The code of a script.
    Script(String),
}

impl Transform {
    /// Reads one from JSON; the error says where it is wrong.
    pub fn parse(json: &str) -> Result<Transform, String> {
        let reader = &mut serde_json::Deserializer::from_str(json);
        let read: Transform =
            serde_path_to_error::deserialize(reader).map_err(|error| error.to_string())?;
        read.check().map_err(|failure| failure.to_string())?;
        Ok(read)
    }

    /// Checks what can be said before there is a message. Whether a script can be read and has a
    /// handler is said by `engine::script` alone.
    pub fn check(&self) -> Result<(), Failure> {
        match self {
            Transform::Steps(steps) => step::check(steps),
            Transform::Script(code) if code.len() > CODE_MAX => {
                Err(Failure::TooLarge { what: Part::Code, limit: CODE_MAX })
            }
            Transform::Script(_) => Ok(()),
        }
    }
}

/// The request as it stands before the delivery is signed: what a transform may change.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Outgoing {
    /// `POST`.
    pub method: String,
    /// Where it goes, with its query.
    pub url: String,
    /// Names in any case, and values, in the order they are sent.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, which are written beside the rest.
    #[serde(skip)]
    pub body: Vec<u8>,
}

impl Outgoing {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Sets a header in the place where it stands, or at the end.
    pub fn set_header(&mut self, name: &str, value: &str) {
        let mut value = Some(value.to_owned());
        self.headers.retain_mut(|(held, old)| {
            if !held.eq_ignore_ascii_case(name) {
                return true;
            }
            value.take().map(|value| *old = value).is_some()
        });
        self.headers.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// Takes a header away, in whatever case its name is written.
    pub fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(held, _)| !held.eq_ignore_ascii_case(name));
    }
}

/// What a transform is told of the message beside the request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Context {
    /// `msg_…`.
    pub message_id: String,
    /// `invoice.paid`.
    pub event_type: String,
    /// The source that it came in by; none for one that was posted to the API.
    pub source: Option<String>,
    /// Whether the source's signature was checked and held.
    pub verified: bool,
    /// `ep_…`.
    pub endpoint_id: String,
    /// `app_…`.
    pub application_id: String,
    /// When the message was accepted, milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: u64,
    /// Values that the operator gives to transforms.
    pub env: BTreeMap<String, String>,
    /// Path of the request that came in, `/in/github`; empty for one that was posted to the API.
    pub path: String,
    /// Its query without the question mark, `a=1&b=2`.
    pub query: String,
}

/// What came of a transform.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran {
    /// What to send; `None` when the transform dropped the delivery.
    pub result: Result<Option<Outgoing>, Failure>,
    /// What the script wrote with `console.…`, in order, also when it failed.
    pub console: Vec<ConsoleLine>,
    /// Lines that it wrote beyond what is kept.
    pub console_left_out: u64,
}

/// A line that a script wrote.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConsoleLine {
    /// By which function.
    pub level: ConsoleLevel,
    /// What, shortened when it is long.
    pub text: String,
}

/// The functions of `console`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleLevel {
    /// `console.debug`.
    Debug,
    /// `console.log`.
    Log,
    /// `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
}

impl ConsoleLevel {
    /// Every one.
    pub const ALL: [ConsoleLevel; 5] = [
        ConsoleLevel::Debug,
        ConsoleLevel::Log,
        ConsoleLevel::Info,
        ConsoleLevel::Warn,
        ConsoleLevel::Error,
    ];

    /// Its name in JavaScript and in the API.
    pub fn name(self) -> &'static str {
        match self {
            ConsoleLevel::Debug => "debug",
            ConsoleLevel::Log => "log",
            ConsoleLevel::Info => "info",
            ConsoleLevel::Warn => "warn",
            ConsoleLevel::Error => "error",
        }
    }
}
