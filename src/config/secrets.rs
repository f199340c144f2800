//! Secrets: given in place, in a file of their own, or as a systemd credential.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::alert::DeclaredAlert;
use super::source::DeclaredSource;
use super::validate_declared::closed;
use super::{Config, Data};
use crate::domain::endpoint_url::parse_endpoint_url;
use crate::domain::secret::{Secret, read_operator_key};
use crate::domain::signature::SigningKey;
use crate::domain::source::{SECRET_MAX, TOKEN_MAX, TOKEN_MIN, is_token};

/// The most that is read of a secret's file, in bytes.
const FILE_LIMIT: u64 = 64 << 10;
const JWT_SECRET_MIN: usize = 16;
/// The most older sealing keys.
pub const PREVIOUS_SEALING_KEYS_MAX: usize = 16;

/// A secret written in the file or a variable; neither `Debug` nor printing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretText(Secret);

impl SecretText {
    /// As if it had been written in the file.
    pub fn new(text: &str) -> SecretText {
        SecretText(Secret::new(text.as_bytes().to_vec()))
    }

    /// The text, for whoever parses it.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.0.expose()).expect("invariant: made from a string")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
        // The error of the library would quote what was given.
        let text = String::deserialize(deserializer)
            .map_err(|_| serde::de::Error::custom("a secret is text in quotes"))?;
        Ok(SecretText(Secret::new(text.into_bytes())))
    }
}

/// Always the same words.
impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

/// Every secret of the configuration, read and checked.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Secrets {
    /// `auth.operator_key`; made in the data folder when `None`.
    pub operator_key: Option<Secret>,
    /// `auth.jwt_secret`; HS256 tokens are refused when `None`.
    pub jwt_secret: Option<Secret>,
    /// The 32 bytes of `data.sealing_key`; made in the data folder when `None`.
    pub sealing_key: Option<Secret>,
    /// 32 bytes each of `data.previous_sealing_keys`.
    pub previous_sealing_keys: Vec<Secret>,
    endpoint_keys: BTreeMap<(String, String), SigningKey>,
    /// By the uid of the declared source.
    pub sources: BTreeMap<String, SourceSecrets>,
    /// By the name of the declared alert.
    pub alerts: BTreeMap<String, AlertSecrets>,
}

/// What `relay.toml` gives a declared source.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SourceSecrets {
    /// What requests are signed with, the newest first.
    pub secrets: Vec<Secret>,
    /// The end of its URL.
    pub token: Option<Secret>,
    /// What a handshake has to name.
    pub verify_token: Option<Secret>,
}

/// What `relay.toml` gives a declared alert.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AlertSecrets {
    /// Where it is posted to, in its normal form.
    pub url: Option<Secret>,
    /// Of the mail server.
    pub password: Option<Secret>,
}

impl Secrets {
    /// The key that `relay.toml` gives a declared endpoint, by the uids of both; made on first
    /// start when `None`.
    pub fn endpoint_key(&self, application: &str, endpoint: &str) -> Option<&SigningKey> {
        self.endpoint_keys.get(&(application.to_owned(), endpoint.to_owned()))
    }
}

/// A secret's setting and what was given for it.
struct Given<'config> {
    setting: String,
    inline: Option<&'config SecretText>,
    file: Option<&'config Path>,
    /// Name of the systemd credential that stands in when neither is set.
    credential: Option<&'static str>,
}

