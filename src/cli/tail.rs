//! `relay tail`: a line for each message as it is accepted.

use std::time::Duration;

use serde_json::Value;

use super::client::path_part;
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, OPEN, plain, plain_lines, styled};
use super::stream::{Asked, News, Stream, unreachable};
use super::token::wall_clock;
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};
use crate::config::units::Span;
use crate::domain::time::Timestamp;

/// Before everything that there is.
pub const BEGINNING: &str = "1970-01-01T00:00:00Z";

/// What `relay tail` takes.
#[derive(clap::Args, Debug)]
pub struct TailArguments {
    /// Of this application only, by id or uid
    #[arg(long, value_name = "REF")]
    app: Option<String>,
    /// What came through this source only, by id or uid
    #[arg(long, value_name = "REF")]
    source: Option<String>,
    /// What this endpoint wants only, by id, or by uid with --app
    #[arg(long, value_name = "REF", conflicts_with = "source")]
    endpoint: Option<String>,
    /// What passes this filter only, as JSON
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Of this event type only; may be given again
    #[arg(long = "event-type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// In this channel only
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// Begin so long ago, at a time, behind a message, or at the `beginning`; else now
    #[arg(long, value_name = "SINCE")]
    since: Option<String>,
    /// Print bodies too, as far as they are shown
    #[arg(long)]
    body: bool,
    /// End when everything up to now was printed
    #[arg(long)]
    no_follow: bool,
    /// How long nothing may come before the stream counts as lost
    #[arg(long, value_name = "TIME", default_value = "40s", hide = true)]
    alive_timeout: Span,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Prints until it is stopped.
pub(super) fn run(arguments: &TailArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let mut stream = Stream::new(&client, asked(arguments)?);
    let mut was_there = false;
    loop {
        match stream.next()? {
            News::Connected if was_there => note("connected again"),
            News::Connected => was_there = true,
            News::Lost(why, _) if !was_there => return Err(unreachable(&why, client.place().0)),
            News::Lost(why, wait) => note(&lost(&why, wait)),
            News::Event(event) if event.kind == "gap" => note(&gap(&event.data)),
            News::Event(event) if common.json => output::json(&event.data)?,
            News::Event(event) => print(&event.data, arguments.body)?,
            News::Alive => {}
            News::Done => return Ok(Exit::Success),
        }
    }
}

fn asked(arguments: &TailArguments) -> Result<Asked, Failure> {
    let mut query: Vec<(&'static str, String)> = Vec::new();
    let path = match (&arguments.app, &arguments.source) {
        (None, None) => "/api/v1/live".to_owned(),
        (None, Some(source)) => format!("/api/v1/source/{}/live", path_part(source)),
        (Some(app), source) => {
            query.extend(source.as_ref().map(|source| ("source", source.clone())));
            format!("/api/v1/app/{}/live", path_part(app))
        }
    };
    let given = [
        ("endpoint", &arguments.endpoint),
        ("filter", &arguments.filter),
        ("channel", &arguments.channel),
    ];
    query.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    if !arguments.event_types.is_empty() {
        query.push(("event_types", arguments.event_types.join(",")));
    }
    if arguments.body {
        query.push(("with_content", "true".to_owned()));
    }
    if arguments.no_follow {
        query.push(("follow", "false".to_owned()));
    }
    let after = arguments.since.as_deref().map(since).transpose()?.flatten();
    let patience = arguments.alive_timeout.0;
    Ok(Asked { path, query, after, patience, skip_verify: false })
}

/// Behind which to begin: `10m`, `now`, `beginning`, a time, or an id; `None` for now.
pub fn since(text: &str) -> Result<Option<String>, Failure> {
    if text == "now" {
        return Ok(None);
    }
    if text == "beginning" {
        return Ok(Some(BEGINNING.to_owned()));
    }
    if text.starts_with("msg_") || Timestamp::parse_rfc3339(text).is_some() {
        return Ok(Some(text.to_owned()));
    }
    let span: Span = text.parse().map_err(|_| {
        let words = format!(
            "`{text}` is no beginning: write a duration (10m, 2h), a time \
             (2026-11-21T00:00:00Z), the id of a message, now or beginning"
        );
        Failure::usage(words)
    })?;
    let began = wall_clock()?.millis().saturating_sub(millis(span.0));
    Ok(Some(Timestamp::from_millis(began).to_string()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is said of a stream that was cut.
pub fn lost(why: &str, wait: Duration) -> String {
    format!("lost: {}; trying again in {} s", plain(why), wait.as_secs_f64())
}

/// What is said of messages that went before they were shown.
pub fn gap(data: &Value) -> String {
    let from = plain(data["completeFrom"].as_str().unwrap_or_default());
    format!("some messages have gone for their age or size: from {from} on all are there")
}

fn note(text: &str) {
    anstream::eprintln!("{}", styled(OPEN, text));
}

fn print(data: &Value, body: bool) -> Result<(), Failure> {
    let text = |field: &str| data[field].as_str().map(plain).unwrap_or_default();
    let mut line = format!(
        "{}  {}  {}  {}",
        styled(ASIDE, text("timestamp")),
        text("appId"),
        text("eventType"),
        text("id"),
    );
    for (field, name) in [("eventId", "event"), ("sourceId", "source")] {
        if data[field].is_string() {
            line.push_str(&styled(ASIDE, format!("  {name} {}", text(field))));
        }
    }
    output::line(line)?;
    if data["problem"].is_string() {
        output::line(styled(BAD, format!("    {}", text("problem"))))?;
    }
    if body {
        for line in payload(&data["payload"]).lines() {
            output::line(format!("    {line}"))?;
        }
    }
    Ok(())
}

/// A payload for people: JSON in lines, and text that is none as it is.
fn payload(payload: &Value) -> String {
    match payload["rawPayload"].as_str() {
        Some(text) => plain_lines(text),
        None => plain_lines(&serde_json::to_string_pretty(payload).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings() {
        assert_eq!(since("now").unwrap(), None);
        assert_eq!(since("beginning").unwrap().as_deref(), Some(BEGINNING));
        assert_eq!(since("msg_1").unwrap().as_deref(), Some("msg_1"));
        let time = "2026-11-21T00:00:00Z";
        assert_eq!(since(time).unwrap().as_deref(), Some(time));
        let ago = since("10m").unwrap().unwrap();
        let ago = Timestamp::parse_rfc3339(&ago).unwrap();
        let wait = wall_clock().unwrap().since(ago);
        assert!((600..660).contains(&wait.as_secs()), "{wait:?}");
        for wrong in ["", "soon", "10", "-1h"] {
            assert!(since(wrong).is_err(), "{wrong:?}");
        }
    }
}
