//! What happens around every request: its id, what no handler takes, headers, count, log line.

use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use percent_encoding::percent_decode_str;

use crate::engine::intake;
use crate::http::error::ApiError;
use crate::http::intake::HIDDEN;
use crate::http::linger::Coming;
use crate::http::routes::{self, Matched};
use crate::http::server::Shared;
use crate::metrics::RequestLabels;
use crate::telemetry::panic_point;

/// Names a request in the answer and the log.
pub const REQUEST_ID: &str = "x-request-id";
/// That name, for whoever handles the request.
pub(super) struct RequestId(pub String);

/// Characters of an id that a caller gives at most.
const REQUEST_ID_MAX: usize = 128;
/// Bytes of a request's head at most, names and values together.
const HEAD_MAX: usize = 32 * 1024;

pub(super) async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let began = Instant::now();
    panic_point::reach("request");
    let shared = Shared::of(request.request());
    let id = request_id(&request, &shared);
    request.extensions_mut().insert(RequestId(id.clone()));
    let coming = Coming::of(&mut request);
    routes::trim(&mut request);
    let mut response = match refusal(&request) {
        Some(error) => request.error_response(error).map_into_right_body(),
        // The request must not be held here too: routing needs it alone.
        None => next.call(request).await?.map_into_left_body(),
    };
    let status = response.status();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), value);
    }
    // What may be kept says so itself.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if shared.connections.are_many() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let route = route(response.request());
    log(&response, &route, &id, began);
    let metrics = &shared.state.metrics;
    metrics.http_request_duration.observe(began.elapsed().as_secs_f64());
    let labels = RequestLabels { route, status: status.as_u16() };
    metrics.http_requests.get_or_create(&labels).inc();
    Ok(match coming {
        Some(coming) => coming.hold(response),
        None => response,
    })
}

/// What the request was for; where it was refused before that was looked for, it is now.
fn route(request: &HttpRequest) -> String {
    let matched = request.extensions().get::<Matched>().map(|matched| matched.0.to_string());
    matched.or_else(|| request.match_pattern()).unwrap_or_else(|| "unknown".to_owned())
}

/// What no handler should see: a connection that would stop being HTTP, an endless head.
fn refusal(request: &ServiceRequest) -> Option<ApiError> {
    // Some clients offer HTTP/2 in clear text by themselves; a server may ignore that.
    let foreign = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"h2c");
    if request.headers().get_all(header::UPGRADE).any(foreign) {
        return Some(ApiError::BadRequest("this server upgrades to no other protocol".to_owned()));
    }
    if *request.method() == Method::CONNECT {
        return Some(ApiError::MethodNotAllowed("GET, POST, PUT, PATCH, DELETE".to_owned()));
    }
    let head: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    (head > HEAD_MAX)
        .then(|| ApiError::BadRequest(format!("the request's head is over {HEAD_MAX} bytes")))
}

fn request_id(request: &ServiceRequest, shared: &Shared) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| {
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    given.filter(fits).map_or_else(|| shared.next_request_id(), str::to_owned)
}

/// One line a request, with the private cause of an answer 500: no query, no header, no body.
fn log<B>(response: &ServiceResponse<B>, route: &str, id: &str, began: Instant) {
    let (request, status) = (response.request(), response.status());
    let cause = response.response().error().map(|error| {
        let known = error.as_error::<ApiError>();
        known.and_then(ApiError::cause).map_or_else(|| error.to_string(), str::to_owned)
    });
    let (method, cause) = (request.method().as_str(), cause.as_deref());
    // Who knows the path of a source may post to it.
    let plain = percent_decode_str(request.path()).decode_utf8_lossy();
    let secret = plain.starts_with(intake::PATH);
    let path = if secret { HIDDEN } else { request.path() };
    let millis = began.elapsed().as_secs_f64() * 1_000.0;
    let code = status.as_u16();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(
            method,
            path,
            route,
            status = code,
            millis,
            request_id = id,
            cause,
            "request"
        );
    } else if status.is_server_error() {
        tracing::warn!(
            method,
            path,
            route,
            status = code,
            millis,
            request_id = id,
            cause,
            "request"
        );
    } else {
        tracing::debug!(
            method,
            path,
            route,
            status = code,
            millis,
            request_id = id,
            cause,
            "request"
        );
    }
}
