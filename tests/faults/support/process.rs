//! The binary, started and ended every way there is.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::wait_until;

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(300);

/// How a relay is started: settings as environment variables.
#[derive(Clone)]
pub struct Settings {
    pub data: PathBuf,
    /// A program and its arguments that start the binary.
    pub wrapper: Vec<String>,
    pub variables: Vec<(String, String)>,
}

impl Settings {
    pub fn new(data: &Path) -> Settings {
        let mut settings =
            Settings { data: data.to_owned(), wrapper: Vec::new(), variables: Vec::new() };
        settings.set("RELAY__DATA__DIR", &data.display().to_string());
        settings.set("RELAY__SERVER__LISTEN", "127.0.0.1:0");
        settings.set("RELAY__GUARD__ALLOW", "127.0.0.0/8");
        settings.set("RELAY__DATA__MIN_FREE", "0");
        settings.set("RELAY__DATA__SEGMENT_SIZE", "32 MiB");
        settings.set("RELAY__DELIVERY__RETRY_SCHEDULE", "1s,1s,1s,1s,1s,1s,1s,1s");
        settings.set("RELAY__DELIVERY__PARK_AFTER", "1000000");
        settings
    }

    /// The last value of a name counts.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(set, _)| set != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it and does not wait.
    pub fn spawn(&self) -> Process {
        let mut words = self.wrapper.clone();
        words.push(env!("CARGO_BIN_EXE_relay").to_owned());
        words.push("serve".to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        let folder = self.data.parent().unwrap();
        command.current_dir(folder).env_clear().env("PATH", std::env::var("PATH").unwrap());
        let variables = self.variables.iter().cloned();
        let mut child = command.envs(variables).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if std::env::var_os("RELAY_FAULT_LOG").is_some() {
                    eprintln!("  {line}");
                }
                // The test may have ended.
                let _ = sender.send(line);
            }
        });
        Process { child, lines, passed: Vec::new(), started: Instant::now() }
    }

    /// Starts it and waits until it listens.
    pub fn start(&self) -> Relay {
        let started = self.try_start();
        started.unwrap_or_else(|seen| panic!("the relay does not start: {seen:#?}"))
    }

    /// Starts it and waits until it listens; what it logged when it ends instead.
    pub fn try_start(&self) -> Result<Relay, Vec<String>> {
        let mut process = self.spawn();
        let line = process.line_with("listening on http://", START)?;
        let (_, rest) = line.split_once("listening on http://").unwrap();
        let address = rest.split(['"', ' ']).next().unwrap().to_owned();
        let took = process.started.elapsed();
        let before = process.passed.clone();
        let key = std::fs::read_to_string(self.data.join("operator_key")).unwrap();
        let client = Client::new(&address, key.trim());
        wait_until("the relay is ready or has ended", START, || {
            let ready = client.get("/readyz").is_ok_and(|(status, _)| status == 200);
            ready || process.has_ended()
        });
        Ok(Relay { process, client, took, before })
    }

    /// A command of the binary over the same folder, to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        command.args(arguments).env_clear().current_dir(self.data.parent().unwrap());
        command.envs(self.variables.iter().cloned()).output().unwrap()
    }
}

/// A started binary and what it logs.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// Lines that nobody waited for.
    passed: Vec<String>,
    started: Instant,
}

impl Process {
    /// Waits for a line with this text; gives back the lines seen when it did not come.
    pub fn line_with(&mut self, text: &str, patience: Duration) -> Result<String, Vec<String>> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(line) => self.passed.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(std::mem::take(&mut self.passed));
                }
            }
        }
    }

    /// Whether it is no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A figure of `/proc/PID/status`, in KiB where it has a unit (`VmHWM`, `Threads`).
    pub fn figure(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap()
    }

    /// CPU time that it has used so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|text| text.parse::<u64>().unwrap());
        // Linux shows a hundredth of a second a tick everywhere.
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// The nice values of the processes that it started, by proc(5).
    pub fn nice_of_children(&self) -> Vec<i64> {
        let parent = self.pid().to_string();
        let nice = |stat: String| {
            let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
            (fields[1] == parent).then(|| fields[16].parse().unwrap())
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let stats =
            processes.filter_map(|one| std::fs::read_to_string(one.path().join("stat")).ok());
        stats.filter_map(nice).collect()
    }

    /// Everything it logs until it ends, and how that is.
    pub fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let lines = self.lines.iter().collect();
        (self.child.wait().unwrap(), lines)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// By the shell's own `kill`; after `STOP` every thread has stopped.
    pub fn signal(&self, name: &str) {
        let words = format!("kill -{name} {}", self.pid());
        assert!(Command::new("sh").args(["-c", &words]).status().unwrap().success());
        if name == "STOP" {
            wait_until("it stands still", START, || self.stands_still());
        }
    }

    /// Whether no thread of it runs, by proc(5): the state stands behind the name in brackets.
    fn stands_still(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A relay that listens.
pub struct Relay {
    pub process: Process,
    pub client: Client,
    /// From the start of the process until it listened.
    pub took: Duration,
    /// What it logged meanwhile.
    pub before: Vec<String>,
}

impl Relay {
    /// SIGTERM, and waits for a clean end.
    pub fn stop(self) {
        self.process.terminate();
        let (status, lines) = self.process.ended();
        assert!(status.success(), "{status}: {lines:#?}");
    }
}
