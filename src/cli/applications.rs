//! `relay applications`: the tenants of a relay.

use clap::Subcommand;
use serde_json::{Value, json};

use super::chosen::{self, name, text};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, Cell, cell, plain, styled};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome, pages};

const PATH: &str = "/api/v1/app";

/// What `relay applications` does.
#[derive(Subcommand, Debug)]
pub enum ApplicationsCommand {
    /// List applications, newest first
    List(ListArguments),
    /// Show an application
    Show(NamedArguments),
    /// Make an application
    Add(AddArguments),
    /// Delete an application with its endpoints, its messages and all that waits
    Delete(DeleteArguments),
}

/// What `relay applications list` takes.
#[derive(clap::Args, Debug)]
pub struct ListArguments {
    /// How many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 250)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

/// One application.
#[derive(clap::Args, Debug)]
pub struct NamedArguments {
    /// The application, by id or uid
    #[arg(value_name = "APP")]
    app: String,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay applications add` takes.
#[derive(clap::Args, Debug)]
pub struct AddArguments {
    /// What people call it
    #[arg(value_name = "NAME")]
    name: String,
    /// Your own name for it in paths
    #[arg(long)]
    uid: Option<String>,
    /// Messages a second at most, over all its endpoints
    #[arg(long, value_name = "NUMBER")]
    rate: Option<u16>,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay applications delete` takes.
#[derive(clap::Args, Debug)]
pub struct DeleteArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// Do it: there is no way back
    #[arg(long)]
    yes: bool,
}

/// Does what is asked for.
pub(super) fn run(command: &ApplicationsCommand, common: &Common) -> Outcome {
    match command {
        ApplicationsCommand::List(arguments) => list(arguments, common),
        ApplicationsCommand::Show(arguments) => show(arguments, common),
        ApplicationsCommand::Add(arguments) => add(arguments, common),
        ApplicationsCommand::Delete(arguments) => delete(arguments, common),
    }
}

fn list(arguments: &ListArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let found = pages::list(&client, PATH, "&order=descending", arguments.limit)?;
    let row = |app: &Value| -> [Cell; 4] {
        [
            cell(text(app, "name")),
            cell(text(app, "uid")),
            cell(text(app, "createdAt")),
            (ASIDE, text(app, "id")),
        ]
    };
    pages::show(&found, "application", ["NAME", "UID", "MADE", "ID"], row, common)
}

fn show(arguments: &NamedArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let app = client.get(&chosen::path(&arguments.app))?;
    if common.json {
        output::json(&app)?;
        return Ok(Exit::Success);
    }
    let field = |word: &str, text: String| match text.is_empty() {
        true => Ok(()),
        false => output::line(format!("{}{text}", styled(ASIDE, format!("{word:<10}")))),
    };
    field("name", text(&app, "name"))?;
    field("id", text(&app, "id"))?;
    field("uid", text(&app, "uid"))?;
    if let Some(rate) = app["throttleRate"].as_u64() {
        field("at most", format!("{rate} messages a second"))?;
    }
    if app["metadata"].as_object().is_some_and(|fields| !fields.is_empty()) {
        field("metadata", plain(&app["metadata"].to_string()))?;
    }
    field("made", text(&app, "createdAt"))?;
    if app["managed"] == true {
        output::line("It is declared in relay.toml, and changed there alone.")?;
    }
    Ok(Exit::Success)
}

fn add(arguments: &AddArguments, common: &Common) -> Outcome {
    let mut body = json!({ "name": arguments.name });
    if let Some(uid) = &arguments.uid {
        body["uid"] = json!(uid);
    }
    if let Some(rate) = arguments.rate {
        body["throttleRate"] = json!(rate);
    }
    let made = arguments.at.client(common)?.post(PATH, &body.to_string())?;
    if common.json {
        output::json(&made)?;
        return Ok(Exit::Success);
    }
    let called = name(&made);
    output::line(format!("made {called} {}", styled(ASIDE, text(&made, "id"))))?;
    output::line(format!("Give it an endpoint:  relay endpoints add URL --app {called}"))?;
    Ok(Exit::Success)
}

fn delete(arguments: &DeleteArguments, common: &Common) -> Outcome {
    let NamedArguments { app, at } = &arguments.named;
    if !arguments.yes {
        let words = "its endpoints, its messages and all that waits go with it, for good";
        return Err(Failure::usage(words).hint("look first: relay applications show; then --yes"));
    }
    at.client(common)?.delete(&chosen::path(app))?;
    if common.json {
        output::json(&json!({ "deleted": app }))?;
    } else {
        output::line(format!("deleted {}", plain(app)))?;
    }
    Ok(Exit::Success)
}
