//! Transforms that are written in JavaScript: QuickJS, a fresh runtime for every call.
//!
//! A script sees its arguments and nothing else: no files, no network, no modules, no timers. What
//! it does is bounded by [`ScriptLimits`]. QuickJS is written in C, some of its functions never
//! look at the clock, and with its memory used to the last byte its compiler fails by a
//! segmentation fault. So scripts run in processes of their own, relay's binary once more, that can
//! be killed and may crash: [`Scripts`] keeps them and hands jobs to them, [`serve_scripts`] is
//! what they do.

mod console;
mod sandbox;
mod serve;
mod shape;
mod turns;
mod wire;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
pub use serve::serve_scripts;
pub use shape::Shape;
use turns::Turns;
use wire::{Asked, Found, Reply};
pub use worker::COMMAND;
use worker::Worker;

use crate::config::Transforms;
use crate::config::units::Size;
use crate::domain::transform::{
    CODE_MAX, Context, Failure, OUTPUT_MAX, Outgoing, Part, Ran, Transform, result, step,
};

/// How long after its time is up a call is waited for: QuickJS looks at the clock now and then.
const GRACE: Duration = Duration::from_millis(500);
/// How much longer a process is waited for, which a busy machine may not have let run.
const PATIENCE: Duration = Duration::from_secs(5);
/// Processes that are kept for the next call at most.
const IDLE_MAX: usize = 4;

/// What a script may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScriptLimits {
    /// From its start to its result.
    pub time: Duration,
    /// Bytes of its heap, which holds code, body and everything it makes.
    pub memory_bytes: usize,
    /// Bytes of stack.
    pub stack_bytes: usize,
    /// Bytes of code.
    pub code_bytes: usize,
    /// Bytes of the body that it gives.
    pub output_bytes: usize,
    /// Lines of `console` that are kept.
    pub console_lines: usize,
    /// Bytes of them together.
    pub console_bytes: usize,
}

impl Default for ScriptLimits {
    fn default() -> ScriptLimits {
        ScriptLimits {
            time: Duration::from_secs(1),
            memory_bytes: 16 << 20,
            stack_bytes: 256 << 10,
            code_bytes: CODE_MAX,
            output_bytes: OUTPUT_MAX,
            console_lines: 100,
            console_bytes: 16 << 10,
        }
    }
}

impl From<&Transforms> for ScriptLimits {
    fn from(set: &Transforms) -> ScriptLimits {
        let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
        ScriptLimits {
            time: set.time.0,
            memory_bytes: bytes(set.memory),
            stack_bytes: bytes(set.stack),
            output_bytes: bytes(set.output),
            ..ScriptLimits::default()
        }
    }
}

/// Runs scripts, each in a process that no other call uses meanwhile.
#[derive(Debug)]
pub struct Scripts {
    limits: ScriptLimits,
    program: PathBuf,
    turns: Turns,
    idle: Mutex<Vec<Worker>>,
}

impl Scripts {
    /// Runs every script within `limits`, at most `processes` at a time; others wait for their
    /// turn, first those of the application that has the fewest. `program` is this binary,
    /// `/proc/self/exe`; it is started with the argument [`COMMAND`] when the first script is to
    /// run.
    pub fn new(limits: ScriptLimits, processes: usize, program: PathBuf) -> Scripts {
        Scripts { limits, program, turns: Turns::new(processes), idle: Mutex::default() }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        // It is whole after every step, whoever panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a transform says, as [`Scripts::run`] or, without a process, in declared steps.
    pub fn apply(&self, transform: &Transform, outgoing: &Outgoing, context: &Context) -> Ran {
        match transform {
            Transform::Script(code) => self.run(code, outgoing, context),
            Transform::Steps(steps) => {
                let result = step::apply(steps, outgoing, context).map(Some);
                Ran { result, console: Vec::new(), console_left_out: 0 }
            }
        }
    }

    /// Calls the script's handler once. It waits, up to a few seconds beyond the script's time:
    /// never call it on a thread that serves HTTP.
    pub fn run(&self, code: &str, outgoing: &Outgoing, context: &Context) -> Ran {
        let reply = self.done(code, Some((outgoing, context)));
        let Reply { result, console, console_left_out } = reply;
        let sent = result.and_then(|found| match found {
            Found::Sent(after) => Ok(Some(after)),
            Found::Dropped => Ok(None),
            Found::Handler(_) => Err(Failure::Crashed),
        });
        let result = sent.and_then(|sent| {
            sent.iter()
                .try_for_each(|after| result::check(outgoing, after, self.limits.output_bytes))?;
            Ok(sent)
        });
        Ran { result, console, console_left_out }
    }

    /// Reads the script, runs what stands outside of its functions, and says which handler it has.
    /// It waits as [`Scripts::run`] does.
    pub fn check(&self, code: &str) -> Result<Shape, Failure> {
        match self.done(code, None).result? {
            Found::Handler(shape) => Ok(shape),
            Found::Sent(_) | Found::Dropped => Err(Failure::Crashed),
        }
    }

    fn done(&self, code: &str, call: Option<(&Outgoing, &Context)>) -> Reply {
        if code.len() > self.limits.code_bytes {
            let limit = self.limits.code_bytes;
            return without_words(Failure::TooLarge { what: Part::Code, limit });
        }
        let _turn = self.turns.take(call.map_or("", |(_, context)| &context.application_id));
        let mut worker = match self.worker() {
            Ok(worker) => worker,
            Err(error) => return without_words(Failure::Unavailable(error.to_string())),
        };
        let asked = Asked { code, limits: self.limits, call };
        let patience = self.limits.time.saturating_add(GRACE).saturating_add(PATIENCE);
        let reply = match worker.call(&asked, patience) {
            Ok(reply) => reply,
            Err(failure) => return without_words(failure),
        };
        if is_sound(&reply) {
            let mut idle = self.idle();
            if idle.len() < IDLE_MAX {
                idle.push(worker);
            }
        }
        reply
    }

    /// One that waits, or a new one.
    fn worker(&self) -> io::Result<Worker> {
        loop {
            let idle = self.idle().pop();
            let Some(mut worker) = idle else { return Worker::start(&self.program) };
            if worker.lives() {
                return Ok(worker);
            }
        }
    }
}

/// Whether the process that gave this may go on: one whose limits were reached may have run through
/// parts of QuickJS that hardly anybody has tested.
fn is_sound(reply: &Reply) -> bool {
    use Failure::{Crashed, OutOfMemory, StackOverflow, TimedOut, Unavailable};
    !matches!(reply.result, Err(Crashed | OutOfMemory | StackOverflow | TimedOut | Unavailable(_)))
}

fn without_words(failure: Failure) -> Reply {
    Reply { result: Err(failure), console: Vec::new(), console_left_out: 0 }
}
