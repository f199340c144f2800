//! A process that runs scripts, as relay holds it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wire::{Asked, Reply, read_reply, write_job};

/// The hidden command of the binary that calls [`super::serve_scripts`].
pub const COMMAND: &str = "run-scripts";

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
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Worker { child, stream: ours })
    }

    /// Whether it still waits for jobs.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Has a job done. An error of kind `WouldBlock` is one that took longer than `patience`.
    pub fn call(&mut self, asked: &Asked<'_>, patience: Duration) -> io::Result<Reply> {
        self.stream.set_write_timeout(Some(patience))?;
        self.stream.set_read_timeout(Some(patience))?;
        write_job(&mut self.stream, asked)?;
        read_reply(&mut self.stream)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
