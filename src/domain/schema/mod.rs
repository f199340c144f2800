//! JSON schemas of event types: which one counts, whether it is right, whether a payload fits it.
//!
//! Nothing is ever fetched: a schema that refers to another document is refused. Everything is
//! bounded: see `graph` for why, and for how.

mod graph;

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use serde_json::value::RawValue;

pub use graph::{DEPTH_MAX, PARTS_MAX, STEPS_MAX};

/// Faults that are told of one payload at most.
pub const FAULTS_MAX: usize = 10;
/// Steps of a check up to which every fault is looked for; beyond them only the first.
const STEPS_FOR_EVERY_FAULT: u64 = 50_000;
/// How often a pattern may go back before it counts as not found.
const BACKTRACK_MAX: usize = 10_000;
/// Bytes of a pattern's automaton at most.
const PATTERN_BYTES: usize = 1 << 20;
/// Bytes of words about one fault at most; a value is quoted in them.
const WORDS_MAX: usize = 300;

/// One thing wrong: where in the JSON, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Names of members and numbers of items, from the outside in.
    pub path: Vec<String>,
    /// What is wrong.
    pub words: String,
}

/// What came of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Checked {
    /// The payload fits.
    Fits,
    /// It does not, for the first [`FAULTS_MAX`] of these reasons.
    Unfit(Vec<Fault>),
    /// Whether it fits can't be told within [`STEPS_MAX`] steps and [`DEPTH_MAX`] levels.
    TooMuch,
}

/// A schema that is right, ready to check payloads.
pub struct Schema {
    validator: Validator,
    graph: graph::Graph,
}

impl Schema {
    /// Reads a schema as its `$schema` says; without one as draft 2020-12, or else as draft 7, in
    /// which older ones are written. Needs a stack of 16 MiB for the largest.
    pub fn compile(schema: &Value) -> Result<Schema, Fault> {
        let graph = graph::Graph::read(schema)?;
        let validator = match build(schema, None) {
            Err(fault) if schema.get("$schema").is_none() => {
                build(schema, Some(Draft::Draft7)).map_err(|_| fault)?
            }
            built => built?,
        };
        Ok(Schema { validator, graph })
    }

    /// Checks a payload.
    pub fn check(&self, payload: &Value) -> Checked {
        let Ok(steps) = self.graph.cost(payload) else { return Checked::TooMuch };
        if self.validator.is_valid(payload) {
            return Checked::Fits;
        }
        let faults = if steps > STEPS_FOR_EVERY_FAULT {
            self.validator.validate(payload).err().iter().map(fault).collect()
        } else {
            let errors = self.validator.iter_errors(payload).take(FAULTS_MAX);
            errors.map(|error| fault(&error)).collect()
        };
        Checked::Unfit(faults)
    }
}

fn build(schema: &Value, draft: Option<Draft>) -> Result<Validator, Fault> {
    let patterns = PatternOptions::fancy_regex()
        .backtrack_limit(BACKTRACK_MAX)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES);
    let mut options = jsonschema::options().with_pattern_options(patterns);
    if let Some(draft) = draft {
        options = options.with_draft(draft);
    }
    options.build(schema).map_err(|error| fault(&error))
}

fn fault(error: &ValidationError<'_>) -> Fault {
    let mut words = error.to_string();
    if words.len() > WORDS_MAX {
        words = error.masked().to_string();
    }
    if words.len() > WORDS_MAX {
        let end = (0..=WORDS_MAX).rev().find(|index| words.is_char_boundary(*index));
        words.truncate(end.unwrap_or(0));
        words.push('…');
    }
    Fault { path: graph::path(error.instance_path().as_str()), words }
}

/// Schemas by version, as an event type keeps them.
pub fn versions(schemas: &str) -> Result<BTreeMap<String, &RawValue>, serde_json::Error> {
    serde_json::from_str(schemas)
}

/// The newest version and its schema: the one with the highest number.
pub fn newest(schemas: &str) -> Option<(String, &RawValue)> {
    let newest =
        |(version, _): &(String, &RawValue)| (version.parse::<u64>().ok(), version.clone());
    versions(schemas).ok()?.into_iter().max_by_key(newest)
}
