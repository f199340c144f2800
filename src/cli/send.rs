//! `relay send`: posts a message and prints its deliveries as they end.

use std::io::IsTerminal;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::{Client, ServerArgument, TokenArgument, path_part};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, styled};
use super::signed_request::read_input;
use super::{Common, Outcome, follow};
use crate::config::units::Span;

/// What `relay send` takes.
#[derive(clap::Args, Debug)]
pub struct SendArguments {
    #[command(flatten)]
    server: ServerArgument,
    #[command(flatten)]
    token: TokenArgument,
    /// The application, by id or uid
    #[arg(long, value_name = "APP", default_value = "default")]
    app: String,
    /// The event type, like invoice.paid
    #[arg(long = "type", value_name = "TYPE")]
    event_type: String,
    /// The payload, a JSON object
    #[arg(long, value_name = "JSON", conflicts_with_all = ["file", "input"])]
    data: Option<String>,
    /// A file that holds it
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    file: Option<PathBuf>,
    /// A file that holds it; - is stdin
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
    /// Your own id of the event; a second message with it is refused
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Send only to endpoints that listen to this channel; may be given again
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Wait until every delivery has ended (the default)
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Only post the message
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for the deliveries
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    timeout: Span,
}

/// The body of the call; the payload goes as it was given, byte for byte.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    event_type: &'a str,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    channels: &'a [String],
}

/// Posts, then follows: exit code 0 when all are delivered, 1 when one is not and won't be, 75 when
/// the time is up first.
pub(super) fn run(arguments: &SendArguments, common: &Common) -> Outcome {
    let payload = payload(arguments)?;
    let message = Message {
        event_type: &arguments.event_type,
        payload: &payload,
        event_id: arguments.event_id.as_deref(),
        channels: &arguments.channels,
    };
    let body = serde_json::to_string(&message).map_err(Failure::failed)?;
    let client = Client::new(&arguments.server, &arguments.token, common)?;
    let app = path_part(&arguments.app);
    let posted = client.post(&format!("/api/v1/app/{app}/msg?with_content=false"), &body)?;
    let Some(id) = posted["id"].as_str() else {
        return Err(Failure::failed(anyhow::anyhow!("the relay accepted, but named no message")));
    };
    if common.json {
        output::json(&json!({ "accepted": id }))?;
    } else {
        output::line(format!("accepted {id} {}", styled(ASIDE, &arguments.event_type)))?;
    }
    if arguments.no_wait && !arguments.wait {
        return Ok(Exit::Success);
    }
    follow::follow(&client, &app, id, arguments.timeout.0, common.json)
}

fn payload(arguments: &SendArguments) -> Result<Box<RawValue>, Failure> {
    let text = match (&arguments.data, arguments.file.as_ref().or(arguments.input.as_ref())) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => read_input(path)?,
        (None, None) if !std::io::stdin().is_terminal() => read_input(&PathBuf::from("-"))?,
        (None, None) => {
            return Err(Failure::usage("no payload is given")
                .hint("give it with --data '{\"a\":1}', --file FILE, or - for stdin"));
        }
    };
    let wrong =
        |error: serde_json::Error| Failure::usage(format!("the payload is not JSON: {error}"));
    let text = String::from_utf8(text)
        .map_err(|_| Failure::usage("the payload is not text in UTF-8".to_owned()))?;
    let payload: Box<RawValue> = serde_json::from_str(text.trim()).map_err(wrong)?;
    if !payload.get().starts_with('{') {
        return Err(Failure::usage("the payload has to be a JSON object, {…}"));
    }
    Ok(payload)
}
