//! What `relay.toml` declares: applications, event types, endpoints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::secrets::{self, SecretText};
use super::source::DeclaredSource;
use super::{Config, validate_declared};
use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::egress::{EndpointAuth, EndpointTls};
use crate::domain::endpoint_url::parse_endpoint_url;
use crate::domain::filter::{Filter, FilterError};
use crate::domain::transform::Transform;

/// Bytes of a file with a transformation at most.
const TRANSFORM_FILE_MAX: u64 = 1 << 20;

/// `[[application]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredApplication {
    /// Its uid, by which `[[endpoint]]` names it.
    pub uid: String,
    /// What people call it; the uid when unset.
    pub name: Option<String>,
    /// Messages a second over all its endpoints.
    pub throttle_rate: Option<u16>,
    /// Free text.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// `[[event_type]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredEventType {
    /// `invoice.paid`.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

/// `[[endpoint]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredEndpoint {
    /// Its uid, unique in the application.
    pub uid: String,
    /// The uid of its application; `default` when unset.
    #[serde(default = "default_application")]
    pub application: String,
    /// Where to POST.
    pub url: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Event types or patterns; all when empty.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Channels; all when empty.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Sent with every delivery.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `whsec_…` or `whsk_…`; made on first start when neither is set.
    pub secret: Option<SecretText>,
    /// A file that holds it.
    pub secret_file: Option<PathBuf>,
    /// Messages a second.
    pub throttle_rate: Option<u16>,
    /// How its deliveries are made.
    #[serde(default)]
    pub delivery: DeliverySettings,
    /// A file that holds `auth` and `tls` of them, as TOML.
    pub credentials_file: Option<PathBuf>,
    /// Free text.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Sources by uid or id; all, and what is sent, when empty.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What must hold of the content: a table, or JSON as text.
    pub filter: Option<Value>,
    /// What changes its requests: steps or a script.
    pub transform: Option<Transform>,
    /// A file that holds it: `.js` a script, any other steps as TOML.
    pub transform_file: Option<PathBuf>,
    /// What the transformation reads by name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Takes nothing while true.
    #[serde(default)]
    pub disabled: bool,
}

/// What a file of credentials holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    auth: Option<EndpointAuth>,
    tls: Option<EndpointTls>,
}

impl DeclaredEndpoint {
    /// The transformation, read of its file where it stands in one, or what is wrong with it: the
    /// setting and a message.
    pub fn transform(&self) -> Result<Option<Transform>, (&'static str, String)> {
        let (setting, transform) = match (&self.transform, &self.transform_file) {
            (Some(_), Some(_)) => {
                let words = "both transform and transform_file are set, leave one out";
                return Err(("transform_file", words.to_owned()));
            }
            (None, None) => return Ok(None),
            (Some(transform), None) => ("transform", transform.clone()),
            (None, Some(path)) => {
                let read = read_transform(path).map_err(|message| ("transform_file", message))?;
                ("transform_file", read)
            }
        };
        transform.check().map_err(|failure| (setting, failure.to_string()))?;
        Ok(Some(transform))
    }

    /// How its deliveries are made, with what stands in the file for their credentials, or what is
    /// wrong with that: the setting and a message.
    pub fn delivery(&self) -> Result<DeliverySettings, (&'static str, String)> {
        let mut delivery = self.delivery.clone();
        if let Some(path) = &self.credentials_file {
            add_credentials(&mut delivery, path).map_err(|words| ("credentials_file", words))?;
        }
        // As it is sent; one that can't be read is told of with the other problems.
        if let Some(EndpointAuth::Oauth2(client)) = &mut delivery.auth
            && let Ok(url) = parse_endpoint_url(&client.token_url)
        {
            client.token_url = url.to_string();
        }
        Ok(delivery)
    }

    /// The filter, read.
    pub fn filter(&self) -> Result<Option<Filter>, FilterError> {
        match &self.filter {
            None => Ok(None),
            Some(Value::String(text)) => Filter::parse_text(text).map(Some),
            Some(tree) => Filter::parse(tree).map(Some),
        }
    }
}

/// What is wrong with declared parts, for a relay with this guard and these proxies: pairs of a
/// setting's path and a message.
pub fn problems(
    config: &Config,
    applications: &[DeclaredApplication],
    event_types: &[DeclaredEventType],
    endpoints: &[DeclaredEndpoint],
    sources: &[DeclaredSource],
) -> Vec<(String, String)> {
    validate_declared::check(&Config {
        applications: applications.to_vec(),
        event_types: event_types.to_vec(),
        endpoints: endpoints.to_vec(),
        declared_sources: sources.to_vec(),
        guard: config.guard.clone(),
        egress: config.egress.clone(),
        proxies: config.proxies.clone(),
        ..Config::default()
    })
}

fn add_credentials(delivery: &mut DeliverySettings, path: &Path) -> Result<(), String> {
    let text = secrets::read_file(path, true)?;
    // The error of the library would show the line.
    let unreadable = |error: toml::de::Error| format!("{}: {}", path.display(), error.message());
    let Credentials { auth, tls } = toml::from_str(&text).map_err(unreadable)?;
    if auth.is_some() && delivery.auth.is_some() || tls.is_some() && delivery.tls.is_some() {
        return Err("has what stands in delivery too, leave one out".to_owned());
    }
    delivery.auth = delivery.auth.take().or(auth);
    delivery.tls = delivery.tls.take().or(tls);
    Ok(())
}

fn read_transform(path: &Path) -> Result<Transform, String> {
    let shown = path.display();
    let length = fs::metadata(path).map(|metadata| metadata.len());
    let most = TRANSFORM_FILE_MAX;
    if length.is_ok_and(|length| length > most) {
        return Err(format!("{shown} has more than {most} bytes"));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("can't read {shown}: {error}"))?;
    if path.extension().is_some_and(|extension| extension == "js") {
        return Ok(Transform::Script(text));
    }
    toml::from_str(&text).map_err(|error| format!("{shown}: {error}"))
}

fn default_application() -> String {
    "default".to_owned()
}
