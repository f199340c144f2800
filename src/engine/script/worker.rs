//! A process that runs scripts, as relay holds it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::wire::{Asked, Reply, read_reply, write_job};
use crate::domain::transform::Failure;
use crate::telemetry::panic_point;

/// The hidden command of the binary that calls [`super::serve_scripts`].
pub const COMMAND: &str = "run-scripts";

/// What a process ends by when its own code is at fault.
const FAULTS: [Signal; 7] =
    [Signal::SEGV, Signal::ABORT, Signal::BUS, Signal::ILL, Signal::FPE, Signal::TRAP, Signal::SYS];

/// A process that waits for jobs. It ends when this is dropped, or with relay.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    stream: UnixStream,
}

impl Worker {
    /// Starts one: `program` is relay's own binary. It inherits nothing but standard error.
    pub fn start(program: &Path) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(program)
            .arg(COMMAND)
            .env_clear()
            .envs(panic_point::inherited())
            .current_dir("/")
            // An interrupt from the terminal is for relay, which goes on until its work is done.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Worker { child, stream: ours })
    }

    /// Whether it still waits for jobs.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Has a job done, which must not take longer than `patience`. After a failure this one is
    /// of no use any more.
    pub fn call(&mut self, asked: &Asked<'_>, patience: Duration) -> Result<Reply, Failure> {
        let called = self.exchange(asked, patience);
        called.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Failure::TimedOut,
            _ => {
                // One that ends already keeps the status that it ends with.
                let _ = self.child.kill();
                self.child.wait().map_or(Failure::Crashed, failure_of)
            }
        })
    }

    fn exchange(&mut self, asked: &Asked<'_>, patience: Duration) -> io::Result<Reply> {
        self.stream.set_write_timeout(Some(patience))?;
        self.stream.set_read_timeout(Some(patience))?;
        write_job(&mut self.stream, asked)?;
        read_reply(&mut self.stream)
    }
}

/// What a process that gave no reply says of the script: nothing when it was ended from outside, as
/// by a service manager that stops relay and all its processes.
fn failure_of(status: ExitStatus) -> Failure {
    match status.signal() {
        Some(signal) if !FAULTS.iter().any(|fault| fault.as_raw() == signal) => {
            Failure::Unavailable(format!("its process was ended by signal {signal}"))
        }
        Some(_) | None => Failure::Crashed,
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_fault_an_end_is() {
        let of = |raw: i32| failure_of(ExitStatus::from_raw(raw));
        for fault in [11, 6, 7, 1 << 8, 101 << 8, 0] {
            assert_eq!(of(fault), Failure::Crashed, "{fault}");
        }
        for outside in [15, 2, 9] {
            assert!(of(outside).passes(), "{outside}");
        }
    }
}
