//! Where an alert goes: a URL it is posted to, or a mail server.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::book::cut;
use super::mail::Mailer;
use super::message::Message;
use crate::config::alert::{AlertFormat, DeclaredAlert};
use crate::config::secrets::AlertSecrets;
use crate::domain::delivery::Outcome;
use crate::domain::time::Clock;
use crate::engine::resolver::GuardedResolver;
use crate::engine::transport::{OutgoingRequest, Transport};

/// Bytes of an answer that are shown.
const ANSWER_MAX: usize = 300;

/// What every destination is reached by.
#[derive(Clone)]
pub struct Ways {
    /// That of the deliveries.
    pub transport: Arc<dyn Transport>,
    /// That of the deliveries, for mail servers.
    pub resolver: Arc<GuardedResolver>,
    /// For the date of a mail.
    pub clock: Arc<dyn Clock>,
    /// `alerts.timeout`.
    pub timeout: Duration,
}

/// A destination.
pub enum Outlet {
    /// A URL.
    Post(Post),
    /// A mail server.
    Mail(Box<Mailer>),
}

/// What a URL takes.
pub struct Post {
    url: Arc<str>,
    format: AlertFormat,
    headers: BTreeMap<String, String>,
}

/// Why a message was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// In words.
    pub reason: String,
    /// How long the destination asked to be left alone.
    pub wait: Option<Duration>,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl From<String> for Refused {
    fn from(reason: String) -> Refused {
        Refused { reason, wait: None }
    }
}

impl Outlet {
    /// The destination of an entry that passed its checks; the error says what is missing.
    pub fn of(alert: &DeclaredAlert, secrets: &AlertSecrets) -> Result<Outlet, String> {
        if let Some(smtp) = &alert.smtp {
            let mailer = Mailer::new(smtp.clone(), secrets.password.clone())?;
            return Ok(Outlet::Mail(Box::new(mailer)));
        }
        let url = secrets.url.as_ref().and_then(|url| std::str::from_utf8(url.expose()).ok());
        let url = url.ok_or_else(|| format!("the alert {} has no url", alert.name))?;
        let parsed = Url::parse(url).map_err(|error| error.to_string())?;
        Ok(Outlet::Post(Post {
            url: url.into(),
            format: alert.format.unwrap_or_else(|| AlertFormat::of(&parsed)),
            headers: alert.headers.clone(),
        }))
    }

    /// Sends a message and tells what came back, blocking for `ways.timeout` at most.
    pub fn send(&self, message: &Message, ways: &Ways) -> Result<String, Refused> {
        match self {
            Outlet::Post(post) => post.send(message, ways),
            Outlet::Mail(mailer) => mailer.send(message, ways),
        }
    }
}

impl Post {
    fn send(&self, message: &Message, ways: &Ways) -> Result<String, Refused> {
        let own = |name: &str| self.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
        let usual = [("content-type", "application/json")].into_iter();
        let usual = usual.filter(|(name, _)| !own(name));
        let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        let answer = ways.transport.send(&OutgoingRequest {
            method: Cow::Borrowed("POST"),
            url: Arc::clone(&self.url),
            headers: usual.chain(headers).collect(),
            body: Bytes::from(message.body(self.format).to_string()),
            timeout: ways.timeout,
            endpoint: None,
            answer_limit: None,
        });
        let said = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let said = cut(said, ANSWER_MAX);
        match answer.outcome {
            Outcome::Delivered => Ok(format!("{} {said}", answer.status_code).trim().to_owned()),
            Outcome::Blocked => {
                let words = "its address is not public and guard.allow does not open it";
                Err(Refused::from(words.to_owned()))
            }
            Outcome::Status => {
                let reason = format!("it answered {}: {said}", answer.status_code);
                Err(Refused { reason, wait: answer.retry_after })
            }
            _ => Err(Refused::from(said)),
        }
    }
}
