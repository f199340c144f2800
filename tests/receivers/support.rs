//! A receiver that says byte for byte what a test scripts, and a transport to send to it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use relay::config::units::AllowedNetwork;
use relay::config::{Config, HeaderNames};
use relay::domain::delivery_settings::DeliverySettings;
use relay::domain::endpoint::Endpoint;
use relay::domain::id::{ApplicationId, EndpointId, Stamp};
use relay::domain::subscription::Subscription;
use relay::domain::time::{Clock, Timestamp};
use relay::engine::answer::Answer;
use relay::engine::guard::AddressGuard;
use relay::engine::outgoing::{HeaderParts, outgoing_headers};
use relay::engine::proxy::Proxies;
use relay::engine::resolver::{GuardedResolver, Lookup};
use relay::engine::tls::Tls;
use relay::engine::transport::{
    OutgoingRequest, Transport, TransportSettings, USER_AGENT, UreqTransport,
};
use rustls::pki_types::CertificateDer;

pub const LIMIT: usize = 16 << 10;
/// Where time running out is the behaviour under test.
pub const SHORT: Duration = Duration::from_millis(600);
/// Where it is not.
pub const LONG: Duration = Duration::from_secs(20);

/// What a script saw and did, over all connections.
#[derive(Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    pub bytes_written: AtomicUsize,
    pub requests: Mutex<Vec<Vec<u8>>>,
}

/// One connection, as the script sees it.
pub struct Peer {
    pub stream: TcpStream,
    seen: Arc<Seen>,
}

impl Peer {
    /// Reads one request with a content-length body; `None` when the sender closed first.
    pub fn read_request(&mut self) -> Option<Vec<u8>> {
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = find(&request, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
                if request.len() >= end + 4 + length {
                    break;
                }
            }
            match self.stream.read(&mut chunk) {
                Ok(read) if read > 0 => request.extend_from_slice(&chunk[..read]),
                _ => return None,
            }
        }
        self.seen.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        Some(request)
    }

    /// Writes; false once the sender is gone.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let written = self.stream.write_all(bytes.as_ref()).is_ok();
        if written {
            self.seen.bytes_written.fetch_add(bytes.as_ref().len(), Ordering::SeqCst);
        }
        written
    }

    /// Writes `piece` again and again until the sender is gone.
    pub fn write_for_ever(&mut self, piece: impl AsRef<[u8]>) {
        while self.write(piece.as_ref()) {}
    }

    /// Writes `piece`, then waits for a few milliseconds for the sender to go; false once gone.
    pub fn pace(&mut self, piece: impl AsRef<[u8]>) -> bool {
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(2)));
        self.write(piece) && !matches!(self.stream.read(&mut [0]), Ok(0))
    }

    /// Writes one byte, then waits a little for the sender to go; false once it is gone.
    pub fn drip(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(20)));
        for byte in bytes.as_ref() {
            let gone = matches!(self.stream.read(&mut [0]), Ok(0));
            if gone || !self.write([*byte]) {
                return false;
            }
        }
        true
    }

    /// Says nothing more until the sender closes.
    pub fn hang(&mut self) {
        let _ = self.stream.set_read_timeout(None);
        let mut chunk = [0; 4096];
        while matches!(self.stream.read(&mut chunk), Ok(read) if read > 0) {}
    }

    /// Closes with a reset, which unread input causes.
    pub fn close(self) {
        drop(self);
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A listener on a free port whose connections run a script; ends when dropped.
pub struct Receiver {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    closing: Arc<AtomicBool>,
}

impl Receiver {
    /// `script` gets the number of the connection, counted from 0.
    pub fn start(script: impl Fn(usize, Peer) + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Seen::default());
        let closing = Arc::new(AtomicBool::new(false));
        let (script, shared, closed) = (Arc::new(script), seen.clone(), closing.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (script.clone(), shared.clone());
                thread::spawn(move || script(number, Peer { stream, seen }));
            }
        });
        Receiver { address, seen, closing }
    }

    /// Answers every request of every connection with `answer`.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Receiver {
        let answer = answer.into();
        Receiver::start(
            move |_, mut peer| {
                while peer.read_request().is_some() && peer.write(&answer) {}
            },
        )
    }

    /// Reads one request of each connection, writes `answer` and closes properly.
    pub fn answering_once(answer: impl Into<Vec<u8>>) -> Receiver {
        let answer = answer.into();
        Receiver::start(move |_, mut peer| {
            peer.read_request();
            peer.write(&answer);
            let _ = peer.stream.shutdown(Shutdown::Write);
            peer.hang();
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?a=1", self.address)
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub fn bytes_written(&self) -> usize {
        self.seen.bytes_written.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.seen.requests.lock().expect("no script panicked").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// A wall clock that stands at 2026-11-21T00:00:00Z.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.wall()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::parse_rfc3339("2026-11-21T00:00:00Z").expect("a date")
    }
}

pub fn allow(network: &str) -> AllowedNetwork {
    AllowedNetwork { network: network.parse().expect(network), port: None }
}

pub fn no_lookup() -> Box<Lookup> {
    Box::new(|name| Err(io::Error::other(format!("{name} is not to be looked up"))))
}

pub fn always(addresses: &[&str]) -> Box<Lookup> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().expect(text)).collect();
    Box::new(move |_| Ok(addresses.clone()))
}

