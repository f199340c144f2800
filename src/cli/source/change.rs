//! `relay source pause`, `resume`, `inspect`, `rotate`, `secret` and `remove`.

use serde_json::json;

use super::{NamedArguments, name, path};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, GOOD, plain, styled};
use crate::cli::signed_request::ProviderSecretArguments;
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome};
use crate::config::units::Span;

/// What `relay source rotate` takes.
#[derive(clap::Args, Debug)]
pub struct RotateArguments {
    /// The source, by id or uid
    #[arg(value_name = "REF")]
    source: String,
    /// How long the old URL counts; else sources.rotation_overlap
    #[arg(long, value_name = "DURATION")]
    overlap: Option<Span>,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay source secret` takes.
#[derive(clap::Args, Debug)]
pub struct SecretArguments {
    /// The source, by id or uid
    #[arg(value_name = "REF")]
    source: String,
    #[command(flatten)]
    secret: ProviderSecretArguments,
    /// How long the old one counts; else sources.rotation_overlap
    #[arg(long, value_name = "DURATION")]
    overlap: Option<Span>,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay source remove` takes.
#[derive(clap::Args, Debug)]
pub struct RemoveArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// Also when it holds requests that are no messages yet
    #[arg(long)]
    discard_held: bool,
}

/// Sets what becomes of its requests.
pub(super) fn mode(arguments: &NamedArguments, mode: &str, common: &Common) -> Outcome {
    let body = json!({ "mode": mode }).to_string();
    let source = arguments.at.client(common)?.patch(&path(&arguments.source), &body)?;
    if common.json {
        output::json(&source)?;
        return Ok(Exit::Success);
    }
    let effect = match mode {
        "paused" => "is paused: what comes is held until relay source resume",
        "inspect" => "only shows what comes: relay source requests lists it",
        _ => "is active: what was held becomes messages within seconds",
    };
    output::line(format!("{} {effect}", name(&source)))?;
    Ok(Exit::Success)
}

/// Gives it another URL and prints it, on a line of its own.
pub(super) fn rotate(arguments: &RotateArguments, common: &Common) -> Outcome {
    let overlap = arguments.overlap.map(|overlap| overlap.0.as_secs());
    let body = json!({ "overlapSeconds": overlap }).to_string();
    let path = format!("{}/token/rotate", path(&arguments.source));
    let made = arguments.at.client(common)?.post(&path, &body)?;
    if common.json {
        output::json(&made)?;
        return Ok(Exit::Success);
    }
    let url = plain(made["ingestUrl"].as_str().unwrap_or_default());
    output::line(format!("    {}\n", styled(GOOD.bold(), url)))?;
    let counts = match arguments.overlap {
        Some(overlap) if overlap.0.is_zero() => "The old one answers 404 from now on.".to_owned(),
        Some(overlap) => format!("The old one counts for another {overlap}."),
        None => "The old one counts for sources.rotation_overlap, 24 h when unset.".to_owned(),
    };
    output::line(format!("Give this URL to the provider. {counts}"))?;
    Ok(Exit::Success)
}

/// Gives it a new secret.
pub(super) fn secret(arguments: &SecretArguments, common: &Common) -> Outcome {
    let secret = arguments.secret.read()?.ok_or_else(|| {
        Failure::usage("no secret is given")
            .hint("name it with --secret-file FILE, or --secret - for stdin")
    })?;
    let overlap = arguments.overlap.map(|overlap| overlap.0.as_secs());
    let config = json!({ "secret": secret, "overlapSeconds": overlap });
    let body = json!({ "config": config }).to_string();
    let source = arguments.at.client(common)?.patch(&path(&arguments.source), &body)?;
    if common.json {
        output::json(&source)?;
        return Ok(Exit::Success);
    }
    let name = name(&source);
    let counts = match (source["secrets"].as_u64(), arguments.overlap) {
        (Some(count), Some(overlap)) if count > 1 => {
            format!("the old one counts for another {overlap}, {count} in all")
        }
        (Some(count), None) if count > 1 => {
            format!("the old one counts too for sources.rotation_overlap, {count} in all")
        }
        _ => "it is the only one".to_owned(),
    };
    output::line(format!("{name} has a new secret; {counts}"))?;
    output::line(format!("Take what was refused for it:  relay source release {name}"))?;
    Ok(Exit::Success)
}

/// Deletes one.
pub(super) fn remove(arguments: &RemoveArguments, common: &Common) -> Outcome {
    let NamedArguments { source, at } = &arguments.named;
    let query = if arguments.discard_held { "?discard_held=true" } else { "" };
    let told = |failure: Failure| match &failure {
        Failure::Told { error, .. } if error.to_string().contains("discard_held") => {
            failure.hint("relay source resume makes messages of them; --discard-held drops them")
        }
        _ => failure,
    };
    at.client(common)?.delete(&format!("{}{query}", path(source))).map_err(told)?;
    if common.json {
        output::json(&json!({ "removed": source }))?;
    } else {
        output::line(format!("removed {}", plain(source)))?;
    }
    Ok(Exit::Success)
}
