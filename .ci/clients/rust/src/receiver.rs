//! A small HTTP server on this machine; each hook is one of its addresses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::check::{Failure, some};

pub const BOUND: Duration = Duration::from_secs(30);
const ANSWER: &str = "answer";

/// A request that arrived.
pub struct Arrival {
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Arrival {
    pub fn id(&self) -> String {
        self.header("webhook-id")
    }

    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }
}

/// Where requests go, and the status they are answered with.
struct Way {
    arrivals: UnboundedSender<Arrival>,
    status: Arc<AtomicU16>,
}

/// One address.
pub struct Hook {
    pub url: String,
    pub status: Arc<AtomicU16>,
    arrivals: UnboundedReceiver<Arrival>,
}

impl Hook {
    pub async fn take(&mut self) -> Result<Arrival, Failure> {
        some(tokio::time::timeout(BOUND, self.arrivals.recv()).await?)
    }

    /// The ids of the next requests, sorted.
    pub async fn take_ids(&mut self, count: usize) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.take().await?.id());
        }
        ids.sort();
        Ok(ids)
    }
}

type Ways = Arc<Mutex<HashMap<String, Way>>>;

fn locked(ways: &Ways) -> MutexGuard<'_, HashMap<String, Way>> {
    ways.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Receiver {
    address: String,
    ways: Ways,
}

impl Receiver {
    pub async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let ways = Ways::default();
        let served = Arc::clone(&ways);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Ok(Self { address, ways })
    }

    pub fn hook(&self, status: u16) -> Hook {
        let (sender, arrivals) = unbounded_channel();
        let status = Arc::new(AtomicU16::new(status));
        let mut ways = locked(&self.ways);
        let path = format!("/hook/{}", ways.len());
        let url = format!("http://{}{path}", self.address);
        ways.insert(path, Way { arrivals: sender, status: Arc::clone(&status) });
        Hook { url, status, arrivals }
    }
}

/// Takes requests from one connection until it ends.
async fn serve(stream: TcpStream, ways: Ways) -> Result<(), Failure> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = some(line.split(' ').nth(1))?.to_owned();
        let mut headers = HeaderMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            let name = HeaderName::from_bytes(name.as_bytes())?;
            headers.insert(name, HeaderValue::from_str(value.trim())?);
        }
        let length = some(headers.get("content-length"))?.to_str()?.parse()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let status = {
            let ways = locked(&ways);
            let way = some(ways.get(&path))?;
            // nobody waits for it once the hook is gone; it is answered all the same
            drop(way.arrivals.send(Arrival { headers, body }));
            way.status.load(Ordering::SeqCst)
        };
        let text = if status == 204 { "" } else { ANSWER };
        let length = if status == 204 {
            String::new()
        } else {
            format!("content-length: {}\r\n", text.len())
        };
        let answer = format!("HTTP/1.1 {status} Told\r\n{length}\r\n{text}");
        stream.write_all(answer.as_bytes()).await?;
    }
}
