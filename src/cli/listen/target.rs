//! Where what comes is forwarded to, and how.

use std::io::Read;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Method, Request};
use url::Url;

use crate::cli::certificate;
use crate::cli::client::agent_with;
use crate::cli::failure::Failure;

/// Bytes of an answer that are read: what a target says is not kept.
const ANSWER_MAX: u64 = 1 << 20;
/// Headers of a connection (RFC 9110 section 7.6.1), and what describes the body as it went over
/// it.
const HOPS: [&str; 12] = [
    "connection",
    "content-length",
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
];
/// What proxies on the way said, and what was between the sender and this relay.
const BETWEEN: [&str; 8] = [
    "accept-encoding",
    "cookie",
    "forwarded",
    "upgrade",
    "via",
    "x-real-ip",
    "x-request-id",
    "cdn-loop",
];
const FORWARDED: &str = "x-forwarded-";

/// Which of the headers that came are sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// All that say something of the event: whatever a provider signs is among them.
    Usual,
    /// Every one but those of the connection.
    All,
    /// Those of these names, in lower case, and the content type.
    Named(Vec<String>),
}

impl Forwarded {
    /// `all`, or names with commas between.
    pub fn read(text: Option<&str>) -> Forwarded {
        match text {
            None => Forwarded::Usual,
            Some("all") => Forwarded::All,
            Some(names) => {
                let names = names.split(',').map(|name| name.trim().to_ascii_lowercase());
                Forwarded::Named(names.filter(|name| !name.is_empty()).collect())
            }
        }
    }

    fn passes(&self, name: &str, hops: &[String]) -> bool {
        if HOPS.contains(&name) || hops.iter().any(|hop| hop == name) {
            return false;
        }
        match self {
            Forwarded::All => true,
            Forwarded::Usual => !BETWEEN.contains(&name) && !name.starts_with(FORWARDED),
            Forwarded::Named(names) => {
                name == "content-type" || names.iter().any(|named| named == name)
            }
        }
    }

    /// Those of a request that are sent on, in their order.
    pub fn choose(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
        let hops: Vec<String> = named
            .flat_map(|(_, value)| value.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let lower = |name: &String| name.to_ascii_lowercase();
        headers.iter().filter(|(name, _)| self.passes(&lower(name), &hops)).cloned().collect()
    }
}

/// A request as it came to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// `POST`.
    pub method: String,
    /// What stood behind the source's URL.
    pub path: String,
    /// Without its question mark.
    pub query: String,
    /// In their order.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Original {
    /// As an event has it; `None` when it has none.
    pub fn read(event: &Value) -> Option<Original> {
        let original = event.get("original").filter(|original| original.is_object())?;
        let text = |field: &str| original[field].as_str().unwrap_or_default().to_owned();
        let header = |pair: &Value| {
            Some((pair.get(0)?.as_str()?.to_owned(), pair.get(1)?.as_str()?.to_owned()))
        };
        let headers = original["headers"].as_array().into_iter().flatten().filter_map(header);
        Some(Original {
            method: text("method"),
            path: text("path"),
            query: text("query"),
            headers: headers.collect(),
            body: STANDARD.decode(original["body"].as_str()?).ok()?,
        })
    }
}

/// Where to, and how.
#[derive(Clone)]
pub struct Target {
    url: Url,
    forwarded: Forwarded,
    agent: Agent,
}

/// What a target made of a request.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status; why there is none.
    pub status: Result<u16, String>,
    /// From the connection to the end of the answer.
    pub took: Duration,
}

