//! Schemas with what they refer to put in place, so that each stands by itself.
//!
//! What refers to itself can't be put in place for ever: its second round refers to `$defs`, which
//! then go with the schema. How much is copied is bounded, as a few lines can ask for more than
//! there is memory.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fault;
use crate::domain::schema::Fault;

/// Values copied from one document at most.
const COPIES_MAX: usize = 200_000;
/// Levels of a schema with everything in place at most: what JSON is read with again.
const LEVELS_MAX: usize = 100;
/// References to references at most.
const HOPS_MAX: usize = 32;
/// Keywords that hold schemas by name.
const NAMED: [&str; 6] =
    ["properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"];
/// Keywords that hold values and not schemas.
const VALUES: [&str; 5] = ["const", "default", "enum", "example", "examples"];

/// Copies schemas out of one document.
pub struct Inliner<'document> {
    document: &'document Value,
    /// Whether `nullable` and boolean `exclusiveMinimum` mean what they do before 3.1.
    old: bool,
    copies: usize,
    /// The references that the copy being made stands in.
    open: Vec<String>,
    /// What refers to itself, by pointer: its name under `$defs`.
    rounds: BTreeMap<String, String>,
}

impl<'document> Inliner<'document> {
    /// For one document.
    pub fn new(document: &'document Value) -> Inliner<'document> {
        let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
        let (open, rounds) = (Vec::new(), BTreeMap::new());
        Inliner { document, old: version.starts_with("3.0"), copies: 0, open, rounds }
    }

    /// What a value that may be a reference stands for.
    pub fn resolve<'a>(&self, value: &'a Value, path: &[&str]) -> Result<&'a Value, Fault>
    where
        'document: 'a,
    {
        let mut value = value;
        for _ in 0..HOPS_MAX {
            let Some(reference) = reference(value) else { return Ok(value) };
            value = self.target(reference, path)?;
        }
        Err(fault(path, "refers to itself"))
    }

    /// A schema by itself; `path` is where it stands, for what is wrong with it.
    pub fn schema(&mut self, schema: &Value, path: &[&str]) -> Result<Value, Fault> {
        self.rounds.clear();
        let mut whole = self.copy(schema, path, 0)?;
        let mut definitions = Map::new();
        // Each definition may bring in others; there are no more than the document has.
        while let Some((pointer, name)) = self.missing(&definitions) {
            self.open.push(pointer.clone());
            let target = self.target(&format!("#{pointer}"), path)?;
            let copied = self.copy(target, path, 0)?;
            self.open.pop();
            definitions.insert(name, copied);
        }
        if !definitions.is_empty() {
            if whole.get("$defs").is_some() || !whole.is_object() {
                whole = json!({ "allOf": [whole] });
            }
            whole["$defs"] = Value::Object(definitions);
        }
        Ok(whole)
    }

    fn missing(&self, definitions: &Map<String, Value>) -> Option<(String, String)> {
        let mut rounds = self.rounds.iter();
        let found = rounds.find(|(_, name)| !definitions.contains_key(*name));
        found.map(|(pointer, name)| (pointer.clone(), name.clone()))
    }

