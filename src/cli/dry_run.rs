//! `relay dry-run`: what a filter, a transformation or a dedup rule would have done to what is
//! stored. Nothing is changed and nothing is sent.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::client::path_part;
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, GOOD, plain, styled};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome};
use crate::domain::transform::Transform;

/// Characters of a payload that are shown.
const PAYLOAD_SHOWN: usize = 100;

/// What `relay dry-run` takes.
#[derive(clap::Args, Debug)]
pub struct DryRunArguments {
    /// The endpoint's application, by id or uid
    #[arg(long, value_name = "REF", default_value = "default")]
    app: String,
    /// The endpoint whose filter and transformation are tried, by id or uid
    #[arg(long, value_name = "REF", required_unless_present = "source")]
    endpoint: Option<String>,
    /// A filter to try instead of its own, as JSON
    #[arg(long, value_name = "JSON", requires = "endpoint")]
    filter: Option<String>,
    /// A file with a transformation to try instead of its own: .js, .toml or .json
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    transform: Option<PathBuf>,
    /// The source whose requests a dedup rule is tried on, by id or uid
    #[arg(long, value_name = "REF", conflicts_with = "endpoint", requires = "dedup")]
    source: Option<String>,
    /// The rule: event, body, off, or places like body.id with commas between
    #[arg(long, value_name = "RULE", requires = "source")]
    dedup: Option<String>,
    /// How many of the newest are looked at, 1 to 200
    #[arg(long, default_value_t = 50)]
    limit: u64,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Asks and tells what would have become of each.
pub(super) fn run(arguments: &DryRunArguments, common: &Common) -> Outcome {
    let (path, body) = match (&arguments.source, &arguments.endpoint) {
        (Some(source), _) => {
            let rule = arguments.dedup.as_deref().unwrap_or("event");
            let dedup = match rule {
                "event" | "body" | "off" => json!(rule),
                places => json!(places.split(',').map(str::trim).collect::<Vec<_>>()),
            };
            let path = format!("/api/v1/source/{}/dry-run", path_part(source));
            (path, json!({ "dedup": dedup, "limit": arguments.limit }))
        }
        (None, endpoint) => {
            let endpoint = path_part(endpoint.as_deref().unwrap_or_default());
            let app = path_part(&arguments.app);
            (format!("/api/v1/app/{app}/endpoint/{endpoint}/dry-run"), tried(arguments)?)
        }
    };
    let told = arguments.at.client(common)?.post(&path, &body.to_string())?;
    if common.json {
        output::json(&told)?;
        return Ok(Exit::Success);
    }
    for one in told["data"].as_array().into_iter().flatten() {
        output::line(line(one))?;
    }
    let counts = ["sent", "accepted", "notMatched", "duplicates", "dropped", "failed"];
    let parts = counts.iter().filter_map(|name| Some(format!("{} {name}", told[*name].as_u64()?)));
    let looked = told["looked"].as_u64().unwrap_or(0);
    let sum = format!("{looked} looked at: {}", parts.collect::<Vec<_>>().join(", "));
    output::line(styled(ASIDE, &sum))?;
    Ok(Exit::Success)
}

fn tried(arguments: &DryRunArguments) -> Result<Value, Failure> {
    let mut body = json!({ "limit": arguments.limit });
    if let Some(filter) = &arguments.filter {
        body["filter"] = serde_json::from_str(filter).map_err(|error| {
            Failure::usage(format!("--filter is not JSON: {error}"))
                .hint("see docs/filters.md, and put it in single quotes")
        })?;
    }
    match arguments.transform.as_deref().map(read).transpose()? {
        None => {}
        Some(Transform::Script(code)) => body["code"] = json!(code),
        Some(Transform::Steps(steps)) => body["steps"] = json!(steps),
    }
    Ok(body)
}

fn read(path: &Path) -> Result<Transform, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("can't read {shown}: {error}")))?;
    let wrong = |error: String| Failure::usage(format!("{shown}: {error}"));
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "toml" => toml::from_str(&text).map_err(|error| wrong(error.to_string())),
        "json" => Transform::parse(&text).map_err(wrong),
        _ => Ok(Transform::Script(text)),
    }
}

fn line(one: &Value) -> String {
    let text = |name: &str| plain(one[name].as_str().unwrap_or_default());
    let outcome = text("outcome");
    let style = match outcome.as_str() {
        "sent" | "accepted" => GOOD,
        "failed" | "unreadable" => BAD,
        _ => ASIDE,
    };
    let id = if one["msgId"].is_string() { text("msgId") } else { text("requestId") };
    let payload = one["request"]["payload"].as_str().map(|payload| {
        let request = &one["request"];
        let to = format!("{} {}", request["method"], request["url"]).replace('"', "");
        let shown: String = plain(payload).chars().take(PAYLOAD_SHOWN).collect();
        format!("{} {shown}", plain(&to))
    });
    let of = one["duplicateOf"].as_str().map(|of| format!("of {}", plain(of)));
    let rest = payload.or(of).unwrap_or_else(|| text("reason"));
    [styled(style, format!("{outcome:11}")), id, text("eventType"), rest].join("  ")
}
