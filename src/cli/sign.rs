//! `relay sign`: the headers that a relay would send with a body.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::failure::{Exit, Failure};
use super::output;
use super::signed_request::{SecretArguments, read_input};
use super::token::{random, wall_clock};
use super::{Common, Outcome};
use crate::config::HeaderNames;
use crate::domain::signature::{HeaderFamily, SigningKey, sign};

/// What `relay sign` takes.
#[derive(clap::Args, Debug)]
pub struct SignArguments {
    #[command(flatten)]
    secret: SecretArguments,
    /// The message's id; a new one when left out
    #[arg(long)]
    id: Option<String>,
    /// Unix seconds to sign at; now when left out
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<u64>,
    /// Names of the headers
    #[arg(long, value_name = "NAMES", default_value = "standard", value_parser = names)]
    headers: HeaderNames,
    /// Print the body too, after an empty line, as `relay verify --request` reads it
    #[arg(long, conflicts_with = "json")]
    with_body: bool,
    /// The body's bytes; - is stdin
    #[arg(value_name = "BODY", default_value = "-")]
    body: PathBuf,
}

fn names(text: &str) -> Result<HeaderNames, String> {
    match text {
        "standard" => Ok(HeaderNames::Standard),
        "svix" => Ok(HeaderNames::Svix),
        "both" => Ok(HeaderNames::Both),
        _ => Err("write standard, svix or both".to_owned()),
    }
}

/// Signs and prints the headers, one on a line.
pub(super) fn run(arguments: &SignArguments, common: &Common) -> Outcome {
    let key = SigningKey::parse(&arguments.secret.read()?).map_err(|error| {
        Failure::usage(format!("the secret can't be used: {error}"))
            .hint("`openssl rand -base64 32` with whsec_ before it makes one")
    })?;
    let id = match &arguments.id {
        Some(id)
            if id.is_empty() || id.contains('.') || !id.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            return Err(Failure::usage(format!(
                "--id: `{id}` may hold visible ASCII characters, but no dot"
            )));
        }
        Some(id) => id.clone(),
        None => new_id()?,
    };
    let timestamp = match arguments.timestamp {
        Some(seconds) => seconds,
        None => wall_clock()?.seconds(),
    };
    let body = read_input(&arguments.body)?;
    let signature = sign([&key], &id, timestamp, &body);
    let families: &[HeaderFamily] = match arguments.headers {
        HeaderNames::Standard => &[HeaderFamily::Standard],
        HeaderNames::Svix => &[HeaderFamily::Svix],
        HeaderNames::Both => &HeaderFamily::ALL,
    };
    let headers: Vec<(&str, String)> = families
        .iter()
        .flat_map(|family| {
            [
                (family.id(), id.clone()),
                (family.timestamp(), timestamp.to_string()),
                (family.signature(), signature.clone()),
            ]
        })
        .collect();
    if common.json {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        output::json(&headers.collect::<Map<String, Value>>())?;
        return Ok(Exit::Success);
    }
    for (name, value) in headers {
        output::line(format!("{name}: {value}"))?;
    }
    if arguments.with_body {
        output::bytes(b"\n")?;
        output::bytes(&body)?;
    }
    Ok(Exit::Success)
}

/// An id that looks like those of messages: no other has it, as 128 bits of it are random.
fn new_id() -> Result<String, Failure> {
    let digits: String = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("msg_{digits}"))
}
