//! The headers an endpoint may be sent beside those of the relay: names, values, and which of them
//! are credentials.

use std::collections::BTreeMap;

use thiserror::Error;

/// Carries user name and password (RFC 9110 section 11.6.2).
pub const AUTHORIZATION: &str = "authorization";
/// Own headers of an endpoint at most.
pub const HEADERS_MAX: usize = 50;
/// Bytes of a header's name at most.
pub const HEADER_NAME_MAX: usize = 256;
/// Bytes of a header's value at most.
pub const HEADER_VALUE_MAX: usize = 4_096;

/// Names that belong to HTTP or to the relay itself.
const RESERVED: [&str; 18] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
/// The names of signatures begin so.
const RESERVED_PREFIXES: [&str; 2] = ["webhook-", "svix-"];

/// A name that holds one of these names a credential.
const SENSITIVE_PARTS: [&str; 8] =
    ["authorization", "authenticate", "cookie", "token", "secret", "password", "api-key", "apikey"];

/// Why an endpoint can't be sent a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum HeaderError {
    /// No name, too long a one, or one with characters that no name has.
    #[error("is no name of an HTTP header")]
    Name,
    /// The relay or HTTP sets it.
    #[error("is set by the relay itself; choose another name")]
    Reserved,
    /// A value beyond [`HEADER_VALUE_MAX`].
    #[error("must have at most {HEADER_VALUE_MAX} bytes")]
    ValueTooLong,
    /// A value that could end the header and begin another, or that receivers read differently.
    #[error("may hold printable ASCII characters only")]
    Value,
}

/// Whether HTTP itself, or the relay with it, sets `name`, in whatever case it is written.
pub fn is_http_header(name: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// Whether an endpoint's own headers may not set `name`, in whatever case it is written.
pub fn is_reserved_header(name: &str) -> bool {
    let begins = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    is_http_header(name) || RESERVED_PREFIXES.iter().any(begins)
}

/// What is shown of the value of a header that carries a credential.
pub const REDACTED: &str = "(redacted)";

/// Whether a header carries a credential, by its name: its value is not shown again nor kept with
/// attempts.
pub fn is_sensitive_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SENSITIVE_PARTS.iter().any(|part| name.contains(part))
}

/// Sets a header, whose name stays as it is written here; in another case it is the same header.
pub fn set_header(headers: &mut BTreeMap<String, String>, name: String, value: String) {
    remove_header(headers, &name);
    headers.insert(name, value);
}

/// Takes a header away, in whatever case its name is written.
pub fn remove_header(headers: &mut BTreeMap<String, String>, name: &str) {
    headers.retain(|held, _| !held.eq_ignore_ascii_case(name));
}

/// The name of a header as it is held, and its value.
pub fn find_header<'a>(
    headers: &'a BTreeMap<String, String>,
    name: &str,
) -> Option<(&'a String, &'a String)> {
    headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name))
}

/// Checks the name of a header that an endpoint is to be sent.
pub fn check_header_name(name: &str) -> Result<(), HeaderError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !(1..=HEADER_NAME_MAX).contains(&name.len()) || !name.bytes().all(token) {
        return Err(HeaderError::Name);
    }
    if is_reserved_header(name) { Err(HeaderError::Reserved) } else { Ok(()) }
}

/// Checks the value of a header that an endpoint is to be sent.
pub fn check_header_value(value: &str) -> Result<(), HeaderError> {
    if value.len() > HEADER_VALUE_MAX {
        return Err(HeaderError::ValueTooLong);
    }
    let printable = value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte));
    if printable { Ok(()) } else { Err(HeaderError::Value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expected| assert_eq!(check_header_name(name), expected, "{name}");
        for name in ["x-team", "Authorization", "x_1", "webhookish", &"n".repeat(256)] {
            check(name, Ok(()));
        }
        for name in ["", "x y", "x:", "x\r\ny", "naïve", &"n".repeat(257)] {
            check(name, Err(HeaderError::Name));
        }
        for name in ["Host", "Transfer-Encoding", "TE", "Webhook-Id", "svix-anything", "date"] {
            check(name, Err(HeaderError::Reserved));
        }
    }

    #[test]
    fn values() {
        let check = |value: &str, expected| assert_eq!(check_header_value(value), expected);
        for value in ["", "a b\tc", &"v".repeat(HEADER_VALUE_MAX)] {
            check(value, Ok(()));
        }
        for value in ["a\r\nb", "a\nb", "a\u{0}", "é"] {
            check(value, Err(HeaderError::Value));
        }
        check(&"v".repeat(HEADER_VALUE_MAX + 1), Err(HeaderError::ValueTooLong));
    }

    #[test]
    fn one_header_in_any_case() {
        let mut headers = BTreeMap::new();
        set_header(&mut headers, "X-Team".to_owned(), "a".to_owned());
        set_header(&mut headers, "x-team".to_owned(), "b".to_owned());
        assert_eq!(headers, BTreeMap::from([("x-team".to_owned(), "b".to_owned())]));
        assert_eq!(find_header(&headers, "X-TEAM").map(|(name, _)| name.as_str()), Some("x-team"));
        remove_header(&mut headers, "X-teaM");
        assert!(headers.is_empty());
    }

    #[test]
    fn credentials() {
        for name in ["Authorization", "x-api-key", "X-My-Token", "cookie", "db-password"] {
            assert!(is_sensitive_header(name), "{name}");
        }
        for name in ["x-team", "accept", "x-trace"] {
            assert!(!is_sensitive_header(name), "{name}");
        }
    }
}
