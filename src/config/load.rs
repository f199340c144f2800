//! The order: defaults, the file, variables, flags. Every problem of all four is told at once.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::environment::{self, Outside};
use super::file::ConfigFile;
use super::problem::{ConfigError, Place, Problem};
use super::secrets::{self, Secrets};
use super::{Config, validate, validate_declared};
use crate::domain::egress::holds_credentials;

/// Looked for in this order when no file is named.
const USUAL_FILES: [&str; 2] = ["relay.toml", "/etc/relay/relay.toml"];

/// Where to load from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The environment; only `RELAY_CONFIG`, `RELAY__…` and `CREDENTIALS_DIRECTORY` count.
    pub variables: Vec<(String, String)>,
    /// Settings given as flags.
    pub flags: Vec<FlagValue>,
}

/// A setting given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagValue {
    /// The flag's name, for messages: `--listen`.
    pub flag: &'static str,
    /// Section and key: `("server", "listen")`.
    pub setting: (&'static str, &'static str),
    /// What was given.
    pub value: String,
}

/// Where a setting's value comes from, when it is not the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable, by its name.
    Variable(String),
    /// A flag, by its name.
    Flag(String),
}

/// A configuration that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The secrets, from wherever they were given.
    pub secrets: Secrets,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Where each setting that was given comes from, by `section.key`; the rest are defaults.
    pub origins: BTreeMap<String, Origin>,
}

impl LoadOptions {
    /// With the environment of this process.
    pub fn from_process(file: Option<PathBuf>, flags: Vec<FlagValue>) -> LoadOptions {
        let variables = env::vars_os()
            .map(|(name, text)| {
                (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned())
            })
            .filter(|(name, _)| is_ours(name))
            .collect();
        LoadOptions { file, variables, flags }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(found, _)| found == name);
        found.map(|(_, text)| text.as_str()).filter(|text| !text.is_empty())
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(environment::PREFIX)
        || ["RELAY_CONFIG", "CREDENTIALS_DIRECTORY"].contains(&name)
}

/// Loads and checks the configuration and reads its secrets. The error holds every problem found.
pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let file = find_file(options).and_then(|path| {
        let (file, found) = ConfigFile::read(&path);
        problems.extend(found);
        file
    });
    let outside = gather_outside(options, &mut problems);
    let mut table = file.as_ref().map(|file| file.table.clone()).unwrap_or_default();
    let mut origins = file.as_ref().map(file_origins).unwrap_or_default();
    for (given, value) in &outside {
        let (section, key) = &given.setting;
        let entry = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
        if let Some(section) = entry.as_table_mut() {
            section.insert(key.clone(), value.clone());
        }
        if let Some(origin) = origin(&given.place) {
            origins.insert(format!("{section}.{key}"), origin);
        }
    }
    let config = match toml::from_str::<Config>(&table.to_string()) {
        Ok(config) => config,
        Err(error) => {
            // Each part fits by itself, so this names what only their union breaks.
            let place = Place::Setting("configuration".to_owned());
            problems.push(Problem { place, message: error.message().to_owned() });
            return Err(ConfigError { problems });
        }
    };
    let credentials = options.variable("CREDENTIALS_DIRECTORY").map(Path::new);
    let (secrets, found) = secrets::resolve(&config, credentials);
    let found = found
        .into_iter()
        .chain(validate::check(&config))
        .chain(validate_declared::check(&config))
        .chain(open_secrets(&config, file.as_ref(), &origins));
    for (setting, message) in found {
        let place = place(&setting, file.as_ref(), &origins);
        problems.push(Problem { place, message });
    }
    if problems.is_empty() {
        Ok(Loaded { config, secrets, file: file.map(|file| file.path), origins })
    } else {
        Err(ConfigError { problems })
    }
}

fn find_file(options: &LoadOptions) -> Option<PathBuf> {
    let named = options.file.clone();
    let named = named.or_else(|| options.variable("RELAY_CONFIG").map(PathBuf::from));
    named.or_else(|| {
        USUAL_FILES.into_iter().map(PathBuf::from).find(|path| path.try_exists().unwrap_or(true))
    })
}

/// Variables in the order of their names, then flags: what comes later stands.
fn gather_outside(options: &LoadOptions, problems: &mut Vec<Problem>) -> Vec<(Outside, Value)> {
    let defaults = Table::try_from(Config::default()).expect("invariant: the defaults are TOML");
    let mut variables: Vec<_> = options
        .variables
        .iter()
        .filter(|(name, _)| name.starts_with(environment::PREFIX))
        .collect();
    variables.sort();
    let variables = variables.iter().map(|(name, text)| environment::from_variable(name, text));
    let flags = options.flags.iter().map(|flag| {
        let (section, key) = flag.setting;
        Ok(Outside {
            place: Place::Flag(flag.flag.to_owned()),
            setting: (section.to_owned(), key.to_owned()),
            text: flag.value.clone(),
        })
    });
    let mut read = Vec::new();
    for outside in variables.chain(flags) {
        let value = outside.and_then(|outside| {
            environment::read(&outside, &defaults).map(|value| (outside, value))
        });
        match value {
            Ok(pair) => read.push(pair),
            Err(problem) => problems.push(problem),
        }
    }
    read
}

