//! `/app/{app}/endpoint/{endpoint}/headers`: what an endpoint is sent beside the signature.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::egress::{Changer, fits};
use super::endpoint::changer;
use super::limits::{self, Problems};
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::{HEADERS_MAX, is_sensitive_header, remove_header, set_header};
use crate::domain::token::Capability;
use crate::http::error::ApiError;
use crate::store::{Author, EndpointReference, Refusal, Reply};

#[derive(Deserialize)]
struct HeadersIn {
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadersPatchIn {
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    #[serde(default)]
    delete_headers: Option<Vec<String>>,
}

/// Row 15: the headers; of sensitive ones, and of those that `[redact]` names, only the names. They
/// may carry credentials under any name: who may not change them is told of every one as sensitive.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = call.endpoint(&*call.owner()?)?;
    let hidden = !call.caller.capabilities.allow(Capability::ManageEndpoint);
    let redaction = call.redaction();
    let secret = |name: &str| hidden || is_sensitive_header(name) || redaction.hides_header(name);
    let (sensitive, shown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        endpoint.headers.iter().partition(|(name, _)| secret(name));
    let sensitive: Vec<_> = sensitive.into_keys().collect();
    Ok(HttpResponse::Ok().json(json!({"headers": shown, "sensitive": sensitive})))
}

/// Row 16: these and no others.
pub(super) async fn put(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let body = call.body().await?;
    let input: HeadersIn = body.json()?;
    let mut problems = Problems::default();
    let headers = limits::headers(input.headers, &mut problems);
    problems.finish()?;
    change(&call, application.id, move |_| Ok(headers)).await
}

/// Row 17: sets what is given; null, or a name in `deleteHeaders`, takes one away.
pub(super) async fn patch(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let body = call.body().await?;
    let input: HeadersPatchIn = body.json()?;
    let mut problems = Problems::default();
    let mut removed = input.delete_headers.unwrap_or_default();
    if removed.len() > HEADERS_MAX {
        problems.add(&["deleteHeaders"], format!("must have at most {HEADERS_MAX} items"));
    }
    for (index, name) in removed.iter().enumerate().take(HEADERS_MAX) {
        let index = format!("[{index}]");
        problems.check(&["deleteHeaders", &index], limits::header_name(name));
    }
    let mut set = BTreeMap::new();
    for (name, value) in input.headers {
        match value {
            Some(value) => {
                set.insert(name, value);
            }
            None => {
                problems.check(&["headers", &name], limits::header_name(&name));
                removed.push(name);
            }
        }
    }
    let set = limits::headers(set, &mut problems);
    for name in set.keys() {
        if removed.iter().any(|removed| removed.eq_ignore_ascii_case(name)) {
            problems.add(&["headers", name], "is set and taken away, in whatever case");
        }
    }
    problems.finish()?;
    change(&call, application.id, move |endpoint| {
        let mut headers = endpoint.headers.clone();
        removed.iter().for_each(|name| remove_header(&mut headers, name));
        set.into_iter().for_each(|(name, value)| set_header(&mut headers, name, value));
        Ok(headers)
    })
    .await
}

async fn change<W>(
    call: &Call,
    application: crate::domain::id::ApplicationId,
    work: W,
) -> Result<HttpResponse, ApiError>
where
    W: FnOnce(&Endpoint) -> Result<BTreeMap<String, String>, Refusal> + Send + 'static,
{
    let reference: EndpointReference = call.reference("endpoint")?;
    let (config, operator) = changer(call);
    call.write(move |transaction| {
        let old = transaction.endpoint(application, &reference)?;
        let mut endpoint = Endpoint::clone(&old);
        endpoint.headers = work(&endpoint)?;
        fits(&endpoint, Some(&old), &Changer { config: &config, operator })?;
        endpoint.updated_at = transaction.now();
        let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
        Ok(Reply::Endpoint { endpoint, created: false })
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
