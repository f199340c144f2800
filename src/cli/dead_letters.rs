//! `relay dead-letters`: what is not tried again by itself, put back or given up.

use clap::Subcommand;
use serde_json::{Value, json};

use super::chosen;
use super::client::{Client, path_part};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, Cell, OPEN, cell, plain, styled};
use super::token::wall_clock;
use super::token_remote::RemoteArguments;
use super::{Common, Outcome, pages, standing, tasks};
use crate::config::units::Span;
use crate::domain::time::Timestamp;

/// What `relay dead-letters` does.
#[derive(Subcommand, Debug)]
pub enum DeadLettersCommand {
    /// List dead letters, newest first
    List(ListArguments),
    /// Put dead letters back: each has its whole schedule before it again
    Resend(WorkArguments),
    /// Give dead letters up for good
    Purge(PurgeArguments),
}

/// Which dead letters are meant.
#[derive(clap::Args, Debug)]
pub struct FilterArguments {
    /// Of this endpoint, by id or uid
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// For this reason
    #[arg(long, value_parser = ["exhausted", "gone", "rejected", "expired"])]
    reason: Option<String>,
    /// Of this event type; may be given again
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// Whose last attempt was answered so: 400 means 400 to 499, 0 not at all
    #[arg(long = "status", value_name = "CLASS", value_parser = status_class)]
    status_code_class: Option<u16>,
    /// In this channel
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// With this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// That died in this time, 1d for the last day
    #[arg(long, value_name = "DURATION")]
    since: Option<Span>,
    /// That died before that
    #[arg(long, value_name = "DURATION")]
    until: Option<Span>,
}