impl Target {
    /// A port, a host and port, or a URL, each with a path or without; `path` is that of one
    /// without.
    pub fn read(
        text: &str,
        path: Option<&str>,
        forwarded: Forwarded,
        timeout: Duration,
        skip_verify: bool,
    ) -> Result<Target, Failure> {
        let url = place(text, path).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no target"))
                .hint("write a port (3000), a port and path (3000/hooks), or a URL")
        })?;
        Ok(Target { url, forwarded, agent: agent_with(timeout, skip_verify) })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Host and port.
    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Sends a request on once, with the bytes that came.
    pub fn send(&self, original: &Original) -> Answered {
        let began = Instant::now();
        let status = self.try_send(original);
        Answered { status, took: began.elapsed() }
    }

    fn try_send(&self, original: &Original) -> Result<u16, String> {
        let url = self.with(&original.path, &original.query);
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let method = Method::from_bytes(original.method.as_bytes()).map_err(|e| words(&e))?;
        let mut built = Request::new(original.body.as_slice());
        *built.method_mut() = method.clone();
        *built.uri_mut() = url.as_str().parse().map_err(|error| words(&error))?;
        for (name, value) in self.forwarded.choose(&original.headers) {
            // What no request may hold is left out: the rest is what was asked for.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
            {
                built.headers_mut().append(name, value);
            }
        }
        let sent = if original.body.is_empty() && method != Method::POST && method != Method::PUT {
            let (head, _) = built.into_parts();
            self.agent.run(self.free(Request::from_parts(head, ())))
        } else {
            self.agent.run(self.free(built))
        };
        let unanswered =
            |error| format!("no answer from {}: {}", self.host(), certificate::words(&error));
        let mut answer = sent.map_err(unanswered)?;
        let mut rest = answer.body_mut().as_reader().take(ANSWER_MAX);
        // The status is known, whatever comes of the rest.
        let _ = std::io::copy(&mut rest, &mut std::io::sink());
        Ok(answer.status().as_u16())
    }

    /// Whatever the method is, it has the body that it came with.
    fn free<B: ureq::AsSendBody>(&self, request: Request<B>) -> Request<B> {
        let configured = self.agent.configure_request(request);
        configured.allow_non_standard_methods(true).build()
    }

    fn with(&self, path: &str, query: &str) -> String {
        let mut url = self.url.clone();
        if !path.is_empty() {
            let begin = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{begin}{path}"));
        }
        match (url.query(), query) {
            (_, "") => {}
            (None, query) => url.set_query(Some(query)),
            (Some(own), query) => url.set_query(Some(&format!("{own}&{query}"))),
        }
        url.into()
    }
}

fn place(text: &str, path: Option<&str>) -> Option<Url> {
    let first = text.split('/').next()?;
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    let whole = if text.contains("://") {
        text.to_owned()
    } else if is_number {
        // A number that is no port would be an address.
        first.parse::<u16>().ok()?;
        format!("http://localhost:{text}")
    } else {
        format!("http://{text}")
    };
    let mut url = Url::parse(&whole).ok()?;
    let web = ["http", "https"].contains(&url.scheme());
    if let Some(path) = path.filter(|_| url.path() == "/") {
        url.set_path(path);
    }
    (web && url.has_host() && url.port() != Some(0)).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str, path: Option<&str>) -> Option<String> {
        place(text, path).map(String::from)
    }

    #[test]
    fn places() {
        let check = |text: &str, path: Option<&str>, expected: Option<&str>| {
            assert_eq!(target(text, path).as_deref(), expected, "{text}");
        };
        check("3000", None, Some("http://localhost:3000/"));
        check("3000/hooks", None, Some("http://localhost:3000/hooks"));
        check("3000", Some("/hooks"), Some("http://localhost:3000/hooks"));
        check("3000/own", Some("/hooks"), Some("http://localhost:3000/own"));
        check("127.0.0.1:80/x?a=1", None, Some("http://127.0.0.1/x?a=1"));
        check("dev.example:3000", None, Some("http://dev.example:3000/"));
        check("https://dev.example/in", None, Some("https://dev.example/in"));
        for wrong in ["", "70000", "ftp://a", "http://", "a b"] {
            check(wrong, None, None);
        }
    }

    #[test]
    fn headers_that_are_sent_on() {
        let header = |name: &str| (name.to_owned(), "1".to_owned());
        let mut headers: Vec<_> = [
            "Host",
            "content-type",
            "Stripe-Signature",
            "webhook-id",
            "x-forwarded-for",
            "via",
            "Content-Length",
            "x-hop",
            "authorization",
            "x-gitlab-token",
        ]
        .map(header)
        .to_vec();
        headers.push(("Connection".to_owned(), "close, X-Hop".to_owned()));
        let check = |text: Option<&str>, expected: &[&str]| {
            let chosen = Forwarded::read(text).choose(&headers);
            let names: Vec<&str> = chosen.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, expected, "{text:?}");
        };
        let usual =
            ["content-type", "Stripe-Signature", "webhook-id", "authorization", "x-gitlab-token"];
        check(None, &usual);
        let all = [
            "content-type",
            "Stripe-Signature",
            "webhook-id",
            "x-forwarded-for",
            "via",
            "authorization",
            "x-gitlab-token",
        ];
        check(Some("all"), &all);
        check(Some("stripe-signature, Host"), &["content-type", "Stripe-Signature"]);
    }

    #[test]
    fn paths_and_queries_are_added() {
        let check = |base: &str, path: &str, query: &str, expected: &str| {
            let target = Target::read(base, None, Forwarded::Usual, Duration::MAX, false).unwrap();
            assert_eq!(target.with(path, query), expected);
        };
        check("3000", "", "", "http://localhost:3000/");
        check("3000/in", "/a/b", "x=1", "http://localhost:3000/in/a/b?x=1");
        check("3000/in/", "/a", "", "http://localhost:3000/in/a");
        check("http://h/?k=1", "", "x=1", "http://h/?k=1&x=1");
    }
}
