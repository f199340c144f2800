//! `relay messages list`.

use anstyle::Style;
use serde_json::Value;

use crate::cli::chosen::{self, text};
use crate::cli::client::path_part;
use crate::cli::failure::Failure;
use crate::cli::output::{ASIDE, BAD, Cell, GOOD, OPEN, cell, plain};
use crate::cli::token_remote::RemoteArguments;
use crate::cli::when::When;
use crate::cli::{Common, Outcome, pages};

/// What `relay messages list` takes.
#[derive(clap::Args, Debug)]
pub struct ListArguments {
    /// Of this application, by id or uid; else of all
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// With a delivery that stands so; failed is dead
    #[arg(long, value_parser = ["delivered", "waiting", "dead", "failed", "cancelled"])]
    status: Option<String>,
    /// Accepted since then: how long ago, or a time
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Accepted before then
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// Of this event type; may be given again
    #[arg(long = "event-type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// In this channel
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// With this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// That came to this source, by id or uid
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// With this id, event id, attempt or endpoint; else with this text in the body, of the last
    /// 24 h or since --since, 7 days at most
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// How many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

impl ListArguments {
    /// As a query has it, behind others.
    fn query(&self) -> Result<String, Failure> {
        let status = self.status.as_deref().map(|status| match status {
            "delivered" => "0",
            "waiting" => "1",
            "cancelled" => "4",
            _ => "2",
        });
        let types = (!self.event_types.is_empty()).then(|| self.event_types.join(","));
        let parameters = [
            ("status", status.map(str::to_owned)),
            ("after", self.since.map(When::text).transpose()?),
            ("before", self.until.map(When::text).transpose()?),
            ("event_types", types),
            ("channel", self.channel.clone()),
            ("tag", self.tag.clone()),
            ("source", self.source.clone()),
            ("q", self.search.clone()),
        ];
        let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(given.map(|(name, value)| format!("&{name}={}", path_part(&value))).collect())
    }
}

/// Prints a line for each, the newest first.
pub(super) fn run(arguments: &ListArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let path = match &arguments.app {
        Some(app) => format!("{}/message-search", chosen::path(app)),
        None => "/api/v1/message-search".to_owned(),
    };
    let found = pages::list(&client, &path, &arguments.query()?, arguments.limit)?;
    let row = |message: &Value| -> [Cell; 5] {
        [
            cell(text(message, "timestamp")),
            standing(&message["deliveries"]),
            cell(text(message, "eventType")),
            cell(text(message, "appName")),
            (ASIDE, text(message, "id")),
        ]
    };
    let names = ["ACCEPTED", "DELIVERIES", "EVENT TYPE", "APPLICATION", "ID"];
    if arguments.search.is_none() {
        return pages::show(&found, "message", names, row, common);
    }
    let excerpt =
        |message: &Value| cell(plain(message["match"]["excerpt"].as_str().unwrap_or_default()));
    let [accepted, deliveries, event_type, application, id] = names;
    let names = [accepted, deliveries, event_type, application, id, "FOUND IN"];
    let found_in = |message: &Value| -> [Cell; 6] {
        let [accepted, deliveries, event_type, application, id] = row(message);
        [accepted, deliveries, event_type, application, id, excerpt(message)]
    };
    pages::show(&found, "message", names, found_in, common)
}

/// What there is of each: `2 delivered, 1 dead`.
fn standing(deliveries: &Value) -> Cell {
    let kinds: [(&str, &str, Style); 4] = [
        ("fail", "dead", BAD),
        ("pending", "waiting", OPEN),
        ("success", "delivered", GOOD),
        ("canceled", "cancelled", ASIDE),
    ];
    let count = |field: &str| deliveries[field].as_u64().unwrap_or_default();
    let there = || kinds.iter().filter(|(field, _, _)| count(field) > 0);
    let words: Vec<_> =
        there().map(|(field, word, _)| format!("{} {word}", count(field))).collect();
    match there().next() {
        Some((_, _, style)) => (*style, words.join(", ")),
        None => (ASIDE, "no endpoint".to_owned()),
    }
}
