//! What `[[alert]]` declares, and what may be wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Config;
use super::secrets::SecretText;
use super::units::{Size, Span};
use super::validate_declared::{headers, name_problem};
use crate::domain::alert::Condition;

/// Entries at most.
pub const ALERTS_MAX: usize = 50;
/// Addresses that one entry writes to at most.
pub const RECIPIENTS_MAX: usize = 50;
/// The longest mail address, in bytes.
const ADDRESS_MAX: usize = 254;
const DAY: u64 = 24 * 3_600;

/// `[[alert]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredAlert {
    /// Its name, unique among alerts.
    pub name: String,
    /// What it tells of.
    #[serde(default = "every_condition")]
    pub on: Vec<Condition>,
    /// Where it is posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretText>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// How it is written; told by the URL's host when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<AlertFormat>,
    /// Sent with every post.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// When an endpoint fails for too long.
    #[serde(default = "half_an_hour")]
    pub endpoint_failing: LongerThan,
    /// When it is parked for too long.
    #[serde(default = "half_an_hour")]
    pub endpoint_parked: LongerThan,
    /// When there are too many dead letters.
    #[serde(default)]
    pub dead_letters: ManyDead,
    /// When what is due waits for too long.
    #[serde(default = "half_an_hour")]
    pub backlog_age: LongerThan,
    /// When space is short.
    #[serde(default)]
    pub disk_low: LittleSpace,
    /// When a source refuses too much.
    #[serde(default)]
    pub source_refusing: ManyRefused,
    /// The mail server that it is given to, instead of `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
}

/// `endpoint_failing = { after = "30m" }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongerThan {
    /// For how long.
    pub after: Span,
}

/// `dead_letters = { count = 10, within = "1h" }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManyDead {
    /// So many,
    pub count: u64,
    /// within so long.
    pub within: Span,
}

/// `disk_low = { margin = "256 MiB" }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LittleSpace {
    /// Free bytes beyond those at which nothing is accepted any more.
    pub margin: Size,
}

/// `source_refusing = { count = 100, share = 0.5, least = 10, within = "10m" }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManyRefused {
    /// So many refused,
    pub count: u64,
    /// or more than this share of what came,
    pub share: f64,
    /// if so many came at least,
    pub least: u64,
    /// within so long.
    pub within: Span,
}

/// `[alert.smtp]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The server's name or address.
    pub host: String,
    /// Its port; 465, 587 or 25, as `tls` says, when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How it is spoken to.
    #[serde(default)]
    pub tls: SmtpTls,
    /// A file with certificates of authorities that are believed too, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Who logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// With what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
    /// A file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Who writes.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
}

impl Smtp {
    /// The port that is connected to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmtpTls::Implicit => 465,
            SmtpTls::Starttls => 587,
            SmtpTls::None => 25,
        })
    }

    /// The authorities in `ca_file`, or what is wrong with it.
    pub fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        let shown = path.display();
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        let found: Vec<_> = read.map_err(|error| format!("can't read {shown}: {error}"))?;
        if found.is_empty() { Err(format!("{shown} holds no certificate")) } else { Ok(found) }
    }
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// In TLS from the first byte.
    Implicit,
    /// In TLS before anything of value is said.
    #[default]
    Starttls,
    /// In the clear, without a password.
    None,
}

/// How an alert is written for whom it is posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertFormat {
    /// As Slack's incoming webhooks take it.
    Slack,
    /// As Discord's webhooks take it.
    Discord,
    /// As docs/operations.md tells.
    Json,
}

impl AlertFormat {
    /// What the host of this URL takes.
    pub fn of(url: &Url) -> AlertFormat {
        let host = url.host_str().unwrap_or_default();
        let is = |name: &str| host == name || host.ends_with(&format!(".{name}"));
        match () {
            () if is("hooks.slack.com") => AlertFormat::Slack,
            () if is("discord.com") || is("discordapp.com") => AlertFormat::Discord,
            () => AlertFormat::Json,
        }
    }
}

impl Default for ManyDead {
    fn default() -> ManyDead {
        ManyDead { count: 10, within: Span(Duration::from_secs(3_600)) }
    }
}

impl Default for LittleSpace {
    fn default() -> LittleSpace {
        LittleSpace { margin: Size(256 << 20) }
    }
}

impl Default for ManyRefused {
    fn default() -> ManyRefused {
        ManyRefused { count: 100, share: 0.5, least: 10, within: Span(Duration::from_secs(600)) }
    }
}

fn every_condition() -> Vec<Condition> {
    Condition::ALL.to_vec()
}

fn half_an_hour() -> LongerThan {
    LongerThan { after: Span(Duration::from_secs(1_800)) }
}

