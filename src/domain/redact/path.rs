//! JSONPath as far as it names values: `$.card.number`, `$..ssn`, `$.items[*].iban`.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Steps of a path at most.
pub const STEPS_MAX: usize = 32;
/// Bytes of a path at most.
pub const PATH_MAX: usize = 500;

/// Which values of a JSON text are meant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPath {
    text: String,
    pub(super) steps: Vec<Step>,
}

/// From a value to some of what is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Step {
    /// However deep.
    pub descends: bool,
    pub select: Select,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Select {
    Name(String),
    Item(usize),
    All,
}

/// What is in a value: a field or an item of a list.
#[derive(Clone, Copy)]
pub(super) enum Child<'a> {
    Field(&'a str),
    Item(usize),
}

impl Select {
    pub fn fits(&self, child: Child<'_>) -> bool {
        match (self, child) {
            (Select::All, _) => true,
            (Select::Name(name), Child::Field(field)) => name == field,
            (Select::Item(wanted), Child::Item(index)) => *wanted == index,
            (Select::Name(_), Child::Item(_)) | (Select::Item(_), Child::Field(_)) => false,
        }
    }
}

/// Text that names no values.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum JsonPathError {
    /// Not one at all.
    #[error("`{0}` begins with no `$`: write it like $.card.number, $..ssn or $.items[*].iban")]
    Start(String),
    /// The whole body.
    #[error("`$` is the whole body: name a value in it, or $.* for every one")]
    Whole,
    /// Something that is not understood.
    #[error(
        "`{path}` can't be read from `{rest}` on: write .name, ['any name'], [0], [*] or .*, and \
         .. in place of the dot for any depth"
    )]
    Step {
        /// All of it.
        path: String,
        /// From there on.
        rest: String,
    },
    /// Too much.
    #[error("a path has at most {STEPS_MAX} steps and {PATH_MAX} bytes")]
    TooLong,
}

impl JsonPath {
    /// Whether it means what stands at a place, something in it, or something around it.
    pub(super) fn touches(&self, place: &[String]) -> bool {
        let mut states = vec![0];
        for name in place {
            let fits = |select: &Select| {
                let item = name.parse().is_ok_and(|item| select.fits(Child::Item(item)));
                item || select.fits(Child::Field(name))
            };
            let mut next = Vec::new();
            for at in states {
                let Some(step) = self.steps.get(at) else { return true };
                next.extend(fits(&step.select).then_some(at + 1));
                next.extend(step.descends.then_some(at));
            }
            next.sort_unstable();
            next.dedup();
            states = next;
        }
        !states.is_empty()
    }
}

impl TryFrom<String> for JsonPath {
    type Error = JsonPathError;

    fn try_from(text: String) -> Result<JsonPath, JsonPathError> {
        if text.len() > PATH_MAX {
            return Err(JsonPathError::TooLong);
        }
        let mut rest = text.strip_prefix('$').ok_or_else(|| JsonPathError::Start(text.clone()))?;
        if rest.is_empty() {
            return Err(JsonPathError::Whole);
        }
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, left) = step(rest)
                .ok_or_else(|| JsonPathError::Step { path: text.clone(), rest: rest.to_owned() })?;
            steps.push(step);
            rest = left;
        }
        if steps.len() > STEPS_MAX {
            return Err(JsonPathError::TooLong);
        }
        Ok(JsonPath { steps, text })
    }
}

/// The first step of what is left of a path, and what is behind it.
fn step(rest: &str) -> Option<(Step, &str)> {
    let (descends, rest, dotted) = match (rest.strip_prefix(".."), rest.strip_prefix('.')) {
        (Some(rest), _) => (true, rest, true),
        (None, Some(rest)) => (false, rest, true),
        (None, None) => (false, rest, false),
    };
    let (select, rest) = match rest.strip_prefix('[') {
        Some(rest) if descends || !dotted => bracket(rest)?,
        None if dotted => name(rest)?,
        _ => return None,
    };
    Some((Step { descends, select }, rest))
}

/// `*`, or a name without quotes.
fn name(rest: &str) -> Option<(Select, &str)> {
    if let Some(rest) = rest.strip_prefix('*') {
        return Some((Select::All, rest));
    }
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '$' | '@');
    let end = rest.find(|letter| !plain(letter)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    (!name.is_empty()).then(|| (Select::Name(name.to_owned()), rest))
}

/// `*]`, `0]`, `'name']`, `"name"]`; a quote or backslash in a name has a backslash before it.
fn bracket(rest: &str) -> Option<(Select, &str)> {
    let quote = rest.chars().next()?;
    if !matches!(quote, '\'' | '"') {
        let (inside, rest) = rest.split_once(']')?;
        let digits = inside.bytes().all(|byte| byte.is_ascii_digit());
        let select = match inside {
            "*" => Select::All,
            _ if digits => Select::Item(inside.parse().ok()?),
            _ => return None,
        };
        return Some((select, rest));
    }
    let mut name = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.push(letters.next()?.1),
            _ if letter == quote => {
                let rest = rest[at + 1..].strip_prefix(']')?;
                return Some((Select::Name(name), rest));
            }
            _ => name.push(letter),
        }
    }
    None
}

impl From<JsonPath> for String {
    fn from(path: JsonPath) -> String {
        path.text
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<JsonPath, JsonPathError> {
        JsonPath::try_from(text.to_owned())
    }

    #[test]
    fn what_is_read() {
        let check = |text: &str, expected: &[(bool, Select)]| {
            let path = read(text).unwrap();
            let steps: Vec<_> =
                path.steps.iter().map(|step| (step.descends, step.select.clone())).collect();
            assert_eq!(steps, expected, "{text}");
            assert_eq!(path.to_string(), text);
        };
        let name = |name: &str| Select::Name(name.to_owned());
        check("$.card.number", &[(false, name("card")), (false, name("number"))]);
        check("$..ssn", &[(true, name("ssn"))]);
        check(
            "$.items[*].iban",
            &[(false, name("items")), (false, Select::All), (false, name("iban"))],
        );
        check(
            "$[0]['a.b'][\"c'\"]",
            &[(false, Select::Item(0)), (false, name("a.b")), (false, name("c'"))],
        );
        check(r"$['it\'s\\']", &[(false, name(r"it's\"))]);
        check("$..[*]..*", &[(true, Select::All), (true, Select::All)]);
        check("$.größe-1_@$", &[(false, name("größe-1_@$"))]);
    }

    #[test]
    fn what_is_not() {
        for (wrong, words) in [
            ("card", "begins with no `$`"),
            ("", "begins with no `$`"),
            ("$", "the whole body"),
            ("$.", "from `.` on"),
            ("$.a..", "from `..` on"),
            ("$.a.[0]", "from `.[0]` on"),
            ("$a", "from `a` on"),
            ("$.a b", "from ` b` on"),
            ("$[-1]", "from `[-1]` on"),
            ("$[0:2]", "from `[0:2]` on"),
            ("$.a[?(@.b)]", "from `[?(@.b)]` on"),
            ("$['a'", "from `['a'` on"),
            ("$['a]", "from `['a]` on"),
            ("$[]", "from `[]` on"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
        assert_eq!(read(&format!("${}", ".a".repeat(STEPS_MAX + 1))), Err(JsonPathError::TooLong));
        assert_eq!(read(&"$".repeat(PATH_MAX + 1)), Err(JsonPathError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\$?[.\\[\\]*'\"\\\\a-c0-2é]{0,20}") {
            if let Ok(path) = read(&text) {
                prop_assert_eq!(path.to_string(), text);
                prop_assert!(!path.steps.is_empty());
            }
        }
    }
}
