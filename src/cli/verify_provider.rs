//! `relay verify --provider`: whether a request is signed as that provider signs, and if not, why.

use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{self, BAD, GOOD, styled};
use super::signed_request::SignedRequest;
use super::{Common, Outcome};
use crate::domain::provider::{self, Provider, Reason, Request, Scheme, Verified};
use crate::domain::time::Timestamp;

/// What is verified beside the request itself.
pub(super) struct Asked<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The secret's text.
    pub secret: &'a str,
    /// The URL that the provider was given.
    pub url: Option<&'a str>,
    /// The method of the request.
    pub method: &'a str,
}

/// The provider of this name, or which names there are.
pub(super) fn find(name: &str) -> Result<&'static Provider, Failure> {
    provider::find(name).ok_or_else(|| {
        let names: Vec<&str> = provider::known().iter().map(|known| known.name.as_str()).collect();
        let meant = near(name, &names).map(|meant| format!("did you mean {meant}? "));
        Failure::usage(format!("no provider is called `{name}`")).hint(format!(
            "{}there are {}",
            meant.unwrap_or_default(),
            names.join(", ")
        ))
    })
}

/// The name that was meant, if one is near enough.
fn near<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let alike = |known: &&str| strsim::jaro_winkler(&name.to_lowercase(), known);
    let best = names.iter().copied().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(&best) > 0.85).then_some(best)
}

/// Verifies and says how it went: exit code 0 or 1.
pub(super) fn run(
    asked: &Asked<'_>,
    request: &SignedRequest,
    now: Timestamp,
    common: &Common,
) -> Outcome {
    let provider = find(asked.provider)?;
    if provider.signs_url() && asked.url.is_none() {
        return Err(Failure::usage(format!("{} signs the URL too", provider.title))
            .hint("name the one that it was given with --url"));
    }
    if provider.scheme == Scheme::None {
        return Err(Failure::usage(format!("{} signs nothing", provider.title))
            .hint("a token in the URL that it is given is all there can be"));
    }
    let request = Request {
        method: asked.method,
        url: asked.url.unwrap_or_default(),
        headers: &request.headers,
        body: &request.body,
    };
    let secrets = [asked.secret];
    match provider::verify(provider, &secrets, &request, now) {
        Ok(verified) => succeed(provider, verified, &request, now, common),
        Err(reason) => {
            let reasons = provider::explain(provider, &secrets, &request, now);
            fail(provider, &reason, &reasons, common)
        }
    }
}

fn succeed(
    provider: &Provider,
    verified: Verified,
    request: &Request<'_>,
    now: Timestamp,
    common: &Common,
) -> Outcome {
    let event_id = request.first_of(&provider.event_id);
    let event_type = request.first_of(&provider.event_type);
    if common.json {
        let signed_at = verified.signed_at.map(|time| time.to_string());
        output::json(&json!({
            "verified": true, "provider": provider.name, "signed_at": signed_at,
            "event_id": event_id, "event_type": event_type,
            "body_is_signed": provider.signs_body(),
        }))?;
        return Ok(Exit::Success);
    }
    let mut parts = vec![provider.title.clone(), format!("{} bytes", request.body.len())];
    let age = verified.signed_at.map(|time| now.seconds().abs_diff(time.seconds()));
    parts.extend(age.map(|age| format!("signed {age} s ago")));
    parts.extend(event_type.map(|kind| output::plain(&kind)));
    parts.extend(event_id.map(|id| output::plain(&id)));
    if !provider.signs_body() {
        parts.push("but the body is not signed".to_owned());
    }
    output::line(format!("{} {}", styled(GOOD, "verified:"), parts.join(", ")))?;
    Ok(Exit::Success)
}

fn fail(provider: &Provider, reason: &Reason, reasons: &[String], common: &Common) -> Outcome {
    if common.json {
        output::json(&json!({
            "verified": false, "provider": provider.name, "error": reason.code(),
            "reason": reason.to_string(), "reasons": reasons,
        }))?;
    } else {
        output::line(format!("{} {reason}", styled(BAD, "not verified:")))?;
        reasons.iter().try_for_each(|reason| output::line(format!("  {reason}")))?;
        output::line(format!("  how {} signs: {}", provider.title, provider.docs))?;
    }
    Ok(Exit::Failed)
}
