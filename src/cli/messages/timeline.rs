//! What became of a message, in words.

use anstyle::Style;
use serde_json::Value;

use super::show::Story;
use crate::cli::chosen::text;
use crate::cli::failure::Failure;
use crate::cli::output::{self, ASIDE, BAD, GOOD, OPEN, count, plain, plain_lines, styled};
use crate::domain::time::Timestamp;

/// Characters of an answer that are shown.
const ANSWER_SHOWN: usize = 2_000;

/// Tells all of it: when it came, from where, which endpoints have it, each attempt, what is next.
pub(super) fn tell(story: &Story) -> Result<(), Failure> {
    head(story)?;
    for endpoint in &story.endpoints {
        output::line("")?;
        one(endpoint, &story.attempts)?;
    }
    if story.endpoints.is_empty() {
        output::line(styled(OPEN, "\nthe application has no endpoint"))?;
    }
    gone(story)
}

fn head(story: &Story) -> Result<(), Failure> {
    let message = &story.message;
    let id = styled(ASIDE, text(message, "id"));
    output::line(format!("{} {id}", styled(Style::new().bold(), text(message, "eventType"))))?;
    field("accepted", text(message, "timestamp"))?;
    for (name, word) in [("eventId", "event id"), ("deliverAt", "not before")] {
        if message[name].is_string() {
            field(word, text(message, name))?;
        }
    }
    for name in ["channels", "tags"] {
        if let Some(list) = message[name].as_array() {
            let list: Vec<_> = list.iter().filter_map(Value::as_str).map(plain).collect();
            field(name, list.join(", "))?;
        }
    }
    origin(message, &story.request)?;
    let payload = serde_json::to_string_pretty(&message["payload"]).map_err(Failure::failed)?;
    output::line(format!("\n{}", plain_lines(&payload)))
}

/// What the source made of it.
fn origin(message: &Value, request: &Value) -> Result<(), Failure> {
    let origin = &message["origin"];
    if !origin.is_object() {
        return Ok(());
    }
    let verified = match origin["verified"].as_bool() {
        Some(true) => styled(GOOD, "verified"),
        _ => styled(OPEN, "not verified"),
    };
    field("source", format!("{} {verified}", text(origin, "source")))?;
    field("request", styled(ASIDE, text(origin, "requestId")))?;
    if request.is_object() {
        field("verdict", text(request, "verdict"))?;
    }
    Ok(())
}

fn field(name: &str, value: String) -> Result<(), Failure> {
    output::line(format!("{}{value}", styled(ASIDE, format!("{name:<11}"))))
}

/// An endpoint: why it has the message or not, what was tried, and what is next.
fn one(endpoint: &Value, attempts: &[Value]) -> Result<(), Failure> {
    let outcome = text(endpoint, "outcome");
    let (style, word) = match outcome.as_str() {
        "delivered" => (GOOD, "delivered"),
        "dead" => (BAD, "dead"),
        "cancelled" => (ASIDE, "cancelled"),
        "waiting" => (OPEN, "waiting"),
        _ => (ASIDE, "not sent"),
    };
    let id = text(endpoint, "endpointId");
    let word = styled(style, word);
    output::line(format!("{word} {} {}", text(endpoint, "url"), styled(ASIDE, &id)))?;
    output::line(format!("  {}", text(endpoint, "detail")))?;
    for attempt in attempts.iter().filter(|attempt| attempt["endpointId"] == *id) {
        tried(attempt)?;
    }
    match endpoint["nextAttempt"].as_str() {
        Some(next) => come(next, &endpoint["health"]),
        None => Ok(()),
    }
}

/// When it goes next: what is due is held all the same while its endpoint is parked.
fn come(next: &str, health: &Value) -> Result<(), Failure> {
    let parked = health["status"] == "parked";
    let time = Timestamp::parse_rfc3339;
    let probe = health["nextProbe"].as_str();
    let goes_first = probe.and_then(time).zip(time(next)).is_some_and(|(probe, due)| probe < due);
    if !parked || goes_first {
        return output::line(format!("  {} {}", styled(OPEN, "next attempt"), plain(next)));
    }
    let when = match probe {
        Some(at) => format!("next probe at {}", plain(at)),
        None => "a probe is on its way".to_owned(),
    };
    output::line(format!("  {} the endpoint is parked, {when}", styled(BAD, "held:")))
}

/// One attempt: what was sent and what came back.
fn tried(attempt: &Value) -> Result<(), Failure> {
    let code = attempt["responseStatusCode"].as_u64().unwrap_or_default();
    let style = if attempt["status"] == 0 { GOOD } else { BAD };
    let answered = if code == 0 { "no answer".to_owned() } else { code.to_string() };
    let by_hand = if attempt["triggerType"] == 1 { " asked for by a person" } else { "" };
    let took = attempt["responseDurationMs"].as_u64().unwrap_or_default();
    output::line(format!(
        "  {} {} {}",
        text(attempt, "timestamp"),
        styled(style, answered),
        styled(ASIDE, format!("in {took} ms{by_hand} {}", text(attempt, "id")))
    ))?;
    for (name, value) in attempt["sentHeaders"].as_object().into_iter().flatten() {
        let value = plain(value.as_str().unwrap_or_default());
        output::line(styled(ASIDE, format!("    > {}: {value}", plain(name))))?;
    }
    for name in attempt["sensitive"].as_array().into_iter().flatten() {
        let name = plain(name.as_str().unwrap_or_default());
        output::line(styled(ASIDE, format!("    > {name}: (not shown)")))?;
    }
    let answer = plain_lines(attempt["response"].as_str().unwrap_or_default());
    let shown: String = answer.chars().take(ANSWER_SHOWN).collect();
    for line in shown.lines() {
        output::line(format!("    < {line}"))?;
    }
    if shown.len() < answer.len() {
        let left = count(answer.len() - shown.len(), "byte");
        output::line(styled(ASIDE, format!("    {left} more: --json shows all")))?;
    }
    for line in attempt["console"].as_array().into_iter().flatten() {
        let line = plain(line.as_str().unwrap_or_default());
        output::line(styled(ASIDE, format!("    console: {line}")))?;
    }
    Ok(())
}

/// Attempts at endpoints that are there no more.
fn gone(story: &Story) -> Result<(), Failure> {
    let is_there = |attempt: &&Value| {
        story.endpoints.iter().any(|endpoint| endpoint["endpointId"] == attempt["endpointId"])
    };
    let gone: Vec<_> = story.attempts.iter().filter(|attempt| !is_there(attempt)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    output::line(styled(ASIDE, "\nat endpoints that were deleted since"))?;
    gone.into_iter().try_for_each(tried)
}
