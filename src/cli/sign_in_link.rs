//! `relay sign-in-link`: a link with which somebody gets a key of its own and signs in.

use anyhow::anyhow;
use serde_json::{Value, json};

use super::client::{Client, path_part};
use super::failure::{Exit, Failure};
use super::output::{self, cell, plain};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome, pages};
use crate::domain::token::Role;

const PATH: &str = "/api/v1/auth/sign-in-link";

/// What `relay sign-in-link` takes.
#[derive(clap::Args, Debug)]
pub struct SignInLinkArguments {
    /// Whom the link is for; the key that it makes is called so
    #[arg(long, value_name = "NAME", required_unless_present_any = ["list", "revoke"])]
    name: Option<String>,
    /// What the key opens: everything, or to look at everything but secrets
    #[arg(long, value_name = "ROLE", default_value = "operator",
          value_parser = [Role::Operator.name(), Role::ReadOnly.name()])]
    role: String,
    /// List the links that nobody has followed yet
    #[arg(long, conflicts_with_all = ["name", "role", "revoke"])]
    list: bool,
    /// Take the link with this id back, as --list shows it
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "role"])]
    revoke: Option<String>,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Makes a link, unless it lists or revokes.
pub(super) fn run(arguments: &SignInLinkArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    if arguments.list {
        return list(&client, common);
    }
    if let Some(id) = &arguments.revoke {
        client.delete(&format!("{PATH}/{}", path_part(id)))?;
        if !common.json {
            output::line(format!("revoked {}", plain(id)))?;
        }
        return Ok(Exit::Success);
    }
    make(&client, arguments, common)
}

fn list(client: &Client, common: &Common) -> Outcome {
    let answer = client.get(PATH)?;
    let found = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |link: &Value| {
        let text = |field: &str| plain(link[field].as_str().unwrap_or("-"));
        ["expiresAt", "name", "role", "madeBy", "id"].map(|field| cell(text(field)))
    };
    pages::show(found, "link", ["UNTIL", "NAME", "ROLE", "MADE BY", "ID"], row, common)
}

/// Has the relay make a link and prints it, on a line of its own.
fn make(client: &Client, arguments: &SignInLinkArguments, common: &Common) -> Outcome {
    let body = json!({ "name": arguments.name, "role": arguments.role });
    let made = client.post(PATH, &body.to_string())?;
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
