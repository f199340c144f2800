//! `relay source add`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{PATH, UNVERIFIED, name};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, ASIDE, GOOD, plain, styled};
use crate::cli::signed_request::{ProviderSecretArguments, read_input};
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome, verify_provider};
use crate::domain::provider::{Provider, Scheme};
use crate::domain::source::Verification;
use crate::domain::subscription::is_name;

/// Characters of a uid at most.
const UID_MAX: usize = 256;

/// What `relay source add` takes.
#[derive(clap::Args, Debug)]
pub struct AddArguments {
    /// What people call it
    #[arg(value_name = "NAME")]
    name: String,
    /// Who sends, as `relay source providers` lists them; none verifies nothing
    #[arg(long, value_name = "NAME", required_unless_present = "verification_file")]
    provider: Option<String>,
    /// A row that says how a sender signs that is not among them, TOML or JSON
    #[arg(long, value_name = "FILE", conflicts_with = "provider")]
    verification_file: Option<PathBuf>,
    /// Your own name for it, which endpoints choose it by; NAME where that can be one
    #[arg(long)]
    uid: Option<String>,
    /// The application whose messages its events become, by id or uid; else default
    #[arg(long, value_name = "APP")]
    application: Option<String>,
    #[command(flatten)]
    secret: ProviderSecretArguments,
    /// What a handshake has to name, with Meta and eBay
    #[arg(long, value_name = "TEXT")]
    verify_token: Option<String>,
    /// A channel that its messages get; may be given again
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// The type of every message; else what the provider says of each
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Which requests are the same event: event, body, off, or places that hold the same, like
    /// body.data.id; may be given again
    #[arg(long, value_name = "RULE")]
    dedup: Vec<String>,
    /// What becomes of its requests
    #[arg(long, value_parser = ["active", "paused", "inspect"])]
    mode: Option<String>,
    /// Answer handshakes that can't be signed yet, while the source is registered
    #[arg(long)]
    set_up: bool,
    /// Permit who asks with OPTIONS to send CloudEvents
    #[arg(long)]
    cloud_events: bool,
    /// What stands before answers to handshakes, with Braintree
    #[arg(long, value_name = "TEXT")]
    public_key: Option<String>,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Makes one, and prints its URL on a line of its own.
pub(super) fn run(arguments: &AddArguments, common: &Common) -> Outcome {
    let verification = verification(arguments)?;
    let secret = arguments.secret.read()?;
    if let Some(row) = verification.row()
        && row.scheme != Scheme::None
        && secret.is_none()
        && !arguments.set_up
    {
        let what = row.secret.as_deref().unwrap_or("a secret");
        let failure = Failure::usage(format!("{} can't be verified without {what}", row.title));
        return Err(failure.hint(
            "give it with --secret-file FILE, or --secret - for stdin; --set-up waits for one \
             that the provider hands out; --provider none verifies nothing",
        ));
    }
    let body = body(arguments, &verification, secret);
    let made = arguments.at.client(common)?.post(PATH, &body.to_string())?;
    if common.json {
        output::json(&made)?;
    } else {
        tell(&made, verification.row())?;
    }
    Ok(Exit::Success)
}

fn verification(arguments: &AddArguments) -> Result<Verification, Failure> {
    match (arguments.provider.as_deref(), &arguments.verification_file) {
        (_, Some(path)) => read_row(path),
        (Some("none" | UNVERIFIED) | None, None) => Ok(Verification::Nothing),
        (Some(name), None) => Ok(Verification::Provider(verify_provider::find(name)?)),
    }
}

/// A row of the operator's own.
fn read_row(path: &Path) -> Result<Verification, Failure> {
    let shown = path.display();
    let wrong = |error: String| {
        Failure::usage(format!("{shown} holds no row: {error}"))
            .hint("how a row is written stands in docs/receiving.md and docs/providers.md")
    };
    let text = String::from_utf8(read_input(path)?).map_err(|_| wrong("no text".to_owned()))?;
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    let row: Value = match is_json {
        true => serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?,
        false => toml::from_str(&text).map_err(|error| wrong(error.to_string()))?,
    };
    Verification::own(row.to_string()).map_err(|error| wrong(error.to_string()))
}

fn body(arguments: &AddArguments, verification: &Verification, secret: Option<String>) -> Value {
    let kind = match verification {
        Verification::Nothing => UNVERIFIED,
        verification => verification.name(),
    };
    let uid =
        arguments.uid.as_ref().or(Some(&arguments.name).filter(|name| is_name(name, UID_MAX)));
    let mut body = json!({
        "name": arguments.name, "uid": uid, "type": kind, "config": {},
        "application": arguments.application, "channels": arguments.channels,
        "eventType": arguments.event_type, "mode": arguments.mode, "setUp": arguments.set_up,
        "cloudEvents": arguments.cloud_events, "publicKey": arguments.public_key,
    });
    if let Verification::Row { text, .. } = verification {
        body["verification"] = serde_json::from_str(text).unwrap_or_default();
    }
    if let Some(secret) = secret {
        body["config"]["secret"] = secret.into();
    }
    if let Some(token) = &arguments.verify_token {
        body["config"]["verifyToken"] = token.as_str().into();
    }
    match arguments.dedup.as_slice() {
        [] => {}
        [word] if ["event", "body", "off"].contains(&word.as_str()) => {
            body["dedup"] = word.as_str().into();
        }
        places => body["dedup"] = places.into(),
    }
    body
}

fn tell(made: &Value, row: Option<&Provider>) -> Result<(), Failure> {
    let url = plain(made["ingestUrl"].as_str().unwrap_or_default());
    let id = plain(made["id"].as_str().unwrap_or_default());
    let name = name(made);
    output::line(format!("made {name} {}\n", styled(ASIDE, id)))?;
    output::line(format!("    {}\n", styled(GOOD.bold(), &url)))?;
    let title = row.map_or("whoever sends", |row| row.title.as_str());
    output::line(format!(
        "Give this URL to {title}. Who knows it may post to it: keep it secret."
    ))?;
    if let Some(row) = row.filter(|row| row.needs_secret()) {
        // Some choose it, others are given it: the same it has to be.
        let what = row.secret.as_deref().unwrap_or("the secret");
        output::line(format!(
            "There {what} has to be the same as here: paste it, unless {} made it.",
            row.title
        ))?;
        if row.name == "github" {
            let words = "Choose the content type application/json there: a form is taken too, but \
                         has the event as\ntext in its field `payload`.";
            output::line(words)?;
        }
    }
    if let Some(row) = row.filter(|row| !row.docs.is_empty()) {
        output::line(format!("How {} signs: {}", row.title, row.docs))?;
    }
    let host = url::Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned));
    if host.is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str())) {
        let words = "The internet can't reach this address: set server.public_url to one that it \
                     can, see docs/proxy.md.";
        output::line(words)?;
    }
    let try_it = match row {
        None => Some(format!("relay trigger none --source {name}")),
        Some(row) if row.is_signable() => {
            let sender = if row.name == made["type"].as_str().unwrap_or_default() {
                &row.name
            } else {
                "custom"
            };
            let secret = if row.needs_secret() { " --secret-file FILE" } else { "" };
            Some(format!("relay trigger {sender} --source {name}{secret}"))
        }
        Some(_) => None,
    };
    if let Some(command) = try_it {
        output::line(format!("Try it:          {command}"))?;
    }
    output::line(format!("See what comes:  relay source requests {name}"))
}
