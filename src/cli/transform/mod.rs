//! `relay transform`: whether a transform can be used, and what it makes of an event.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

mod input;
mod run;

use super::failure::{Exit, Failure};
use super::output::{self, BAD, GOOD, count, plain, styled};
use super::signed_request::read_input;
use super::{Common, Outcome};
use crate::domain::transform::{self, Transform};
use crate::engine::script::{ScriptLimits, Scripts, Shape};

/// What `relay transform` does.
#[derive(Subcommand, Debug)]
pub enum TransformCommand {
    /// Read a transform and say which handler it has, or where it is wrong, offline
    Check(CheckArguments),
    /// Run a transform on an event and print the request that it makes; nothing is sent
    Run(Box<run::RunArguments>),
}

/// What `relay transform check` takes.
#[derive(clap::Args, Debug)]
pub struct CheckArguments {
    /// The transform: .js for a script, .toml or .json for steps
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Why a transform can't be used, or what went wrong with it.
struct Problem {
    /// A word for scripts.
    code: &'static str,
    message: String,
    /// Line of the file, counted from 1.
    line: Option<usize>,
    /// Which step, counted from 1.
    step: Option<usize>,
}

/// Does what is asked for.
pub(super) fn run(command: &TransformCommand, common: &Common) -> Outcome {
    match command {
        TransformCommand::Check(arguments) => check(arguments, common),
        TransformCommand::Run(arguments) => run::run(arguments, common),
    }
}

/// Exit code 0 when it can be used, else 1.
fn check(arguments: &CheckArguments, common: &Common) -> Outcome {
    let found = match read(&arguments.file)? {
        Ok(Transform::Steps(steps)) => {
            Ok((count(steps.len(), "step"), json!({ "steps": steps.len() })))
        }
        Ok(Transform::Script(code)) => scripts()
            .check(&code)
            .map(|shape| (words(shape).to_owned(), json!({ "handler": shape.name() })))
            .map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    let file = plain(&arguments.file.display().to_string());
    let (words, mut told) = match found {
        Ok(found) => found,
        Err(problem) => return problem.tell(&file, &[], common),
    };
    if common.json {
        told["ok"] = true.into();
        output::json(&told)?;
    } else {
        output::line(format!("{} {file}: {words}", styled(GOOD, "good:")))?;
    }
    Ok(Exit::Success)
}

fn words(shape: Shape) -> &'static str {
    match shape {
        Shape::AddHandler => "addHandler(\"transform\", (request, context) => …), as in Hookdeck",
        Shape::Handler => "function handler(webhook), as in Svix",
        Shape::Transform => "function transform(payload), as in Convoy",
    }
}

/// Runs scripts in processes of this binary, as a relay does.
fn scripts() -> Scripts {
    Scripts::new(ScriptLimits::default(), 1, PathBuf::from("/proc/self/exe"))
}

/// The transform that a file holds; what is wrong with it is a result, and no failure.
fn read(path: &Path) -> Result<Result<Transform, Problem>, Failure> {
    let shown = path.display();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !["js", "mjs", "toml", "json"].contains(&ending) {
        return Err(Failure::usage(format!("{shown} ends with neither .js, .toml nor .json"))
            .hint("a script is written in a .js file, steps in a .toml or .json file"));
    }
    let text = String::from_utf8(read_input(path)?)
        .map_err(|_| Failure::failed(anyhow::anyhow!("{shown} is not text in UTF-8")))?;
    let read = match ending {
        "toml" => toml::from_str(&text).map_err(|error| {
            let before = error.span().map(|span| &text[..span.start.min(text.len())]);
            Problem::unread(error.message(), before.map(|before| before.matches('\n').count() + 1))
        }),
        "json" => serde_json::from_str(&text)
            .map_err(|error| Problem::unread(&error.to_string(), Some(error.line()))),
        _ => Ok(Transform::Script(text)),
    };
    Ok(read.and_then(|transform: Transform| {
        transform.check().map_err(Problem::from)?;
        Ok(transform)
    }))
}

impl From<transform::Failure> for Problem {
    fn from(failure: transform::Failure) -> Problem {
        use transform::Failure::{Step, Syntax, Thrown};
        let line = match &failure {
            Thrown { line, .. } | Syntax { line, .. } => line.map(|line| line as usize),
            _ => None,
        };
        let step = match &failure {
            Step { index, .. } => Some(index + 1),
            _ => None,
        };
        Problem { code: failure.code(), message: failure.to_string(), line, step }
    }
}

impl Problem {
    fn unread(message: &str, line: Option<usize>) -> Problem {
        Problem { code: "syntax", message: message.trim_end().to_owned(), line, step: None }
    }

    /// Tells it; `console` is what the script wrote before.
    fn tell(&self, file: &str, console: &[Value], common: &Common) -> Outcome {
        let Problem { code, message, line, step } = self;
        if common.json {
            output::json(&json!({
                "ok": false, "error": code, "message": message, "line": line, "step": step,
                "console": console,
            }))?;
            return Ok(Exit::Failed);
        }
        let place = line.map(|line| format!(":{line}")).unwrap_or_default();
        output::line(format!("{} {file}{place}: {}", styled(BAD, code), plain(message)))?;
        Ok(Exit::Failed)
    }
}