/// Reads every secret. Problems are pairs of the setting's path and a message.
pub(super) fn resolve(
    config: &Config,
    credentials: Option<&Path>,
) -> (Secrets, Vec<(String, String)>) {
    let auth = &config.auth;
    let mut reader = Reader { credentials, problems: Vec::new() };
    let mut secrets = Secrets::default();
    let given = Given {
        setting: "auth.operator_key".to_owned(),
        inline: auth.operator_key.as_ref(),
        file: auth.operator_key_file.as_deref(),
        credential: Some("operator_key"),
    };
    secrets.operator_key =
        reader.read(&given, |text| read_operator_key(text).map_err(|error| error.to_string()));
    let given = Given {
        setting: "auth.jwt_secret".to_owned(),
        inline: auth.jwt_secret.as_ref(),
        file: auth.jwt_secret_file.as_deref(),
        credential: Some("jwt_secret"),
    };
    secrets.jwt_secret = reader.read(&given, read_jwt_secret);
    let given = Given {
        setting: "data.sealing_key".to_owned(),
        inline: config.data.sealing_key.as_ref(),
        file: config.data.sealing_key_file.as_deref(),
        credential: Some("sealing_key"),
    };
    secrets.sealing_key = reader.read(&given, read_sealing_key);
    secrets.previous_sealing_keys = reader.previous_sealing_keys(&config.data);
    for (index, endpoint) in config.endpoints.iter().enumerate() {
        let given = Given {
            setting: format!("endpoint[{index}].secret"),
            inline: endpoint.secret.as_ref(),
            file: endpoint.secret_file.as_deref(),
            credential: None,
        };
        let parse = |text: &str| SigningKey::parse(text).map_err(|error| error.to_string());
        if let Some(key) = reader.read(&given, parse) {
            let name = (endpoint.application.clone(), endpoint.uid.clone());
            secrets.endpoint_keys.insert(name, key);
        }
    }
    for (index, source) in config.declared_sources.iter().enumerate() {
        let given = reader.source(&format!("source[{index}]"), source);
        secrets.sources.insert(source.uid.clone(), given);
    }
    for (index, alert) in config.declared_alerts.iter().enumerate() {
        let given = reader.alert(&format!("alert[{index}]"), alert, config);
        secrets.alerts.insert(alert.name.clone(), given);
    }
    (secrets, reader.problems)
}

fn as_it_is(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("is empty: anybody could sign with it".to_owned());
    }
    if text.len() > SECRET_MAX {
        return Err(format!("has more than {SECRET_MAX} bytes"));
    }
    Ok(Secret::new(text.into()))
}

struct Reader<'config> {
    credentials: Option<&'config Path>,
    problems: Vec<(String, String)>,
}

impl Reader<'_> {
    fn source(&mut self, setting: &str, source: &DeclaredSource) -> SourceSecrets {
        let given = |key: &str, inline, file| Given {
            setting: format!("{setting}.{key}"),
            inline,
            file,
            credential: None,
        };
        let one = given("secret", source.secret.as_ref(), source.secret_file.as_deref());
        let more = source.secrets.iter().map(|text| given("secrets", Some(text), None));
        let files = source.secret_files.iter().map(|path| given("secret", None, Some(path)));
        let all: Vec<Given<'_>> = std::iter::once(one).chain(more).chain(files).collect();
        let token = given("token", source.token.as_ref(), source.token_file.as_deref());
        let verify_token = given("verify_token", source.verify_token.as_ref(), None);
        SourceSecrets {
            secrets: all.iter().filter_map(|given| self.read(given, as_it_is)).collect(),
            token: self.read(&token, read_token),
            verify_token: self.read(&verify_token, as_it_is),
        }
    }

    fn alert(&mut self, setting: &str, alert: &DeclaredAlert, config: &Config) -> AlertSecrets {
        let given = |key: &str, inline, file| Given {
            setting: format!("{setting}.{key}"),
            inline,
            file,
            credential: None,
        };
        let url = given("url", alert.url.as_ref(), alert.url_file.as_deref());
        let smtp = alert.smtp.as_ref();
        let password = smtp.and_then(|smtp| smtp.password.as_ref());
        let file = smtp.and_then(|smtp| smtp.password_file.as_deref());
        let password = given("smtp.password", password, file);
        AlertSecrets {
            url: self.read(&url, |text| read_alert_url(text, config)),
            password: self.read(&password, read_password),
        }
    }

    fn previous_sealing_keys(&mut self, data: &Data) -> Vec<Secret> {
        let setting = "data.previous_sealing_keys";
        let (inline, file) = (&data.previous_sealing_keys, &data.previous_sealing_keys_file);
        if !inline.is_empty() && file.is_some() {
            let words = "both previous_sealing_keys and previous_sealing_keys_file are set, leave \
                         one out";
            self.problems.push((format!("{setting}_file"), words.to_owned()));
        }
        let one = |(index, text)| Given {
            setting: format!("{setting}[{index}]"),
            inline: Some(text),
            file: None,
            credential: None,
        };
        let all: Vec<Given<'_>> = inline.iter().enumerate().map(one).collect();
        let read = all.iter().filter_map(|given| self.read(given, read_sealing_key));
        let mut keys: Vec<Secret> = read.collect();
        if inline.is_empty() {
            let given = Given {
                setting: setting.to_owned(),
                inline: None,
                file: file.as_deref(),
                credential: Some("previous_sealing_keys"),
            };
            let lines = |text: &str| text.lines().map(str::trim).map(read_sealing_key).collect();
            keys = self.read(&given, lines).unwrap_or_default();
        }
        if keys.len() > PREVIOUS_SEALING_KEYS_MAX {
            let words = format!("are more than {PREVIOUS_SEALING_KEYS_MAX}");
            self.problems.push((setting.to_owned(), words));
        }
        keys
    }

    fn read<T>(
        &mut self,
        given: &Given<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let setting = &given.setting;
        let file_setting = format!("{setting}_file");
        let last = setting.rsplit('.').next().unwrap_or(setting);
        let (place, result) = match (given.inline, given.file) {
            (Some(_), Some(_)) => {
                let message = format!("both {last} and {last}_file are set, leave one out");
                (file_setting, Err(message))
            }
            (Some(inline), None) => (setting.clone(), parse(inline.expose())),
            (None, Some(path)) => {
                let private = !self.credentials.is_some_and(|folder| path.starts_with(folder));
                (file_setting, read_file(path, private).and_then(|text| parse(&text)))
            }
            (None, None) => {
                let path = self.credentials?.join(given.credential?);
                if !path.exists() {
                    return None;
                }
                let place = path.display().to_string();
                (place, read_file(&path, false).and_then(|text| parse(&text)))
            }
        };
        result.map_err(|message| self.problems.push((place, message))).ok()
    }
}

