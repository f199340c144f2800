//! What a check may say, and what became of each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::panic::Location;

use serde_json::{Value, json};
use svix::error::Error;

/// What a check ends with.
pub type Checked = Result<(), Failure>;

/// Why a check failed, and where.
#[derive(Debug)]
pub struct Failure {
    status: Option<u16>,
    _text: String,
    _at: &'static Location<'static>,
}

impl Failure {
    #[track_caller]
    pub fn new(text: String) -> Self {
        Self { status: None, _text: text, _at: Location::caller() }
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let plain: &(dyn std::error::Error + 'static) = &error;
        let status = plain.downcast_ref::<Error>().and_then(status_of);
        Self { status, _text: error.to_string(), _at: Location::caller() }
    }
}

fn status_of(error: &Error) -> Option<u16> {
    match error {
        Error::Http(content) => Some(content.status.as_u16()),
        Error::Validation(content) => Some(content.status.as_u16()),
        Error::Generic(_) | Error::Timeout { .. } => None,
    }
}

/// Fails unless both are the same.
#[track_caller]
pub fn same<A: Debug + PartialEq<B>, B: Debug>(found: A, expected: B) -> Checked {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{found:?} is not {expected:?}")))
}

/// Fails with `what` unless it holds.
#[track_caller]
pub fn holds(holds: bool, what: &str) -> Checked {
    if holds { Ok(()) } else { Err(Failure::new(what.to_owned())) }
}

/// What is in there, which has to be something.
#[track_caller]
pub fn some<T>(found: Option<T>) -> Result<T, Failure> {
    found.ok_or_else(|| Failure::new("nothing where something is expected".to_owned()))
}

/// The code of the refusal, or the field that it names, which must have come with `status`.
#[track_caller]
pub fn refused<T: Debug>(status: u16, answer: Result<T, Error>) -> Result<String, Failure> {
    let error = match answer {
        Ok(answer) => return Err(Failure::new(format!("expected {status}, got {answer:?}"))),
        Err(error) => error,
    };
    same(status_of(&error), Some(status))?;
    match error {
        Error::Http(content) => Ok(some(content.payload)?.code),
        Error::Validation(content) => Ok(some(some(content.payload)?.detail.pop())?.loc.join(".")),
        other => Err(other.into()),
    }
}

/// A model of the library, from how it stands on the wire.
pub fn input<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Failure> {
    Ok(serde_json::from_value(value)?)
}

/// What became of each operation.
pub struct Verdicts {
    documented: BTreeSet<String>,
    operations: BTreeMap<String, &'static str>,
}

impl Verdicts {
    /// Knows the operations of the OpenAPI document at `path`.
    pub fn read(path: &str) -> Result<Self, Failure> {
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let paths = some(document["paths"].as_object())?;
        let calls = paths.values().filter_map(Value::as_object).flat_map(|path| path.values());
        let names = calls.filter_map(|call| call["operationId"].as_str().map(str::to_owned));
        Ok(Self { documented: names.collect(), operations: BTreeMap::new() })
    }

    /// Makes one check of an operation; it fails when one of its checks does.
    pub async fn check(&mut self, operation: &str, check: impl Future<Output = Checked>) {
        let Err(failure) = check.await else {
            self.operations.entry(operation.to_owned()).or_insert("pass");
            return;
        };
        let no_call = operation.starts_with("v1.") && !self.documented.contains(operation);
        let verdict = self.operations.entry(operation.to_owned()).or_insert("not yet");
        if no_call || failure.status == Some(501) {
            *verdict = if *verdict == "fail" { "fail" } else { "not yet" };
        } else {
            *verdict = "fail";
            println!("Rust: {operation} failed: {failure:?}");
        }
    }

    /// Writes them; true when none failed.
    pub fn write(&self, into: &str) -> Result<bool, Failure> {
        let manifest = include_str!("../Cargo.toml");
        let version = some(manifest.split("svix = \"=").nth(1))?;
        let version = some(version.split('"').next())?;
        let told = json!({"library": "Rust", "version": version, "operations": self.operations});
        std::fs::write(into, told.to_string())?;
        Ok(!self.operations.values().any(|verdict| *verdict == "fail"))
    }
}
