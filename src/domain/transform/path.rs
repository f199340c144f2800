//! Where something stands in a body: `issue.labels.0.name`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Steps of a path at most; bodies are not deeper than this either.
pub const PATH_MAX: usize = 128;

/// Names of fields and numbers of items, from the outside in. A dot in a name is written `\.`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(Vec<String>);

impl Path {
    /// What stands there; `None` when nothing does.
    pub fn find<'a>(&self, whole: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(whole, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        })
    }

    /// Takes away what stands there, and gives it.
    pub fn remove(&self, whole: &mut Value) -> Option<Value> {
        let (last, outside) = self.0.split_last()?;
        match outside.iter().try_fold(whole, inside)? {
            Value::Object(fields) => fields.remove(last),
            Value::Array(items) => {
                let index = last.parse().ok().filter(|index| *index < items.len())?;
                Some(items.remove(index))
            }
            _ => None,
        }
    }

    /// Puts a value there; objects that are missing on the way are made, and the number after a
    /// list's last adds to it. The problem when something else stands in the way.
    pub fn set(&self, whole: &mut Value, new: Value) -> Result<(), String> {
        let mut place = whole;
        for (depth, step) in self.0.iter().enumerate() {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            place = match place {
                Value::Object(fields) => fields.entry(step.as_str()).or_insert(Value::Null),
                Value::Array(items) => {
                    let index = step.parse::<usize>().ok().filter(|index| *index <= items.len());
                    let index = index.ok_or_else(|| self.problem(depth, "is a list"))?;
                    if index == items.len() {
                        items.push(Value::Null);
                    }
                    &mut items[index]
                }
                _ => return Err(self.problem(depth, "has no fields")),
            };
        }
        *place = new;
        Ok(())
    }

    fn problem(&self, depth: usize, what: &str) -> String {
        let outside = Path(self.0[..depth].to_vec());
        let outside = if depth == 0 { "the body".to_owned() } else { outside.to_string() };
        format!("{self} can't be set: {outside} {what}")
    }
}

fn inside<'a>(value: &'a mut Value, step: &String) -> Option<&'a mut Value> {
    match value {
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        value => value.get_mut(step),
    }
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Path, String> {
        let mut steps = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match (letter, steps.last_mut()) {
                ('.', _) => steps.push(String::new()),
                ('\\', Some(step)) => step.extend(letters.next()),
                (letter, Some(step)) => step.push(letter),
                (_, None) => {}
            }
        }
        if steps.len() > PATH_MAX || steps.iter().any(String::is_empty) {
            return Err(format!("{text:?} is no path: write names with dots between, issue.title"));
        }
        Ok(Path(steps))
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.to_string()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.0.iter().map(|step| step.replace('\\', "\\\\").replace('.', "\\."));
        formatter.write_str(&steps.collect::<Vec<String>>().join("."))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::try_from(text.to_owned()).expect(text)
    }

    #[test]
    fn what_stands_where() {
        let whole = json!({"a": [{"b": 1}, 2], "c.d": {"e": null}, "0": "zero"});
        assert_eq!(path("a.0.b").find(&whole), Some(&json!(1)));
        assert_eq!(path("c\\.d.e").find(&whole), Some(&Value::Null));
        assert_eq!(path("0").find(&whole), Some(&json!("zero")));
        for missing in ["a.2", "a.b", "c", "a.0.b.c"] {
            assert_eq!(path(missing).find(&whole), None, "{missing}");
        }
        for text in ["a.0.b", "c\\.d.e", "a\\\\b"] {
            assert_eq!(path(text).to_string(), text);
        }
        for wrong in ["", ".", "a.", ".a", "a..b", &"a.".repeat(200)] {
            assert!(Path::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn changes() {
        let mut whole = json!({"a": [1, 2]});
        assert_eq!(path("a.0").remove(&mut whole), Some(json!(1)));
        assert_eq!(path("a.7").remove(&mut whole), None);
        assert_eq!(path("b.c").remove(&mut whole), None);
        path("a.1.x").set(&mut whole, json!(3)).expect("the next of a list");
        path("b.c.d").set(&mut whole, json!(4)).expect("objects are made");
        assert_eq!(whole, json!({"a": [2, {"x": 3}], "b": {"c": {"d": 4}}}));
        let problem = |text: &str| path(text).set(&mut whole.clone(), json!(0)).expect_err(text);
        assert_eq!(problem("a.5"), "a.5 can't be set: a is a list");
        assert_eq!(problem("a.0.x"), "a.0.x can't be set: a.0 has no fields");
        assert_eq!(
            path("x").set(&mut json!("text"), json!(0)),
            Err("x can't be set: the body has no fields".to_owned())
        );
    }
}
