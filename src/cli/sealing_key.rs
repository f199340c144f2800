//! `relay sealing-key`: the keys that a running relay seals secrets with on disk, by their ids.

use serde_json::Value;

use super::failure::Exit;
use super::output::{self, ASIDE, plain, styled};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};

const PATH: &str = "/api/v1/sealing-key";

/// What `relay sealing-key` takes.
#[derive(clap::Subcommand, Debug)]
pub enum SealingKeyCommand {
    /// Tell which keys a running relay has, by id, and which of them it still needs
    Show(RemoteArguments),
    /// Have a running relay seal every secret with another key, while all else goes on
    Rotate(RemoteArguments),
}

/// Asks the relay.
pub(super) fn run(command: &SealingKeyCommand, common: &Common) -> Outcome {
    match command {
        SealingKeyCommand::Show(at) => show(at, common),
        SealingKeyCommand::Rotate(at) => rotate(at, common),
    }
}

fn show(at: &RemoteArguments, common: &Common) -> Outcome {
    let shown = at.client(common)?.get(PATH)?;
    if common.json {
        output::json(&shown)?;
        return Ok(Exit::Success);
    }
    let text = |value: &Value| value.as_str().map(plain).unwrap_or_default();
    let line = |key: &Value, about: &str| {
        let origin = styled(ASIDE, format!("from the {}", text(&key["origin"])));
        output::line(format!("{}  {origin}  {about}", text(&key["id"])))
    };
    let standing = match (shown["resealed"].as_bool(), shown["taskId"].as_str()) {
        (Some(true), _) => "seals, and has sealed every secret".to_owned(),
        (_, Some(task)) => format!("seals; {} seals the rest", plain(task)),
        _ => "seals; older keys may have sealed some secrets: relay sealing-key rotate".to_owned(),
    };
    line(&shown, &standing)?;
    let previous = shown["previousKeys"].as_array();
    for key in previous.into_iter().flatten() {
        let about = match (key["needed"].as_bool(), shown["neededThroughSegment"].as_u64()) {
            (Some(false), _) => "not needed any more: remove it".to_owned(),
            (_, None) => "needed".to_owned(),
            (_, Some(through)) => format!(
                "needed until segment {through} of the journal has gone, the oldest is {}",
                shown["oldestSegment"]
            ),
        };
        line(key, &about)?;
    }
    Ok(Exit::Success)
}

fn rotate(at: &RemoteArguments, common: &Common) -> Outcome {
    let begun = at.client(common)?.post(&format!("{PATH}/rotate"), "{}")?;
    if common.json {
        output::json(&begun)?;
        return Ok(Exit::Success);
    }
    let task = begun["id"].as_str().map(plain).unwrap_or_default();
    output::line(format!("begun: {task}"))?;
    anstream::eprintln!("relay sealing-key show tells when it is done.");
    Ok(Exit::Success)
}
