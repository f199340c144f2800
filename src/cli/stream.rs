//! A live stream of a relay, read for as long as it takes: it goes on where it was when it was cut,
//! and notices when nothing comes any more.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant, SystemTime};

use anyhow::anyhow;
use serde_json::Value;
use ureq::config::Config;
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector, Transport,
    time,
};
use ureq::{Agent, BodyReader};

use super::certificate;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::localhost::LocalResolver;
use super::output::plain;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Waits before it is tried again: the first, and the longest; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(10);
/// One read waits for so long before it is looked how much time has gone by: a machine that slept
/// has a clock that did not.
const SLICE: Duration = Duration::from_secs(1);
/// Bytes of one line at most: a message's body in base64 and what goes with it.
const LINE_MAX: u64 = 512 << 20;
/// Bytes of an answer that refuses at most.
const REFUSAL_MAX: u64 = 64 << 10;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Below the relay's URL, without a query.
    pub path: String,
    /// The query.
    pub query: Vec<(&'static str, String)>,
    /// Behind which it begins: a position or a time; the end of what is accepted when `None`.
    pub after: Option<String>,
    /// How long nothing may come before the stream counts as lost.
    pub patience: Duration,
    /// Whether any certificate will do.
    pub skip_verify: bool,
}

/// What comes of a stream.
#[derive(Debug)]
pub enum News {
    /// It is there: the relay has said so.
    Connected,
    /// It is not, and why; it is tried again after this.
    Lost(String, Duration),
    /// Something happened.
    Event(Event),
    /// Nothing did for a while, up to this position.
    Alive,
    /// Everything was sent that was to be.
    Done,
}

/// An event of the stream.
#[derive(Clone, Debug)]
pub struct Event {
    /// Behind it the stream goes on.
    pub position: String,
    /// `message`, `request` or `gap`.
    pub kind: String,
    /// What it says.
    pub data: Value,
}

/// A stream that is connected again whenever it is cut.
pub struct Stream {
    agent: Agent,
    url: String,
    token: Option<String>,
    asked: Asked,
    reader: Option<BufReader<BodyReader<'static>>>,
    /// The last id that came.
    position: Option<String>,
    wait: Duration,
    /// When it may be tried again.
    next: Option<Instant>,
}

impl Stream {
    /// Not connected yet.
    pub fn new(client: &Client, asked: Asked) -> Stream {
        let (base, token) = client.place();
        let query = asked.query.iter().map(|(name, value)| (*name, value.as_str()));
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        Stream {
            agent: agent(&asked),
            url: format!("{base}{}?{query}", asked.path),
            token: token.map(str::to_owned),
            position: asked.after.clone(),
            asked,
            reader: None,
            wait: FIRST_WAIT,
            next: None,
        }
    }

    /// Behind which it goes on; `None` while it has not begun at the end.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Waits for what comes next. A failure says that trying again is of no use.
    pub fn next(&mut self) -> Result<News, Failure> {
        let Some(mut reader) = self.reader.take() else { return self.connect() };
        let read = self.read(&mut reader);
        match read {
            Ok(news) => {
                if !matches!(news, News::Done) {
                    self.reader = Some(reader);
                }
                self.wait = FIRST_WAIT;
                Ok(news)
            }
            Err(Cut::Lost(why)) => Ok(self.lost(why)),
            Err(Cut::Over(failure)) => Err(failure),
        }
    }

    fn lost(&mut self, why: String) -> News {
        let wait = self.wait;
        self.wait = (wait * 2).min(LAST_WAIT);
        self.next = Some(Instant::now() + wait);
        News::Lost(why, wait)
    }

    fn connect(&mut self) -> Result<News, Failure> {
        if let Some(next) = self.next.take() {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let mut request = self.agent.get(&self.url).header("accept", "text/event-stream");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request = match &self.position {
            // A position of the relay's; a time is asked for as a parameter.
            Some(position) if position.starts_with("msg_") => {
                request.header("last-event-id", position)
            }
            Some(time) => request.query("after", time),
            None => request,
        };
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => {
                let why = certificate::words(&error);
                return Ok(self.lost(format!("no answer: {why}")));
            }
        };
        let status = response.status().as_u16();
        if status == 200 {
            let body = response.into_body().into_with_config().limit(u64::MAX).reader();
            self.reader = Some(BufReader::new(body));
            return self.next();
        }
        let mut text = String::new();
        // Whatever of it can be read.
        let _ = response.body_mut().as_reader().take(REFUSAL_MAX).read_to_string(&mut text);
        let words = super::refusal::words(&text);
        if status == 429 || status >= 500 {
            return Ok(self.lost(format!("the relay answers {status}: {words}")));
        }
        let failure = Failure::failed(anyhow!("the relay answers {status}: {words}"));
        Err(match status {
            401 => failure.hint("the token is not that of this relay, or not good any more"),
            _ => failure,
        })
    }

