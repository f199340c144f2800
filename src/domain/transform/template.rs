//! Text with places to fill in: `{{body.issue.title}}`.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::path::Path;
use super::{Context, Outgoing};
use crate::domain::time::Timestamp;

/// Bytes of a template at most.
pub const TEMPLATE_MAX: usize = 64 << 10;
/// What may stand in a part of a URL as it is (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a value is written where it is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Escape {
    /// As it is.
    Text,
    /// As what stands between the quotes of a JSON string.
    JsonText,
    /// As a JSON value, a string with its quotes.
    Json,
    /// As a part of a URL.
    Url,
}

/// What templates read from.
pub struct Source<'a> {
    /// The request as it stands.
    pub outgoing: &'a Outgoing,
    /// The message's.
    pub context: &'a Context,
    /// The body as a value, where the template reads it.
    pub body: Option<&'a Value>,
}

/// A text with places, read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Slot(Slot),
}

/// `place | default: "text" | filter`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Slot {
    name: String,
    place: Place,
    default: Option<String>,
    escape: Option<Escape>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Literal(String),
    Body(Option<Path>),
    Header(String),
    Query(String),
    Env(String),
    Field(&'static str),
}

/// The places without a dot.
const FIELDS: [&str; 12] = [
    "application_id",
    "endpoint_id",
    "event_type",
    "message_id",
    "method",
    "path",
    "query",
    "source",
    "timestamp",
    "timestamp_ms",
    "url",
    "verified",
];

/// What stands at one of [`FIELDS`].
fn field(name: &str, Source { outgoing, context, .. }: &Source<'_>) -> Option<Value> {
    Some(match name {
        "application_id" => context.application_id.as_str().into(),
        "endpoint_id" => context.endpoint_id.as_str().into(),
        "event_type" => context.event_type.as_str().into(),
        "message_id" => context.message_id.as_str().into(),
        "method" => outgoing.method.as_str().into(),
        "path" => context.path.as_str().into(),
        "query" => context.query.as_str().into(),
        "source" => context.source.as_deref().into(),
        "timestamp" => Timestamp::from_millis(context.timestamp_ms).to_string().into(),
        "timestamp_ms" => context.timestamp_ms.into(),
        "url" => outgoing.url.as_str().into(),
        "verified" => context.verified.into(),
        _ => return None,
    })
}

impl Template {
    /// Whether it reads the body.
    pub fn reads_body(&self) -> bool {
        self.slots().any(|slot| matches!(slot.place, Place::Body(_)))
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(slot) => Some(slot),
            Piece::Text(_) => None,
        })
    }

    /// The text with its places filled in, `max` bytes at most.
    pub fn render(&self, source: &Source<'_>, usual: Escape, max: usize) -> Result<String, String> {
        let mut made = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => made.push_str(text),
                Piece::Slot(slot) => {
                    write_value(&mut made, &slot.value(source)?, slot.escape.unwrap_or(usual));
                }
            }
            if made.len() > max {
                return Err(format!("what it makes has more than {max} bytes"));
            }
        }
        Ok(made)
    }

    /// The value of a template that is one place and nothing else, of the type that it has there;
    /// of any other its text.
    pub fn value(&self, source: &Source<'_>, max: usize) -> Result<Value, String> {
        match self.pieces.as_slice() {
            [Piece::Slot(slot)] if slot.escape.is_none() => {
                let value = slot.value(source)?;
                if length(&value) > max {
                    return Err(format!("what it makes has more than {max} bytes"));
                }
                Ok(value)
            }
            _ => self.render(source, Escape::Text, max).map(Value::String),
        }
    }
}

/// Bytes of a value, more or less.
fn length(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Array(items) => 8 + items.iter().map(length).sum::<usize>(),
        Value::Object(fields) => {
            8 + fields.iter().map(|(name, value)| 8 + name.len() + length(value)).sum::<usize>()
        }
    }
}

fn write_value(to: &mut String, value: &Value, escape: Escape) {
    let text = match value {
        value if escape == Escape::Json => {
            to.push_str(&value.to_string());
            return;
        }
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    };
    match escape {
        Escape::Text | Escape::Json => to.push_str(&text),
        Escape::JsonText => {
            let quoted = Value::String(text).to_string();
            to.push_str(&quoted[1..quoted.len() - 1]);
        }
        Escape::Url => {
            write!(to, "{}", utf8_percent_encode(&text, UNRESERVED)).expect("a String takes it");
        }
    }
}

impl Slot {
    fn value(&self, source: &Source<'_>) -> Result<Value, String> {
        let found = match &self.place {
            Place::Literal(text) => Some(text.as_str().into()),
            Place::Body(None) => source.body.cloned(),
            Place::Body(Some(path)) => source.body.and_then(|body| path.find(body)).cloned(),
            Place::Header(name) => source.outgoing.header(name).map(Value::from),
            Place::Query(name) => {
                let mut pairs = form_urlencoded::parse(source.context.query.as_bytes());
                pairs.find(|(held, _)| held == name).map(|(_, value)| Value::from(value))
            }
            Place::Env(name) => source.context.env.get(name).map(|value| value.as_str().into()),
            Place::Field(name) => field(name, source),
        };
        match (found, &self.default) {
            (None | Some(Value::Null), Some(default)) => Ok(default.as_str().into()),
            (Some(value), _) => Ok(value),
            (None, None) => {
                let name = &self.name;
                Err(format!(
                    "there is no {name}: give it a default, {{{{{name} | default: \"\"}}}}"
                ))
            }
        }
    }

