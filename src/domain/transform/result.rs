//! What of a transform's result may be sent.

use super::{Failure, Outgoing, Part};
use crate::domain::endpoint_url::parse_endpoint_url;
use crate::domain::headers::{HeaderError, check_header_name, check_header_value};

/// Methods that a delivery may have.
pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Headers of a request that a transform has changed at most.
pub const HEADERS_MAX: usize = 100;

/// Names that an endpoint's own headers may not set, but a transform may: they tell of the body.
const OF_BODY: [&str; 1] = ["content-type"];

/// Checks what a transform made of `before`. What it left alone passes as it is.
pub fn check(before: &Outgoing, after: &Outgoing, body_max: usize) -> Result<(), Failure> {
    if after.method != before.method && !METHODS.contains(&after.method.as_str()) {
        return Err(Failure::BadResult(format!(
            "{} is no method of a delivery; there are {}",
            shorten(&after.method),
            METHODS.join(", ")
        )));
    }
    if after.url != before.url {
        parse_endpoint_url(&after.url).map_err(|error| Failure::BadResult(error.to_string()))?;
    }
    if after.headers != before.headers {
        check_headers(before, after)?;
    }
    if after.body != before.body && after.body.len() > body_max {
        return Err(Failure::TooLarge { what: Part::Body, limit: body_max });
    }
    Ok(())
}

fn check_headers(before: &Outgoing, after: &Outgoing) -> Result<(), Failure> {
    if after.headers.len() > HEADERS_MAX.max(before.headers.len()) {
        return Err(Failure::BadResult(format!("more than {HEADERS_MAX} headers")));
    }
    let new = after.headers.iter().filter(|header| !before.headers.contains(header));
    for (name, value) in new {
        check_header(name, value).map_err(|error| {
            let what = match error {
                HeaderError::Name | HeaderError::Reserved => "",
                HeaderError::Value | HeaderError::ValueTooLong => "the value of ",
            };
            Failure::BadResult(format!("{what}header {} {error}", shorten(name)))
        })?;
    }
    Ok(())
}

/// Checks a header that a transform sets.
pub fn check_header(name: &str, value: &str) -> Result<(), HeaderError> {
    match check_header_name(name) {
        Err(HeaderError::Reserved) if is_of_body(name) => {}
        checked => checked?,
    }
    check_header_value(value)
}

/// Whether a transform may set this header although an endpoint may not.
fn is_of_body(name: &str) -> bool {
    OF_BODY.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a content type says JSON: `application/json`, `application/cloudevents+json`.
pub fn is_json_type(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence == "application/json" || essence.ends_with("+json") || essence == "text/json"
}

/// A content type without its parameters, in lower case.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Foreign text for a message: quoted, and not longer than anybody reads.
pub fn shorten(text: &str) -> String {
    const CHARACTERS: usize = 60;
    if text.chars().count() <= CHARACTERS {
        return format!("{text:?}");
    }
    format!("{:?}…", text.chars().take(CHARACTERS).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        Outgoing {
            method: "POST".to_owned(),
            url: "https://h.example/in?a=1".to_owned(),
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("host".to_owned(), "in.example".to_owned()),
                ("x-name".to_owned(), "é".to_owned()),
            ],
            body: b"{}".to_vec(),
        }
    }

    fn checked(change: impl FnOnce(&mut Outgoing)) -> Result<(), String> {
        let (before, mut after) = (outgoing(), outgoing());
        change(&mut after);
        check(&before, &after, 4).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_may_be_sent() {
        assert_eq!(checked(|_| {}), Ok(()), "what was there is not judged");
        assert_eq!(checked(|request| request.method = "PUT".to_owned()), Ok(()));
        assert_eq!(checked(|request| request.url = "http://a.example/".to_owned()), Ok(()));
        assert_eq!(checked(|request| request.set_header("x-a", "b")), Ok(()));
        assert_eq!(checked(|request| request.set_header("Content-Type", "text/plain")), Ok(()));
        assert_eq!(checked(|request| request.remove_header("host")), Ok(()));
        assert_eq!(checked(|request| request.body = b"1234".to_vec()), Ok(()));
    }

    #[test]
    fn what_may_not() {
        let check = |change: fn(&mut Outgoing), expected: &str| {
            let problem = checked(change).expect_err(expected);
            assert!(problem.contains(expected), "{problem}");
        };
        check(|request| request.method = "HEAD".to_owned(), "\"HEAD\" is no method");
        check(|request| request.method = "post".to_owned(), "GET, POST, PUT, PATCH, DELETE");
        check(|request| request.url = "ftp://a.example/".to_owned(), "https:// or http://");
        check(|request| request.url = "https://u:p@a.example/".to_owned(), "user name");
        check(|request| request.set_header("Host", "elsewhere"), "\"host\" is set by the relay");
        check(|request| request.set_header("Webhook-Id", "x"), "choose another name");
        check(|request| request.set_header("svix-id", "x"), "choose another name");
        check(|request| request.set_header("transfer-encoding", "chunked"), "another name");
        check(|request| request.set_header("x y", "b"), "is no name of an HTTP header");
        check(|request| request.set_header("x-a", "b\r\nc: d"), "printable ASCII");
        check(|request| request.body = b"12345".to_vec(), "the body has more than 4 bytes");
    }

    #[test]
    fn kinds_of_content() {
        assert!(is_json_type("Application/JSON; charset=utf-8"));
        assert!(is_json_type("application/cloudevents+json"));
        assert!(!is_json_type("text/plain") && !is_json_type(""));
    }
}
