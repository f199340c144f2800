//! How a command fails: an exit code, an error with its causes, and a hint what to do.

use std::io;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::Error;
use serde_json::json;

use crate::config::problem::ConfigError;

/// Exit codes, as scripts and the unit know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Success,
    /// 1: the answer is no, or the command failed.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 69: the relay can't be reached or is not ready.
    Unreachable,
    /// 75: not now; the same may work later.
    Temporary,
    /// 78: the configuration is wrong.
    Config,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 69,
            Exit::Temporary => 75,
            Exit::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// Told on stderr as a chain, with a hint below.
    Told {
        /// What the process ends with.
        exit: Exit,
        /// What went wrong, causes inside.
        error: Error,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Whoever read our output has gone: nothing went wrong and nothing is left to say.
    OutputClosed,
}

impl Failure {
    /// With this exit code.
    pub fn new(exit: Exit, error: impl Into<Error>) -> Failure {
        Failure::Told { exit, error: error.into(), hint: None }
    }

    /// Exit code 1.
    pub fn failed(error: impl Into<Error>) -> Failure {
        Failure::new(Exit::Failed, error)
    }

    /// Exit code 2.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, Error::msg(message.into()))
    }

    /// The same with a line on what to do.
    #[must_use]
    pub fn hint(self, text: impl Into<String>) -> Failure {
        match self {
            Failure::Told { exit, error, .. } => {
                Failure::Told { exit, error, hint: Some(text.into()) }
            }
            Failure::OutputClosed => Failure::OutputClosed,
        }
    }

    /// Tells it on stderr and gives the exit code; as one line of JSON for scripts.
    pub fn report(&self, json: bool) -> Exit {
        let Failure::Told { exit, error, hint } = self else { return Exit::Success };
        if json {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            anstream::eprintln!(
                "{}",
                json!({
                    "error": error.to_string(), "causes": causes, "hint": hint,
                    "exit_code": exit.code(),
                })
            );
            return *exit;
        }
        let bad = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let calm = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
        anstream::eprintln!("{bad}error:{bad:#} {error}");
        for cause in error.chain().skip(1) {
            anstream::eprintln!("  caused by: {cause}");
        }
        if let Some(hint) = hint {
            anstream::eprintln!("{calm}hint:{calm:#} {hint}");
        }
        *exit
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        let count = error.problems.len();
        let things = if count == 1 { "a problem" } else { "problems" };
        let number = if count == 1 { String::new() } else { format!("{count} ") };
        let error = Error::msg(format!("the configuration has {number}{things}\n{error}"));
        Failure::new(Exit::Config, error)
            .hint("every setting is explained in the relay.toml that comes with relay")
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::OutputClosed
        } else {
            Failure::failed(error)
        }
    }
}
