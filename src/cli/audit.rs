//! `relay audit`: who changed what in a running relay, and who signed in.

use serde_json::Value;

use super::client::path_part;
use super::output::{BAD, Cell, cell, plain};
use super::token::wall_clock;
use super::token_remote::RemoteArguments;
use super::{Common, Outcome, pages};
use crate::config::units::Span;
use crate::domain::time::Timestamp;

const PATH: &str = "/api/v1/audit-log";

/// What `relay audit` takes.
#[derive(clap::Args, Debug)]
pub struct AuditArguments {
    /// What was done at most so long ago, 2h or 30d
    #[arg(long, value_name = "DURATION")]
    since: Option<Span>,
    /// What this one did: a key's name or id, operator, configuration, nobody, an application's id
    #[arg(long, value_name = "WHO")]
    who: Option<String>,
    /// How many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Prints a line for each entry, newest first.
pub(super) fn run(arguments: &AuditArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    // `after` alone would begin with the oldest of them.
    let mut query = "&order=descending".to_owned();
    if let Some(since) = arguments.since {
        let (now, back) = (wall_clock()?, u64::try_from(since.0.as_millis()).unwrap_or(u64::MAX));
        let after = Timestamp::from_millis(now.millis().saturating_sub(back)).to_string();
        // Something is done before the call comes, and the clocks may differ.
        let before = (now + DIFFERENCE.0).to_string();
        query += &format!("&after={}&before={}", path_part(&after), path_part(&before));
    }
    if let Some(who) = &arguments.who {
        query += &format!("&who={}", path_part(who));
    }
    let found = pages::list(&client, PATH, &query, arguments.limit)?;
    let row = |entry: &Value| -> [Cell; 5] {
        [
            cell(text(entry, "timestamp")),
            cell(who(entry)),
            what(entry),
            cell(text(entry, "address")),
            cell(done(entry)),
        ]
    };
    pages::show(&found, "entry", ["TIME", "WHO", "WHAT", "FROM", "CALL"], row, common)
}

/// How far the clocks of this machine and the relay's may differ.
const DIFFERENCE: Span = Span(std::time::Duration::from_secs(3_600));

fn text(entry: &Value, field: &str) -> String {
    plain(entry[field].as_str().unwrap_or_default())
}

fn who(entry: &Value) -> String {
    let name = text(entry, "name");
    if name.is_empty() { text(entry, "who") } else { name }
}

fn what(entry: &Value) -> Cell {
    let what = text(entry, "what");
    if what == "failed-sign-in" { (BAD, what) } else { cell(what) }
}

fn done(entry: &Value) -> String {
    match entry["method"].as_str() {
        Some(method) => format!("{} {}", plain(method), text(entry, "path")),
        None => text(entry, "detail"),
    }
}
