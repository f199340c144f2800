//! The server that is left: its public API, page by page.

use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;
use ureq::Agent;
use url::Url;

use crate::cli::client::path_part;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::plain;

/// Items of a page: the most that the Svix API gives.
const PAGE: usize = 250;
/// Pages of one list at most.
const PAGES_MAX: usize = 10_000;
/// Bytes of an answer at most.
const ANSWER_MAX: u64 = 64 << 20;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Waits before a request is sent again that met a server which is busy; `Retry-After` lengthens
/// them.
const DELAYS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];
/// What `Retry-After` is believed at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Characters of an answer that are quoted.
const QUOTE_MAX: usize = 300;

/// A server of the Svix API.
pub struct Source {
    agent: Agent,
    base: String,
    token: String,
}

/// What came of one request.
enum Asked {
    Found(Value),
    /// The server has no such call, or nothing there.
    NotThere,
    /// It is busy, and may have said for how long.
    Busy(Failure, Option<Duration>),
    Unreachable(Failure),
}

impl Source {
    /// At a URL, with or without `/api/v1` at its end.
    pub fn new(url: &Url, token: &str) -> Source {
        let base = url.as_str().trim_end_matches('/').trim_end_matches("/api/v1");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The token goes to the server that was named and to no other.
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("relay-cli/", env!("CARGO_PKG_VERSION")));
        let (agent, base) = (config.build().new_agent(), base.to_owned());
        Source { agent, base, token: token.trim().to_owned() }
    }

    /// What is at a path of `/api/v1`.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.find(path)?.ok_or_else(|| {
            Failure::failed(anyhow!("{} has nothing at {path}", self.base))
                .hint("is --url the address of a server of the Svix API?")
        })
    }

    /// The same, of what a server may not have.
    pub fn find(&self, path: &str) -> Result<Option<Value>, Failure> {
        for delay in DELAYS.map(Some).into_iter().chain([None]) {
            let (failure, least) = match self.ask(path)? {
                Asked::Found(value) => return Ok(Some(value)),
                Asked::NotThere => return Ok(None),
                Asked::Busy(failure, least) => (failure, least.unwrap_or_default()),
                // More patience does not help where nobody listens.
                Asked::Unreachable(failure) if delay > Some(DELAYS[0]) => return Err(failure),
                Asked::Unreachable(failure) => (failure, Duration::ZERO),
            };
            let Some(delay) = delay else { return Err(failure) };
            thread::sleep(delay.max(least).min(RETRY_AFTER_MAX));
        }
        Err(Failure::failed(anyhow!("no answer from {}", self.base)))
    }

    /// Every item of a list; `path` has its query, if any.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items: Vec<Value> = Vec::new();
        let mut iterator: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut asked = format!("{path}{joint}limit={PAGE}");
            if let Some(iterator) = &iterator {
                asked += &format!("&iterator={}", path_part(iterator));
            }
            let page = self.get(&asked)?;
            let Some(data) = page["data"].as_array() else {
                return Err(Failure::failed(anyhow!("{} answers no list at {path}", self.base)));
            };
            items.extend(data.iter().cloned());
            let next = page["iterator"].as_str().map(str::to_owned);
            if page["done"] == true || data.is_empty() || next.is_none() {
                return Ok(items);
            }
            if next == iterator {
                break;
            }
            iterator = next;
        }
        Err(Failure::failed(anyhow!("the list at {path} of {} does not end", self.base)))
    }

    fn ask(&self, path: &str) -> Result<Asked, Failure> {
        let url = format!("{}/api/v1{path}", self.base);
        let request = self.agent.get(&url).header("accept", "application/json");
        let answer = request.header("authorization", format!("Bearer {}", self.token)).call();
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Asked::Unreachable(self.unreachable(error))),
        };
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let wait = header("retry-after").and_then(|text| text.parse().ok());
        let location = header("location").map(plain);
        let text = match answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string() {
            Ok(text) => text,
            Err(error) => return Ok(Asked::Unreachable(self.unreachable(error))),
        };
        let quoted = || plain(&text).chars().take(QUOTE_MAX).collect::<String>();
        let says = || anyhow!("{} answers {status} to {path}: {}", self.base, quoted());
        match status {
            200..=299 => match serde_json::from_str(&text) {
                Ok(value) => Ok(Asked::Found(value)),
                Err(_) => Err(Failure::failed(says()).hint("that is no answer of the Svix API")),
            },
            300..=399 => Err(Failure::failed(says()).hint(match location {
                Some(to) => format!("it points to {to}; give the server's own address with --url"),
                None => "give the server's own address with --url".to_owned(),
            })),
            404 | 405 | 501 => Ok(Asked::NotThere),
            401 | 403 => {
                let hint = "--token is not one that may read everything of that server";
                Err(Failure::failed(says()).hint(hint))
            }
            429 | 500..=599 => {
                let failure = Failure::new(Exit::Temporary, says()).hint("it is busy, try again");
                Ok(Asked::Busy(failure, wait.map(Duration::from_secs)))
            }
            _ => Err(Failure::failed(says())),
        }
    }

    fn unreachable(&self, error: ureq::Error) -> Failure {
        let error = anyhow!(error).context(format!("no answer from {}", self.base));
        Failure::new(Exit::Unreachable, error).hint("is --url right, and the server up?")
    }
}