fn origin(place: &Place) -> Option<Origin> {
    match place {
        Place::Variable(name) => Some(Origin::Variable(name.clone())),
        Place::Flag(name) => Some(Origin::Flag(name.clone())),
        Place::File(place) => Some(Origin::File { path: place.path.clone(), line: place.line }),
        Place::Setting(_) | Place::Path(_) => None,
    }
}

fn file_origins(file: &ConfigFile) -> BTreeMap<String, Origin> {
    let mut origins = BTreeMap::new();
    for (section, value) in &file.table {
        let keys = value.as_table().into_iter().flatten();
        let settings = keys.map(|(key, _)| format!("{section}.{key}"));
        let items = value.as_array().into_iter().flatten().enumerate();
        let items = items.map(|(index, _)| format!("{section}[{index}]"));
        for setting in settings.chain(items) {
            let place = file.place(&setting).map(Place::File);
            if let Some(origin) = place.as_ref().and_then(origin) {
                origins.insert(setting, origin);
            }
        }
    }
    origins
}

/// The place of a setting's value: the variable or flag that gave it, its line, or its name.
fn place(setting: &str, file: Option<&ConfigFile>, origins: &BTreeMap<String, Origin>) -> Place {
    let base = setting.split_once('[').map_or(setting, |(base, _)| base);
    match origins.get(setting).or_else(|| origins.get(base)) {
        Some(Origin::Variable(name)) => Place::Variable(name.clone()),
        Some(Origin::Flag(name)) => Place::Flag(name.clone()),
        _ => {
            let found = file.and_then(|file| file.place(setting));
            // A section's header alone is no place for a key that is not in it.
            let found = found.filter(|_| base != setting || origins.contains_key(base));
            let Some(mut found) = found else { return Place::Setting(setting.to_owned()) };
            let posted = setting.starts_with("alert[") && setting.ends_with(".url");
            if posted || setting.contains(".headers.") {
                // Any of an endpoint's headers may be a secret, and the URL of a chat is one.
                found.text.clear();
            }
            Place::File(found)
        }
    }
}

/// Secrets in a file that others may read.
fn open_secrets(
    config: &Config,
    file: Option<&ConfigFile>,
    origins: &BTreeMap<String, Origin>,
) -> Vec<(String, String)> {
    let Some(message) = file.and_then(|file| file.too_open.as_ref()) else { return Vec::new() };
    let inline = [
        ("auth.operator_key", config.auth.operator_key.is_some()),
        ("auth.jwt_secret", config.auth.jwt_secret.is_some()),
        ("data.sealing_key", config.data.sealing_key.is_some()),
        ("data.previous_sealing_keys", !config.data.previous_sealing_keys.is_empty()),
        ("egress.proxy", config.egress.proxy.as_ref().is_some_and(|url| url.user.is_some())),
    ];
    let from_file = |setting: &str| matches!(origins.get(setting), Some(Origin::File { .. }));
    let mut found: Vec<String> = inline
        .into_iter()
        .filter(|(setting, given)| *given && from_file(setting))
        .map(|(setting, _)| setting.to_owned())
        .collect();
    let endpoints = config.endpoints.iter().enumerate();
    found.extend(
        endpoints
            .filter(|(_, endpoint)| endpoint.secret.is_some())
            .map(|(index, _)| format!("endpoint[{index}].secret")),
    );
    let endpoints = config.endpoints.iter().enumerate();
    let with_credentials = endpoints.filter(|(_, held)| holds_credentials(&held.delivery));
    found.extend(with_credentials.map(|(index, _)| format!("endpoint[{index}].delivery")));
    let proxies = config.proxies.iter().enumerate().filter(|(_, proxy)| proxy.url.user.is_some());
    found.extend(proxies.map(|(index, _)| format!("proxy[{index}].url")));
    for (index, source) in config.declared_sources.iter().enumerate() {
        let given = [
            ("secret", source.secret.is_some()),
            ("secrets", !source.secrets.is_empty()),
            ("token", source.token.is_some()),
            ("verify_token", source.verify_token.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        found.extend(given.map(|(key, _)| format!("source[{index}].{key}")));
    }
    for (index, alert) in config.declared_alerts.iter().enumerate() {
        let password = alert.smtp.as_ref().is_some_and(|smtp| smtp.password.is_some());
        let given = [("url", alert.url.is_some()), ("smtp.password", password)];
        let given = given.into_iter().filter(|(_, given)| *given);
        found.extend(given.map(|(key, _)| format!("alert[{index}].{key}")));
    }
    let message = format!("{message}, or keep the secret in a file of its own");
    found.into_iter().map(|setting| (setting, message.clone())).collect()
}
