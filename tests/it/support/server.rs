//! The real server on a free port over a real store, and a client that speaks JSON to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use relay::config::Config;
use relay::config::shown::Origins;
use relay::domain::endpoint_url::parse_endpoint_url;
use relay::domain::secret::Secret;
use relay::engine::driver::Channel;
use relay::engine::intake::Intake;
use relay::engine::minutes::Minutes;
use relay::engine::provider_keys::ProviderKeys;
use relay::engine::script::{ScriptLimits, Scripts};
use relay::engine::transport::Transport;
use relay::http::auth::Access;
use relay::http::in_force::InForce;
use relay::http::server;
use relay::http::state::{Readiness, State, TRIES};
use relay::metrics::Metrics;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot};

use super::document::Document;
use super::folder::{Folder, Open};

pub const OPERATOR_KEY: &str = "sk_test_operator_key_0123456789";
pub const JWT_SECRET: &[u8] = b"a secret of the server that was left";
/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Relay {
    pub folder: Folder,
    pub open: Option<Open>,
    pub state: State,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Speaks to a relay's API; a relay is one itself.
#[derive(Clone, Copy)]
pub struct Client {
    pub address: SocketAddr,
}

impl Deref for Relay {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A status, and the JSON that came with it (null when nothing came).
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// The text of a field of the answer.
    pub fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.json))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.json);
        self
    }

    /// The place of the first problem of a 422.
    #[track_caller]
    pub fn problem(self) -> String {
        let answer = self.expect(422);
        let place = answer.json["detail"][0]["loc"].as_array().unwrap().iter();
        place.map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(".")
    }
}

/// What providers are told to post to.
pub const PUBLIC_URL: &str = "https://hooks.example";

impl Relay {
    pub fn start() -> Relay {
        Relay::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Relay {
        Relay::serve(Folder::new(), change)
    }

    /// Over a folder that another one has stopped on.
    pub fn over(folder: Folder) -> Relay {
        Relay::serve(folder, |_| ())
    }

    /// Stops it and starts another one over its folder.
    pub fn restart(self) -> Relay {
        Relay::over(self.stop())
    }

    /// Stops it and gives its folder.
    pub fn stop(mut self) -> Folder {
        std::mem::replace(&mut self.folder, Folder::new())
    }

    fn serve(folder: Folder, change: impl FnOnce(&mut Config)) -> Relay {
        let open = folder.open();
        let mut config = Config::default();
        change(&mut config);
        let config = Arc::new(config);
        let provider = Arc::clone(&folder.provider) as Arc<dyn Transport>;
        let metrics = Metrics::new();
        let state = State {
            store: open.store.clone(),
            clock: Arc::new(folder.clock.clone()),
            access: Arc::new(Access::new(
                vec![Sha256::digest(OPERATOR_KEY).into()],
                Some(Secret::new(JWT_SECRET.to_vec())),
                config.server.trusted_proxies.clone(),
            )),
            tries: Arc::new(Semaphore::new(TRIES)),
            scripts: Arc::new(Scripts::new(
                ScriptLimits::default(),
                8,
                env!("CARGO_BIN_EXE_relay").into(),
            )),
            intake: Intake::new(
                open.store.clone(),
                Arc::new(folder.clock.clone()),
                config.server.public_url.as_ref().map_or(PUBLIC_URL, |url| url.as_str()),
                config.sources.clone(),
                ProviderKeys::new(provider, Arc::new(folder.clock.clone())),
            ),
            in_force: InForce::new(Arc::clone(&config), Origins::default()),
            config,
            check_url: Arc::new(|text| match parse_endpoint_url(text) {
                Ok(url) => Ok(url.to_string()),
                Err(error) => Err(error.to_string()),
            }),
            // Nothing is delivered here: what asks for lanes is not answered.
            scheduler: Channel::default().handle(),
            minutes: Minutes::new(open.store.clone(), metrics.clone()),
            metrics,
            readiness: Readiness::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = state.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let shutdown = async {
                // The sender gone is a stop too.
                let _ = stopped.await;
            };
            runtime.unwrap().block_on(server::run(listener, serving, shutdown)).unwrap();
        });
        let (stop, thread) = (Some(stop), Some(thread));
        Relay { folder, open: Some(open), client: Client { address }, state, stop, thread }
    }
}

impl Client {
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], Some(&body.to_string()))
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &[], Some(&body.to_string()))
    }

    #[track_caller]
    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, &[], Some(&body.to_string()))
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    /// A request under `/api/v1` with the operator's key, unless `headers` bring another.
    #[track_caller]
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        self.call(method, &format!("/api/v1{path}"), headers, body)
    }

    /// The same with the whole path. Every answer must be one that the document tells of.
    #[track_caller]
    pub fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\n");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            head += &format!("authorization: Bearer {OPERATOR_KEY}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            head += &format!("content-length: {}\r\n", body.len());
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                head += "content-type: application/json\r\n";
            }
        }
        let text = format!("{head}connection: close\r\n\r\n{}", body.unwrap_or_default());
        let mut stream = self.connect();
        // A server that refuses early may close before it has all.
        let _ = stream.write_all(text.as_bytes());
        let answer = read_one(&mut stream);
        Document::read().check(method, path, &answer);
        answer
    }

    /// A provider's POST to the path of a source.
    #[track_caller]
    pub fn receive(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.provide("POST", path, headers, body)
    }

    /// The same by another method.
    #[track_caller]
    pub fn provide(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let length = body.len();
        let text = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
        parse(&self.raw(text.as_bytes()))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes as they are and reads until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // A server that refuses early may close before it has all.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let mut part = [0; 16 * 1024];
        loop {
            match stream.read(&mut part) {
                Ok(0) => return answer,
                Ok(count) => answer.extend_from_slice(&part[..count]),
                Err(_) if !answer.is_empty() => return answer,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the server panicked");
        }
        if let Some(open) = self.open.take() {
            open.stop();
        }
    }
}

/// Reads one answer to the end that its length tells, or that the server makes.
pub fn read_one(stream: &mut TcpStream) -> Answer {
    let (mut answer, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = stream.read(&mut part).expect("an answer");
        answer.extend_from_slice(&part[..count]);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let head = end.map(|end| String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase());
        let length = head.as_ref().and_then(|head| {
            let (_, length) = head.split_once("\r\ncontent-length: ")?;
            length.split("\r\n").next()?.parse::<usize>().ok()
        });
        let whole = length.is_some_and(|length| answer.len() >= end.unwrap_or(0) + 4 + length);
        if whole || count == 0 {
            return parse(&answer);
        }
    }
}

/// Reads one answer, behind a `100 Continue`, which actix sends before it asks anyone.
#[track_caller]
pub fn parse(bytes: &[u8]) -> Answer {
    let bytes = bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer's head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect::<Vec<_>>();
    let body = &bytes[end + 4..];
    let json = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
    };
    Answer { status, json, headers }
}