    fn read(&mut self, reader: &mut impl BufRead) -> Result<News, Cut> {
        let (mut kind, mut data) = (String::new(), String::new());
        loop {
            let line = line(reader).map_err(|error| Cut::Lost(self.why(&error)))?;
            let Some(line) = line else {
                return Err(Cut::Lost("the connection was closed".to_owned()));
            };
            match line.split_once(": ").unwrap_or((&line, "")) {
                ("id", id) => self.position = Some(id.to_owned()),
                ("event", name) => name.clone_into(&mut kind),
                ("data", part) => {
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(part);
                }
                ("", "") if !kind.is_empty() => return self.told(kind, &data),
                ("", "") => return Ok(News::Alive),
                // A comment, or what a newer relay says.
                _ => {}
            }
        }
    }

    fn told(&self, kind: String, data: &str) -> Result<News, Cut> {
        let data: Value = serde_json::from_str(data)
            .map_err(|error| Cut::Lost(format!("what came is no JSON: {error}")))?;
        let reason = data["reason"].as_str().unwrap_or_default();
        match kind.as_str() {
            "connected" => Ok(News::Connected),
            "end" if reason == "done" => Ok(News::Done),
            "end" if reason == "gone" => {
                Err(Cut::Over(Failure::failed(anyhow!("what is followed was deleted"))))
            }
            "end" => Err(Cut::Lost(match reason {
                "stopping" => "the relay stops".to_owned(),
                other => format!("the relay ends it: {}", plain(other)),
            })),
            _ => {
                let position = self.position.clone().unwrap_or_default();
                Ok(News::Event(Event { position, kind, data }))
            }
        }
    }

    fn why(&self, error: &std::io::Error) -> String {
        let timed_out = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<ureq::Error>())
            .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)));
        if timed_out || error.kind() == std::io::ErrorKind::TimedOut {
            let seconds = self.asked.patience.as_secs_f64();
            return format!("nothing came for {seconds} s, not even a sign of life");
        }
        error.to_string()
    }
}

/// Why a connection is given up.
enum Cut {
    Lost(String),
    Over(Failure),
}

/// A line without its end; `None` at the end of the stream.
fn line(reader: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    reader.take(LINE_MAX).read_until(b'\n', &mut bytes)?;
    if bytes.pop_if(|last| *last == b'\n').is_none() {
        // One that has no end was cut, or is longer than any that a relay sends.
        return Ok(None);
    }
    bytes.pop_if(|last| *last == b'\r');
    String::from_utf8(bytes).map(Some).map_err(std::io::Error::other)
}

fn agent(asked: &Asked) -> Agent {
    // No proxy, whatever the environment says: relays are near.
    let config: Config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT))
        .tls_config(TlsConfig::builder().disable_verification(asked.skip_verify).build())
        .user_agent(concat!("relay-cli/", env!("CARGO_PKG_VERSION")))
        .build();
    let connector = PatientConnector {
        tcp: TcpConnector::default(),
        tls: RustlsConnector::default(),
        patience: asked.patience,
    };
    Agent::with_parts(config, connector, LocalResolver::default())
}

/// Connections on which nothing may come for a while and no longer.
#[derive(Debug)]
struct PatientConnector {
    tcp: TcpConnector,
    tls: RustlsConnector,
    patience: Duration,
}

impl Connector<()> for PatientConnector {
    type Out = Patient;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Patient>, ureq::Error> {
        let Some(socket) = self.tcp.connect(details, chained)? else { return Ok(None) };
        let Some(inner) = self.tls.connect(details, Some(socket))? else { return Ok(None) };
        Ok(Some(Patient { inner: Box::new(inner), patience: self.patience }))
    }
}

#[derive(Debug)]
struct Patient {
    inner: Box<dyn Transport>,
    patience: Duration,
}

impl Transport for Patient {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)
    }

    /// What is there is read however late it is; what is not there is waited for.
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let (began, wall) = (Instant::now(), SystemTime::now());
        loop {
            // The other clock goes on while a machine sleeps.
            let waited = began.elapsed().max(wall.elapsed().unwrap_or_default());
            let left = self.patience.saturating_sub(waited);
            let slice = left.min(SLICE).max(Duration::from_millis(1));
            let after = time::Duration::Exact(slice).min(timeout.after);
            match self.inner.await_input(NextTimeout { after, ..timeout }) {
                Err(ureq::Error::Timeout(_)) if !left.is_zero() && after < timeout.after => {}
                other => return other,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// The failure of a stream that never was there, for commands that give up then.
pub fn unreachable(why: &str, base: &str) -> Failure {
    Failure::new(Exit::Unreachable, anyhow!("no stream from {base}: {}", plain(why)))
        .hint("is the relay running? name its URL with --server or RELAY_SERVER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_whole() {
        let check = |bytes: &[u8], expected: &[&str]| {
            let mut reader = bytes;
            let mut found = Vec::new();
            while let Some(line) = line(&mut reader).unwrap() {
                found.push(line);
            }
            assert_eq!(found, expected);
        };
        check(b"id: a\r\ndata: b\n\n", &["id: a", "data: b", ""]);
        check(b"id: a\ndata: cut", &["id: a"]);
        check(b"", &[]);
        assert!(line(&mut &b"\xff\n"[..]).is_err());
    }
}
