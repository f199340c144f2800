//! `relay config print`: the configuration in effect, where each value comes from, no secrets.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, styled};
use super::{Common, Outcome};
use crate::config::Config;
use crate::config::load::{Loaded, Origin};
use crate::config::shown::{Origins, shown, without_secrets};

/// Loads and prints.
pub(super) fn run(common: &Common) -> Outcome {
    let loaded = common.load(Vec::new())?;
    if common.json {
        output::json(&shown(&loaded.config, &Origins::from(&loaded)))?;
        return Ok(Exit::Success);
    }
    let text = toml::to_string(&without_secrets(&loaded.config)).map_err(Failure::failed)?;
    output::line(annotated(&text, &loaded)?)?;
    Ok(Exit::Success)
}

/// The text with the origin of every value that is not the default behind it, as a comment.
fn annotated(text: &str, loaded: &Loaded) -> Result<String, Failure> {
    let root = DeTable::parse(text).map_err(Failure::failed)?;
    let given = toml::Table::try_from(&loaded.config).map_err(Failure::failed)?;
    let defaults = toml::Table::try_from(Config::default()).map_err(Failure::failed)?;
    let differs = |section: &str, key: &str| {
        let value =
            |table: &toml::Table| table.get(section).and_then(|keys| keys.get(key)).cloned();
        value(&given) != value(&defaults)
    };
    // By the byte after the value, where its comment goes; and one for each declared table's head.
    let mut comments = BTreeMap::new();
    for (section, value) in root.get_ref() {
        let section = section.get_ref();
        match value.get_ref() {
            DeValue::Table(keys) => {
                for (key, value) in keys {
                    let setting = format!("{section}.{}", key.get_ref());
                    let origin = loaded.origins.get(&setting);
                    if let Some(origin) = origin.filter(|_| differs(section, key.get_ref())) {
                        comments.insert(value.span().end, comment(origin));
                    }
                }
            }
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(origin) = loaded.origins.get(&format!("{section}[{index}]")) {
                        comments.insert(item.span().end, comment(origin));
                    }
                }
            }
            _ => {}
        }
    }
    let mut annotated = String::with_capacity(text.len());
    let mut done = 0;
    for (position, comment) in comments {
        annotated.push_str(&text[done..position]);
        annotated.push_str(&styled(ASIDE, format!("  # {comment}")));
        done = position;
    }
    annotated.push_str(text[done..].trim_end());
    Ok(annotated)
}

fn comment(origin: &Origin) -> String {
    match origin {
        Origin::File { path, line } => format!("{}:{line}", path.display()),
        Origin::Variable(name) | Origin::Flag(name) => name.clone(),
    }
}
