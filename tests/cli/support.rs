//! A folder to run the binary in, and a relay that answers from a script.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// An empty folder, and a binary started in it with an empty environment.
pub struct Folder(TempDir);

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Folder {
        Folder(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        self.write(".stdin", input);
        let input = fs::File::open(self.path().join(".stdin")).unwrap();
        ended(self.command(arguments).stdin(input))
    }
}

pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Ended {
    /// Fails the test unless the run ended so.
    #[track_caller]
    pub fn expect(self, code: i32, out: &str, err: &str) -> Ended {
        assert!(
            self.code == code && self.out.contains(out) && self.err.contains(err),
            "wanted {code}, {out:?}, {err:?}\ncode {}\n--- out\n{}\n--- err\n{}",
            self.code,
            self.out,
            self.err
        );
        self
    }
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path with query, `GET /healthz`.
    pub line: String,
    pub headers: Vec<String>,
    pub body: String,
}

/// Answers each request with what the script says, on a port of its own.
pub struct ScriptedRelay {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ScriptedRelay {
    /// The script gets the request and how many of the same line came before.
    pub fn start(
        script: impl Fn(&Asked, usize) -> (u16, String) + Send + 'static,
    ) -> ScriptedRelay {
        ScriptedRelay::with_headers(move |asked, before| {
            let (status, body) = script(asked, before);
            (status, String::new(), body)
        })
    }

    /// The same with header lines, each with its end.
    pub fn with_headers(
        script: impl Fn(&Asked, usize) -> (u16, String, String) + Send + 'static,
    ) -> ScriptedRelay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        // Ends with the test's process; nothing waits for it.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                let Some(request) = read(&stream) else { continue };
                let before = {
                    let mut kept = kept.lock().unwrap();
                    let same = |other: &&Asked| other.line == request.line;
                    let before = kept.iter().filter(same).count();
                    kept.push(request.clone());
                    before
                };
                let (status, headers, body) = script(&request, before);
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n{headers}\
                     content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        ScriptedRelay { url, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_owned();
        if header.is_empty() {
            break;
        }
        headers.push(header);
    }
    let length = headers.iter().find_map(|header| {
        let (name, value) = header.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line, headers, body: String::from_utf8(body).ok()? })
}
