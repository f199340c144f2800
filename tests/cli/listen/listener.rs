//! A listener in a process of its own, and what it says.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Never waited for when all is well.
const LONG: Duration = Duration::from_secs(120);

pub struct Listener {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
}

impl Listener {
    /// Runs it as the command says, with `--json`.
    pub fn start(mut command: Command) -> Listener {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Whoever is stopped must not have others told that their group has no parent.
        let mut child = command.process_group(0).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let errors = sender.clone();
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| errors.send(line))
        });
        Listener { child, lines, seen: Vec::new() }
    }

    /// Reads what it prints up to an object of this kind, or an error.
    #[track_caller]
    pub fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let Ok(line) = self.lines.recv_timeout(LONG) else {
                panic!("no {kind}: {:#?}", self.seen);
            };
            let line: Value = serde_json::from_str(&line).expect(&line);
            self.seen.push(line.clone());
            if line["kind"] == kind || kind == "error" && line["error"].is_string() {
                return line;
            }
        }
    }

    /// What it has printed and was read.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// As a crash does.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }

    pub fn ended(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
