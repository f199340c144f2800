//! `relay source requests` and `request`.

use anstyle::Style;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde_json::Value;

use super::path;
use crate::cli::client::path_part;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, ASIDE, BAD, Cell, GOOD, OPEN, cell, plain, styled};
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome, pages};

/// What `relay source requests` takes.
#[derive(clap::Args, Debug)]
pub struct RequestsArguments {
    /// The source, by id or uid
    #[arg(value_name = "REF")]
    source: String,
    /// Those of this verdict alone
    #[arg(
        long,
        value_parser = ["accepted", "duplicate", "held", "inspected", "handshake", "refused"],
    )]
    verdict: Option<String>,
    /// How many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay source request` takes.
#[derive(clap::Args, Debug)]
pub struct RequestArguments {
    /// The source, by id or uid
    #[arg(value_name = "REF")]
    source: String,
    /// The request's id, as `relay source requests` lists it
    #[arg(value_name = "ID")]
    request: String,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Prints a line for each, the newest first.
pub(super) fn list(arguments: &RequestsArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let query = arguments.verdict.as_ref().map(|word| format!("&verdict={word}"));
    let path = format!("{}/request", path(&arguments.source));
    let found = pages::list(&client, &path, &query.unwrap_or_default(), arguments.limit)?;
    if common.json {
        output::json(&found)?;
        return Ok(Exit::Success);
    }
    if found.is_empty() {
        match &arguments.verdict {
            Some(word) => output::line(format!("of what has come nothing is {word}"))?,
            None => output::line("nothing has come yet")?,
        }
        return Ok(Exit::Success);
    }
    let text = |request: &Value, field: &str| plain(request[field].as_str().unwrap_or_default());
    let row = |request: &Value| -> [Cell; 5] {
        [
            cell(text(request, "timestamp")),
            (style(request), text(request, "verdict")),
            cell(text(request, "eventType")),
            cell(text(request, "id")),
            (ASIDE, why(request)),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    output::table(["TIME", "VERDICT", "EVENT TYPE", "ID", "WHY"], &rows)?;
    Ok(Exit::Success)
}

/// The colour of a verdict.
pub(in crate::cli) fn style(request: &Value) -> Style {
    match request["verdict"].as_str() {
        Some("accepted" | "handshake") => GOOD,
        Some("refused") => BAD,
        _ => OPEN,
    }
}

/// What a verdict means for this request, in words.
pub(in crate::cli) fn why(request: &Value) -> String {
    let text = |field: &str| plain(request[field].as_str().unwrap_or_default());
    match request["verdict"].as_str() {
        Some("accepted") => format!("is message {}", text("msgId")),
        Some("duplicate") => format!("the same event as {}", text("duplicateOf")),
        Some("held") => "waits until relay source resume".to_owned(),
        Some("inspected") => "is kept to be looked at".to_owned(),
        Some("handshake") => "was answered".to_owned(),
        _ => text("detail"),
    }
}

/// Prints one as it came: its line, its headers, an empty line and its body.
pub(super) fn show(arguments: &RequestArguments, common: &Common) -> Outcome {
    let path = format!("{}/request/{}", path(&arguments.source), path_part(&arguments.request));
    let request = arguments.at.client(common)?.get(&path)?;
    if common.json {
        output::json(&request)?;
        return Ok(Exit::Success);
    }
    let text = |field: &str| plain(request[field].as_str().unwrap_or_default());
    let verdict = styled(style(&request), text("verdict"));
    output::line(format!("{verdict} {} {}", why(&request), styled(ASIDE, text("timestamp"))))?;
    if request["expired"] == true {
        output::line("its headers and body are gone: expunged, or too old")?;
        return Ok(Exit::Success);
    }
    let question = if text("query").is_empty() { "" } else { "?" };
    let from = request["ip"].as_str().map(|ip| styled(ASIDE, format!(" from {}", plain(ip))));
    let (method, rest, query) = (text("method"), text("path"), text("query"));
    let from = from.unwrap_or_default();
    output::line(format!("\n{method} /in/(hidden){rest}{question}{query}{from}"))?;
    for pair in request["headers"].as_array().into_iter().flatten() {
        let part = |index: usize| plain(pair[index].as_str().unwrap_or_default());
        output::line(format!("{}: {}", part(0), part(1)))?;
    }
    body(&request)?;
    Ok(Exit::Success)
}

fn body(request: &Value) -> Result<(), Failure> {
    if let Some(text) = request["body"].as_str() {
        return output::line(format!("\n{}", output::plain_lines(text)));
    }
    let base64 = request["bodyBase64"].as_str().unwrap_or_default();
    let bytes = STANDARD.decode(base64).map_or(0, |bytes| bytes.len());
    output::line(format!(
        "\n{}",
        styled(ASIDE, format!("{bytes} bytes that are no text, base64:"))
    ))?;
    output::line(plain(base64))
}
