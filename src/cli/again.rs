//! `relay resend`, `recover` and `replay-missing`: what was not delivered, delivered after all.

use serde_json::{Value, json};

use super::chosen::{self, text};
use super::client::{Client, path_part};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, GOOD, OPEN, plain, styled};
use super::token_remote::RemoteArguments;
use super::when::When;
use super::{Common, Outcome, pages, standing, tasks};

/// Endpoints of one message at most.
const ENDPOINTS_MAX: usize = 10_000;

/// What `relay resend` takes.
#[derive(clap::Args, Debug)]
pub struct ResendArguments {
    /// The application, by id or uid
    #[arg(value_name = "APP")]
    app: String,
    /// The message, by id or event id
    #[arg(value_name = "MSG")]
    message: String,
    /// The endpoint, by id or uid; else each that it was meant for and not delivered to
    #[arg(value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// Also to endpoints that it was delivered to
    #[arg(long, conflicts_with = "endpoint")]
    all: bool,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay recover` takes.
#[derive(clap::Args, Debug)]
pub struct RecoverArguments {
    #[command(flatten)]
    work: WindowArguments,
    /// Also what failed and waits for its next attempt: it goes now
    #[arg(long)]
    waiting: bool,
}

/// What `relay replay-missing` takes.
#[derive(clap::Args, Debug)]
pub struct ReplayArguments {
    #[command(flatten)]
    work: WindowArguments,
}

#[derive(clap::Args, Debug)]
struct WindowArguments {
    /// The application, by id or uid
    #[arg(value_name = "APP")]
    app: String,
    /// The endpoint, by id or uid
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,
    /// Accepted since then: how long ago, like 1h or 2d, or a time
    #[arg(long, value_name = "WHEN")]
    since: When,
    /// Accepted before then; else until now
    #[arg(long, value_name = "WHEN")]
    until: Option<When>,
    /// Wait until it is done
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Asks for one more attempt, now.
pub(super) fn resend(arguments: &ResendArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let app = chosen::path(&arguments.app);
    let message = format!("{app}/msg/{}", path_part(&arguments.message));
    let endpoints = match &arguments.endpoint {
        Some(endpoint) => vec![client.get(&format!("{app}/endpoint/{}", path_part(endpoint)))?],
        None => meant(&client, &message, arguments.all)?,
    };
    for endpoint in &endpoints {
        let id = path_part(endpoint["id"].as_str().unwrap_or_default());
        client.post(&format!("{message}/endpoint/{id}/resend"), "{}")?;
        if !common.json {
            let id = styled(ASIDE, text(endpoint, "id"));
            output::line(format!("asked for {} {id}", text(endpoint, "url")))?;
        }
    }
    if common.json {
        let ids: Vec<_> = endpoints.iter().map(|endpoint| &endpoint["id"]).collect();
        output::json(&json!({ "resent": ids }))?;
    } else {
        let (app, message) = (plain(&arguments.app), plain(&arguments.message));
        output::line(format!("See what comes of it: relay messages show {app} {message}"))?;
    }
    Ok(Exit::Success)
}

/// The endpoints to which a message is to go once more.
fn meant(client: &Client, message: &str, all: bool) -> Result<Vec<Value>, Failure> {
    let mut found = pages::list(client, &format!("{message}/endpoint"), "", ENDPOINTS_MAX)?;
    if found.is_empty() {
        let words = "the message was meant for no endpoint that is there";
        return Err(Failure::failed(anyhow::anyhow!(words))
            .hint("relay messages show tells why; relay replay-missing makes up for it"));
    }
    if !all {
        found.retain(|endpoint| endpoint["status"] != 0);
    }
    if found.is_empty() {
        return Err(Failure::failed(anyhow::anyhow!("it was delivered everywhere"))
            .hint("name the endpoint that is to have it again, or give --all"));
    }
    // One that is disabled takes nothing, and would end the command half way.
    let (disabled, enabled): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|endpoint| endpoint["disabled"] == true);
    if enabled.is_empty() {
        let words = "every endpoint that it is meant for is disabled";
        return Err(Failure::failed(anyhow::anyhow!(words)).hint("enable it first"));
    }
    for endpoint in &disabled {
        anstream::eprintln!("left out, it is disabled: {}", text(endpoint, "url"));
    }
    Ok(enabled)
}

/// Puts every dead delivery of an endpoint back, and with `--waiting` what is due later; tells what
/// is left.
pub(super) fn recover(arguments: &RecoverArguments, common: &Common) -> Outcome {
    let work = &arguments.work;
    let client = work.at.client(common)?;
    let watched = work.follow && tasks::is_watched(common);
    let total = if watched { work.dead(&client)? } else { None };
    // Before anything is put back: that is due too.
    let before = if common.json { Value::Null } else { standing::of(&client, &work.path())? };
    let mut body = work.body()?;
    body["waiting"] = json!(arguments.waiting);
    let task = work.begin(&client, "recover", &body)?;
    if !work.follow {
        work.tell_begun(&task, common)?;
        if !common.json {
            standing::tell_held(&before)?;
        }
        return Ok(Exit::Success);
    }
    let task = tasks::wait(&client, text(&task, "id").as_str(), total, common)?;
    if !common.json {
        let left = task["data"]["counts"]["waiting"].as_u64().unwrap_or_default();
        if left > 0 {
            work.tell_left(left, &before)?;
        }
        standing::tell_held(&standing::of(&client, &work.path())?)?;
    }
    Ok(tasks::exit(&task))
}

/// Makes deliveries of what an endpoint wants and never had.
pub(super) fn replay_missing(arguments: &ReplayArguments, common: &Common) -> Outcome {
    let work = &arguments.work;
    let client = work.at.client(common)?;
    let task = work.begin(&client, "replay-missing", &work.body()?)?;
    if work.follow {
        return tasks::follow(&client, text(&task, "id").as_str(), common);
    }
    work.tell_begun(&task, common)?;
    Ok(Exit::Success)
}

impl WindowArguments {
    fn path(&self) -> String {
        format!("{}/endpoint/{}", chosen::path(&self.app), path_part(&self.endpoint))
    }

    fn until_query(&self) -> Result<String, Failure> {
        let until = self.until.map(When::text).transpose()?;
        Ok(until.map_or_else(String::new, |until| format!("&until={}", path_part(&until))))
    }

    /// How many there are to put back, for whoever watches; not known where that takes too long.
    fn dead(&self, client: &Client) -> Result<Option<u64>, Failure> {
        let since = path_part(&self.since.text()?);
        let path = format!("{}/stats?since={since}{}", self.path(), self.until_query()?);
        let counted = client.get_once(&path).ok();
        Ok(counted.and_then(|answer| answer.body["fail"].as_u64()))
    }

    fn body(&self) -> Result<Value, Failure> {
        let until = self.until.map(When::text).transpose()?;
        Ok(json!({ "since": self.since.text()?, "until": until }))
    }

    fn begin(&self, client: &Client, action: &str, body: &Value) -> Result<Value, Failure> {
        client.post(&format!("{}/{action}", self.path()), &body.to_string())
    }

    fn tell_begun(&self, task: &Value, common: &Common) -> Result<(), Failure> {
        if common.json {
            return output::json(task);
        }
        let (id, begun) = (text(task, "id"), styled(GOOD, "begun"));
        output::line(format!("{begun} as {id}: relay tasks show {id} --follow"))
    }

    /// What waits for a later attempt is not dead, and goes by itself.
    fn tell_left(&self, left: u64, before: &Value) -> Result<(), Failure> {
        let (wait, their) = if left == 1 { ("waits", "its") } else { ("wait", "their") };
        let first = before["nextDue"].as_str().map(|due| format!(", the first at {}", plain(due)));
        let (app, endpoint) = (plain(&self.app), plain(&self.endpoint));
        let until = self.until.map(|until| format!(" --until {until}")).unwrap_or_default();
        output::line(styled(
            OPEN,
            format!("{left} {wait} for {their} next attempt{}", first.unwrap_or_default()),
        ))?;
        output::line(format!(
            "Send them now:  relay recover {app} {endpoint} --since {}{until} --waiting",
            self.since
        ))
    }
}
