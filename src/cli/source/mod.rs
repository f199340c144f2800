//! `relay source`: where providers post to, and what came there.

use clap::Subcommand;
use serde_json::{Value, json};

mod add;
mod change;
mod release;
pub(super) mod requests;
mod show;

use super::client::path_part;
use super::failure::Exit;
use super::output::{self, ASIDE, cell};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};
use crate::domain::provider;

/// Where the API has them.
pub(super) const PATH: &str = "/api/v1/source";
/// What the API calls a source whose requests nobody signs.
pub(super) const UNVERIFIED: &str = "generic-webhook";

/// What `relay source` does.
#[derive(Subcommand, Debug)]
pub enum SourceCommand {
    /// List the providers whose signatures are known, offline
    Providers,
    /// Make a source, and print the URL to give to the provider
    Add(Box<add::AddArguments>),
    /// List sources
    List(show::ListArguments),
    /// Show a source and its URL; its secrets are never shown
    Show(NamedArguments),
    /// Hold what comes until the source is resumed
    Pause(NamedArguments),
    /// Make messages of what comes, and of what was held
    Resume(NamedArguments),
    /// Keep what comes to be looked at, and nothing more
    Inspect(NamedArguments),
    /// Give a source another URL; the old one counts for the overlap
    Rotate(change::RotateArguments),
    /// Give a source a new secret; the old one counts for the overlap
    Secret(change::SecretArguments),
    /// Delete a source: its URL is gone at once, messages of what it took in stay
    Remove(change::RemoveArguments),
    /// List what came to a source, newest first, with what was made of it
    Requests(requests::RequestsArguments),
    /// Show a request: its headers and its body
    Request(requests::RequestArguments),
    /// Make messages of what was refused, once its secret is right
    Release(release::ReleaseArguments),
}

/// One source.
#[derive(clap::Args, Debug)]
pub struct NamedArguments {
    /// The source, by id or uid
    #[arg(value_name = "REF")]
    source: String,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Does what is asked for.
pub(super) fn run(command: &SourceCommand, common: &Common) -> Outcome {
    match command {
        SourceCommand::Providers => providers(common),
        SourceCommand::Add(arguments) => add::run(arguments, common),
        SourceCommand::List(arguments) => show::list(arguments, common),
        SourceCommand::Show(arguments) => show::run(arguments, common),
        SourceCommand::Pause(arguments) => change::mode(arguments, "paused", common),
        SourceCommand::Resume(arguments) => change::mode(arguments, "active", common),
        SourceCommand::Inspect(arguments) => change::mode(arguments, "inspect", common),
        SourceCommand::Rotate(arguments) => change::rotate(arguments, common),
        SourceCommand::Secret(arguments) => change::secret(arguments, common),
        SourceCommand::Remove(arguments) => change::remove(arguments, common),
        SourceCommand::Requests(arguments) => requests::list(arguments, common),
        SourceCommand::Request(arguments) => requests::show(arguments, common),
        SourceCommand::Release(arguments) => release::run(arguments, common),
    }
}

/// The path of a source, by id or uid.
pub(super) fn path(reference: &str) -> String {
    format!("{PATH}/{}", path_part(reference))
}

/// What people call a source: its uid, else its id.
fn name(source: &Value) -> String {
    let name = source["uid"].as_str().or(source["id"].as_str());
    output::plain(name.unwrap_or_default())
}

fn providers(common: &Common) -> Outcome {
    let known = provider::known();
    if common.json {
        let all = known
            .iter()
            .map(|row| json!({ "name": row.name, "title": row.title, "docs": row.docs }));
        output::json(&all.collect::<Vec<_>>())?;
        return Ok(Exit::Success);
    }
    let rows: Vec<_> = known
        .iter()
        .map(|row| [cell(&row.name), cell(&row.title), (ASIDE, row.docs.clone())])
        .collect();
    output::table(["NAME", "PROVIDER", "HOW IT SIGNS"], &rows)?;
    Ok(Exit::Success)
}
