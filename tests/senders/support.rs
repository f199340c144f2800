//! A relay process, and raw requests to it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than anything takes that a test waits for.
pub const LONG: Duration = Duration::from_secs(60);
/// How long a head or a body may take, of a relay in a hurry.
pub const HURRY: &str = "500ms";
/// Resident memory that a relay may have gained after any test, in KiB.
const MAX_GROWTH: u64 = 64 << 10;
/// Up to the minor version.
const STATUS_LINE: &[u8] = b"HTTP/1.";
/// From there on: `1 200`.
const STATUS: std::ops::Range<usize> = 9..12;

/// A relay of its own, with an application `app`.
pub struct Relay {
    pub address: SocketAddr,
    pub key: String,
    child: Child,
    began_with: u64,
    _folder: tempfile::TempDir,
}

/// One raw request, and the statuses of all that is answered to it before the connection ends.
pub type Case<'text> = (&'static str, Vec<u8>, &'text [u16]);

impl Relay {
    pub fn start() -> Relay {
        Relay::with(&[])
    }

    /// With these settings, as environment variables.
    pub fn with(settings: &[(&str, &str)]) -> Relay {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.arg("serve").env_clear().current_dir(folder.path());
        command.env("RELAY__SERVER__LISTEN", "127.0.0.1:0").env("RELAY__DATA__MIN_FREE", "0");
        command.envs(settings.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("listening on http://")?;
            Some(rest.split(['"', ' ']).next()?.to_owned())
        });
        thread::spawn(move || lines.for_each(drop));
        let address = line.expect("it starts").parse().unwrap();
        let key = std::fs::read_to_string(folder.path().join("data/operator_key")).unwrap();
        let key = key.trim().to_owned();
        let mut relay = Relay { address, key, child, began_with: 0, _folder: folder };
        let made = relay.post("/api/v1/app", r#"{"name":"app","uid":"app"}"#);
        assert_eq!(statuses(&relay.exchange_in_time(made.as_bytes())), [201]);
        relay.began_with = relay.resident();
        relay
    }

    /// The head of a request with the operator's key, to its last line.
    pub fn head(&self, method: &str, path: &str) -> String {
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", self.key)
    }

    /// A good request.
    pub fn post(&self, path: &str, body: &str) -> String {
        let head = self.head("POST", path);
        format!(
            "{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Sends these bytes and no more, and reads until the connection ends.
    pub fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // Who is refused early may not get rid of all of it.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        read_to_end(&mut stream)
    }

    /// As `exchange`, of a good request: on a busy machine its own head may be late for a relay in
    /// a hurry, and is sent again as RFC 9110, 15.5.9 has it.
    fn exchange_in_time(&self, request: &[u8]) -> Vec<u8> {
        let until = Instant::now() + LONG;
        loop {
            let answer = self.exchange(request);
            if statuses(&answer) != [408] || Instant::now() > until {
                return answer;
            }
        }
    }

    pub fn statuses(&self, bytes: &[u8]) -> Vec<u16> {
        statuses(&self.exchange(bytes))
    }

    /// Sends every case; after each one a good request is served by the same process.
    pub fn check(&self, cases: &[Case]) {
        let mut wrong = Vec::new();
        for (what, request, expected) in cases {
            let found = self.statuses(request);
            if found != *expected {
                wrong.push(format!("{what}: {found:?} instead of {expected:?}"));
            }
            println!("{what}: {found:?}");
            self.still_serves();
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        println!("{} cases", cases.len());
    }

    pub fn still_serves(&self) {
        let good = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert_eq!(statuses(&self.exchange_in_time(good)), [200]);
    }

    /// The applications there are: what a refused request was to make is not among them.
    pub fn applications(&self) -> Vec<String> {
        let list = format!("{}connection: close\r\n\r\n", self.head("GET", "/api/v1/app"));
        let answer = self.exchange_in_time(list.as_bytes());
        let body = String::from_utf8(answer).unwrap();
        let (_, json) = body.split_once("\r\n\r\n").unwrap();
        let page: serde_json::Value = serde_json::from_str(json).unwrap();
        let names = page["data"].as_array().unwrap().iter();
        let names = names.map(|app| app["name"].as_str().unwrap().to_owned());
        names.filter(|name| name != "default").collect()
    }

    /// By the shell's own `kill`; after `STOP` every thread has stopped.
    pub fn signal(&self, name: &str) {
        let words = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &words]).status().unwrap().success());
        let until = Instant::now() + LONG;
        while name == "STOP" && !self.stands_still() {
            assert!(Instant::now() < until, "it goes on");
            thread::yield_now();
        }
    }

    /// Whether no thread of it runs, by proc(5): the state stands behind the name in brackets.
    fn stands_still(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Relay {
    /// Whatever a test did: it is the same process, and it has not grown.
    fn drop(&mut self) {
        let ended = self.child.try_wait().unwrap();
        if !thread::panicking() {
            assert!(ended.is_none(), "the relay ended: {ended:?}");
            let grown = self.resident().saturating_sub(self.began_with);
            assert!(grown < MAX_GROWTH, "{grown} KiB more than at the beginning");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whatever comes until the other side closes or resets.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), [0; 16 << 10]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }
}

/// The status of every answer; no body of relay's own holds a status line.
pub fn statuses(answer: &[u8]) -> Vec<u16> {
    let starts = answer.windows(STATUS_LINE.len()).enumerate();
    let starts = starts.filter(|(_, window)| *window == STATUS_LINE);
    starts
        .map(|(at, _)| {
            let code = &answer[at + STATUS.start..at + STATUS.end];
            std::str::from_utf8(code).unwrap().parse().unwrap()
        })
        .collect()
}
