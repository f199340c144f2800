//! `relay alerts`: whether whom the relay would tell can be told.

use anyhow::anyhow;
use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{self, BAD, GOOD, plain, styled};
use super::serve::alerts::{outlets, ways};
use super::token::wall_clock;
use super::{Common, Outcome};
use crate::engine::alert::Message;
use crate::http::public;

/// What `relay alerts` does.
#[derive(Subcommand, Debug)]
pub enum AlertsCommand {
    /// Send a test message to the destinations of [[alert]], and print what came back
    Test(TestArguments),
}

/// What `relay alerts test` takes.
#[derive(clap::Args, Debug)]
pub struct TestArguments {
    /// The alert of this name alone
    name: Option<String>,
}

/// Sends one message to each; exit code 1 when any was not taken.
pub(super) fn run(command: &AlertsCommand, common: &Common) -> Outcome {
    let AlertsCommand::Test(TestArguments { name }) = command;
    let loaded = common.load(Vec::new())?;
    let mut chosen = outlets(&loaded)?;
    if let Some(name) = name {
        chosen.retain(|(alert, _)| alert.name == *name);
        if chosen.is_empty() {
            return Err(Failure::usage(format!("no [[alert]] has the name {name:?}")));
        }
    }
    if chosen.is_empty() {
        return Err(Failure::failed(anyhow!("the configuration has no [[alert]]"))
            .hint("docs/operations.md tells how to write one"));
    }
    let ways = ways(&loaded.config)?;
    let server = &loaded.config.server;
    let relay = public::base(server.public_url.as_ref(), server.listen);
    let mut exit = Exit::Success;
    let mut told: Vec<Value> = Vec::new();
    for (alert, outlet) in chosen {
        let sent = outlet.send(&Message::test(&alert.name, &relay, wall_clock()?), &ways);
        if sent.is_err() {
            exit = Exit::Failed;
        }
        let (taken, answer) = match sent {
            Ok(answer) => (true, answer),
            Err(refused) => (false, refused.reason),
        };
        if common.json {
            told.push(json!({ "alert": alert.name, "taken": taken, "answer": answer }));
            continue;
        }
        let word = if taken { styled(GOOD, "taken:") } else { styled(BAD, "not taken:") };
        output::line(format!("{}: {word} {}", alert.name, plain(&answer)))?;
    }
    if common.json {
        output::json(&told)?;
    }
    Ok(exit)
}
