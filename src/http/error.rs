//! Every error the API answers: one status and one stable code each, in the shapes that client
//! libraries of the Svix API read.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::store::{ReclaimError, Refusal, StoreError, WriteError};

/// One thing wrong with a request: where, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    /// Path in the request, `["body", "url"]`.
    pub loc: Vec<String>,
    /// What is wrong and what would be right.
    pub msg: String,
    /// `value_error`, or `value_error.jsondecode` when the text could not be read as what it
    /// should be.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// Why a request was not done.
#[derive(Debug)]
pub enum ApiError {
    /// 400: the request itself can't be taken.
    BadRequest(String),
    /// 400: as much as is allowed is there already.
    LimitReached(String),
    /// 401: no key, or not one that is known.
    Unauthenticated,
    /// 401: somebody would sign in with what is not right, in words.
    WrongSignIn(&'static str),
    /// 403: the key is known and may not do this.
    Forbidden,
    /// 403: whoever has the key may look and not change.
    ReadOnly,
    /// 403: a page elsewhere may have made a browser send somebody's cookie.
    OtherPage,
    /// 403: the token lacks the capability of this name.
    Lacks(&'static str),
    /// 404: there is nothing of that name.
    NotFound(String),
    /// 405: the path is known, the method is not; the methods it takes, `GET, POST`.
    MethodNotAllowed(String),
    /// 408: the body did not come in time.
    TooSlow,
    /// 409: it contradicts what is there.
    Conflict(String),
    /// 413: the body is longer than `intake.max_body`, given in bytes.
    TooLarge(u64),
    /// 415: a body that is not plain JSON.
    UnsupportedMediaType(String),
    /// 422: fields that break a rule.
    Invalid(Vec<Problem>),
    /// 429: too many wrong keys from this address; seconds to wait.
    TooManyFailures(u64),
    /// 500: the cause is for the log.
    Internal(String),
    /// 501: known to the Svix API and not yet to this relay.
    NotImplemented(String),
    /// 503: try again; a client library does so by itself.
    Busy(String),
    /// 507: the disk is full, or what waits fills the allowance.
    Full(String),
}

/// Seconds after which a busy relay is asked again.
const RETRY_AFTER_BUSY: u64 = 1;

#[derive(Serialize)]
struct Plain<'error> {
    code: &'static str,
    detail: &'error str,
}

#[derive(Serialize)]
struct Listed<'error> {
    detail: &'error [Problem],
}

impl ApiError {
    /// One field that breaks a rule.
    pub fn invalid(location: &[&str], message: impl Into<String>) -> ApiError {
        let loc = location.iter().map(|part| (*part).to_owned()).collect();
        ApiError::Invalid(vec![Problem { loc, msg: message.into(), kind: "value_error" }])
    }

    /// Nothing of that name, in the words that client libraries know.
    pub fn not_found() -> ApiError {
        ApiError::NotFound("Entity not found".to_owned())
    }

    /// What is for the log alone.
    pub fn cause(&self) -> Option<&str> {
        match self {
            ApiError::Internal(cause) => Some(cause),
            _ => None,
        }
    }

    /// The stable code; 422 has none but its list.
    pub fn code(&self) -> &'static str {
        match self {
            ApiError::BadRequest(_) => "generic_error",
            ApiError::LimitReached(_) => "limit_reached",
            ApiError::Unauthenticated | ApiError::WrongSignIn(_) => "authentication_failed",
            ApiError::Forbidden | ApiError::ReadOnly | ApiError::OtherPage | ApiError::Lacks(_) => {
                "insufficient access"
            }
            ApiError::NotFound(_) => "not_found",
            ApiError::MethodNotAllowed(_) => "method_not_allowed",
            ApiError::TooSlow => "timeout",
            ApiError::Conflict(_) => "conflict",
            ApiError::TooLarge(_) => "payload_too_large",
            ApiError::UnsupportedMediaType(_) => "unsupported_media_type",
            ApiError::Invalid(_) => "validation",
            ApiError::TooManyFailures(_) => "rate_limit",
            ApiError::Internal(_) => "server_error",
            ApiError::NotImplemented(_) => "not_implemented",
            ApiError::Busy(_) => "busy",
            ApiError::Full(_) => "insufficient_storage",
        }
    }

    fn detail(&self) -> String {
        match self {
            ApiError::BadRequest(text)
            | ApiError::LimitReached(text)
            | ApiError::NotFound(text)
            | ApiError::Conflict(text)
            | ApiError::UnsupportedMediaType(text)
            | ApiError::NotImplemented(text)
            | ApiError::Busy(text)
            | ApiError::Full(text) => text.clone(),
            ApiError::Unauthenticated => "Invalid token".to_owned(),
            ApiError::WrongSignIn(words) => (*words).to_owned(),
            ApiError::OtherPage => "a call with a cookie has to come from a page of this relay: \
                                    with Sec-Fetch-Site: same-origin or, without that header, an \
                                    Origin that is the host asked for; programs send \
                                    Authorization: Bearer and no cookie"
                .to_owned(),
            ApiError::Forbidden => "this token may not do that".to_owned(),
            ApiError::ReadOnly => "this key is read-only: it sees everything but secrets, and \
                                   changes nothing; ask an operator"
                .to_owned(),
            ApiError::Lacks(capability) => {
                format!("this token was made without the capability {capability}")
            }
            ApiError::MethodNotAllowed(allowed) => {
                format!("this path takes no such method, but {allowed}")
            }
            ApiError::TooSlow => "the request's body took too long; send it faster".to_owned(),
            ApiError::TooLarge(most) => {
                format!(
                    "the request's body is longer than {most} bytes; intake.max_body is the most \
                     that any call takes"
                )
            }
            ApiError::TooManyFailures(seconds) => {
                format!("too many wrong tokens from this address; wait {seconds} s")
            }
            ApiError::Internal(_) => {
                "an error of the relay's own; its log has the cause under this request's id"
                    .to_owned()
            }
            ApiError::Invalid(problems) => {
                problems.first().map(|problem| problem.msg.clone()).unwrap_or_default()
            }
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code(), self.detail())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            ApiError::BadRequest(_) | ApiError::LimitReached(_) => StatusCode::BAD_REQUEST,
            ApiError::Unauthenticated | ApiError::WrongSignIn(_) => StatusCode::UNAUTHORIZED,
            ApiError::Forbidden | ApiError::ReadOnly | ApiError::OtherPage | ApiError::Lacks(_) => {
                StatusCode::FORBIDDEN
            }
            ApiError::NotFound(_) => StatusCode::NOT_FOUND,
            ApiError::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            ApiError::Conflict(_) => StatusCode::CONFLICT,
            ApiError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ApiError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::TooManyFailures(_) => StatusCode::TOO_MANY_REQUESTS,
            ApiError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ApiError::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            ApiError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            ApiError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            ApiError::Busy(_) => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_BUSY));
            }
            ApiError::TooManyFailures(seconds) => {
                response.insert_header((header::RETRY_AFTER, *seconds));
            }
            ApiError::Unauthenticated | ApiError::WrongSignIn(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            ApiError::MethodNotAllowed(allowed) => {
                response.insert_header((header::ALLOW, allowed.as_str()));
            }
            // The rest of a body that is not wanted is not read either.
            ApiError::TooLarge(_) | ApiError::TooSlow => {
                response.force_close();
            }
            _ => {}
        }
        match self {
            ApiError::Invalid(problems) => response.json(Listed { detail: problems }),
            other => response.json(Plain { code: other.code(), detail: &other.detail() }),
        }
    }
}

