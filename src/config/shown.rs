//! The configuration in effect as it may be shown: without secrets, with where each value comes
//! from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Config;
use super::load::{Loaded, Origin};
use crate::domain::egress::hide_credentials;

const HIDDEN: &str = "(hidden)";

/// Sections that a reload takes anew.
const RELOADED: [&str; 10] = [
    "redact",
    "egress",
    "proxy",
    "alerts",
    "alert",
    "portal",
    "application",
    "event_type",
    "endpoint",
    "source",
];
/// A setting outside of them that it takes too, and one inside that it does not.
const RELOADED_TOO: &str = "log.level";
const NOT_RELOADED: &str = "egress.token_timeout";

/// Where values come from.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Origins {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// By `section.key`, or `section[index]` for what is declared; the rest are defaults.
    pub values: BTreeMap<String, Origin>,
}

impl From<&Loaded> for Origins {
    fn from(loaded: &Loaded) -> Origins {
        Origins { file: loaded.file.clone(), values: loaded.origins.clone() }
    }
}

impl Origins {
    /// These with what a reload takes of newer ones.
    pub fn reloaded(&self, newer: &Origins) -> Origins {
        let old = self.values.iter().filter(|(setting, _)| !is_reloaded(setting));
        let new = newer.values.iter().filter(|(setting, _)| is_reloaded(setting));
        let values = old.chain(new).map(|(setting, origin)| (setting.clone(), origin.clone()));
        Origins { file: newer.file.clone(), values: values.collect() }
    }
}

fn is_reloaded(setting: &str) -> bool {
    let section = setting.split(['.', '[']).next().unwrap_or_default();
    setting == RELOADED_TOO || (RELOADED.contains(&section) && setting != NOT_RELOADED)
}

/// Headers of endpoints, what their transformations read by name and what stands behind the `?` of
/// their URLs may be secrets as well; those proper print as hidden by themselves.
pub fn without_secrets(config: &Config) -> Config {
    let mut config = config.clone();
    for endpoint in &mut config.endpoints {
        for value in endpoint.headers.values_mut() {
            *value = HIDDEN.to_owned();
        }
        hide_credentials(&mut endpoint.delivery, HIDDEN);
        endpoint.variables.values_mut().for_each(|value| *value = HIDDEN.to_owned());
        if let Some((url, _)) = endpoint.url.split_once('?') {
            endpoint.url = format!("{url}?{HIDDEN}");
        }
    }
    for alert in &mut config.declared_alerts {
        alert.headers.values_mut().for_each(|value| *value = HIDDEN.to_owned());
    }
    config
}

/// The file, every setting, and where those come from that are not the defaults.
pub fn shown(config: &Config, origins: &Origins) -> Value {
    let values = origins.values.iter();
    let values: BTreeMap<&String, Value> =
        values.map(|(setting, origin)| (setting, origin_json(origin))).collect();
    json!({ "file": origins.file, "config": without_secrets(config), "origins": values })
}

fn origin_json(origin: &Origin) -> Value {
    match origin {
        Origin::File { path, line } => json!({ "file": path, "line": line }),
        Origin::Variable(name) => json!({ "variable": name }),
        Origin::Flag(name) => json!({ "flag": name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_takes_the_places_of_what_it_takes() {
        let origins = |line: usize, settings: &[&str]| Origins {
            file: Some(format!("{line}.toml").into()),
            values: settings
                .iter()
                .map(|setting| {
                    let path = PathBuf::from("relay.toml");
                    ((*setting).to_owned(), Origin::File { path, line })
                })
                .collect(),
        };
        let settings =
            ["server.listen", "log.level", "log.format", "egress.token_timeout", "egress.proxy"];
        let old = origins(1, &[&settings[..], &["endpoint[0]", "endpoint[1]"]].concat());
        let new = origins(2, &[&settings[..], &["endpoint[0]", "data.dir"]].concat());
        let found = old.reloaded(&new);
        let lines: Vec<(&str, usize)> = found
            .values
            .iter()
            .map(|(setting, origin)| match origin {
                Origin::File { line, .. } => (setting.as_str(), *line),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            lines,
            [
                ("egress.proxy", 2),
                ("egress.token_timeout", 1),
                ("endpoint[0]", 2),
                ("log.format", 1),
                ("log.level", 2),
                ("server.listen", 1),
            ]
        );
        assert_eq!(found.file, new.file);
    }
}
