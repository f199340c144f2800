//! The steps that a transform is declared with.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cloudevents::{self, Mode};
use super::content::Format;
use super::path::{PATH_MAX, Path};
use super::result::{check_header, is_json_type};
use super::template::{Escape, Pattern, Source, Template};
use super::{Context, Failure, OUTPUT_MAX, Outgoing, result};

/// Steps of one transform at most.
pub const STEPS_MAX: usize = 50;
/// Values inside each other, in a body that steps make, at most.
const DEPTH_MAX: usize = 2 * PATH_MAX;

/// One change. Those of the body read it as its content type says, or as a step `parse` says, and
/// leave a JSON document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sets a header.
    SetHeader(SetHeader),
    /// Takes a header away, in whatever case its name is written.
    RemoveHeader(String),
    /// Sets the method.
    SetMethod(String),
    /// Sets the URL; values that are put into it are percent-encoded.
    SetUrl(Template),
    /// Reads the body in this format, whatever its content type says, and makes JSON of it.
    Parse(Format),
    /// Makes what stands there the body.
    Pick(Path),
    /// Sets a field.
    Set(SetField),
    /// Takes a field away, if it is there.
    Remove(Path),
    /// Moves a field, if it is there.
    Rename(Rename),
    /// Writes the body anew.
    Template(WriteBody),
    /// Makes a CloudEvent of it.
    Cloudevents(Cloudevents),
}

/// A header to set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Template,
}

/// A field to set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetField {
    /// Where; objects on the way are made.
    pub path: Path,
    /// What.
    pub value: Pattern,
}

/// A field to move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// From here.
    pub from: Path,
    /// To there.
    pub to: Path,
}

/// A body to write.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteBody {
    /// The text. In JSON, values are escaped as what stands between quotes.
    pub body: Template,
    /// What it is.
    #[serde(default = "json")]
    pub content_type: String,
}

/// An event to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloudevents {
    /// Where its attributes go.
    pub mode: Mode,
    /// Its `source`, a URI reference; `/sources/…` or `/applications/…` when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Template>,
    /// Its `subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Template>,
}

fn json() -> String {
    "application/json".to_owned()
}

/// Checks what can be said of steps before there is a message.
pub fn check(steps: &[Step]) -> Result<(), Failure> {
    if steps.len() > STEPS_MAX {
        let problem = format!("there are more than {STEPS_MAX} steps");
        return Err(Failure::Step { index: STEPS_MAX, problem });
    }
    for (index, step) in steps.iter().enumerate() {
        step.check().map_err(|problem| Failure::Step { index, problem })?;
    }
    Ok(())
}

/// Does the steps one after the other.
pub fn apply(steps: &[Step], before: &Outgoing, context: &Context) -> Result<Outgoing, Failure> {
    let outgoing = before.clone();
    let mut work = Work { outgoing, context, format: None, body: None, room: OUTPUT_MAX };
    for (index, step) in steps.iter().enumerate() {
        work.step(step).map_err(|problem| Failure::Step { index, problem })?;
    }
    work.print();
    result::check(before, &work.outgoing, OUTPUT_MAX)?;
    Ok(work.outgoing)
}

impl Step {
    fn check(&self) -> Result<(), String> {
        let header = |name: &str, value: &str| {
            check_header(name, value).map_err(|error| format!("header {name:?} {error}"))
        };
        match self {
            Step::SetHeader(set) => header(&set.name, ""),
            Step::RemoveHeader(name) => header(name, ""),
            Step::SetMethod(method) if !result::METHODS.contains(&method.as_str()) => {
                Err(format!("{method:?} is no method; there are {}", result::METHODS.join(", ")))
            }
            Step::Template(write) => header("content-type", &write.content_type),
            _ => Ok(()),
        }
    }
}

/// A request on its way through the steps.
struct Work<'a> {
    outgoing: Outgoing,
    context: &'a Context,
    /// How a step said that the body is written.
    format: Option<Format>,
    /// The body as a value, and whether it was changed since it was read.
    body: Option<(Value, bool)>,
    /// Bytes that values put into the body may still have.
    room: usize,
}