    fn parse(text: &str) -> Result<Slot, String> {
        let mut parts = split(text).into_iter();
        let name = parts.next().unwrap_or_default();
        let place = Place::parse(name)?;
        let mut slot = Slot { name: name.to_owned(), place, default: None, escape: None };
        for filter in parts {
            match filter {
                "text" => slot.escape = Some(Escape::Text),
                "json" => slot.escape = Some(Escape::Json),
                "url" => slot.escape = Some(Escape::Url),
                other => {
                    let default = other.strip_prefix("default:").map(str::trim);
                    let default = default.and_then(|text| serde_json::from_str(text).ok());
                    slot.default = Some(default.ok_or_else(|| {
                        format!(
                            "{other:?} is no filter; there are json, text, url and \
                             default: \"…\""
                        )
                    })?);
                }
            }
        }
        Ok(slot)
    }
}

impl Place {
    fn parse(name: &str) -> Result<Place, String> {
        if let Ok(text) = serde_json::from_str::<String>(name) {
            return Ok(Place::Literal(text));
        }
        let known = match name.split_once('.') {
            None if name == "body" => Some(Place::Body(None)),
            None => FIELDS.into_iter().find(|field| *field == name).map(Place::Field),
            Some((_, "")) => None,
            Some(("body", path)) => Some(Place::Body(Some(Path::try_from(path.to_owned())?))),
            Some(("header", name)) => Some(Place::Header(name.to_owned())),
            Some(("query", name)) => Some(Place::Query(name.to_owned())),
            Some(("env", name)) => Some(Place::Env(name.to_owned())),
            Some(_) => None,
        };
        known.ok_or_else(|| {
            let fields = FIELDS.join(", ");
            format!(
                "{name:?} is no place; there are body.FIELD, header.NAME, query.NAME, env.NAME, \
                 {fields}"
            )
        })
    }
}

/// The parts between bars that stand outside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|letter| {
        let bar = letter == '|' && !quoted;
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        bar
    });
    parts.map(str::trim).collect()
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Template, String> {
        if text.len() > TEMPLATE_MAX {
            return Err(format!("a template has at most {TEMPLATE_MAX} bytes"));
        }
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (slot, after) = after
                .split_once("}}")
                .ok_or("a {{ has no }}: write {{\"{{\"}} for the braces themselves")?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Slot(Slot::parse(slot)?));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Template { text, pieces })
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        template.text
    }
}

/// A JSON value whose strings are templates; one that is a single place gives the value that stands
/// there, of whatever type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Pattern {
    /// A string.
    Template(Template),
    /// A list.
    List(Vec<Pattern>),
    /// An object.
    Object(Vec<(String, Pattern)>),
    /// Anything else, as it is.
    Literal(Value),
}

impl Pattern {
    /// Whether it reads the body.
    pub fn reads_body(&self) -> bool {
        match self {
            Pattern::Template(template) => template.reads_body(),
            Pattern::List(items) => items.iter().any(Pattern::reads_body),
            Pattern::Object(fields) => fields.iter().any(|(_, field)| field.reads_body()),
            Pattern::Literal(_) => false,
        }
    }

    /// The value with its places filled in; each place makes what is left of `room` smaller.
    pub fn fill(&self, source: &Source<'_>, room: &mut usize) -> Result<Value, String> {
        Ok(match self {
            Pattern::Template(template) => {
                let value = template.value(source, *room)?;
                *room = room.saturating_sub(length(&value));
                value
            }
            Pattern::List(items) => {
                let filled = items.iter().map(|item| item.fill(source, room));
                Value::Array(filled.collect::<Result<_, _>>()?)
            }
            Pattern::Object(fields) => {
                let mut filled = Map::new();
                for (name, field) in fields {
                    filled.insert(name.clone(), field.fill(source, room)?);
                }
                Value::Object(filled)
            }
            Pattern::Literal(value) => value.clone(),
        })
    }
}

impl TryFrom<Value> for Pattern {
    type Error = String;

    fn try_from(value: Value) -> Result<Pattern, String> {
        Ok(match value {
            Value::String(text) => Pattern::Template(Template::try_from(text)?),
            Value::Array(items) => {
                Pattern::List(items.into_iter().map(Pattern::try_from).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let read = |(name, value)| Ok((name, Pattern::try_from(value)?));
                Pattern::Object(fields.into_iter().map(read).collect::<Result<_, String>>()?)
            }
            literal => Pattern::Literal(literal),
        })
    }
}

impl From<Pattern> for Value {
    fn from(pattern: Pattern) -> Value {
        match pattern {
            Pattern::Template(template) => Value::String(template.into()),
            Pattern::List(items) => Value::Array(items.into_iter().map(Value::from).collect()),
            Pattern::Object(fields) => {
                fields.into_iter().map(|(name, field)| (name, Value::from(field))).collect()
            }
            Pattern::Literal(value) => value,
        }
    }
}

#[cfg(test)]
mod tests;
