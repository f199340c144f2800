//! While the journal is read back, whoever asks is told so: `/healthz` lives, all else is not
//! ready yet. Only a start that takes long has one.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A caller has this long to ask and to read the answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// As much of a request as is looked at.
const HEAD: usize = 4 << 10;

/// Answers on the listener until the real server does.
pub struct WaitingRoom {
    inner: Arc<Inner>,
}

struct Inner {
    listener: TcpListener,
    record: AtomicU64,
    closed: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl WaitingRoom {
    /// On this listener; it opens with the first report of progress.
    pub fn new(listener: TcpListener) -> WaitingRoom {
        let inner = Inner {
            listener,
            record: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            thread: Mutex::new(None),
        };
        WaitingRoom { inner: Arc::new(inner) }
    }

    /// Takes the number of the record that the replay is at.
    pub fn progress(&self) -> impl Fn(u64) + 'static {
        let inner = Arc::clone(&self.inner);
        move |record| {
            inner.record.store(record, Ordering::Relaxed);
            let mut thread = inner.thread.lock().expect("no holder panics");
            if thread.is_none() {
                let room = Arc::clone(&inner);
                let spawned = thread::Builder::new()
                    .name("waiting-room".to_owned())
                    .spawn(move || room.answer_all());
                *thread = spawned.ok();
            }
        }
    }

    /// Ends it; the next connection is the real server's.
    pub fn close(self) {
        let thread = self.inner.thread.lock().expect("no holder panics").take();
        let Some(thread) = thread else { return };
        self.inner.closed.store(true, Ordering::SeqCst);
        // A connection of our own wakes it; should that fail, the next caller does.
        if let Ok(address) = self.inner.listener.local_addr() {
            drop(TcpStream::connect_timeout(&address, PATIENCE));
        }
        thread.join().expect("a panic ends the process");
    }
}

impl Inner {
    fn answer_all(&self) {
        for caller in self.listener.incoming() {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            // A caller that went away is not waiting any more.
            let _ = caller.and_then(|caller| self.answer(caller));
        }
    }

    fn answer(&self, mut caller: TcpStream) -> io::Result<()> {
        caller.set_read_timeout(Some(PATIENCE))?;
        caller.set_write_timeout(Some(PATIENCE))?;
        let mut head = [0; HEAD];
        let read = caller.read(&mut head)?;
        let record = self.record.load(Ordering::Relaxed);
        let (status, body) = if head[..read].starts_with(b"GET /healthz ") {
            ("200 OK", "{\"status\":\"ok\"}".to_owned())
        } else {
            let detail = format!("reading the journal back, at record {record}");
            let body = format!(
                "{{\"code\":\"starting\",\"detail\":\"{detail}\",\"status\":\"not ready\"}}"
            );
            ("503 Service Unavailable", body)
        };
        let length = body.len();
        write!(
            caller,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             retry-after: 1\r\nconnection: close\r\n\r\n{body}"
        )
    }
}
