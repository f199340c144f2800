//! A small client of a relay's API, for the commands that talk to one.

use std::io::Read;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, RequestBuilder};
use url::Url;

use super::Common;
pub use super::caller::TokenArgument;
use super::certificate;
use super::failure::{Exit, Failure};
use super::localhost::LocalResolver;
use super::missing;
use super::refusal::detail;
use super::token::random;
use crate::config::Config;

/// The most that is read of an answer, in bytes.
const ANSWER_MAX: u64 = 64 << 20;
/// The most that is read of the answer to an event, in bytes.
const REPLY_MAX: u64 = 64 << 10;
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a count of everything may take.
const COUNT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a relay that may not be there may take.
const BRIEF_TIMEOUT: Duration = Duration::from_secs(5);
/// Waits before a request is sent again that met a relay which is busy or not there.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Where the relay is.
#[derive(clap::Args, Debug)]
pub struct ServerArgument {
    /// The relay's URL; else where the configuration has it listen
    #[arg(long, env = "RELAY_SERVER", value_name = "URL")]
    server: Option<Url>,
}

impl ServerArgument {
    /// The URL without a slash at its end. A configuration that can't be read, by someone who may
    /// not read its secrets, leaves the default: whoever asks is told which URL was asked.
    pub fn base(&self, common: &Common) -> String {
        match &self.server {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => {
                let listen = common.load(Vec::new()).map(|loaded| loaded.config.server.listen);
                base(listen.unwrap_or(Config::default().server.listen))
            }
        }
    }
}

/// Where a relay that listens there is asked for.
pub fn base(mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        let loopback = if listen.is_ipv4() { "127.0.0.1" } else { "::1" };
        listen.set_ip(loopback.parse().expect("invariant: an address"));
    }
    format!("http://{listen}")
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, null when there is none.
    pub body: Value,
    /// What was asked for.
    pub path: String,
}

/// Talks to one relay.
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
    /// Whether any certificate will do.
    skip_verify: bool,
}

impl Client {
    /// Without a token: for what anybody may ask.
    pub fn anonymous(base: &str) -> Client {
        let agent = agent(REQUEST_TIMEOUT);
        Client { agent, base: base.to_owned(), token: None, skip_verify: false }
    }

    /// With the token of the caller.
    pub fn new(
        server: &ServerArgument,
        token: &TokenArgument,
        common: &Common,
    ) -> Result<Client, Failure> {
        Client::new_at(server.base(common), token, common)
    }

    /// With the token of the caller, at a URL without a slash at its end.
    pub fn new_at(base: String, token: &TokenArgument, common: &Common) -> Result<Client, Failure> {
        Ok(Client::at(base, token.read(common)?))
    }

    /// With a token that is known already, at a URL without a slash at its end.
    pub fn at(base: String, token: String) -> Client {
        let agent = agent(REQUEST_TIMEOUT);
        Client { agent, base, token: Some(token), skip_verify: false }
    }

    /// With as much time for an answer as a count of millions of rows takes.
    pub fn patient(self) -> Client {
        Client { agent: agent_with(COUNT_TIMEOUT, self.skip_verify), ..self }
    }

    /// With little time: for a relay that may not be there.
    pub fn brief(self) -> Client {
        Client { agent: agent_with(BRIEF_TIMEOUT, self.skip_verify), ..self }
    }

    /// Whatever certificate the relay shows.
    pub fn unverified(self) -> Client {
        Client { agent: agent_with(REQUEST_TIMEOUT, true), skip_verify: true, ..self }
    }

    /// The relay's URL, without a slash at its end, and the caller's token.
    pub fn place(&self) -> (&str, Option<&str>) {
        (&self.base, self.token.as_deref())
    }

    /// Writes JSON to a place, once.
    pub fn put_once(&self, path: &str, body: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.put(&url).header("content-type", "application/json");
        self.accepted(self.answer(path, self.signed(request).send(body))?)
    }

