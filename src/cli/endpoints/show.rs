//! `relay endpoints list` and `show`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::NamedArguments;
use crate::cli::chosen::{AppArgument, text};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, ASIDE, BAD, Cell, GOOD, cell, plain, styled};
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome, pages, standing};

/// What `relay endpoints list` takes.
#[derive(clap::Args, Debug)]
pub struct ListArguments {
    #[command(flatten)]
    app: AppArgument,
    /// How many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 250)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay endpoints show` takes.
#[derive(clap::Args, Debug)]
pub struct ShowArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// Show its signing secret too
    #[arg(long)]
    secret: bool,
}

/// Prints a line for each.
pub(super) fn list(arguments: &ListArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let path = format!("{}/endpoint", arguments.app.path(&client)?);
    let found = pages::list(&client, &path, "", arguments.limit)?;
    let unwell = match common.json || found.is_empty() {
        true => BTreeMap::new(),
        false => standing::unwell(&client)?,
    };
    let row = |endpoint: &Value| -> [Cell; 5] {
        let wants = listed(&endpoint["eventTypes"]).unwrap_or_else(|| "everything".to_owned());
        let health = unwell.get(&text(endpoint, "id")).unwrap_or(&Value::Null);
        [
            state(endpoint, health),
            cell(text(endpoint, "url")),
            cell(wants),
            cell(text(endpoint, "uid")),
            (ASIDE, text(endpoint, "id")),
        ]
    };
    pages::show(&found, "endpoint", ["STATE", "URL", "WANTS", "UID", "ID"], row, common)
}

fn state(endpoint: &Value, health: &Value) -> Cell {
    match (endpoint["disabled"] == true, endpoint["disabledReason"].as_str()) {
        (false, _) => standing::trouble(health).unwrap_or((GOOD, "enabled".to_owned())),
        (true, Some("gone")) => (BAD, "disabled: gone".to_owned()),
        (true, Some("failing")) => (BAD, "disabled: failing".to_owned()),
        (true, _) => (ASIDE, "disabled".to_owned()),
    }
}

fn listed(value: &Value) -> Option<String> {
    let items = value.as_array()?.iter().filter_map(Value::as_str).map(plain);
    Some(items.collect::<Vec<_>>().join(", "))
}

/// Prints everything that may be shown of one.
pub(super) fn run(arguments: &ShowArguments, common: &Common) -> Outcome {
    let (client, path) = arguments.named.reach(common)?;
    let mut endpoint = client.get(&path)?;
    let headers = client.get(&format!("{path}/headers"))?;
    endpoint["headers"] = headers["headers"].clone();
    endpoint["sensitive"] = headers["sensitive"].clone();
    endpoint["health"] = standing::of(&client, &path)?;
    endpoint["stats"] = client.patient().get(&format!("{path}/stats"))?;
    if arguments.secret {
        let client = arguments.named.at.client(common)?;
        endpoint["secret"] = client.get(&format!("{path}/secret"))?["key"].clone();
    }
    if common.json {
        output::json(&endpoint)?;
    } else {
        tell(&endpoint)?;
    }
    Ok(Exit::Success)
}

/// What the API calls it, and what it is called here.
const FIELDS: [(&str, &str); 14] = [
    ("url", "url"),
    ("id", "id"),
    ("uid", "uid"),
    ("description", "description"),
    ("eventTypes", "wants"),
    ("channels", "channels"),
    ("sources", "sources"),
    ("filter", "filter"),
    ("throttleRate", "at most"),
    ("headers", "headers"),
    ("sensitive", "hidden"),
    ("delivery", "delivery"),
    ("metadata", "metadata"),
    ("createdAt", "made"),
];

fn tell(endpoint: &Value) -> Result<(), Failure> {
    let field = |word: &str, text: String| {
        output::line(format!("{}{text}", styled(ASIDE, format!("{word:<12}"))))
    };
    let health = &endpoint["health"];
    let (style, state) = state(endpoint, health);
    field("state", styled(style, state))?;
    if health.is_object() {
        field("health", standing::sentence(health))?;
    }
    for (name, word) in FIELDS {
        let text = match &endpoint[name] {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => plain(text),
            Value::Array(items) if items.is_empty() => continue,
            list @ Value::Array(_) => listed(list).unwrap_or_default(),
            Value::Object(fields) if fields.is_empty() => continue,
            Value::Number(rate) if name == "throttleRate" => format!("{rate} messages a second"),
            other => plain(&other.to_string()),
        };
        field(word, text)?;
    }
    let count = |name: &str| endpoint["stats"][name].as_u64().unwrap_or_default();
    let stats = json!({
        "delivered": count("success"), "waiting": count("pending"), "dead": count("fail"),
        "cancelled": count("canceled"),
    });
    let words = ["delivered", "waiting", "dead", "cancelled"];
    let words: Vec<_> = words.iter().map(|word| format!("{} {word}", stats[word])).collect();
    field("messages", words.join(", "))?;
    if endpoint["secret"].is_string() {
        field("secret", text(endpoint, "secret"))?;
    }
    if endpoint["managed"] == true {
        output::line("It is declared in relay.toml, and changed there alone.")?;
    }
    Ok(())
}
