//! `relay transform run`.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use clap::ArgGroup;
use serde_json::{Value, json};

use super::input::{self, Input};
use super::{Problem, read, scripts};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, ASIDE, BAD, OPEN, plain, styled};
use crate::cli::signed_request::parse_header;
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome};
use crate::domain::transform::{ConsoleLevel, Outgoing, Ran};

/// What `relay transform run` takes.
#[derive(clap::Args, Debug)]
#[command(group = ArgGroup::new("event").required(true).args(["message", "request", "input"]))]
pub struct RunArguments {
    /// The transform: .js for a script, .toml or .json for steps
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Run it on this message of the application; its headers are not known
    #[arg(long, value_name = "MSG")]
    message: Option<String>,
    /// The application of the message, by id or uid
    #[arg(long, value_name = "APP", default_value = "default")]
    app: String,
    /// Run it on this request to the source, with the headers that it had
    #[arg(long, value_name = "ID", requires = "source")]
    request: Option<String>,
    /// The source of the request, by id or uid
    #[arg(long, value_name = "REF", requires = "request")]
    source: Option<String>,
    /// Run it on a body: .json, .xml, .form or .txt; - is JSON on stdin
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A header of the request before, `name: value`; once for each
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The type of the event; that of the message or request when not given
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// The URL of the endpoint
    #[arg(long, default_value = "https://endpoint.example/")]
    url: String,
    /// A value of context.env; once for each
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Exit code 0 when there is something to send or it was dropped, 1 when the transform fails.
pub(super) fn run(arguments: &RunArguments, common: &Common) -> Outcome {
    let file = plain(&arguments.file.display().to_string());
    let transform = match read(&arguments.file)? {
        Ok(transform) => transform,
        Err(problem) => return problem.tell(&file, &[], common),
    };
    let Input { outgoing, context } = input(arguments, common)?;
    let Ran { result, console, console_left_out } =
        scripts().apply(&transform, &outgoing, &context);
    let lines: Vec<Value> = console
        .iter()
        .map(|line| json!({ "level": line.level.name(), "text": line.text }))
        .collect();
    if !common.json {
        for line in &console {
            let style = match line.level {
                ConsoleLevel::Error => BAD,
                ConsoleLevel::Warn => OPEN,
                _ => ASIDE,
            };
            let words =
                format!("console.{}: {}", line.level.name(), output::plain_lines(&line.text));
            output::line(styled(style, words))?;
        }
        if console_left_out > 0 {
            output::line(styled(ASIDE, format!("and {console_left_out} more lines of console")))?;
        }
    }
    let sent = match result {
        Ok(sent) => sent,
        Err(failure) => return Problem::from(failure).tell(&file, &lines, common),
    };
    if common.json {
        output::json(&json!({
            "ok": true, "dropped": sent.is_none(), "request": sent.as_ref().map(shown),
            "console": lines, "console_left_out": console_left_out,
        }))?;
    } else {
        tell(sent.as_ref())?;
    }
    Ok(Exit::Success)
}

fn input(arguments: &RunArguments, common: &Common) -> Result<Input, Failure> {
    let mut input = match (&arguments.message, &arguments.request, &arguments.source) {
        (Some(id), _, _) => input::message(&arguments.at.client(common)?, &arguments.app, id)?,
        (_, Some(id), Some(source)) => input::request(&arguments.at.client(common)?, source, id)?,
        _ => input::file(arguments.input.as_deref().unwrap_or("-".as_ref()))?,
    };
    input.outgoing.url.clone_from(&arguments.url);
    for line in &arguments.headers {
        let wrong = || Failure::usage(format!("`{line}` is no header, write \"name: value\""));
        let (name, value) = parse_header(line).ok_or_else(wrong)?;
        input.outgoing.set_header(&name, &value);
    }
    for pair in &arguments.env {
        let wrong = || Failure::usage(format!("--env: `{pair}` is no value, write NAME=VALUE"));
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        input.context.env.insert(name.to_owned(), value.to_owned());
    }
    if let Some(kind) = &arguments.event_type {
        input.context.event_type.clone_from(kind);
    }
    Ok(input)
}

fn shown(sent: &Outgoing) -> Value {
    let mut shown = json!({ "method": sent.method, "url": sent.url, "headers": sent.headers });
    match std::str::from_utf8(&sent.body) {
        Ok(text) => shown["body"] = text.into(),
        Err(_) => shown["bodyBase64"] = STANDARD.encode(&sent.body).into(),
    }
    shown
}

fn tell(sent: Option<&Outgoing>) -> Result<(), Failure> {
    let Some(sent) = sent else {
        return output::line(styled(OPEN, "dropped: nothing would be sent"));
    };
    output::line(format!("{} {}", plain(&sent.method), plain(&sent.url)))?;
    for (name, value) in &sent.headers {
        output::line(format!("{}: {}", plain(name), plain(value)))?;
    }
    match std::str::from_utf8(&sent.body) {
        Ok(text) => output::line(format!("\n{}", output::plain_lines(text))),
        Err(_) => output::line(format!("\n({} bytes that are no text)", sent.body.len())),
    }
}