    /// Asks once, whatever the status.
    pub fn get_once(&self, path: &str) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.get(&url);
        self.answer(path, self.signed(request).call())
    }

    /// Deletes; sent again when the relay is busy, which deletes no more.
    pub fn delete(&self, path: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        self.retrying(|| {
            let request = self.agent.delete(&url);
            self.answer(path, self.signed(request).call())
        })
    }

    /// Asks; an answer other than 2xx is a failure.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.retrying(|| self.get_once(path))
    }

    /// Asks once, and gives the body as it came: for what must not be written anew.
    pub fn get_text(&self, path: &str) -> Result<String, Failure> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.get(&url);
        let (status, text) = self.text(self.signed(request).call())?;
        if (200..300).contains(&status) {
            return Ok(text);
        }
        Err(self.refused(&Answer { status, body: read_body(text), path: path.to_owned() }))
    }

    /// Changes by JSON; sent again when the relay is busy, which changes no more.
    pub fn patch(&self, path: &str, body: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        self.retrying(|| {
            let request = self.agent.patch(&url).header("content-type", "application/json");
            self.answer(path, self.signed(request).send(body))
        })
    }

    /// Posts JSON once, whatever the status; for what changes nothing.
    pub fn post_once(&self, path: &str, body: &str) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.base);
        let request = self.agent.post(&url).header("content-type", "application/json");
        self.answer(path, self.signed(request).send(body))
    }

    /// Posts JSON; sent again under the same key when the relay is busy, so that it counts once.
    pub fn post(&self, path: &str, body: &str) -> Result<Value, Failure> {
        let digits: String = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let url = format!("{}{path}", self.base);
        self.retrying(|| {
            let request = self
                .agent
                .post(&url)
                .header("content-type", "application/json")
                .header("idempotency-key", format!("auto_{digits}"));
            self.answer(path, self.signed(request).send(body))
        })
    }

    fn signed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    fn retrying(&self, ask: impl Fn() -> Result<Answer, Failure>) -> Result<Value, Failure> {
        let mut delays = RETRY_DELAYS.iter();
        loop {
            let result = ask();
            let again = result.as_ref().map_or(true, |answer| answer.status >= 500);
            match delays.next() {
                Some(delay) if again => thread::sleep(*delay),
                _ => return self.accepted(result?),
            }
        }
    }

    fn answer(&self, path: &str, result: Response) -> Result<Answer, Failure> {
        let (status, text) = self.text(result)?;
        Ok(Answer { status, body: read_body(text), path: path.to_owned() })
    }

    fn text(&self, result: Response) -> Result<(u16, String), Failure> {
        let mut response = result.map_err(|error| unreachable(error, &self.base))?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(ANSWER_MAX).read_to_string();
        Ok((status, text.map_err(|error| unreachable(error, &self.base))?))
    }

    /// The body of a 2xx; else a failure that says what the relay said.
    pub fn accepted(&self, answer: Answer) -> Result<Value, Failure> {
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(self.refused(&answer))
    }

    fn refused(&self, answer: &Answer) -> Failure {
        let Answer { status, body, path } = answer;
        if *status == 404
            && body["code"] == "not_found"
            && let Some(failure) = missing::named(self, path)
        {
            return failure;
        }
        let error = anyhow!("the relay at {} answers {status}: {}", self.base, detail(body));
        let failure = match status {
            503 => Failure::new(Exit::Temporary, error),
            _ => Failure::failed(error),
        };
        match status {
            401 => failure.hint("the token is not that of this relay: --token or RELAY_TOKEN"),
            503 => failure.hint("it is busy or stopping, try again"),
            _ => failure,
        }
    }
}

type Response = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn unreachable(error: ureq::Error, base: &str) -> Failure {
    let hint = match certificate::refused(&error) {
        None => "is the relay running? name its URL with --server or RELAY_SERVER",
        Some(_) => {
            "no authority that is believed here signed its certificate; relay listen takes any \
             with --skip-verify"
        }
    };
    let error = anyhow!(error).context(format!("no answer from {base}"));
    Failure::new(Exit::Unreachable, error).hint(hint)
}

fn read_body(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Posts to any URL as a provider does: once, without a token, whatever the status. Gives the
/// status and the first bytes of the answer.
pub fn post_event(
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(u16, Vec<u8>), Failure> {
    // What stands before the path: a source's URL is all that keeps strangers out of some.
    let base = Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let mut request = agent(REQUEST_TIMEOUT).post(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut response = request.send(body).map_err(|error| unreachable(error, &base))?;
    let mut answer = Vec::new();
    response.body_mut().as_reader().take(REPLY_MAX).read_to_end(&mut answer)?;
    Ok((response.status().as_u16(), answer))
}

fn agent(timeout: Duration) -> Agent {
    agent_with(timeout, false)
}

/// One that takes whatever certificate it is shown where it is told so.
pub fn agent_with(timeout: Duration, skip_verify: bool) -> Agent {
    // No proxy, whatever the environment says: relays are near.
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(timeout))
        .tls_config(TlsConfig::builder().disable_verification(skip_verify).build())
        .user_agent(concat!("relay-cli/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), LocalResolver::default())
}

/// A part of a path, with what would be read as something else written as `%XX`.
pub fn path_part(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if is_plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths() {
        assert_eq!(path_part("app_1-x.y~"), "app_1-x.y~");
        assert_eq!(path_part("a/b?ü"), "a%2Fb%3F%C3%BC");
    }
}
