//! A program that runs beside the test: its lines as they come, ended with the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than anything here takes; a machine under load is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program.
pub struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts it; both its outputs are read as lines.
    pub fn start(name: &str, command: &mut Command) -> Program {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (sender, lines) = channel();
        read_lines(child.stdout.take(), sender.clone());
        read_lines(child.stderr.take(), sender);
        Program { name: name.to_owned(), child, lines, seen: Vec::new() }
    }

    /// The first line, of those before and of those to come, that holds `text`.
    pub fn line_with(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let found = self.seen.iter().position(|line| line.contains(text));
        let mut next = found.unwrap_or(self.seen.len());
        while next == self.seen.len() || !self.seen[next].contains(text) {
            next = self.seen.len();
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("{} never said {text:?}:\n{}", self.name, self.seen.join("\n")),
            }
        }
        self.seen[next].clone()
    }

    /// Where it says that it listens.
    pub fn url(&mut self) -> String {
        let line = self.line_with("listening on http://");
        let start = line.find("http://").expect("the line was chosen for it");
        let end = |letter: char| letter.is_whitespace() || letter == '"';
        line[start..].split(end).next().unwrap_or_default().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(output: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let output = BufReader::new(output.expect("it was asked for as a pipe"));
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
}

/// Runs a program to its end; what it printed, or a failure that shows everything.
pub fn run(name: &str, command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{name}: {error}"));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Whether a program can be started at all.
pub fn exists(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
