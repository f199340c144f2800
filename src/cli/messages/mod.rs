//! `relay messages`: what was accepted, and what became of it.

mod list;
mod show;
mod timeline;

use clap::Subcommand;

use super::{Common, Outcome};

/// What `relay messages` does.
#[derive(Subcommand, Debug)]
pub enum MessagesCommand {
    /// List messages, newest first, and find them
    List(Box<list::ListArguments>),
    /// Show a message and everything that became of it, with what comes next
    Show(show::ShowArguments),
}

/// Does what is asked for.
pub(super) fn run(command: &MessagesCommand, common: &Common) -> Outcome {
    match command {
        MessagesCommand::List(arguments) => list::run(arguments, common),
        MessagesCommand::Show(arguments) => show::run(arguments, common),
    }
}
