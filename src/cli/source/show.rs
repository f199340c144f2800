//! `relay source list` and `show`.

use serde_json::Value;

use super::{NamedArguments, PATH, name, path};
use crate::cli::client::path_part;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, ASIDE, OPEN, cell, plain};
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome, pages};

/// Sources that there can be.
const SOURCES_MAX: usize = 10_000;

/// What `relay source list` takes.
#[derive(clap::Args, Debug)]
pub struct ListArguments {
    /// Of this application alone, by id or uid
    #[arg(long, value_name = "APP")]
    application: Option<String>,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Prints a line for each.
pub(super) fn list(arguments: &ListArguments, common: &Common) -> Outcome {
    let application = arguments.application.as_deref();
    let query = application.map(|name| format!("&application={}", path_part(name)));
    let client = arguments.at.client(common)?;
    let sources = pages::list(&client, PATH, &query.unwrap_or_default(), SOURCES_MAX)?;
    if common.json {
        output::json(&sources)?;
        return Ok(Exit::Success);
    }
    if sources.is_empty() {
        output::line("there is no source: relay source add NAME --provider PROVIDER makes one")?;
        return Ok(Exit::Success);
    }
    let row = |source: &Value| {
        let text = |field: &str| plain(source[field].as_str().unwrap_or_default());
        let mode = match text("mode") {
            mode if mode == "active" => cell(mode),
            mode => (OPEN, mode),
        };
        [cell(name(source)), cell(text("type")), mode, cell(text("name")), (ASIDE, text("id"))]
    };
    let rows: Vec<_> = sources.iter().map(row).collect();
    output::table(["SOURCE", "PROVIDER", "MODE", "NAME", "ID"], &rows)?;
    Ok(Exit::Success)
}

/// Prints everything that may be shown of one.
pub(super) fn run(arguments: &NamedArguments, common: &Common) -> Outcome {
    let source = arguments.at.client(common)?.get(&path(&arguments.source))?;
    if common.json {
        output::json(&source)?;
    } else {
        tell(&source)?;
    }
    Ok(Exit::Success)
}

/// What the API calls it, and what it is called here.
const FIELDS: [(&str, &str); 19] = [
    ("ingestUrl", "url"),
    ("id", "id"),
    ("uid", "uid"),
    ("name", "name"),
    ("type", "provider"),
    ("verification", "verification"),
    ("secrets", "secrets"),
    ("application", "application"),
    ("mode", "mode"),
    ("setUp", "set up"),
    ("methods", "methods"),
    ("maxBody", "largest body"),
    ("eventType", "event type"),
    ("channels", "channels"),
    ("dedup", "dedup"),
    ("dedupWindowSeconds", "dedup window"),
    ("refusalStatus", "refusal"),
    ("reply", "reply"),
    ("createdAt", "made"),
];

fn tell(source: &Value) -> Result<(), Failure> {
    for (field, word) in FIELDS {
        let text = match &source[field] {
            Value::Null => continue,
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => continue,
            Value::String(text) => plain(text),
            Value::Number(number) if field == "dedupWindowSeconds" => format!("{number} s"),
            Value::Number(number) if field == "maxBody" => format!("{number} bytes"),
            Value::Number(number) if field == "secrets" => format!("{number}, never shown"),
            Value::Array(items) if items.is_empty() => continue,
            Value::Array(items) => {
                let items = items.iter().map(|item| plain(item.as_str().unwrap_or_default()));
                items.collect::<Vec<_>>().join(", ")
            }
            value => plain(&value.to_string()),
        };
        output::line(format!("{}{text}", output::styled(ASIDE, format!("{word:<14}"))))?;
    }
    if source["managed"] == true {
        output::line("It is declared in relay.toml, and changed there alone.")?;
    }
    Ok(())
}
