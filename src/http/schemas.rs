//! Schemas read and kept ready, so that a message is checked without reading its schema again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use serde_json::Value;

use crate::domain::event_type::EventType;
use crate::domain::schema::{self, Checked, Fault, Schema};

/// Bytes of schemas, as they are written, that are kept ready; each takes some 15 times as much.
const READY_MAX: usize = 2 << 20;
/// Stack of a thread that reads schemas, in bytes: twice what the largest needs.
const READING_STACK: usize = 32 << 20;

/// Why a payload could not be checked.
#[derive(Debug)]
pub struct Unusable {
    /// The version of the schema.
    pub version: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A schema that was read, or why it can't be.
type Read = Result<Arc<Schema>, Arc<Unusable>>;

/// The newest schemas of the event types that messages came with.
#[derive(Default)]
pub struct Schemas(Mutex<Ready>);

#[derive(Default)]
struct Ready {
    /// By name, with the event type as it stood: another one means another schema.
    by_name: HashMap<String, (Weak<EventType>, Read)>,
    bytes: usize,
}

impl Schemas {
    /// Checks a payload; `None` when the event type has no schema.
    pub fn check(
        &self,
        event_type: &Arc<EventType>,
        payload: &[u8],
    ) -> Option<Result<Checked, Arc<Unusable>>> {
        let ready = match self.ready(event_type)? {
            Ok(ready) => ready,
            Err(unusable) => return Some(Err(unusable)),
        };
        Some(Ok(match serde_json::from_slice::<Value>(payload) {
            Ok(payload) => ready.check(&payload),
            Err(error) => {
                let words = format!("is no JSON: {error}");
                Checked::Unfit(vec![Fault { path: Vec::new(), words }])
            }
        }))
    }

    fn ready(&self, event_type: &Arc<EventType>) -> Option<Read> {
        let schemas = event_type.schemas.as_deref()?;
        let same = Arc::downgrade(event_type);
        // What is kept is whole after every step, whoever panicked.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, read)) = lock().by_name.get(&event_type.name)
            && known.ptr_eq(&same)
        {
            return Some(read.clone());
        }
        let (version, newest) = schema::newest(schemas)?;
        let length = newest.get().len();
        let read = read(newest.get().to_owned());
        let read = read.map(Arc::new).map_err(|fault| Arc::new(Unusable { version, fault }));
        let mut kept = lock();
        kept.bytes += length;
        if kept.bytes > READY_MAX {
            *kept = Ready { by_name: HashMap::new(), bytes: length };
        }
        kept.by_name.insert(event_type.name.clone(), (same, read.clone()));
        Some(read)
    }
}

/// Reads a schema on a thread with the stack that it takes.
fn read(text: String) -> Result<Schema, Fault> {
    let failed = |words: &str| Fault { path: Vec::new(), words: words.to_owned() };
    let reading = thread::Builder::new().name("schema".to_owned()).stack_size(READING_STACK);
    let reading = reading.spawn(move || match serde_json::from_str::<Value>(&text) {
        Ok(value) => Schema::compile(&value),
        Err(error) => Err(Fault { path: Vec::new(), words: format!("is no JSON: {error}") }),
    });
    let reading = reading.map_err(|_| failed("can't be read now: there is no thread to be had"))?;
    reading.join().unwrap_or_else(|_| Err(failed("can't be read")))
}

/// Reads every version; what is wrong comes with the version at the head of its path.
pub fn check_versions(schemas: &str) -> Result<(), Vec<Fault>> {
    let Ok(versions) = schema::versions(schemas) else { return Ok(()) };
    let faults = versions.into_iter().filter_map(|(version, text)| {
        let mut fault = read(text.get().to_owned()).err()?;
        fault.path.insert(0, version);
        Some(fault)
    });
    let faults: Vec<Fault> = faults.take(schema::FAULTS_MAX).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

#[cfg(test)]
mod tests;
