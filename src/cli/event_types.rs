//! `relay event-types`: the catalogue of what can happen.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::chosen::text;
use super::client::path_part;
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, Cell, OPEN, cell, plain, plain_lines, styled};
use super::signed_request::read_input;
use super::token_remote::RemoteArguments;
use super::{Common, Outcome, pages};

const PATH: &str = "/api/v1/event-type";

/// What `relay event-types` does.
#[derive(Subcommand, Debug)]
pub enum EventTypesCommand {
    /// List event types by name
    List(ListArguments),
    /// Show an event type and its schemas
    Show(NamedArguments),
    /// Make an event type, or take an archived one back into use
    Add(AddArguments),
    /// Archive an event type; with --expunge remove it
    Delete(DeleteArguments),
}

/// What `relay event-types list` takes.
#[derive(clap::Args, Debug)]
pub struct ListArguments {
    /// Archived ones too
    #[arg(long)]
    archived: bool,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

/// One event type.
#[derive(clap::Args, Debug)]
pub struct NamedArguments {
    /// Its name, like invoice.paid
    #[arg(value_name = "TYPE")]
    name: String,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay event-types add` takes.
#[derive(clap::Args, Debug)]
pub struct AddArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// What it means
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// The group that it is shown in
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// A file that holds the JSON schema of its payloads; - is stdin
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// An example of its payloads, for `relay endpoints test`; may be given again
    #[arg(long = "example", value_name = "JSON", conflicts_with = "schema")]
    examples: Vec<String>,
}

/// What `relay event-types delete` takes.
#[derive(clap::Args, Debug)]
pub struct DeleteArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// Remove it, rather than archive it
    #[arg(long)]
    expunge: bool,
}

/// Does what is asked for.
pub(super) fn run(command: &EventTypesCommand, common: &Common) -> Outcome {
    match command {
        EventTypesCommand::List(arguments) => list(arguments, common),
        EventTypesCommand::Show(arguments) => show(arguments, common),
        EventTypesCommand::Add(arguments) => add(arguments, common),
        EventTypesCommand::Delete(arguments) => delete(arguments, common),
    }
}

fn path(name: &str) -> String {
    format!("{PATH}/{}", path_part(name))
}

fn list(arguments: &ListArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let query = if arguments.archived { "&include_archived=true" } else { "" };
    let found = pages::list(&client, PATH, query, arguments.limit)?;
    let row = |event_type: &Value| -> [Cell; 3] {
        let state = match (event_type["archived"] == true, event_type["deprecated"] == true) {
            (true, _) => (ASIDE, "archived".to_owned()),
            (false, true) => (OPEN, "deprecated".to_owned()),
            (false, false) => cell("in use"),
        };
        [cell(text(event_type, "name")), state, (ASIDE, text(event_type, "description"))]
    };
    pages::show(&found, "event type", ["EVENT TYPE", "STATE", "DESCRIPTION"], row, common)
}

fn show(arguments: &NamedArguments, common: &Common) -> Outcome {
    let event_type = arguments.at.client(common)?.get(&path(&arguments.name))?;
    if common.json {
        output::json(&event_type)?;
        return Ok(Exit::Success);
    }
    let field = |word: &str, text: String| match text.is_empty() {
        true => Ok(()),
        false => output::line(format!("{}{text}", styled(ASIDE, format!("{word:<13}")))),
    };
    field("name", text(&event_type, "name"))?;
    field("description", text(&event_type, "description"))?;
    field("group", text(&event_type, "groupName"))?;
    for word in ["archived", "deprecated"] {
        if event_type[word] == true {
            field(word, "yes".to_owned())?;
        }
    }
    field("made", text(&event_type, "createdAt"))?;
    for (version, schema) in event_type["schemas"].as_object().into_iter().flatten() {
        let written = serde_json::to_string_pretty(schema).map_err(Failure::failed)?;
        output::line(format!("\nschema {}\n{}", plain(version), plain_lines(&written)))?;
    }
    Ok(Exit::Success)
}

fn add(arguments: &AddArguments, common: &Common) -> Outcome {
    let mut body = json!({ "name": arguments.named.name, "description": arguments.description });
    if let Some(group) = &arguments.group {
        body["groupName"] = json!(group);
    }
    if let Some(path) = &arguments.schema {
        let read: Result<Value, _> = serde_json::from_slice(&read_input(path)?);
        let schema = read
            .map_err(|error| Failure::usage(format!("{} is not JSON: {error}", path.display())))?;
        body["schemas"] = json!({ "1": schema });
    }
    if !arguments.examples.is_empty() {
        let read = arguments.examples.iter().map(|text| example(text));
        let examples: Vec<Value> = read.collect::<Result<_, _>>()?;
        body["schemas"] = json!({ "1": { "examples": examples } });
    }
    let made = arguments.named.at.client(common)?.post(PATH, &body.to_string())?;
    if common.json {
        output::json(&made)?;
    } else {
        output::line(format!("made {}", text(&made, "name")))?;
    }
    Ok(Exit::Success)
}

fn example(text: &str) -> Result<Value, Failure> {
    let read: Option<Value> = serde_json::from_str(text).ok();
    read.filter(Value::is_object)
        .ok_or_else(|| Failure::usage("--example has to be a JSON object, {…}"))
}

fn delete(arguments: &DeleteArguments, common: &Common) -> Outcome {
    let NamedArguments { name, at } = &arguments.named;
    let query = if arguments.expunge { "?expunge=true" } else { "" };
    at.client(common)?.delete(&format!("{}{query}", path(name)))?;
    let word = if arguments.expunge { "removed" } else { "archived" };
    if common.json {
        output::json(&json!({ word: name }))?;
    } else {
        output::line(format!("{word} {}", plain(name)))?;
    }
    Ok(Exit::Success)
}
