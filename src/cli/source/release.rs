//! `relay source release`.

use serde_json::{Value, json};

use super::path;
use super::requests::{style, why};
use crate::cli::client::{Client, path_part};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, OPEN, plain, styled};
use crate::cli::token_remote::RemoteArguments;
use crate::cli::{Common, Outcome};

/// What `relay source release` takes.
#[derive(clap::Args, Debug)]
pub struct ReleaseArguments {
    /// The source, by id or uid
    #[arg(value_name = "REF")]
    source: String,
    /// This request alone; else everything that was refused
    #[arg(value_name = "ID")]
    request: Option<String>,
    /// Also when it is refused still, or its event came before
    #[arg(long, requires = "request")]
    anyway: bool,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Verifies again; what passes becomes messages. Exit code 1 when nothing does, and something had
/// been refused.
pub(super) fn run(arguments: &ReleaseArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let path = format!("{}/request", path(&arguments.source));
    match &arguments.request {
        Some(id) => one(&client, &format!("{path}/{}", path_part(id)), arguments.anyway, common),
        None => all(&client, &path, &arguments.source, common),
    }
}

fn one(client: &Client, path: &str, anyway: bool, common: &Common) -> Outcome {
    let body = json!({ "anyway": anyway }).to_string();
    let failed = |failure: Failure| match &failure {
        Failure::Told { error, .. } if error.to_string().contains("refused still") => {
            failure.hint("look at it first: --anyway takes it whatever its signature is")
        }
        _ => failure,
    };
    let request = client.post(&format!("{path}/release"), &body).map_err(failed)?;
    if common.json {
        output::json(&request)?;
        return Ok(Exit::Success);
    }
    let verdict = plain(request["verdict"].as_str().unwrap_or_default());
    output::line(format!("{} {}", styled(style(&request), verdict), why(&request)))?;
    if request["msgId"].is_null() {
        output::line(styled(OPEN, "it is no message: --anyway makes it one all the same"))?;
    }
    Ok(Exit::Success)
}

/// What came of all that was looked at.
#[derive(Default)]
struct Sum {
    released: u64,
    duplicates: u64,
    refused: u64,
}

fn all(client: &Client, path: &str, source: &str, common: &Common) -> Outcome {
    let mut sum = Sum::default();
    let mut iterator = Value::Null;
    loop {
        let body = json!({ "iterator": iterator }).to_string();
        let told = client.post(&format!("{path}/release"), &body)?;
        let number = |field: &str| told[field].as_u64().unwrap_or(0);
        sum.released += number("released");
        sum.duplicates += number("duplicates");
        sum.refused += number("refused");
        // A relay that gives the same place again would never end.
        if told["done"] != false || told["iterator"] == iterator {
            break;
        }
        iterator = told["iterator"].clone();
    }
    let Sum { released, duplicates, refused } = sum;
    let exit = if released == 0 && refused > 0 { Exit::Failed } else { Exit::Success };
    if common.json {
        let told = json!({ "released": released, "duplicates": duplicates, "refused": refused });
        output::json(&told)?;
        return Ok(exit);
    }
    output::line(format!("{released} released, {duplicates} duplicates, {refused} refused still"))?;
    if refused > 0 {
        let command = format!("relay source requests {} --verdict refused", plain(source));
        output::line(styled(OPEN, format!("why: {command}")))?;
    }
    Ok(exit)
}
