//! An endpoint that counts what it gets by message id. Below `/down` it answers 500.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Requests by (path, message id).
type Counts = HashMap<(String, String), u64>;

#[derive(Default)]
struct Inner {
    counts: Mutex<Counts>,
    /// `webhook-timestamp` of the last request of each.
    timestamps: Mutex<Counts>,
    grown: Condvar,
    /// Requests read whole, answered or not.
    arrived: Mutex<u64>,
    held: Mutex<bool>,
    let_go: Condvar,
}

/// Listens until the test process ends.
pub struct Receiver {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl Receiver {
    pub fn start() -> Receiver {
        Receiver::on("127.0.0.1:0")
    }

    pub fn on(address: &str) -> Receiver {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                // A killed relay leaves its connections half way.
                thread::spawn(move || shared.serve(stream).unwrap_or_default());
            }
        });
        Receiver { address, inner }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Requests read whole so far, answered or not.
    pub fn arrived(&self) -> u64 {
        *self.inner.arrived.lock().unwrap()
    }

    /// Answers wait until [`Receiver::release`].
    pub fn hold(&self) {
        *self.inner.held.lock().unwrap() = true;
    }

    pub fn release(&self) {
        *self.inner.held.lock().unwrap() = false;
        self.inner.let_go.notify_all();
    }

    /// Waits until a request has come, which may not be answered yet.
    pub fn wait_for_request(&self, patience: Duration) {
        super::wait_until("a request comes", patience, || self.arrived() > 0);
    }

    /// Waits until `holds` says yes of what was received; fails the test after `patience`.
    pub fn wait(&self, what: &str, patience: Duration, holds: impl Fn(&Counts) -> bool) {
        let until = Instant::now() + patience;
        let mut counts = self.inner.counts.lock().unwrap();
        while !holds(&counts) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within {patience:?}: {what}; {} received", counts.len());
            let soon = left.min(Duration::from_secs(1));
            counts = self.inner.grown.wait_timeout(counts, soon).unwrap().0;
        }
    }

    /// How often each was received.
    pub fn counts(&self) -> Counts {
        self.inner.counts.lock().unwrap().clone()
    }

    /// When each was signed the last time, in Unix seconds.
    pub fn timestamps(&self) -> Counts {
        self.inner.timestamps.lock().unwrap().clone()
    }
}

impl Inner {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let (mut id, mut timestamp, mut length) = (String::new(), 0u64, 0u64);
            loop {
                let mut header = String::new();
                reader.read_line(&mut header)?;
                let Some((name, value)) = header.trim_end().split_once(':') else { break };
                match name.to_ascii_lowercase().as_str() {
                    "webhook-id" => id = value.trim().to_owned(),
                    "webhook-timestamp" => timestamp = value.trim().parse().unwrap_or(0),
                    "content-length" => length = value.trim().parse().unwrap_or(0),
                    _ => {}
                }
            }
            let read = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
            if read < length {
                return Ok(());
            }
            *self.arrived.lock().unwrap() += 1;
            let held = self.held.lock().unwrap();
            drop(self.let_go.wait_while(held, |held| *held).unwrap());
            let status = if path.starts_with("/down") { "500 Down" } else { "200 OK" };
            self.timestamps.lock().unwrap().insert((path.clone(), id.clone()), timestamp);
            *self.counts.lock().unwrap().entry((path, id)).or_default() += 1;
            self.grown.notify_all();
            // In one piece: a second one would wait 40 ms for the first to be acknowledged.
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            stream.write_all(answer.as_bytes())?;
        }
    }
}
