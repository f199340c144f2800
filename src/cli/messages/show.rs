//! `relay messages show`: everything that is known of a message.

use serde_json::{Value, json};

use super::timeline;
use crate::cli::chosen;
use crate::cli::client::{Client, path_part};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output;
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome, pages, standing};

/// Endpoints and attempts that are shown of one message.
const SHOWN_MAX: usize = 10_000;

/// Endpoints of one message that are asked how they stand.
const STANDING_MAX: usize = 100;

/// What `relay messages show` takes.
#[derive(clap::Args, Debug)]
pub struct ShowArguments {
    /// The application, by id or uid
    #[arg(value_name = "APP")]
    app: String,
    /// The message, by id or event id
    #[arg(value_name = "MSG")]
    message: String,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What the API knows of a message.
pub(super) struct Story {
    /// The message with its payload.
    pub message: Value,
    /// The request that brought it to a source, where there is one and the caller may see it.
    pub request: Value,
    /// Every endpoint of the application and why it has the message or not.
    pub endpoints: Vec<Value>,
    /// Attempts, oldest first, each with the headers that were sent.
    pub attempts: Vec<Value>,
}

/// Prints it in the order in which it happened.
pub(super) fn run(arguments: &ShowArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let story = read(&client, &chosen::path(&arguments.app), &arguments.message)?;
    if common.json {
        output::json(&json!({
            "message": story.message,
            "request": story.request,
            "endpoints": story.endpoints,
            "attempts": story.attempts,
        }))?;
    } else {
        timeline::tell(&story)?;
    }
    Ok(Exit::Success)
}

fn read(client: &Client, app: &str, message: &str) -> Result<Story, Failure> {
    let name = path_part(message);
    let path = format!("{app}/msg/{name}");
    let message = client.get(&path)?;
    let endpoints = pages::list(client, &format!("{path}/explain"), "", SHOWN_MAX)?;
    let endpoints = stand(client, app, endpoints)?;
    let listed = format!("{app}/attempt/msg/{name}");
    let mut attempts = pages::list(client, &listed, "&order=ascending", SHOWN_MAX)?;
    for attempt in &mut attempts {
        let id = attempt["id"].as_str().map(path_part).unwrap_or_default();
        let headers = client.get(&format!("{path}/attempt/{id}/headers"))?;
        attempt["sentHeaders"] = headers["sentHeaders"].clone();
        attempt["sensitive"] = headers["sensitive"].clone();
    }
    Ok(Story { request: request(client, &message)?, message, endpoints, attempts })
}

/// With how each stands for which the message waits, the first of them.
fn stand(client: &Client, app: &str, mut endpoints: Vec<Value>) -> Result<Vec<Value>, Failure> {
    let waiting = endpoints.iter_mut().filter(|endpoint| endpoint["nextAttempt"].is_string());
    for endpoint in waiting.take(STANDING_MAX) {
        let id = endpoint["endpointId"].as_str().map(path_part).unwrap_or_default();
        endpoint["health"] = standing::of(client, &format!("{app}/endpoint/{id}"))?;
    }
    Ok(endpoints)
}

/// What came to the source; null where the application sent the message, and for callers that may
/// not see sources.
fn request(client: &Client, message: &Value) -> Result<Value, Failure> {
    let origin = &message["origin"];
    let (Some(source), Some(request)) = (origin["sourceId"].as_str(), origin["requestId"].as_str())
    else {
        return Ok(Value::Null);
    };
    let path = format!("/api/v1/source/{}/request/{}", path_part(source), path_part(request));
    let answer = client.get_once(&path)?;
    Ok(if answer.status == 200 { answer.body } else { Value::Null })
}