impl ApiError {
    /// The same, where what is wrong lies in a field of the body.
    pub fn inside(mut self, field: &str) -> ApiError {
        if let ApiError::Invalid(problems) = &mut self {
            problems.iter_mut().for_each(|problem| problem.loc.insert(1, field.to_owned()));
        }
        self
    }
}

impl From<ReclaimError> for ApiError {
    fn from(error: ReclaimError) -> ApiError {
        match error {
            ReclaimError::Write(error) => error.into(),
            error => ApiError::Internal(error.to_string()),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::NotFound => ApiError::not_found(),
            Refusal::Conflict(text) | Refusal::Managed(text) => ApiError::Conflict(text),
            Refusal::Limit(text) => ApiError::LimitReached(text),
            Refusal::Full(text) => ApiError::Full(text),
            Refusal::Busy => ApiError::Busy(refusal.to_string()),
            Refusal::Invalid { location, message } => ApiError::Invalid(vec![Problem {
                loc: location,
                msg: message,
                kind: "value_error",
            }]),
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> ApiError {
        match error {
            WriteError::Refused(refusal) => refusal.into(),
            WriteError::KeyReused => ApiError::Conflict(error.to_string()),
            WriteError::Busy | WriteError::Stopping => ApiError::Busy(error.to_string()),
            WriteError::Full(text) => ApiError::Full(text),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        ApiError::Internal(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: &ApiError) -> (u16, serde_json::Value) {
        use actix_web::body::MessageBody;
        let response = error.error_response();
        let status = response.status().as_u16();
        let bytes = response.into_body().try_into_bytes().unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn shapes() {
        let check = |error: ApiError, status: u16, code: &str| {
            let (found, json) = body(&error);
            assert_eq!((found, json["code"].as_str()), (status, Some(code)), "{error}");
            assert!(json["detail"].is_string(), "{json}");
        };
        check(Refusal::NotFound.into(), 404, "not_found");
        check(Refusal::Conflict("taken".to_owned()).into(), 409, "conflict");
        check(Refusal::Managed("declared".to_owned()).into(), 409, "conflict");
        check(WriteError::KeyReused.into(), 409, "conflict");
        check(WriteError::Busy.into(), 503, "busy");
        check(WriteError::Stopping.into(), 503, "busy");
        check(WriteError::Full("disk full".to_owned()).into(), 507, "insufficient_storage");
        check(ApiError::Unauthenticated, 401, "authentication_failed");
        check(ApiError::Forbidden, 403, "insufficient access");
        check(ApiError::ReadOnly, 403, "insufficient access");
        check(ApiError::TooLarge(9), 413, "payload_too_large");
        let (status, json) = body(&ApiError::invalid(&["body", "url"], "no URL"));
        assert_eq!(status, 422);
        let expected = serde_json::json!({
            "detail": [{"loc": ["body", "url"], "msg": "no URL", "type": "value_error"}],
        });
        assert_eq!(json, expected);
        let (_, json) = body(&ApiError::Internal("the key is hunter2".to_owned()));
        assert!(!json.to_string().contains("hunter2"), "a cause is never sent");
    }
}
