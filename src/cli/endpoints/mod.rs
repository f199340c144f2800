//! `relay endpoints`: where messages go.

mod change;
mod settings;
mod show;

use clap::Subcommand;

use super::chosen::AppArgument;
use super::client::{Client, path_part};
use super::failure::Failure;
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};

/// What `relay endpoints` does.
#[derive(Subcommand, Debug)]
pub enum EndpointsCommand {
    /// List the endpoints of an application, newest first
    List(show::ListArguments),
    /// Show an endpoint and how its messages stand
    Show(show::ShowArguments),
    /// Make an endpoint
    Add(Box<change::AddArguments>),
    /// Change what is given of an endpoint, and nothing else
    Update(Box<change::UpdateArguments>),
    /// Send nothing to an endpoint: what waits for it stays; what comes meanwhile it does not get
    #[command(visible_alias = "pause")]
    Disable(NamedArguments),
    /// Send to an endpoint again, what waited for it too
    #[command(visible_alias = "resume")]
    Enable(NamedArguments),
    /// Delete an endpoint with all that waits for it
    Delete(NamedArguments),
    /// Give an endpoint another signing secret; the old one signs beside it for the grace period
    RotateSecret(change::RotateArguments),
    /// Send an endpoint an example of an event type, and print what comes of it
    Test(change::TestArguments),
}

/// One endpoint.
#[derive(clap::Args, Debug)]
pub struct NamedArguments {
    /// The endpoint, by id or uid
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,
    #[command(flatten)]
    app: AppArgument,
    #[command(flatten)]
    at: RemoteArguments,
}

impl NamedArguments {
    /// Who asks, and the endpoint's path.
    fn reach(&self, common: &Common) -> Result<(Client, String), Failure> {
        let client = self.at.client(common)?;
        let app = self.app.path(&client)?;
        let path = format!("{app}/endpoint/{}", path_part(&self.endpoint));
        Ok((client, path))
    }
}

/// Does what is asked for.
pub(super) fn run(command: &EndpointsCommand, common: &Common) -> Outcome {
    match command {
        EndpointsCommand::List(arguments) => show::list(arguments, common),
        EndpointsCommand::Show(arguments) => show::run(arguments, common),
        EndpointsCommand::Add(arguments) => change::add(arguments, common),
        EndpointsCommand::Update(arguments) => change::update(arguments, common),
        EndpointsCommand::Disable(arguments) => change::disable(arguments, true, common),
        EndpointsCommand::Enable(arguments) => change::disable(arguments, false, common),
        EndpointsCommand::Delete(arguments) => change::delete(arguments, common),
        EndpointsCommand::RotateSecret(arguments) => change::rotate(arguments, common),
        EndpointsCommand::Test(arguments) => change::test(arguments, common),
    }
}
