//! A relay that serves, in a process of its own, and its log.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ureq::http::request::Builder;

use crate::support::Folder;

/// Started on a free port; killed when a test fails before it stops it.
pub struct Live {
    child: Child,
    log: Receiver<String>,
    early: Vec<Value>,
    pub url: String,
    pub key: String,
}

impl Live {
    /// Serves the folder's `relay.toml` and `data`.
    pub fn start(folder: &Folder) -> Live {
        Live::start_with(folder, &[])
    }

    /// The same with variables.
    pub fn start_with(folder: &Folder, variables: &[(&str, &str)]) -> Live {
        let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(variables.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Read at once, so that a relay that logs much never waits for the test.
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let (url, key) = (String::new(), String::new());
        let mut live = Live { child, log, early: Vec::new(), url, key };
        live.early = live.lines_until("listening on ");
        live.url = live.early[live.early.len() - 1]["message"]
            .as_str()
            .unwrap()
            .replace("listening on ", "");
        let key = std::fs::read_to_string(folder.path().join("data/operator_key")).unwrap();
        live.key = key.trim().to_owned();
        live
    }

    /// The log up to the line that it listens.
    pub fn early(&self) -> Vec<Value> {
        self.early.clone()
    }

    /// Reads the log up to a line whose message or change holds this; fails when the log ends.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> Value {
        let lines = self.lines_until(text);
        lines.into_iter().next_back().unwrap()
    }

    /// Every line of the log up to the one that holds this.
    #[track_caller]
    pub fn lines_until(&mut self, text: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        loop {
            let line = self.log.recv().ok();
            let line = line.unwrap_or_else(|| panic!("no {text:?} in the log: {lines:#?}"));
            let line: Value = serde_json::from_str(&line).expect(&line);
            let found = ["message", "change"]
                .iter()
                .any(|field| line[field].as_str().is_some_and(|field| field.contains(text)));
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    /// Status and JSON of a call as the operator.
    pub fn call(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json");
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.proxy(None).allow_non_standard_methods(true).build().new_agent();
        let response = match body {
            Some(body) => agent.run(request.body(body.to_owned()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    }

    /// Status of a POST without a key and a body.
    pub fn post(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        let request = ureq::http::Request::post(format!("{}{path}", self.url));
        let with = |request: Builder, (name, value): &(&str, &str)| request.header(*name, *value);
        let request = headers.iter().fold(request, with);
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let response = config.build().new_agent().run(request.body("").unwrap()).unwrap();
        response.status().as_u16()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to stop and waits until it has; gives the rest of its log.
    pub fn stop(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        let lines = self.lines_until("stopped");
        assert!(self.wait().success());
        lines
    }

    /// As a crash does.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