/// What `relay dead-letters list` takes.
#[derive(clap::Args, Debug)]
pub struct ListArguments {
    /// Of this application, by id or uid; else of all
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    #[command(flatten)]
    filter: FilterArguments,
    /// How many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay dead-letters resend` takes.
#[derive(clap::Args, Debug)]
pub struct WorkArguments {
    /// The application, by id or uid
    #[arg(long, value_name = "APP", default_value = "default")]
    app: String,
    #[command(flatten)]
    filter: FilterArguments,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    /// Wait until it is done
    #[arg(long, conflicts_with = "plan")]
    follow: bool,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay dead-letters purge` takes.
#[derive(clap::Args, Debug)]
pub struct PurgeArguments {
    #[command(flatten)]
    work: WorkArguments,
    /// Every dead letter of the application
    #[arg(long)]
    all: bool,
}

impl FilterArguments {
    fn is_empty(&self) -> bool {
        self.endpoint.is_none()
            && self.reason.is_none()
            && self.event_types.is_empty()
            && self.status_code_class.is_none()
            && self.channel.is_none()
            && self.tag.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }

    /// As the body of a call has it.
    fn body(&self) -> Result<Value, Failure> {
        let now = wall_clock()?.millis();
        let ago = |span: Span| {
            let millis = u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
            Timestamp::from_millis(now.saturating_sub(millis)).to_string()
        };
        let types = (!self.event_types.is_empty()).then_some(&self.event_types);
        Ok(json!({
            "endpointId": self.endpoint,
            "reason": self.reason,
            "eventTypes": types,
            "statusCodeClass": self.status_code_class,
            "channel": self.channel,
            "tag": self.tag,
            "since": self.since.map(ago),
            "until": self.until.map(ago),
        }))
    }

    /// As a query has it, behind others.
    fn query(&self) -> Result<String, Failure> {
        let body = self.body()?;
        let names = [
            ("endpointId", "endpoint_id"),
            ("reason", "reason"),
            ("eventTypes", "event_types"),
            ("statusCodeClass", "status_code_class"),
            ("channel", "channel"),
            ("tag", "tag"),
            ("since", "since"),
            ("until", "until"),
        ];
        let mut query = String::new();
        for (field, name) in names {
            let text = match &body[field] {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Array(_) => self.event_types.join(","),
                other => other.to_string(),
            };
            query += &format!("&{name}={}", path_part(&text));
        }
        Ok(query)
    }
}

fn status_class(text: &str) -> Result<u16, String> {
    let class = text.parse().ok().filter(|class| [0, 100, 200, 300, 400, 500].contains(class));
    class.ok_or_else(|| "write 100, 200, 300, 400 or 500 for all from there on, or 0".to_owned())
}

/// Does what is asked for.
pub(super) fn run(command: &DeadLettersCommand, common: &Common) -> Outcome {
    match command {
        DeadLettersCommand::List(arguments) => list(arguments, common),
        DeadLettersCommand::Resend(arguments) => work(arguments, "resend", common),
        DeadLettersCommand::Purge(arguments) => {
            if arguments.work.filter.is_empty() && !arguments.all && !arguments.work.plan {
                let words = "without a filter that is every dead letter of the application";
                return Err(Failure::usage(words).hint("look first with --plan; then give --all"));
            }
            work(&arguments.work, "purge", common)
        }
    }
}

fn list(arguments: &ListArguments, common: &Common) -> Outcome {
    if let (None, Some(endpoint)) = (&arguments.app, &arguments.filter.endpoint)
        && !endpoint.starts_with("ep_")
    {
        let words = format!("`{endpoint}` is no id of an endpoint, and a uid has an application");
        return Err(Failure::usage(&words).hint("give --app too"));
    }
    let client = arguments.at.client(common)?;
    let path = match &arguments.app {
        Some(app) => format!("/api/v1/app/{}/dead-letter", path_part(app)),
        None => "/api/v1/dead-letter".to_owned(),
    };
    let found = pages::list(&client, &path, &arguments.filter.query()?, arguments.limit)?;
    let text = |letter: &Value, field: &str| plain(letter[field].as_str().unwrap_or_default());
    let row = |letter: &Value| -> [Cell; 7] {
        let status = match letter["lastStatusCode"].as_u64() {
            None => "never tried".to_owned(),
            Some(0) => "no answer".to_owned(),
            Some(status) => status.to_string(),
        };
        [
            cell(text(letter, "timestamp")),
            (BAD, text(letter, "reason")),
            cell(status),
            cell(letter["attempts"].to_string()),
            cell(text(letter, "eventType")),
            cell(text(letter, "endpointId")),
            (ASIDE, text(letter, "msgId")),
        ]
    };
    let names = ["DIED", "REASON", "STATUS", "ATTEMPTS", "EVENT TYPE", "ENDPOINT", "MESSAGE"];
    pages::show(&found, "dead letter", names, row, common)
}

fn work(arguments: &WorkArguments, action: &str, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let path = format!("/api/v1/app/{}/dead-letter/{action}", path_part(&arguments.app));
    let mut body = arguments.filter.body()?;
    body["plan"] = json!(arguments.plan);
    if arguments.plan {
        let plan = client.patient().post(&path, &body.to_string())?;
        show_plan(&plan, action, common)?;
        return Ok(Exit::Success);
    }
    let task = client.post(&path, &body.to_string())?;
    let id = task["id"].as_str().unwrap_or_default();
    let exit = if arguments.follow {
        tasks::follow(&client, id, common)?
    } else if common.json {
        output::json(&task)?;
        Exit::Success
    } else {
        let id = plain(id);
        output::line(format!("begun as {id}: relay tasks show {id} --follow"))?;
        Exit::Success
    };
    if action == "resend" && !common.json {
        tell_held(&client, arguments)?;
    }
    Ok(exit)
}

/// What is put back goes nowhere while its endpoint is parked.
fn tell_held(client: &Client, arguments: &WorkArguments) -> Result<(), Failure> {
    match &arguments.filter.endpoint {
        None => standing::tell_held_of(client, &arguments.app),
        Some(endpoint) => {
            let path = format!("{}/endpoint/{}", chosen::path(&arguments.app), path_part(endpoint));
            standing::tell_held(&standing::of(client, &path)?)
        }
    }
}

fn show_plan(plan: &Value, action: &str, common: &Common) -> Result<(), Failure> {
    if common.json {
        return output::json(plan);
    }
    let count = usize::try_from(plan["count"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
    let done = if action == "purge" { "given up" } else { "put back" };
    output::line(format!("{} would be {done}", output::count(count, "dead letter")))?;
    for (reason, count) in plan["byReason"].as_object().into_iter().flatten() {
        output::line(format!("  {} {count}", plain(reason)))?;
    }
    if let Some(bytes) = plan["bytes"].as_u64() {
        let time = match plan["estimatedSeconds"].as_u64() {
            Some(seconds) => format!("the throttles make it take {seconds} s at least"),
            None => "nothing throttles all of it: how long it takes is not known".to_owned(),
        };
        output::line(styled(ASIDE, format!("{bytes} bytes of payloads; {time}")))?;
    }
    for (name, why) in [
        ("disabled", "their endpoint is disabled: enable it first"),
        ("expunged", "their content was expunged: they can only be purged"),
    ] {
        let count = plan["skipped"][name].as_u64().unwrap_or_default();
        if count > 0 {
            output::line(styled(OPEN, format!("{count} would be left, {why}")))?;
        }
    }
    Ok(())
}
