//! Filters: which events go where, told by their content.
//!
//! A filter is a JSON tree that looks like what it is held against: `{"body": {"amount": {"$gt":
//! 10}}}`. The language is Hookdeck's with strict types; `docs/filters.md` teaches it. Start with
//! [`Filter`] and [`Subject`]. Everything is bounded: a filter when it is parsed, its work for one
//! event by [`EVALUATION_STEPS_MAX`].

mod compare;
mod error;
mod evaluate;
mod explain;
mod leaf;
mod node;
mod operand;
mod operator;
mod parse;
mod pattern;
mod reference;
mod select;
mod text;

#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::net::IpAddr;

use serde_json::Value;

pub use error::{FilterError, Problem};
pub use explain::Mismatch;
pub use operator::OPERATORS;
pub use select::{SELECTOR_MAX, Selector};

use evaluate::Evaluation;
use pattern::Pattern;

/// What stands at the top of a filter, besides `$or`, `$and` and `$not`.
pub const FIELDS: [&str; 10] = [
    "headers",
    "body",
    "query",
    "path",
    "method",
    "source",
    "verified",
    "event_type",
    "channels",
    "ip",
];
/// Bytes of a filter's text at most; of a tree, bytes of its names and texts.
pub const FILTER_BYTES_MAX: usize = 64 << 10;
/// Levels of objects and lists in a filter at most.
pub const FILTER_DEPTH_MAX: usize = 32;
/// Values in a filter at most, objects and lists among them.
pub const FILTER_NODES_MAX: usize = 2_000;
/// Members of one list in a filter at most.
pub const FILTER_LIST_MAX: usize = 500;
/// Patterns of `$regex` in a filter at most.
pub const FILTER_REGEXES_MAX: usize = 20;
/// Bytes of one pattern of `$regex` at most, as written.
pub const REGEX_BYTES_MAX: usize = 1 << 10;
/// Bytes of one pattern of `$regex` at most, compiled.
pub const REGEX_COMPILED_MAX: usize = 256 << 10;
/// Work of a filter for one event at most; with more it counts as not matching. A step is a value
/// looked at, or [`BYTES_PER_STEP`] bytes of a text searched, or one byte by a small `$regex` and
/// less by a large one.
pub const EVALUATION_STEPS_MAX: u64 = 1_000_000;
/// Levels of nested values that a filter looks into at most; deeper it counts as not matching.
pub const EVALUATION_DEPTH_MAX: usize = 256;
/// Bytes of a text that cost one step when they are compared or searched.
pub const BYTES_PER_STEP: usize = 16;

/// A filter, checked; its source tree is kept for showing.
#[derive(Clone, Debug)]
pub struct Filter {
    source: Value,
    pattern: Pattern,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        self.source == other.source
    }
}

impl Eq for Filter {}

/// What a filter is held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Names, in any case, and values; a name that stands twice has a list of values.
    pub headers: &'a [(String, String)],
    /// The body, when it is JSON.
    pub body: Option<&'a Value>,
    /// Names and values, decoded; a name that stands twice has a list of values.
    pub query: &'a [(String, String)],
    /// The path, without the query.
    pub path: &'a str,
    /// The method, in capitals.
    pub method: &'a str,
    /// The name of the source that took it in.
    pub source: Option<&'a str>,
    /// Whether its signature was verified.
    pub verified: bool,
    /// The event type; empty when there is none.
    pub event_type: &'a str,
    /// The channels.
    pub channels: &'a [String],
    /// Where it came from.
    pub ip: Option<IpAddr>,
}

impl Filter {
    /// Checks a tree, made from JSON or from TOML. `{}` matches everything.
    pub fn parse(tree: &Value) -> Result<Filter, FilterError> {
        let pattern = parse::parse(tree)?;
        Ok(Filter { source: tree.clone(), pattern })
    }

    /// Checks JSON text, in which no name may stand twice in an object.
    pub fn parse_text(json: &str) -> Result<Filter, FilterError> {
        Filter::parse(&text::read(json)?)
    }

    /// The tree as it was given.
    pub fn as_json(&self) -> &Value {
        &self.source
    }

    /// Whether it matches; not, when that takes more than [`EVALUATION_STEPS_MAX`].
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let ip = OnceCell::new();
        Evaluation::new(subject, &ip).run(&self.pattern).unwrap_or(false)
    }

    /// The first clause that does not match; nothing when the filter does.
    pub fn explain(&self, subject: &Subject<'_>) -> Option<Mismatch> {
        explain::explain(&self.pattern, subject)
    }
}
