//! `relay export`: the catalogue of a relay as one document.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::NamedTempFile;

use super::client::{Client, ServerArgument, TokenArgument};
use super::failure::{Exit, Failure};
use super::output;
use super::{Common, Outcome};

/// What `relay export` takes.
#[derive(clap::Args, Debug)]
pub struct ExportArguments {
    /// The file to write, readable by its owner alone; else stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Export signing keys and credentials in headers too: keep the file like a password
    #[arg(long)]
    with_secrets: bool,
    #[command(flatten)]
    server: ServerArgument,
    #[command(flatten)]
    token: TokenArgument,
}

/// Asks a running relay; the document is the same as that of `/api/v1/environment/export`.
pub(super) fn run(arguments: &ExportArguments, common: &Common) -> Outcome {
    let client = Client::new(&arguments.server, &arguments.token, common)?.patient();
    let secrets = arguments.with_secrets;
    let document = client.get(&format!("/api/v1/environment/export?with_secrets={secrets}"))?;
    let mut text = serde_json::to_string_pretty(&document).map_err(Failure::failed)?;
    text.push('\n');
    let Some(path) = &arguments.output else {
        output::bytes(text.as_bytes())?;
        return Ok(Exit::Success);
    };
    let written = write(path, text.as_bytes());
    written.with_context(|| format!("can't write {}", path.display())).map_err(Failure::failed)?;
    Ok(Exit::Success)
}

/// Writes a file of the owner's alone, the whole of it or nothing.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}
