//! `relay endpoints add`, `update`, `disable`, `enable`, `delete`, `rotate-secret` and `test`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::NamedArguments;
use super::settings::SettingsArguments;
use crate::cli::chosen::{AppArgument, name, text};
use crate::cli::client::{Client, path_part};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, ASIDE, plain, styled};
use crate::cli::signed_request::read_input;
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome, follow};
use crate::config::units::Span;

/// What `relay endpoints add` takes.
#[derive(clap::Args, Debug)]
pub struct AddArguments {
    /// Where to send
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    settings: SettingsArguments,
    /// Make it disabled
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    app: AppArgument,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay endpoints update` takes.
#[derive(clap::Args, Debug)]
pub struct UpdateArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// Where to send from now on
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
    /// Take a setting away, so that it is as usual; may be given again
    #[arg(long, value_name = "SETTING", value_parser = CLEARED.map(|(word, _)| word))]
    clear: Vec<String>,
    /// Send this header no more; may be given again
    #[arg(long, value_name = "NAME")]
    delete_header: Vec<String>,
}

/// Settings that can be taken away, and what the API calls them.
const CLEARED: [(&str, &str); 7] = [
    ("uid", "uid"),
    ("event-types", "eventTypes"),
    ("channels", "channels"),
    ("sources", "sources"),
    ("filter", "filter"),
    ("rate", "throttleRate"),
    ("delivery", "delivery"),
];

/// What `relay endpoints rotate-secret` takes.
#[derive(clap::Args, Debug)]
pub struct RotateArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// A file that holds the new secret; - is stdin; else one is made
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How long the old one signs beside it; else 24 h
    #[arg(long, value_name = "DURATION")]
    grace: Option<Span>,
}

/// What `relay endpoints test` takes.
#[derive(clap::Args, Debug)]
pub struct TestArguments {
    #[command(flatten)]
    named: NamedArguments,
    /// The event type whose example is sent
    #[arg(long = "event-type", value_name = "TYPE")]
    event_type: String,
    /// Which of its examples, counted from 0
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    example: u16,
    /// How long to wait for the delivery
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    timeout: Span,
}

/// Makes one.
pub(super) fn add(arguments: &AddArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let mut body = arguments.settings.body()?;
    body.insert("url".to_owned(), json!(arguments.url));
    body.insert("disabled".to_owned(), json!(arguments.disabled));
    if let Some(headers) = arguments.settings.headers() {
        body.insert("headers".to_owned(), headers);
    }
    let path = format!("{}/endpoint", arguments.app.path(&client)?);
    let made = client.post(&path, &Value::Object(body).to_string())?;
    if common.json {
        output::json(&made)?;
        return Ok(Exit::Success);
    }
    let (called, app) = (name(&made), arguments.app.flag());
    output::line(format!("made {called} {}", styled(ASIDE, text(&made, "id"))))?;
    output::line(format!("Its signing secret:  relay endpoints show {called}{app} --secret"))?;
    Ok(Exit::Success)
}

/// Changes what is given.
pub(super) fn update(arguments: &UpdateArguments, common: &Common) -> Outcome {
    let mut body = arguments.settings.body()?;
    if let Some(url) = &arguments.url {
        body.insert("url".to_owned(), json!(url));
    }
    for word in &arguments.clear {
        let field = CLEARED.iter().find(|(known, _)| known == word).map(|(_, field)| *field);
        let before = field.map(|field| body.insert(field.to_owned(), Value::Null));
        if before.flatten().is_some() {
            return Err(Failure::usage(format!("{word} is given, and to be cleared too")));
        }
    }
    let headers = arguments.settings.headers();
    if body.is_empty() && headers.is_none() && arguments.delete_header.is_empty() {
        return Err(Failure::usage("nothing is to be changed")
            .hint("relay endpoints update --help lists what can be"));
    }
    let (client, path) = arguments.named.reach(common)?;
    if headers.is_some() || !arguments.delete_header.is_empty() {
        let body = json!({
            "headers": headers.unwrap_or_else(|| json!({})),
            "deleteHeaders": arguments.delete_header,
        });
        client.patch(&format!("{path}/headers"), &body.to_string())?;
    }
    let changed = match body.is_empty() {
        true => client.get(&path)?,
        false => client.patch(&path, &Value::Object(body).to_string())?,
    };
    tell(&changed, "changed", common)
}

/// Sends it nothing from now on, or sends again.
pub(super) fn disable(arguments: &NamedArguments, disabled: bool, common: &Common) -> Outcome {
    let (client, path) = arguments.reach(common)?;
    let body = json!({ "disabled": disabled }).to_string();
    let changed = client.patch(&path, &body)?;
    tell(&changed, if disabled { "disabled" } else { "enabled" }, common)?;
    if disabled && !common.json {
        let words = "What waits for it stays. What comes meanwhile it does not get: relay \
                     replay-missing makes up for that.";
        output::line(words)?;
    }
    Ok(Exit::Success)
}

fn tell(endpoint: &Value, word: &str, common: &Common) -> Outcome {
    if common.json {
        output::json(endpoint)?;
    } else {
        let id = styled(ASIDE, text(endpoint, "id"));
        output::line(format!("{word} {} {id}", text(endpoint, "url")))?;
    }
    Ok(Exit::Success)
}

/// Deletes one.
pub(super) fn delete(arguments: &NamedArguments, common: &Common) -> Outcome {
    let (client, path) = arguments.reach(common)?;
    client.delete(&path)?;
    if common.json {
        output::json(&json!({ "deleted": arguments.endpoint }))?;
    } else {
        output::line(format!("deleted {}", plain(&arguments.endpoint)))?;
    }
    Ok(Exit::Success)
}

/// Gives it another secret and prints it, on a line of its own.
pub(super) fn rotate(arguments: &RotateArguments, common: &Common) -> Outcome {
    let key = match &arguments.secret_file {
        None => None,
        Some(path) => {
            let text = String::from_utf8(read_input(path)?);
            let text = text.map_err(|_| Failure::usage("the secret is not text in UTF-8"))?;
            Some(text.trim().to_owned())
        }
    };
    let grace = arguments.grace.map(|grace| grace.0.as_secs());
    let body = json!({ "key": key, "gracePeriodSeconds": grace });
    let (client, path) = arguments.named.reach(common)?;
    let made = client.post(&format!("{path}/secret/rotate"), &body.to_string())?;
    if common.json {
        output::json(&made)?;
        return Ok(Exit::Success);
    }
    output::line(text(&made, "key"))?;
    match arguments.grace {
        Some(grace) if grace.0.is_zero() => anstream::eprintln!("The old one signs no more."),
        Some(grace) => anstream::eprintln!("The old one signs beside it for another {grace}."),
        None => anstream::eprintln!("The old one signs beside it for another 24h."),
    }
    Ok(Exit::Success)
}

/// Sends it an example, and prints what comes of it as `relay send` does.
pub(super) fn test(arguments: &TestArguments, common: &Common) -> Outcome {
    let (client, path) = arguments.named.reach(common)?;
    let body = json!({ "eventType": arguments.event_type, "exampleIndex": arguments.example });
    let sent = client.post(&format!("{path}/send-example"), &body.to_string());
    let sent = sent.map_err(|failure| hint(failure, &arguments.event_type))?;
    let id = sent["id"].as_str().unwrap_or_default();
    if common.json {
        output::json(&json!({ "accepted": id }))?;
    } else {
        let what = styled(ASIDE, plain(&arguments.event_type));
        output::line(format!("accepted {} {what}", plain(id)))?;
    }
    let app = app_of(&client, &arguments.named)?;
    follow::follow(&client, &app, &path_part(id), arguments.timeout.0, common.json)
}

/// The application as a part of a path.
fn app_of(client: &Client, named: &NamedArguments) -> Result<String, Failure> {
    let path = named.app.path(client)?;
    Ok(path.rsplit('/').next().unwrap_or_default().to_owned())
}

/// What to do where there is no example to send.
fn hint(failure: Failure, event_type: &str) -> Failure {
    let told = match &failure {
        Failure::Told { error, .. } => error.to_string(),
        Failure::OutputClosed => String::new(),
    };
    let names = |field: &str| told.contains(field);
    let name = plain(event_type);
    let how = if names("body.eventType") {
        format!("relay event-types add {name} --example '{{…}}' makes it with one")
    } else if names("body.exampleIndex") {
        "add one to \"examples\" of its newest schema: see docs/event-types.md".to_owned()
    } else {
        return failure;
    };
    let words = anyhow::anyhow!("there is no such example of {name} that could be sent");
    Failure::failed(words).hint(how)
}
