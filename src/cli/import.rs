//! `relay import`: a document of `relay export` into a relay.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use super::client::{Client, ServerArgument, TokenArgument};
use super::failure::Failure;
use super::signed_request::read_input;
use super::transfer;
use super::{Common, Outcome};

/// What `relay import` takes.
#[derive(clap::Args, Debug)]
pub struct ImportArguments {
    /// The document, - for stdin
    file: PathBuf,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: ServerArgument,
    #[command(flatten)]
    token: TokenArgument,
}

/// Creates, updates, leaves: exit code 1 when an entry was refused.
pub(super) fn run(arguments: &ImportArguments, common: &Common) -> Outcome {
    let bytes = read_input(&arguments.file)?;
    let shown = arguments.file.display();
    let document: Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{shown} is no document of relay export"))
        .map_err(Failure::failed)?;
    let known = ["eventTypes", "applications"];
    if !known.iter().any(|field| document.get(field).is_some_and(Value::is_array)) {
        let words = format!("{shown} has neither eventTypes nor applications");
        return Err(Failure::failed(anyhow::Error::msg(words))
            .hint("relay export writes such a document; docs/migrating.md shows it"));
    }
    let client = Client::new(&arguments.server, &arguments.token, common)?;
    let items = transfer::import(&client, &document, arguments.dry_run)?;
    transfer::tell(&items, &[], arguments.dry_run, common)
}
