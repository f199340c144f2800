//! `relay health`: whether a relay lives and is ready.

use serde_json::{Value, json};

use super::client::{Client, ServerArgument};
use super::failure::Exit;
use super::output::{self, BAD, GOOD, styled};
use super::{Common, Outcome};

/// What `relay health` takes.
#[derive(clap::Args, Debug)]
pub struct HealthArguments {
    #[command(flatten)]
    server: ServerArgument,
}

/// Asks for `/healthz` and `/readyz`: exit code 0 when both are well, else 69.
pub(super) fn run(arguments: &HealthArguments, common: &Common) -> Outcome {
    let base = arguments.server.base(common);
    let client = Client::anonymous(&base);
    let asked = client.get_once("/healthz").and_then(|alive| {
        let ready = client.get_once("/readyz")?;
        Ok((alive, ready))
    });
    let (alive, ready) = match asked {
        Ok(answers) => answers,
        Err(failure) => {
            if common.json {
                output::json(&json!({ "alive": false, "ready": false }))?;
            }
            return Err(failure);
        }
    };
    let well = |status: u16| (200..300).contains(&status);
    let (is_alive, is_ready) = (well(alive.status), well(ready.status));
    if common.json {
        output::json(&json!({ "alive": is_alive, "ready": is_ready, "state": ready.body }))?;
    } else {
        let word = if is_alive && is_ready {
            styled(GOOD, "ready")
        } else if is_alive {
            styled(BAD, "alive, not ready")
        } else {
            styled(BAD, "not well")
        };
        let reason = match &ready.body {
            Value::String(text) => output::plain(text.trim()),
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let reason =
            if is_ready || reason.is_empty() { String::new() } else { format!(": {reason}") };
        output::line(format!("{base} is {word}{reason}"))?;
    }
    Ok(if is_alive && is_ready { Exit::Success } else { Exit::Unreachable })
}
