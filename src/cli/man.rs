//! `relay man`: the manual pages, made of what the commands say of themselves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::failure::{Exit, Failure};
use super::{Cli, Common, Outcome, output};

/// What `relay man` takes.
#[derive(clap::Args, Debug)]
pub struct ManArguments {
    /// Write a page for relay and one for each command into this folder; else the page of relay is
    /// printed
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the page of the whole, or writes all of them.
pub(super) fn run(arguments: &ManArguments, common: &Common) -> Outcome {
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives each command the name of its page, `relay-source-add`.
    command.build();
    let Some(folder) = &arguments.dir else {
        let mut page = Vec::new();
        man(command).render(&mut page)?;
        output::bytes(&page)?;
        return Ok(Exit::Success);
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("{} can't be made", folder.display()))
        .map_err(Failure::failed)?;
    let mut written = Vec::new();
    write(command, folder, &mut written)?;
    if common.json {
        output::json(&written)?;
    } else {
        let pages = output::count(written.len(), "page");
        output::line(format!("{pages} written to {}", folder.display()))?;
    }
    Ok(Exit::Success)
}

/// A command's page, and those of the commands below it.
fn write(command: Command, folder: &Path, written: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let shown = |command: &&Command| !command.is_hide_set();
    for below in command.get_subcommands().filter(shown).cloned() {
        write(below, folder, written)?;
    }
    let path = man(command).generate_to(folder);
    let path = path.with_context(|| format!("{} can't be written to", folder.display()));
    written.push(path.map_err(Failure::failed)?);
    Ok(())
}

fn man(command: Command) -> Man {
    Man::new(command).source(concat!("relay ", env!("CARGO_PKG_VERSION"))).manual("relay")
}
