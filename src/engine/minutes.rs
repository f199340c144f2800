//! What was counted by the minute: written when a minute is over in which anything happened, and
//! shown from memory before.
//!
//! A minute is written as a whole, with what another process wrote of it before a restart. So
//! whoever shows minutes takes those in memory in the place of those in the store, and counts
//! nothing twice whichever of both is newer.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::domain::figures::{Counted, MINUTE, Period, Points, floor};
use crate::domain::time::Timestamp;
use crate::metrics::{Metrics, Worker};
use crate::store::{Store, WriteError};

/// Minutes that could not be written are kept in memory, so many of them: a day's. The oldest go.
const UNWRITTEN_MAX: usize = 24 * 60;
/// How many minutes it is between two looks for what was kept long enough.
const SWEEP_EVERY: u32 = 60;

/// The minutes of one relay; clones share them.
#[derive(Clone)]
pub struct Minutes {
    store: Store,
    metrics: Metrics,
    book: Arc<Mutex<Book>>,
}

struct Book {
    /// When the running minute began,
    begin: Timestamp,
    /// what of it was written before this process began,
    base: Counted,
    /// and what had been counted when it began.
    before: Counted,
    /// Minutes that are over and not written yet.
    unwritten: BTreeMap<Timestamp, Counted>,
}

impl Minutes {
    /// Counts from now on.
    pub fn new(store: Store, metrics: Metrics) -> Minutes {
        let begin = floor(store.now(), MINUTE);
        let book = Book {
            begin,
            base: store.minute(begin).unwrap_or_default(),
            before: Counted::default(),
            unwritten: BTreeMap::new(),
        };
        let minutes = Minutes { store, metrics, book: Arc::new(Mutex::new(book)) };
        // What the start did by itself is nothing that happened in this minute.
        minutes.book().before = minutes.counted();
        minutes
    }

    /// All that was counted since the start.
    pub fn counted(&self) -> Counted {
        let (accepted, dead) = self.store.flow();
        Counted { accepted, dead, ..self.metrics.flow.counted() }
    }

    /// Writes the minutes that are over. To be called when one is; later, what happened since goes
    /// to the one that ran.
    pub fn tick(&self) -> Result<(), WriteError> {
        let now = floor(self.store.now(), MINUTE);
        if now > self.book().begin {
            let counted = self.counted();
            self.book().turn(now, counted);
        }
        self.write()
    }

    /// Writes the running minute too: the last thing before a stop.
    pub fn finish(&self) -> Result<(), WriteError> {
        let counted = self.counted();
        {
            let mut book = self.book();
            let begin = book.begin;
            book.turn(begin, counted);
        }
        self.write()
    }

    /// The points of a chart; may wait for the disk.
    pub fn points(&self, period: Period) -> Points {
        let now = self.store.now();
        let mut points = Points::new(period, now);
        // What is in memory first: what leaves it meanwhile is in the store by then.
        let held = self.held();
        let stored = self.store.minutes(period.begin(now));
        let stored = stored.into_iter().filter(|(begin, _)| !held.contains_key(begin));
        for (begin, counted) in stored.chain(held.clone()) {
            if let Some(point) = points.at(begin) {
                point.add(&counted);
            }
        }
        points
    }

    /// What the store does not have yet, the running minute among it.
    fn held(&self) -> BTreeMap<Timestamp, Counted> {
        let counted = self.counted();
        let book = self.book();
        let mut held = book.unwritten.clone();
        held.insert(book.begin, book.running(&counted));
        held
    }

    fn write(&self) -> Result<(), WriteError> {
        let unwritten = self.book().unwritten.clone();
        // Whatever space is left is for deliveries.
        if unwritten.is_empty() || self.store.refuses().is_some() {
            return Ok(());
        }
        self.store.keep_minutes(unwritten.clone().into_iter().collect())?;
        self.book().unwritten.retain(|begin, held| unwritten.get(begin) != Some(held));
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no holder panics")
    }
}

impl Book {
    /// The running minute as it stands.
    fn running(&self, counted: &Counted) -> Counted {
        let mut running = self.base.clone();
        running.add(&counted.without(&self.before));
        running
    }

    /// Ends the running minute; the next one begins at `next`, or it goes on.
    fn turn(&mut self, next: Timestamp, counted: Counted) {
        let running = self.running(&counted);
        if running != self.base {
            self.unwritten.insert(self.begin, running.clone());
        }
        self.base = if next == self.begin { running } else { Counted::default() };
        (self.begin, self.before) = (next, counted);
        while self.unwritten.len() > UNWRITTEN_MAX {
            self.unwritten.pop_first();
        }
    }
}

/// The thread that ends minutes; ends when told to.
pub struct MinuteFigures {
    minutes: Minutes,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl MinuteFigures {
    /// Starts it.
    pub fn start(minutes: Minutes) -> MinuteFigures {
        let (stop, stopped) = mpsc::channel();
        let ticking = minutes.clone();
        let does = "writes what was counted in a minute that is over";
        let worker = minutes.metrics.workers.add("figures", does);
        let work = move || {
            let mut passed = 0_u32;
            loop {
                let left = ticking.left();
                worker.next_in(Some(left));
                if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let written = worker.run(|| ticking.tick());
                said(written, "what was counted can't be written yet", Some(&worker));
                passed += 1;
                if passed.is_multiple_of(SWEEP_EVERY) {
                    let swept = ticking.sweep();
                    said(swept, "what was counted long ago stays for now", Some(&worker));
                }
            }
        };
        let thread = thread::Builder::new().name("figures".to_owned()).spawn(work);
        MinuteFigures { minutes, stop, thread: thread.expect("a thread can be started") }
    }

    /// Ends it with the running minute written.
    pub fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("a panic ends the process");
        said(self.minutes.finish(), "the last minute that was counted is not written", None);
    }
}

impl Minutes {
    /// Until the running minute is over.
    fn left(&self) -> Duration {
        let now = self.store.now();
        (floor(now, MINUTE) + MINUTE).since(now)
    }

    fn sweep(&self) -> Result<(), WriteError> {
        while self.store.sweep_minutes()? {}
        Ok(())
    }
}

fn said(result: Result<(), WriteError>, what: &str, worker: Option<&Worker>) {
    match result {
        Ok(()) | Err(WriteError::Stopping) => {}
        Err(error) => {
            tracing::warn!(%error, what, "figures");
            worker.into_iter().for_each(|worker| worker.failed(&error));
        }
    }
}
