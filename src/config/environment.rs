//! Settings from outside the file, `RELAY__SECTION__KEY` and flags: read as their settings' kind.

use toml::{Table, Value};

use super::file::misfit;
use super::problem::{Place, Problem};

/// What a variable's name begins with.
pub(super) const PREFIX: &str = "RELAY__";

/// One setting given outside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    pub(super) place: Place,
    /// Its section and key.
    pub(super) setting: (String, String),
    /// What was given, as text.
    pub(super) text: String,
}

/// The setting that a variable names, `RELAY__SERVER__LISTEN` for `server.listen`.
pub(super) fn from_variable(name: &str, text: &str) -> Result<Outside, Problem> {
    let place = Place::Variable(name.to_owned());
    let parts: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or_default().split("__").collect();
    match parts.as_slice() {
        [section, key] if !section.is_empty() && !key.is_empty() => Ok(Outside {
            place,
            setting: (section.to_ascii_lowercase(), key.to_ascii_lowercase()),
            text: text.to_owned(),
        }),
        _ => {
            let message = "names no setting, write RELAY__SECTION__KEY (what [[endpoint]] and the \
                           like declare belongs into the file)";
            Err(Problem { place, message: message.to_owned() })
        }
    }
}

/// The value, in the form that its setting takes; `defaults` tells the kinds.
pub(super) fn read(outside: &Outside, defaults: &Table) -> Result<Value, Problem> {
    let (section, key) = &outside.setting;
    let kind = defaults.get(section).and_then(|section| section.get(key));
    let as_text = || Value::String(outside.text.clone());
    let value = match kind {
        // Words with commas between, or an array as the file has it.
        Some(Value::Array(_)) => {
            let words = outside.text.split(',').map(str::trim).filter(|word| !word.is_empty());
            let words = Value::Array(words.map(|word| Value::String(word.to_owned())).collect());
            as_toml(&outside.text).filter(Value::is_array).unwrap_or(words)
        }
        Some(Value::String(_)) | None => as_text(),
        Some(_) => as_toml(&outside.text).unwrap_or_else(as_text),
    };
    match fits(section, key, &value) {
        Ok(()) => Ok(value),
        Err(message) => Err(Problem { place: outside.place.clone(), message }),
    }
}

fn as_toml(text: &str) -> Option<Value> {
    let document: Table = format!("value = {text}").parse().ok()?;
    if document.len() == 1 { document.get("value").cloned() } else { None }
}

/// Whether the configuration takes this value; else why not.
fn fits(section: &str, key: &str, value: &Value) -> Result<(), String> {
    let inner = Table::from_iter([(key.to_owned(), value.clone())]);
    let outer = Table::from_iter([(section.to_owned(), Value::Table(inner))]);
    let Some((path, message)) = misfit(&outer.to_string()) else { return Ok(()) };
    let setting = format!("{section}.{key}");
    // An item of a list is named; the setting itself is known from the variable.
    Err(match path.strip_prefix(&setting).filter(|item| item.starts_with('[')) {
        Some(item) => format!("{item}: {message}"),
        None => message,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn check(name: &str, text: &str, expected: Result<&str, &str>) {
        let defaults = Table::try_from(Config::default()).unwrap();
        let result = from_variable(name, text).and_then(|outside| read(&outside, &defaults));
        match (result, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value.to_string(), expected, "{name}"),
            (Err(problem), Err(part)) => {
                let shown = problem.to_string();
                assert!(shown.starts_with(name) && shown.contains(part), "{shown}");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }

    #[test]
    fn each_is_read_as_its_settings_kind() {
        check("RELAY__SERVER__LISTEN", "127.0.0.1:0", Ok("\"127.0.0.1:0\""));
        check("RELAY__SERVER__WORKERS", "4", Ok("4"));
        check("RELAY__DELIVERY__JITTER", "0.1", Ok("0.1"));
        check("RELAY__AUTH__OPERATOR_KEY", "12345", Ok("\"12345\""));
        check("RELAY__DATA__MIN_FREE", "1048576", Ok("\"1048576\""));
        check("RELAY__DELIVERY__RETRY_SCHEDULE", "5s, 1m", Ok("[\"5s\", \"1m\"]"));
        check("RELAY__GUARD__ALLOW", "[\"10.0.0.0/8\"]", Ok("[\"10.0.0.0/8\"]"));
        check("RELAY__GUARD__ALLOW", "", Ok("[]"));
    }

    #[test]
    fn what_does_not_fit_names_the_variable() {
        check("RELAY__SERVER__WORKERS", "four", Err("invalid type"));
        check("RELAY__SERVER__LISEN", "x", Err("unknown field `lisen`"));
        check("RELAY__SEVER__LISTEN", "x", Err("unknown field `sever`"));
        check("RELAY__DELIVERY__RETRY_SCHEDULE", "5s,soon", Err("[1]: `soon` is not a duration"));
        check("RELAY__SERVER__WORKERS", "1\n[x]", Err("invalid type"));
        check("RELAY__ENDPOINT__0__URL", "x", Err("names no setting"));
        check("RELAY__SERVER", "x", Err("names no setting"));
    }
}