    fn target(&self, reference: &str, path: &[&str]) -> Result<&'document Value, Fault> {
        let Some(pointer) = reference.strip_prefix('#') else {
            let words = format!(
                "refers to {reference:?}, which lies elsewhere and is never fetched: bundle the \
                 document into one first"
            );
            return Err(fault(path, &words));
        };
        let found = self.document.pointer(pointer);
        found.ok_or_else(|| fault(path, &format!("refers to {reference:?}, which is not there")))
    }

    fn copy(&mut self, value: &Value, path: &[&str], level: usize) -> Result<Value, Fault> {
        self.copies += 1;
        if self.copies > COPIES_MAX {
            let words = format!("has more than {COPIES_MAX} values with its references in place");
            return Err(fault(path, &words));
        }
        if level > LEVELS_MAX {
            let words = format!("has more than {LEVELS_MAX} levels with its references in place");
            return Err(fault(path, &words));
        }
        match value {
            Value::Object(_) => match reference(value) {
                Some(reference) => self.copy_reference(reference, value, path, level),
                None => self.copy_members(value, path, level),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.copy(item, path, level + 1));
                items.collect::<Result<Vec<Value>, Fault>>().map(Value::Array)
            }
            other => Ok(other.clone()),
        }
    }

    fn copy_members(&mut self, value: &Value, path: &[&str], level: usize) -> Result<Value, Fault> {
        let mut copied = Map::new();
        for (keyword, value) in value.as_object().into_iter().flatten() {
            let value = match value {
                Value::Object(named) if NAMED.contains(&keyword.as_str()) => {
                    let mut schemas = Map::new();
                    for (name, schema) in named {
                        schemas.insert(name.clone(), self.copy(schema, path, level + 2)?);
                    }
                    Value::Object(schemas)
                }
                value if VALUES.contains(&keyword.as_str()) => value.clone(),
                value => self.copy(value, path, level + 1)?,
            };
            copied.insert(keyword.clone(), value);
        }
        Ok(if self.old { modern(copied) } else { Value::Object(copied) })
    }

    /// What is referred to, with what stands beside the reference.
    fn copy_reference(
        &mut self,
        reference: &str,
        value: &Value,
        path: &[&str],
        level: usize,
    ) -> Result<Value, Fault> {
        let target = self.target(reference, path)?;
        let pointer = reference.trim_start_matches('#').to_owned();
        let mut found = if self.open.contains(&pointer) {
            json!({ "$ref": format!("#/$defs/{}", self.name(&pointer)) })
        } else {
            self.open.push(pointer);
            let copied = self.copy(target, path, level + 1);
            self.open.pop();
            copied?
        };
        let beside = value.as_object().into_iter().flatten();
        let beside: Map<String, Value> = beside
            .filter(|(keyword, _)| *keyword != "$ref")
            .map(|(keyword, value)| (keyword.clone(), value.clone()))
            .collect();
        if beside.is_empty() || self.old {
            return Ok(found);
        }
        let beside = self.copy_members(&Value::Object(beside), path, level)?;
        if let (Value::Object(found), Value::Object(beside)) = (&mut found, &beside)
            && beside.keys().all(|keyword| matches!(keyword.as_str(), "description" | "title"))
        {
            found.extend(beside.clone());
        } else {
            found = json!({ "allOf": [found, beside] });
        }
        Ok(found)
    }

    /// The name under `$defs` of what refers to itself: its own, with a number if that is taken.
    fn name(&mut self, pointer: &str) -> String {
        if let Some(name) = self.rounds.get(pointer) {
            return name.clone();
        }
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let own: String = last.chars().filter(|letter| plain(*letter)).collect();
        let taken = |name: &String| self.rounds.values().any(|other| other == name);
        let mut numbered = (2..).map(|number| format!("{own}{number}"));
        let name = if taken(&own) || own.is_empty() {
            numbered.find(|name| !taken(name)).unwrap_or_default()
        } else {
            own
        };
        self.rounds.insert(pointer.to_owned(), name.clone());
        name
    }
}

fn reference(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}

/// A schema of OpenAPI 3.0 in the words of JSON Schema.
fn modern(mut schema: Map<String, Value>) -> Value {
    for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match schema.get(exclusive) {
            Some(Value::Bool(true)) => {
                schema.remove(exclusive);
                if let Some(limit) = schema.remove(bound) {
                    schema.insert(exclusive.to_owned(), limit);
                }
            }
            Some(Value::Bool(false)) => drop(schema.remove(exclusive)),
            _ => {}
        }
    }
    match schema.get("nullable") {
        Some(Value::Bool(nullable)) => {
            let nullable = *nullable;
            schema.remove("nullable");
            if !nullable {
                return Value::Object(schema);
            }
        }
        _ => return Value::Object(schema),
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match schema.get("type").cloned() {
        Some(Value::String(kind)) => {
            schema.insert("type".to_owned(), json!([kind, "null"]));
            Value::Object(schema)
        }
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}
