//! `relay portal-link`: a link with which a customer looks after its own endpoints.

use anyhow::anyhow;
use serde_json::json;

use super::client::path_part;
use super::failure::{Exit, Failure};
use super::output::{self, plain};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};
use crate::config::units::Span;

/// What `relay portal-link` takes.
#[derive(clap::Args, Debug)]
pub struct PortalLinkArguments {
    /// The application that it opens, by id or uid
    #[arg(value_name = "APP")]
    app: String,
    /// Let it look and change nothing
    #[arg(long)]
    read_only: bool,
    /// How long it is good for, 1h to 7d
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    expires: Span,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Has the relay make a link and prints it, on a line of its own.
pub(super) fn run(arguments: &PortalLinkArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    // The call would make an application that is not there; a link to nothing helps nobody.
    client.get(&super::chosen::path(&arguments.app))?;
    let body = json!({
        "expiry": arguments.expires.0.as_secs(), "readOnly": arguments.read_only,
    });
    let path = format!("/api/v1/auth/app-portal-access/{}", path_part(&arguments.app));
    let made = client.post(&path, &body.to_string())?;
    let url = made["url"].as_str();
    let url =
        url.ok_or_else(|| Failure::failed(anyhow!("the relay's answer has no link in it")))?;
    if common.json {
        output::json(&made)?;
        return Ok(Exit::Success);
    }
    output::line(plain(url))?;
    let may = if arguments.read_only { "sees" } else { "sees and changes" };
    let (app, expires) = (plain(&arguments.app), arguments.expires);
    anstream::eprintln!("Whoever has it {may} the endpoints of {app}. It is good for {expires}.");
    Ok(Exit::Success)
}