/// The text of a secret's file without the line end. Systemd keeps its credentials private by
/// itself, with an access list that shows as group bits, so those are not asked for theirs.
pub(super) fn read_file(path: &Path, must_be_private: bool) -> Result<String, String> {
    let shown = path.display();
    let file = fs::File::open(path).map_err(|error| format!("can't read {shown}: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("can't read {shown}: {error}"))?;
    if must_be_private && let Some(message) = too_open(path, &metadata) {
        return Err(message);
    }
    let mut text = String::new();
    file.take(FILE_LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("can't read {shown}: {error}"))?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(format!("{shown} is larger than a secret can be ({FILE_LIMIT} bytes)"));
    }
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() { Err(format!("{shown} is empty")) } else { Ok(text.to_owned()) }
}

/// What to say when group or others may read or change a file that holds a secret.
pub(super) fn too_open(path: &Path, metadata: &fs::Metadata) -> Option<String> {
    let mode = metadata.permissions().mode() & 0o777;
    let shown = path.display();
    (mode & 0o077 != 0).then(|| {
        format!("{shown} holds a secret and is open to others (mode {mode:03o}): chmod 600 {shown}")
    })
}

fn read_jwt_secret(text: &str) -> Result<Secret, String> {
    if text.len() < JWT_SECRET_MIN {
        return Err(format!(
            "a secret for tokens has at least {JWT_SECRET_MIN} characters, this has {}",
            text.len()
        ));
    }
    Ok(Secret::new(text.as_bytes().to_vec()))
}

/// The URL of an alert; what is wrong with it is told without it, for it is a secret.
fn read_alert_url(text: &str, config: &Config) -> Result<Secret, String> {
    let url = parse_endpoint_url(text).map_err(|error| error.to_string())?;
    match closed(&url, &config.guard.allow) {
        Some(message) => Err(message),
        None => Ok(Secret::new(url.as_str().into())),
    }
}

/// Of a mail server.
fn read_password(text: &str) -> Result<Secret, String> {
    let fits = !text.is_empty() && text.len() <= SECRET_MAX && !text.contains('\0');
    let rule = || format!("a password has 1 to {SECRET_MAX} bytes, none of them 0");
    fits.then(|| Secret::new(text.into())).ok_or_else(rule)
}

/// The end of a source's URL.
fn read_token(text: &str) -> Result<Secret, String> {
    let rule = format!("has {TOKEN_MIN} to {TOKEN_MAX} letters, digits, `-` and `_`");
    if is_token(text) { as_it_is(text) } else { Err(rule) }
}

fn read_sealing_key(text: &str) -> Result<Secret, String> {
    let bytes = BASE64.decode(text).map(Secret::new).ok();
    let key = bytes.filter(|key| key.expose().len() == 32);
    key.ok_or_else(|| {
        "a sealing key is 32 random bytes in base64, `head -c 32 /dev/urandom | base64`".to_owned()
    })
}
