//! The relay that is measured: this binary once more, on a folder and a port of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::failure::Failure;

/// This binary.
const PROGRAM: &str = "/proc/self/exe";
/// What its log says before the address.
const LISTENING: &str = "listening on http://";
/// How long it may take to begin.
const START: Duration = Duration::from_secs(60);

/// A relay of its own process; ended when dropped.
pub struct Relay {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its operator key.
    pub token: String,
}

impl Relay {
    /// Starts one with the default settings, but that it may deliver to `hook`.
    pub fn start(folder: &Path, hook: SocketAddr) -> Result<Relay, Failure> {
        let (settings, data) = (folder.join("relay.toml"), folder.join("data"));
        fs::create_dir(folder)?;
        fs::write(&settings, format!("[guard]\nallow = [\"{hook}\"]\n"))?;
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&settings);
        command.arg("--data").arg(&data);
        // Neither settings of the environment nor the terminal's Ctrl-C are for it.
        command.env_clear().process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().context("can't start this binary once more");
        let mut child = child.map_err(Failure::failed)?;
        let errors = child.stderr.take().expect("invariant: it is piped");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut relay = Relay { child, address, token: String::new() };
        relay.address = address_of(errors, File::create(folder.join("relay.log"))?)?;
        relay.token = fs::read_to_string(data.join("operator_key"))?.trim().to_owned();
        Ok(relay)
    }

    /// What it took of the processors so far, in its own name and the kernel's.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let ticks = ticks(&stat).ok_or_else(|| Failure::failed(anyhow!("no times in {stat}")))?;
        Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
    }

    /// Has it stop as a service manager does.
    pub fn stop(mut self) -> Result<(), Failure> {
        kill_process(self.pid(), Signal::TERM).map_err(Failure::failed)?;
        let status = self.child.wait()?;
        if !status.success() {
            let error = anyhow!("the relay that was measured ended with {status}");
            return Err(Failure::failed(error).hint("--keep keeps its log"));
        }
        Ok(())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Both do nothing to one that has ended.
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// Where it says that it listens; what it logs is kept in a file.
fn address_of(errors: ChildStderr, mut log: File) -> Result<SocketAddr, Failure> {
    let (found, address) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(errors);
        let mut text = String::new();
        while let Ok(1..) = lines.read_line(&mut text) {
            let address = text.split_once(LISTENING).and_then(|(_, rest)| {
                rest.split(|letter: char| letter == '"' || letter.is_whitespace()).next()
            });
            // Whoever waits may have given up.
            let _ = address.and_then(|text| text.parse().ok()).map(|it| found.send(Ok(it)));
            let _ = log.write_all(text.as_bytes());
            text.clear();
        }
        // No text, after all: the pipe must not fill up.
        let _ = lines.read_to_end(&mut Vec::new());
        let _ = found.send(Err(()));
    });
    match address.recv_timeout(START) {
        Ok(Ok(address)) => Ok(address),
        Ok(Err(())) => Err(anyhow!("the relay to measure ended before it listened")),
        Err(_) => Err(anyhow!("the relay to measure does not listen after {START:?}")),
    }
    .map_err(|error| Failure::failed(error).hint("--keep keeps its log"))
}

/// User and system time of a line of `/proc/PID/stat`; the name before them may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_process() {
        let check = |stat, expected| assert_eq!(ticks(stat), expected, "{stat}");
        check("7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 31 11 0 0 20 0 1 0 1 2 3", Some(42));
        check("7 (relay) S 1", None);
        check("", None);
    }
}
