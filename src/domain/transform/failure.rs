//! Why a transform gave nothing to send.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What went wrong. The message stays as it came and can be transformed again; of all of these only
/// [`Failure::Unavailable`] can pass by itself.
#[derive(Clone, PartialEq, Eq, Debug, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The script threw something that it did not catch.
    #[error("the script threw {message}{}", at_line(*.line))]
    Thrown {
        /// `TypeError: cannot read property 'id' of undefined`, shortened.
        message: String,
        /// Line of the script, counted from 1, where it is known.
        line: Option<u32>,
    },
    /// It took longer than it may.
    #[error("the script ran out of its time: do less, or raise transforms.time")]
    TimedOut,
    /// It needed more memory than it may have.
    #[error("the script ran out of its memory: keep less at a time, or raise transforms.memory")]
    OutOfMemory,
    /// Functions called each other too deep.
    #[error("the script called too deep: its functions never stop calling each other")]
    StackOverflow,
    /// Something is larger than it may be.
    #[error("{what} has more than {limit} bytes")]
    TooLarge {
        /// What.
        what: Part,
        /// Bytes it may have.
        limit: usize,
    },
    /// What came back can't be sent.
    #[error("the transform gave what can't be sent: {0}")]
    BadResult(String),
    /// The code is no JavaScript.
    #[error("the script can't be read: {message}{}", at_line(*.line))]
    Syntax {
        /// What the parser said.
        message: String,
        /// Line of the script, counted from 1, where it is known.
        line: Option<u32>,
    },
    /// The code has none of the functions that are called.
    #[error(
        "the script has no handler: write addHandler(\"transform\", (request, context) => \
         request), function handler(webhook) or function transform(payload)"
    )]
    NoHandler,
    /// A declared step could not be done.
    #[error("step {}: {problem}", .index + 1)]
    Step {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// It brought down the process that ran it.
    #[error("the script ended the process that ran it, as by using its memory to the last byte")]
    Crashed,
    /// No script can be run at the moment, which is not this one's fault.
    #[error("no script can be run at the moment: {0}")]
    Unavailable(String),
}

/// What can be too large.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The script.
    #[error("the code")]
    Code,
    /// The body that was made.
    #[error("the body")]
    Body,
    /// What was made of all messages of a batch before this one.
    #[error("the batch, without this message,")]
    Batch,
}

impl Failure {
    /// A word for programs: metrics, filters, the API.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::Thrown { .. } => "thrown",
            Failure::TimedOut => "timed_out",
            Failure::OutOfMemory => "out_of_memory",
            Failure::StackOverflow => "stack_overflow",
            Failure::TooLarge { .. } => "too_large",
            Failure::BadResult(_) => "bad_result",
            Failure::Syntax { .. } => "syntax",
            Failure::NoHandler => "no_handler",
            Failure::Step { .. } => "step",
            Failure::Crashed => "crashed",
            Failure::Unavailable(_) => "unavailable",
        }
    }

    /// Whether the same transform of the same message may well end otherwise a moment later.
    pub fn passes(&self) -> bool {
        matches!(self, Failure::Unavailable(_))
    }
}

fn at_line(line: Option<u32>) -> String {
    line.map(|line| format!(" in line {line}")).unwrap_or_default()
}
