//! The process that runs scripts: one after the other, until nobody asks any more.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};

use super::GRACE;
use super::console::Console;
use super::sandbox;
use super::wire::{Found, Job, Reply, read_job, write_reply};
use crate::domain::transform::Failure;
use crate::telemetry::panic_point;

/// Of the stack, what is there beside QuickJS's own limit: for our frames, and for those of its
/// functions that look at the limit only when they are entered.
const STACK_BESIDE: usize = 1 << 20;

/// How far scripts step back before relay itself: the nice value of their processes.
const STEP_BACK: i32 = 5;

/// Reads jobs from standard input, a socket, and answers there, until it is closed. A script that
/// does not end when its time is up ends this process.
pub fn serve_scripts() -> io::Result<()> {
    let mut stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // No core of every crash, and no files. Where the service manager forbids to set limits, those
    // that it set itself hold.
    for (what, most) in [(Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, 16)] {
        let _ = setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) });
    }
    // To step back needs no right; where it is not allowed they compete with relay.
    let _ = setpriority_process(None, STEP_BACK);
    loop {
        let job = match read_job(&mut stream) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        };
        panic_point::reach("script-process");
        let (mut reply, ended) = answer(job);
        write_reply(&mut stream, &mut reply)?;
        if !ended {
            return Ok(());
        }
    }
}

/// Does the job on a thread with the stack that it needs; whether that has ended.
fn answer(job: Job) -> (Reply, bool) {
    let lines = Arc::new(Mutex::new(Console::new(&job.limits)));
    let limits = job.limits;
    let (give, take) = sync_channel(1);
    let spawned =
        thread::Builder::new().stack_size(limits.stack_bytes.saturating_add(STACK_BESIDE)).spawn({
            let lines = Arc::clone(&lines);
            move || {
                let result = panic::catch_unwind(AssertUnwindSafe(|| found(&job, &lines)));
                // Whoever waited may have given it up.
                let _ = give.send(result.unwrap_or(Err(Failure::Crashed)));
            }
        });
    let (result, ended) = match spawned {
        Err(error) => (Err(Failure::Unavailable(error.to_string())), true),
        Ok(_) => match take.recv_timeout(limits.time.saturating_add(GRACE)) {
            Ok(result) => (result, true),
            Err(_) => (Err(Failure::TimedOut), false),
        },
    };
    let (console, console_left_out) = lines.lock().unwrap_or_else(PoisonError::into_inner).take();
    (Reply { result, console, console_left_out }, ended)
}

fn found(job: &Job, lines: &sandbox::Lines) -> Result<Found, Failure> {
    panic_point::reach("script");
    let Some((outgoing, context)) = &job.call else {
        return sandbox::check(&job.code, &job.limits, lines).map(Found::Handler);
    };
    let sent = sandbox::run(&job.code, &job.limits, lines, (outgoing, context))?;
    Ok(sent.map_or(Found::Dropped, Found::Sent))
}
