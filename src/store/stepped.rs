//! The store without threads, for the simulation: whoever holds it is the writer and the apply
//! thread, and does one step of theirs at a time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::store::writer::{Fatal, Job, Writer};
use crate::store::{OpenError, Shared};

/// The writer and the apply thread of one store; clones share them.
#[derive(Clone)]
pub struct Stepped {
    shared: Arc<Shared>,
    /// Gone once the journal could not be written: a process would have ended.
    work: Arc<Mutex<Option<Work>>>,
}

struct Work {
    writer: Writer,
    jobs: Receiver<Job>,
}

impl Stepped {
    pub(super) fn new(shared: Arc<Shared>, writer: Writer, jobs: Receiver<Job>) -> Stepped {
        Stepped { shared, work: Arc::new(Mutex::new(Some(Work { writer, jobs }))) }
    }

    /// Does all that the writer's thread would do now, then says after how long it would look
    /// again if no write came; `None`: never.
    pub fn write(&self) -> Result<Option<Duration>, Fatal> {
        let mut held = self.work.lock().expect("no holder panics");
        let Some(work) = held.as_mut() else { return Ok(None) };
        loop {
            let next = work.jobs.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            let idle = next.is_err();
            if let Err(fatal) = work.writer.turn(next, &work.jobs) {
                *held = None;
                return Err(fatal);
            }
            let patience = work.writer.patience();
            if idle && patience != Some(Duration::ZERO) {
                return Ok(patience);
            }
        }
    }

    /// Ends it as `kill -9` does.
    pub fn end(&self) {
        *self.work.lock().expect("no holder panics") = None;
    }

    /// Whether the writer has ended.
    pub fn has_ended(&self) -> bool {
        self.work.lock().expect("no holder panics").is_none()
    }

    /// Moves some rows into the index; `false` when it holds everything already.
    pub fn apply(&self) -> bool {
        self.shared.overlay.count_some();
        self.shared.overlay.apply_some(u64::MAX)
    }

    /// Ends it as a stop does, with everything synced and a clean checkpoint.
    pub fn stop(&self) -> Result<(), OpenError> {
        self.write()?;
        match self.work.lock().expect("no holder panics").take() {
            Some(mut work) => {
                // As the writer's thread does at its end, also when there is nothing new.
                work.writer.finish()?;
                self.shared.close(work.writer.journal().synced())
            }
            None => Ok(()),
        }
    }
}
