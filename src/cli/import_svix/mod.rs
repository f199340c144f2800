//! `relay import-svix`: what a server of the Svix API has, into a running relay.

mod collect;
mod source;

use std::io::IsTerminal;

use url::Url;

use super::client::{Client, ServerArgument, TokenArgument};
use super::transfer;
use super::{Common, Outcome};
use source::Source;

/// Endpoints between two lines of progress.
const PROGRESS: usize = 100;

/// What `relay import-svix` takes.
#[derive(clap::Args, Debug)]
pub struct ImportSvixArguments {
    /// The server to read: https://api.eu.svix.com, or your own
    #[arg(long, env = "SVIX_SERVER_URL", value_name = "URL")]
    url: Url,
    /// A token of that server that may read everything
    #[arg(long, env = "SVIX_AUTH_TOKEN", hide_env_values = true)]
    token: String,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: ServerArgument,
    /// The relay's operator key; else that of the configuration or of the data folder
    #[arg(long, env = "RELAY_TOKEN", hide_env_values = true)]
    relay_token: Option<String>,
}

/// Reads all of it first; exit code 1 when the relay refused an entry.
pub(super) fn run(arguments: &ImportSvixArguments, common: &Common) -> Outcome {
    let token = TokenArgument::given(arguments.relay_token.clone());
    let client = Client::new(&arguments.server, &token, common)?;
    let source = Source::new(&arguments.url, &arguments.token);
    let shown = std::io::stderr().is_terminal();
    let collected = collect::collect(&source, &|read| {
        if shown && read % PROGRESS == 0 {
            anstream::eprintln!("{read} endpoints read");
        }
    })?;
    let items = transfer::import(&client, &collected.document, arguments.dry_run)?;
    transfer::tell(&items, &collected.not_taken, arguments.dry_run, common)
}
