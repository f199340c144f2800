//! `relay token create --remote`, `list` and `revoke`: the operator keys that a relay keeps.

use anyhow::anyhow;
use serde_json::{Value, json};

use super::client::{Client, ServerArgument, TokenArgument, path_part};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, plain, styled};
use super::token::wall_clock;
use super::{Common, Outcome};
use crate::config::units::Span;

const PATH: &str = "/api/v1/auth/key";

/// Which relay, and with which key.
#[derive(clap::Args, Debug)]
pub struct RemoteArguments {
    #[command(flatten)]
    server: ServerArgument,
    #[command(flatten)]
    token: TokenArgument,
}

/// What `relay token revoke` takes.
#[derive(clap::Args, Debug)]
pub struct RevokeArguments {
    /// The key's id, as `relay token list` shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: RemoteArguments,
}

impl RemoteArguments {
    /// Asks it.
    pub(super) fn client(&self, common: &Common) -> Result<Client, Failure> {
        Client::new(&self.server, &self.token, common)
    }

    /// Its URL without a slash at its end.
    pub(super) fn base(&self, common: &Common) -> String {
        self.server.base(common)
    }
}

/// Has the relay make a key and prints it, on a line of its own.
pub(super) fn create(
    at: &RemoteArguments,
    (name, role): (Option<&str>, &str),
    expires: Option<Span>,
    common: &Common,
) -> Outcome {
    let end = expires.map(|expires| wall_clock().map(|now| (now + expires.0).to_string()));
    let body = json!({ "name": name, "expiresAt": end.transpose()?, "scopes": [role] });
    let made = at.client(common)?.post(PATH, &body.to_string())?;
    let key = made["token"].as_str();
    let key = key.ok_or_else(|| Failure::failed(anyhow!("the relay's answer has no key in it")))?;
    if common.json {
        output::json(&made)?;
        return Ok(Exit::Success);
    }
    output::line(key)?;
    let id = plain(made["id"].as_str().unwrap_or_default());
    anstream::eprintln!("This is the only time it is shown. It is {id}: relay token revoke {id}");
    Ok(Exit::Success)
}

/// Prints a line for each key.
pub(super) fn list(at: &RemoteArguments, common: &Common) -> Outcome {
    // More keys than a page has items can't be.
    let listed = at.client(common)?.get(&format!("{PATH}?limit=250"))?;
    if common.json {
        output::json(&listed["data"])?;
        return Ok(Exit::Success);
    }
    for key in listed["data"].as_array().into_iter().flatten() {
        let text = |field: &str| key[field].as_str().map(plain).unwrap_or_default();
        let end = match &key["expiresAt"] {
            Value::String(end) => format!("until {}", plain(end)),
            _ => "without end".to_owned(),
        };
        let about = match key["origin"].as_str() {
            Some(origin) => format!("from {}", plain(origin)),
            None => format!("made {}, {end}", text("createdAt")),
        };
        let role = plain(key["scopes"][0].as_str().unwrap_or_default());
        let about = styled(ASIDE, about);
        output::line(format!("{}  {about}  {role}  {}", text("id"), text("name")))?;
    }
    Ok(Exit::Success)
}

/// Revokes a key.
pub(super) fn revoke(arguments: &RevokeArguments, common: &Common) -> Outcome {
    let id = path_part(&arguments.id);
    arguments.at.client(common)?.delete(&format!("{PATH}/{id}"))?;
    if common.json {
        output::json(&json!({ "revoked": arguments.id }))?;
    } else {
        output::line(format!("revoked {}", plain(&arguments.id)))?;
    }
    Ok(Exit::Success)
}