/// Problems as pairs of a setting's path and a message.
pub(super) fn check(config: &Config) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if config.declared_alerts.len() > ALERTS_MAX {
        found.push(("alert".to_owned(), format!("more than {ALERTS_MAX} alerts")));
    }
    let mut seen = BTreeSet::new();
    for (index, alert) in config.declared_alerts.iter().enumerate() {
        let mut add = |key: &str, message: String| {
            found.push((format!("alert[{index}].{key}"), message));
        };
        name_problem(&alert.name).into_iter().for_each(|message| add("name", message));
        if !seen.insert(&alert.name) {
            add("name", format!("a second alert `{}`", alert.name));
        }
        if alert.on.is_empty() {
            add("on", "is empty: it would tell of nothing".to_owned());
        }
        destination(alert, &mut add);
        thresholds(alert, &mut add);
    }
    found
}

fn destination(alert: &DeclaredAlert, add: &mut impl FnMut(&str, String)) {
    let posted = alert.url.is_some() || alert.url_file.is_some();
    match (&alert.smtp, posted) {
        (None, false) => add("url", "is missing: set it, url_file or [alert.smtp]".to_owned()),
        (Some(_), true) => {
            let words = "stands beside url: make an [[alert]] for each destination";
            add("smtp", words.to_owned());
        }
        (Some(smtp), false) => {
            if alert.format.is_some() || !alert.headers.is_empty() {
                let key = if alert.format.is_some() { "format" } else { "headers" };
                add(key, "goes with url; a mail has none".to_owned());
            }
            mail(smtp, add);
        }
        (None, true) => headers(&alert.headers, add),
    }
}

fn mail(smtp: &Smtp, add: &mut impl FnMut(&str, String)) {
    if smtp.host.is_empty() || !smtp.host.bytes().all(|byte| byte.is_ascii_graphic()) {
        add("smtp.host", "is no name and no address of a mail server".to_owned());
    }
    if smtp.port == Some(0) {
        add("smtp.port", "0 is no port".to_owned());
    }
    let given = smtp.password.is_some() || smtp.password_file.is_some();
    match (&smtp.username, given) {
        (Some(_), false) => add("smtp.password", "is missing beside username".to_owned()),
        (None, true) => add("smtp.username", "is missing beside password".to_owned()),
        (Some(_), true) if smtp.tls == SmtpTls::None => {
            let words = "\"none\" would show the password to the network: use \"starttls\" or \
                         \"implicit\", or leave username out";
            add("smtp.tls", words.to_owned());
        }
        _ => {}
    }
    if let Err(message) = smtp.authorities() {
        add("smtp.ca_file", message);
    }
    if !is_address(&smtp.from) {
        add("smtp.from", format!("`{}` is no mail address", smtp.from));
    }
    if smtp.to.is_empty() || smtp.to.len() > RECIPIENTS_MAX {
        add("smtp.to", format!("has 1 to {RECIPIENTS_MAX} addresses"));
    }
    for (index, address) in smtp.to.iter().enumerate().filter(|(_, address)| !is_address(address)) {
        add(&format!("smtp.to[{index}]"), format!("`{address}` is no mail address"));
    }
}

fn thresholds(alert: &DeclaredAlert, add: &mut impl FnMut(&str, String)) {
    let mut span = |key: &str, value: Span, most: u64| {
        let (least, most) = (Span(Duration::from_millis(100)), Span(Duration::from_secs(most)));
        if value < least || value > most {
            add(key, format!("{value} is out of range, {least} to {most} is right"));
        }
    };
    span("endpoint_failing.after", alert.endpoint_failing.after, 365 * DAY);
    span("endpoint_parked.after", alert.endpoint_parked.after, 365 * DAY);
    span("backlog_age.after", alert.backlog_age.after, 365 * DAY);
    span("dead_letters.within", alert.dead_letters.within, 7 * DAY);
    span("source_refusing.within", alert.source_refusing.within, 7 * DAY);
    let refused = &alert.source_refusing;
    for (key, count) in [
        ("dead_letters.count", alert.dead_letters.count),
        ("source_refusing.count", refused.count),
        ("source_refusing.least", refused.least),
    ] {
        if count == 0 {
            add(key, "0 is out of range, at least 1 is right".to_owned());
        }
    }
    if !(0.0..=1.0).contains(&refused.share) {
        add("source_refusing.share", format!("{} is out of range, 0 to 1 is right", refused.share));
    }
}

/// A plain address, `ops@example.com`, without a name around it.
fn is_address(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&byte);
    let parts = text.rsplit_once('@');
    text.len() <= ADDRESS_MAX
        && text.bytes().all(fits)
        && parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
}
