//! `relay verify`: whether a request carries a right signature, and if not, why.

use std::path::PathBuf;

use serde_json::json;

use super::explain::explain;
use super::failure::{Exit, Failure};
use super::output::{self, BAD, GOOD, styled};
use super::signed_request::{SecretArguments, SignedRequest, parse_header, read_input};
use super::token::wall_clock;
use super::verify_provider::{self, Asked};
use super::{Common, Outcome};
use crate::domain::signature::{HeaderFamily, SignedHeaders, VerifyError, VerifyingKey, verify};
use crate::domain::time::Timestamp;

/// What `relay verify` takes.
#[derive(clap::Args, Debug)]
pub struct VerifyArguments {
    #[command(flatten)]
    secret: SecretArguments,
    /// A header, `name: value`; once for each
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", conflicts_with = "request")]
    headers: Vec<String>,
    /// The webhook-id header
    #[arg(long, conflicts_with = "request")]
    id: Option<String>,
    /// The webhook-timestamp header, in Unix seconds
    #[arg(long, conflicts_with = "request")]
    timestamp: Option<String>,
    /// The webhook-signature header
    #[arg(long, conflicts_with = "request")]
    signature: Option<String>,
    /// A whole request as it was captured: headers, an empty line, the body; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    request: Option<PathBuf>,
    /// As this provider signs, like stripe or github; as Standard Webhooks ask for when not given
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The URL that the provider was given, for those that sign it
    #[arg(long, requires = "provider")]
    url: Option<String>,
    /// The request's method, for providers that sign it
    #[arg(long, requires = "provider", default_value = "POST")]
    method: String,
    /// Verify as of this time, in Unix seconds or RFC 3339, or as of when it was sent: sent
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The body's bytes; - is stdin
    #[arg(value_name = "BODY", default_value = "-")]
    body: PathBuf,
}

/// Verifies and says how it went: exit code 0 or 1.
pub(super) fn run(arguments: &VerifyArguments, common: &Common) -> Outcome {
    let text = arguments.secret.read()?;
    if let Some(provider) = &arguments.provider {
        let request = request(arguments)?;
        let asked = Asked {
            provider,
            secret: &text,
            url: arguments.url.as_deref(),
            method: &arguments.method,
        };
        // `sent` is when a header of Standard Webhooks says; each provider says it elsewhere.
        if arguments.at.as_deref() == Some("sent") {
            return Err(Failure::usage("--at sent is not for --provider").hint("name a time"));
        }
        return verify_provider::run(&asked, &request, now(arguments, &request)?, common);
    }
    let key = VerifyingKey::parse(&text).map_err(|error| {
        Failure::usage(format!("the secret can't be used: {error}"))
            .hint("a Standard Webhooks secret is shown once by the sender, copy all of it")
    })?;
    let request = request(arguments)?;
    let headers = SignedHeaders::find(|name| request.header(name));
    let now = now(arguments, &request)?;
    let result = headers.and_then(|headers| verify(&key, headers, &request.body, now));
    let Err(error) = result else { return succeed(&request, now, common) };
    let reasons = explain(&key, &text, &request, now, error);
    if common.json {
        let code = code(error);
        output::json(&json!({ "verified": false, "error": code, "reasons": reasons }))?;
    } else {
        output::line(format!("{} {error}", styled(BAD, "not verified:")))?;
        for reason in &reasons {
            output::line(format!("  {reason}"))?;
        }
    }
    Ok(Exit::Failed)
}

fn request(arguments: &VerifyArguments) -> Result<SignedRequest, Failure> {
    if let Some(path) = &arguments.request {
        return SignedRequest::parse(&read_input(path)?);
    }
    let mut headers = Vec::new();
    for line in &arguments.headers {
        let header = parse_header(line);
        let wrong = || Failure::usage(format!("`{line}` is no header, write \"name: value\""));
        headers.push(header.ok_or_else(wrong)?);
    }
    let family = HeaderFamily::Standard;
    let named = [
        (family.id(), &arguments.id),
        (family.timestamp(), &arguments.timestamp),
        (family.signature(), &arguments.signature),
    ];
    for (name, value) in named {
        headers.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
    }
    if headers.is_empty() && arguments.provider.is_none() {
        let usage = Failure::usage("no headers are given");
        return Err(usage.hint("give them with -H, or a whole request with --request"));
    }
    Ok(SignedRequest { headers, body: read_input(&arguments.body)? })
}

fn now(arguments: &VerifyArguments, request: &SignedRequest) -> Result<Timestamp, Failure> {
    let seconds = |text: &str| {
        let seconds = text.parse::<u64>().ok()?;
        Some(Timestamp::from_millis(seconds.saturating_mul(1_000)))
    };
    let Some(text) = arguments.at.as_deref() else { return wall_clock() };
    if text == "sent" {
        let names = HeaderFamily::ALL.map(HeaderFamily::timestamp);
        let sent = names.into_iter().find_map(|name| request.header(name)).and_then(seconds);
        return Ok(sent.unwrap_or(wall_clock()?));
    }
    seconds(text).or_else(|| Timestamp::parse_rfc3339(text)).ok_or_else(|| {
        Failure::usage(format!("--at: `{text}` is no time, write Unix seconds, RFC 3339 or `sent`"))
    })
}

fn succeed(request: &SignedRequest, now: Timestamp, common: &Common) -> Outcome {
    let value = |name: fn(HeaderFamily) -> &'static str| {
        HeaderFamily::ALL.into_iter().find_map(|family| request.header(name(family)))
    };
    let id = value(HeaderFamily::id).unwrap_or_default();
    let sent: u64 = value(HeaderFamily::timestamp).unwrap_or_default().parse().unwrap_or_default();
    if common.json {
        output::json(&json!({ "verified": true, "id": id, "timestamp": sent }))?;
    } else {
        let age = now.seconds().abs_diff(sent);
        let bytes = request.body.len();
        output::line(format!(
            "{} {}, {bytes} bytes, signed {age} s ago",
            styled(GOOD, "verified:"),
            output::plain(id)
        ))?;
    }
    Ok(Exit::Success)
}

/// A word for scripts.
fn code(error: VerifyError) -> &'static str {
    match error {
        VerifyError::MissingHeader(_) => "missing_header",
        VerifyError::Id => "bad_id",
        VerifyError::Timestamp => "bad_timestamp",
        VerifyError::Stale { .. } => "stale",
        VerifyError::Early { .. } => "early",
        VerifyError::NoCandidate { .. } => "no_signature",
        VerifyError::TooManyCandidates => "too_many_signatures",
        VerifyError::Mismatch => "mismatch",
    }
}
