//! An application that a listener forwards to: it keeps what came, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
pub struct Came {
    /// `POST /hooks HTTP/1.1`.
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Came {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

struct State {
    came: Vec<Came>,
    status: u16,
    /// Requests are taken and not answered.
    holds: bool,
}

#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Target {
    pub fn start() -> Target {
        Target::on("127.0.0.1:0")
    }

    pub fn on(address: &str) -> Target {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { came: Vec::new(), status: 200, holds: false };
        let target = Target { address, state: Arc::new((Mutex::new(state), Condvar::new())) };
        let own = target.clone();
        // Ends with the test's process; nothing waits for it.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                thread::spawn(move || own.serve(&stream));
            }
        });
        target
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub fn answer(&self, status: u16) {
        self.state.0.lock().unwrap().status = status;
    }

    pub fn hold(&self, holds: bool) {
        self.state.0.lock().unwrap().holds = holds;
        self.state.1.notify_all();
    }

    pub fn came(&self) -> Vec<Came> {
        self.state.0.lock().unwrap().came.clone()
    }

    /// Waits until so many requests have come, and gives their bodies.
    #[track_caller]
    pub fn wait(&self, count: usize) -> Vec<String> {
        let state = self.state.0.lock().unwrap();
        let few = |state: &mut State| state.came.len() < count;
        let (state, waited) = self.state.1.wait_timeout_while(state, PATIENCE, few).unwrap();
        let texts: Vec<String> = state.came.iter().map(Came::text).collect();
        assert!(!waited.timed_out(), "{} of {count} came: {texts:?}", texts.len());
        texts
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(came) = read(&mut reader) {
            let mut state = self.state.0.lock().unwrap();
            state.came.push(came);
            self.state.1.notify_all();
            let state = self.state.1.wait_while(state, |state| state.holds).unwrap();
            let status = state.status;
            drop(state);
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\nok");
            if { stream }.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Came> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let line = line.trim_end().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Came { line, headers, body })
}