impl Work<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::SetHeader(set) => {
                let value = self.text(&set.value, Escape::Text)?;
                check_header(&set.name, &value)
                    .map_err(|error| format!("header {:?} {error}", set.name))?;
                self.outgoing.set_header(&set.name, &value);
            }
            Step::RemoveHeader(name) => self.outgoing.remove_header(name),
            Step::SetMethod(method) => self.outgoing.method.clone_from(method),
            Step::SetUrl(url) => self.outgoing.url = self.text(url, Escape::Url)?,
            Step::Parse(format) => {
                self.print();
                (self.format, self.body) = (Some(*format), None);
                self.read()?;
                self.changed();
            }
            Step::Pick(path) => {
                let body = self.changed_body()?;
                *body = path.remove(body).ok_or_else(|| format!("there is no {path} to pick"))?;
            }
            Step::Set(set) => self.set(set)?,
            Step::Remove(path) => {
                path.remove(self.changed_body()?);
            }
            Step::Rename(rename) => {
                let body = self.changed_body()?;
                if let Some(value) = rename.from.remove(body) {
                    rename.to.set(body, value)?;
                }
                check_depth(body)?;
            }
            Step::Template(write) => self.write(write)?,
            Step::Cloudevents(event) => {
                let mut text = |template: &Option<Template>| {
                    template.as_ref().map(|text| self.text(text, Escape::Text)).transpose()
                };
                let attributes = (text(&event.source)?, text(&event.subject)?);
                self.print();
                cloudevents::wrap(&mut self.outgoing, self.context, event.mode, attributes);
                self.body = None;
            }
        }
        Ok(())
    }

    fn set(&mut self, set: &SetField) -> Result<(), String> {
        // What is to change has to be there, even when the value reads nothing of it.
        self.read()?;
        let (outgoing, context) = (&self.outgoing, self.context);
        let body = self.body.as_ref().map(|(body, _)| body);
        let value = set.value.fill(&Source { outgoing, context, body }, &mut self.room)?;
        let body = self.changed_body()?;
        set.path.set(body, value)?;
        check_depth(body)
    }

    fn write(&mut self, write: &WriteBody) -> Result<(), String> {
        let said_json = is_json_type(&write.content_type);
        let escape = if said_json { Escape::JsonText } else { Escape::Text };
        let text = self.text(&write.body, escape)?;
        if said_json {
            serde_json::from_str::<serde::de::IgnoredAny>(&text)
                .map_err(|error| format!("what the template makes is no JSON: {error}"))?;
        }
        self.outgoing.body = text.into_bytes();
        self.outgoing.set_header("content-type", &write.content_type);
        (self.body, self.format) = (None, None);
        Ok(())
    }

    fn text(&mut self, template: &Template, escape: Escape) -> Result<String, String> {
        if template.reads_body() {
            self.read()?;
        }
        let (outgoing, context) = (&self.outgoing, self.context);
        let body = self.body.as_ref().map(|(body, _)| body);
        template.render(&Source { outgoing, context, body }, escape, OUTPUT_MAX)
    }

    /// Has the body as a value.
    fn read(&mut self) -> Result<(), String> {
        if self.body.is_none() {
            let content_type = self.outgoing.header("content-type").map_or("".into(), Cow::from);
            let format = self.format.unwrap_or_else(|| Format::of(&content_type));
            self.body = Some((format.read(&self.outgoing.body)?, false));
        }
        Ok(())
    }

    fn changed(&mut self) {
        if let Some((_, changed)) = &mut self.body {
            *changed = true;
        }
    }

    fn changed_body(&mut self) -> Result<&mut Value, String> {
        self.read()?;
        self.changed();
        self.body.as_mut().map(|(body, _)| body).ok_or_else(|| "there is no body".to_owned())
    }

    /// Writes a body that was changed, as JSON.
    fn print(&mut self) {
        if let Some((body, changed @ true)) = &mut self.body {
            self.outgoing.body = body.to_string().into_bytes();
            *changed = false;
            self.format = None;
            if !is_json_type(self.outgoing.header("content-type").unwrap_or_default()) {
                self.outgoing.set_header("content-type", "application/json");
            }
        }
    }
}

/// Printing and dropping a value takes stack for every level of it.
fn check_depth(value: &Value) -> Result<(), String> {
    fn fits(value: &Value, left: usize) -> bool {
        left > 0
            && match value {
                Value::Array(items) => items.iter().all(|item| fits(item, left - 1)),
                Value::Object(fields) => fields.values().all(|field| fits(field, left - 1)),
                _ => true,
            }
    }
    let problem = || format!("the body has more than {DEPTH_MAX} values inside each other");
    fits(value, DEPTH_MAX).then_some(()).ok_or_else(problem)
}

#[cfg(test)]
mod tests;
