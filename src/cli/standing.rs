//! How endpoints stand, as the relay sees them: what is enabled may be held all the same.

use std::collections::BTreeMap;

use anstyle::Style;
use serde_json::Value;

use super::chosen::text;
use super::client::Client;
use super::failure::Failure;
use super::output::{self, BAD, GOOD, OPEN, styled};

/// Endpoints in trouble that are looked at, and that are told of.
const LISTED_MAX: usize = 250;
const TOLD_MAX: usize = 5;

/// How the endpoint at this path stands; null where nobody says.
pub(super) fn of(client: &Client, path: &str) -> Result<Value, Failure> {
    let answer = client.get_once(&format!("{path}/health"))?;
    Ok(if answer.status == 200 { answer.body } else { Value::Null })
}

/// Those of all applications that are not well, by their ids; none for callers who may not see.
pub(super) fn unwell(client: &Client) -> Result<BTreeMap<String, Value>, Failure> {
    let statuses = "parked,failing,paused,throttled";
    let path = format!("/api/v1/stats/endpoints?status={statuses}&limit={LISTED_MAX}");
    let answer = client.get_once(&path)?;
    let listed = answer.body["data"].as_array().cloned().unwrap_or_default();
    Ok(listed.into_iter().map(|one| (text(&one, "endpointId"), one)).collect())
}

/// What it is, where that is more than enabled: `parked`, `failing` and others.
pub(super) fn trouble(health: &Value) -> Option<(Style, String)> {
    let style = match health["status"].as_str()? {
        "parked" | "failing" => BAD,
        "paused" | "throttled" => OPEN,
        _ => return None,
    };
    Some((style, text(health, "status")))
}

/// `parked: its deliveries are held since …`.
pub(super) fn sentence(health: &Value) -> String {
    let (style, _) = trouble(health).unwrap_or((GOOD, String::new()));
    format!("{}: {}", styled(style, text(health, "status")), text(health, "words"))
}

/// Whether nothing goes to it for now, whatever is due.
pub(super) fn is_held(health: &Value) -> bool {
    matches!(health["status"].as_str(), Some("parked" | "paused"))
}

/// Tells of an endpoint to which nothing goes for now.
pub(super) fn tell_held(health: &Value) -> Result<(), Failure> {
    if !is_held(health) {
        return Ok(());
    }
    output::line(format!("the endpoint is {}", sentence(health)))
}

/// The same of all endpoints of an application, by id or uid.
pub(super) fn tell_held_of(client: &Client, app: &str) -> Result<(), Failure> {
    let unwell = unwell(client)?;
    let held = unwell.values().filter(|one| {
        is_held(one) && (one["appId"].as_str() == Some(app) || one["appUid"].as_str() == Some(app))
    });
    held.take(TOLD_MAX)
        .try_for_each(|one| output::line(format!("{} is {}", text(one, "url"), sentence(one))))
}
