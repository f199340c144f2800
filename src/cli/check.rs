//! `relay check`: whether the configuration is right, and what a relay would do with it.

use serde_json::{Value, json};
use url::Url;

use super::client::{self, TokenArgument};
use super::failure::{Exit, Failure};
use super::output::{self, GOOD, OPEN, styled};
use super::plan::{self, Plan};
use super::{Common, Outcome};
use crate::config::load::{LoadOptions, Loaded, Origin, load};
use crate::config::problem::{Place, Problem};
use crate::config::units::Span;

/// What `relay check` takes.
#[derive(clap::Args, Debug)]
pub struct CheckArguments {
    /// The relay to ask what would change; else the one at server.listen, if one is there
    #[arg(long, env = "RELAY_SERVER", value_name = "URL")]
    server: Option<Url>,
    #[command(flatten)]
    token: TokenArgument,
}

/// Loads and reports; whether a relay could be asked changes nothing about the exit code.
pub(super) fn run(arguments: &CheckArguments, common: &Common) -> Outcome {
    match load(&LoadOptions::from_process(common.config.clone(), Vec::new())) {
        Ok(loaded) => {
            let named = arguments.server.as_ref().map(|url| url.as_str().trim_end_matches('/'));
            let listen = loaded.config.server.listen;
            let base = named.map_or_else(|| client::base(listen), str::to_owned);
            let plan = plan::ask(&base, &arguments.token, common, &loaded);
            if common.json {
                let mut summary = summary(&loaded);
                summary["plan"] = match &plan {
                    Plan::Changes(changes) => json!({ "relay": base, "changes": changes }),
                    Plan::NotAsked(reason) => json!({ "changes": null, "reason": reason }),
                };
                output::json(&summary)?;
            } else {
                describe(&loaded)?;
                describe_plan(&plan, &base)?;
            }
        }
        Err(error) if common.json => {
            let problems: Vec<Value> = error.problems.iter().map(problem).collect();
            output::json(&json!({ "valid": false, "problems": problems }))?;
            return Ok(Exit::Config);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Exit::Success)
}

fn problem(problem: &Problem) -> Value {
    let message = &problem.message;
    match &problem.place {
        Place::File(place) => json!({
            "file": place.path, "line": place.line, "column": place.column, "message": message,
        }),
        Place::Variable(name) => json!({ "variable": name, "message": message }),
        Place::Flag(name) => json!({ "flag": name, "message": message }),
        Place::Setting(name) => json!({ "setting": name, "message": message }),
        Place::Path(path) => json!({ "file": path, "message": message }),
    }
}

fn summary(loaded: &Loaded) -> Value {
    let config = &loaded.config;
    json!({
        "valid": true,
        "file": loaded.file,
        "listen": config.server.listen,
        "data_dir": config.data.dir,
        "operator_key": loaded.secrets.operator_key.is_some(),
        "jwt": loaded.secrets.jwt_secret.is_some(),
        "applications": config.applications.len(),
        "event_types": config.event_types.len(),
        "endpoints": config.endpoints.len(),
        "sources": config.declared_sources.len(),
        "alerts": config.declared_alerts.len(),
    })
}

fn describe(loaded: &Loaded) -> Result<(), Failure> {
    let config = &loaded.config;
    let file = loaded
        .file
        .as_ref()
        .map_or("no file, the defaults alone".to_owned(), |file| file.display().to_string());
    output::line(format!("{} {file}", styled(GOOD, "right:")))?;
    let row = |name: &str, text: String| output::line(format!("  {name:<13} {text}"));
    let listen = config.server.listen;
    row("listens on", format!("{listen}{}", from(loaded, "server.listen")))?;
    if let Some(url) = &config.server.public_url {
        row("known as", url.to_string())?;
    }
    let dir = config.data.dir.display();
    row("data folder", format!("{dir}{}", from(loaded, "data.dir")))?;
    row("operator key", operator_key(loaded))?;
    row(
        "tokens",
        match loaded.secrets.jwt_secret {
            Some(_) => "HS256 tokens signed with auth.jwt_secret are accepted".to_owned(),
            None => "HS256 tokens are refused, auth.jwt_secret is not set".to_owned(),
        },
    )?;
    let attempts = config.delivery.retry_schedule.len() + 1;
    row("deliveries", format!("{} within {}", output::count(attempts, "attempt"), total(loaded)))?;
    row(
        "declares",
        format!(
            "{}, {}, {}, {}, {}",
            output::count(config.applications.len(), "application"),
            output::count(config.event_types.len(), "event type"),
            output::count(config.endpoints.len(), "endpoint"),
            output::count(config.declared_sources.len(), "source"),
            output::count(config.declared_alerts.len(), "alert"),
        ),
    )
}

fn describe_plan(plan: &Plan, base: &str) -> Result<(), Failure> {
    match plan {
        Plan::NotAsked(reason) => output::line(format!(
            "{} {reason}; a relay that runs is asked, a stopped one's folder is not opened",
            styled(OPEN, "what would change is not known:")
        )),
        Plan::Changes(changes) if changes.is_empty() => output::line(format!(
            "the relay at {base} has all that is declared; a reload takes alerts, [redact] \
                 and proxies anew"
        )),
        Plan::Changes(changes) => {
            output::line(format!("a reload (SIGHUP) of the relay at {base} would change:"))?;
            changes.iter().try_for_each(|change| output::line(format!("  {change}")))
        }
    }
}

fn operator_key(loaded: &Loaded) -> String {
    let auth = &loaded.config.auth;
    match (&auth.operator_key_file, &auth.operator_key, &loaded.secrets.operator_key) {
        (Some(path), _, _) => format!("in {}", path.display()),
        (None, Some(_), _) => format!("given{}", from(loaded, "auth.operator_key")),
        (None, None, Some(_)) => "in the systemd credential operator_key".to_owned(),
        (None, None, None) => {
            let dir = loaded.config.data.dir.display();
            format!("in {dir}/operator_key, made on first start")
        }
    }
}

/// The time from the first attempt to the last, without jitter.
fn total(loaded: &Loaded) -> Span {
    let schedule = &loaded.config.delivery.retry_schedule;
    Span(schedule.iter().map(|delay| delay.0).sum())
}

/// Where the value comes from, in brackets, when it is not the default.
fn from(loaded: &Loaded, setting: &str) -> String {
    match loaded.origins.get(setting) {
        Some(Origin::Variable(name)) | Some(Origin::Flag(name)) => format!(" ({name})"),
        Some(Origin::File { .. }) | None => String::new(),
    }
}