/// What a test wants otherwise than usual.
pub struct Sender {
    pub timeout: Duration,
    pub allow: Vec<AllowedNetwork>,
    pub lookup: Box<Lookup>,
    pub roots: Vec<CertificateDer<'static>>,
    /// `[egress]` and `[[proxy]]`.
    pub egress: String,
}

impl Default for Sender {
    fn default() -> Sender {
        let allow = vec![allow("127.0.0.0/8")];
        Sender {
            timeout: LONG,
            allow,
            lookup: no_lookup(),
            roots: Vec::new(),
            egress: String::new(),
        }
    }
}

impl Sender {
    pub fn short() -> UreqTransport {
        Sender { timeout: SHORT, ..Sender::default() }.build().0
    }

    pub fn long() -> UreqTransport {
        Sender::default().build().0
    }

    pub fn build(self) -> (UreqTransport, Arc<GuardedResolver>) {
        let config: Config = toml::from_str(&self.egress).expect("a configuration");
        let guard = Arc::new(AddressGuard::new(self.allow, Vec::new()));
        let resolver = Arc::new(GuardedResolver::new(guard, self.lookup));
        let settings = TransportSettings {
            timeout: self.timeout,
            response_limit: LIMIT,
            max_idle: 8,
            tls: Tls::new(self.roots).expect("usable roots"),
            proxies: Proxies::new(&config),
        };
        (UreqTransport::new(settings, resolver.clone(), Arc::new(Standing)), resolver)
    }
}

/// A small delivery with all the usual headers.
pub fn request(url: &str, timeout: Duration) -> OutgoingRequest {
    let headers = outgoing_headers(&HeaderParts {
        message_id: "msg_1",
        timestamp: 1_795_219_200,
        signature: "v1,c2lnbmF0dXJl",
        content_type: "application/json",
        received: &[],
        endpoint_headers: &BTreeMap::from([("x-own".to_owned(), "yes".to_owned())]),
        names: HeaderNames::Standard,
        user_agent: USER_AGENT,
    });
    let body = Bytes::from_static(b"{\"a\":  1}\n");
    OutgoingRequest {
        method: "POST".into(),
        url: url.into(),
        headers,
        body,
        timeout,
        endpoint: None,
        answer_limit: None,
    }
}

/// One usual delivery where time must not run out.
pub fn post(transport: &UreqTransport, url: &str) -> Answer {
    transport.send(&request(url, LONG))
}

/// One usual delivery where time may run out.
pub fn post_short(url: &str) -> Answer {
    Sender::short().send(&request(url, SHORT))
}

/// A usual delivery to an endpoint with these settings; endpoints differ by their number.
pub fn request_to(number: u64, delivery: DeliverySettings, url: &str) -> OutgoingRequest {
    let endpoint = Endpoint {
        id: EndpointId::new(Stamp(number)),
        application: ApplicationId::new(Stamp(1)),
        uid: None,
        url: url.to_owned(),
        description: String::new(),
        subscription: Subscription::default(),
        disabled: None,
        throttle_rate: None,
        delivery,
        metadata: BTreeMap::new(),
        headers: BTreeMap::new(),
        transformation: None,
        keys: Vec::new(),
        managed: false,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    };
    OutgoingRequest { endpoint: Some(Arc::new(endpoint)), ..request(url, LONG) }
}
