//! `relay sign-in-link`: a link with which somebody gets a key of its own and signs in.

use anyhow::anyhow;
use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{self, plain};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};
use crate::domain::token::Role;

const PATH: &str = "/api/v1/auth/sign-in-link";

/// What `relay sign-in-link` takes.
#[derive(clap::Args, Debug)]
pub struct SignInLinkArguments {
    /// Whom the link is for; the key that it makes is called so
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What the key opens: everything, or to look at everything but secrets
    #[arg(long, value_name = "ROLE", default_value = "operator",
          value_parser = [Role::Operator.name(), Role::ReadOnly.name()])]
    role: String,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Has the relay make a link and prints it, on a line of its own.
pub(super) fn run(arguments: &SignInLinkArguments, common: &Common) -> Outcome {
    let body = json!({ "name": arguments.name, "role": arguments.role });
    let made = arguments.at.client(common)?.post(PATH, &body.to_string())?;
    let url = made["url"].as_str();
    let url =
        url.ok_or_else(|| Failure::failed(anyhow!("the relay's answer has no link in it")))?;
    if common.json {
        output::json(&made)?;
        return Ok(Exit::Success);
    }
    output::line(plain(url))?;
    let end = plain(made["expiresAt"].as_str().unwrap_or_default());
    anstream::eprintln!("Whoever opens it first is signed in. It is good once, until {end}.");
    Ok(Exit::Success)
}
