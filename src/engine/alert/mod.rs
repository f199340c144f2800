//! Tells the operator what is wrong and when it is well again, each once: one thread that looks now
//! and then, and waits for nothing that deliveries wait for.
//!
//! `tally` counts where things happen, `facts` says what is wrong, `book` what of it is untold,
//! `message` how it is told, `firing` what is there now, and `outlet` where they are told (`mail`
//! and `smtp` for mails).

mod book;
mod facts;
mod firing;
mod mail;
mod message;
mod outlet;
mod smtp;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::config;
use crate::config::alert::DeclaredAlert;
use crate::engine::driver::Handle;
use crate::metrics::{AlertEnd, AlertLabels, Metrics, Worker};
use crate::store::{Store, WriteError};
use crate::telemetry::panic_point;
use book::Book;
use facts::Watch;

pub use firing::{Firing, firing};
pub use message::Message;
pub use outlet::{Outlet, Refused, Ways};
pub use tally::Tally;

/// What the thread works with.
pub struct Parts {
    /// Every entry, with where it goes.
    pub alerts: Vec<(DeclaredAlert, Outlet)>,
    /// `[alerts]`.
    pub settings: config::Alerts,
    /// `data.min_free`, in bytes.
    pub min_free: u64,
    /// How the outside reaches this relay.
    pub relay: String,
    /// Everything that is kept.
    pub store: Store,
    /// Asks for lanes.
    pub scheduler: Handle,
    /// Counts since the start.
    pub tally: Arc<Tally>,
    /// How destinations are reached.
    pub ways: Ways,
    /// Counts what is told.
    pub metrics: Metrics,
}

/// What of [`Parts`] a reload changes.
pub struct Change {
    /// Every entry, with where it goes.
    pub alerts: Vec<(DeclaredAlert, Outlet)>,
    /// `[alerts]`.
    pub settings: config::Alerts,
    /// How destinations are reached.
    pub ways: Ways,
}

/// The thread; ends when told to.
pub struct Alerts {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

/// Where the thread is told what to do.
#[derive(Default)]
struct Desk {
    asked: Mutex<Asked>,
    bell: Condvar,
}

#[derive(Default)]
struct Asked {
    stop: bool,
    change: Option<Box<Change>>,
}

impl Desk {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().expect("no holder panics")
    }

    /// Whether what it is at is to be left.
    fn is_asked(&self) -> bool {
        let asked = self.asked();
        asked.stop || asked.change.is_some()
    }

    /// Waits to be asked, so long at most, for ever without an end; what came.
    fn wait(&self, pause: Option<Duration>) -> Asked {
        let nothing = |asked: &mut Asked| !asked.stop && asked.change.is_none();
        let mut asked = match pause {
            None => self.bell.wait_while(self.asked(), nothing).expect("no holder panics"),
            Some(pause) => {
                let waited = self.bell.wait_timeout_while(self.asked(), pause, nothing);
                waited.expect("no holder panics").0
            }
        };
        Asked { stop: asked.stop, change: asked.change.take() }
    }
}

impl Alerts {
    /// Starts it.
    pub fn start(parts: Parts) -> Alerts {
        let desk = Arc::new(Desk::default());
        let asked = Arc::clone(&desk);
        let thread = thread::Builder::new()
            .name("alerts".to_owned())
            .spawn(move || Round::new(parts, asked).run())
            .expect("a thread can be started");
        Alerts { desk, thread }
    }

    /// Has it go on with other alerts. What it knows of those that stay it keeps: nothing is told
    /// twice.
    pub fn change(&self, change: Change) {
        self.desk.asked().change = Some(Box::new(change));
        self.desk.bell.notify_all();
    }

    /// Has it end soon, without waiting for it.
    pub fn ask_to_stop(&self) {
        self.desk.asked().stop = true;
        self.desk.bell.notify_all();
    }

    /// Ends it after what it is sending.
    pub fn stop(self) {
        self.ask_to_stop();
        self.thread.join().expect("a panic ends the process");
    }
}

/// When a destination that fails is tried again.
#[derive(Clone, Copy, Default)]
struct Retry {
    failures: u32,
    at: Option<Instant>,
}

struct Round {
    alerts: Vec<DeclaredAlert>,
    outlets: BTreeMap<String, Outlet>,
    retries: BTreeMap<String, Retry>,
    settings: config::Alerts,
    relay: String,
    store: Store,
    ways: Ways,
    metrics: Metrics,
    watch: Watch,
    book: Book,
    desk: Arc<Desk>,
    /// The store could not keep what was seen: said once.
    unkept: bool,
    worker: Worker,
}

impl Round {
    fn new(parts: Parts, desk: Arc<Desk>) -> Round {
        let Parts { alerts, settings, min_free, relay, store, scheduler, tally, ways, metrics } =
            parts;
        let worker =
            metrics.workers.add("alerts", "looks what is wrong and tells whom it may concern");
        let outlets: (Vec<DeclaredAlert>, Vec<Outlet>) = alerts.into_iter().unzip();
        let (alerts, outlets) = outlets;
        let names = alerts.iter().map(|alert| alert.name.clone());
        Round {
            outlets: names.zip(outlets).collect(),
            retries: BTreeMap::new(),
            settings,
            relay,
            watch: Watch::new(store.clone(), scheduler, tally, min_free, &alerts),
            book: Book::open(&store, &alerts),
            alerts,
            store,
            ways,
            metrics,
            desk,
            unkept: false,
            worker,
        }
    }

    fn run(mut self) {
        let mut next = Instant::now();
        loop {
            if Instant::now() >= next {
                next = Instant::now() + self.settings.look_every.0;
                let began = Instant::now();
                self.look();
                self.worker.ran(began.elapsed());
            }
            self.tell();
            let firing = i64::try_from(self.book.firing()).unwrap_or(i64::MAX);
            self.metrics.alerts_firing.set(firing);
            let again = self.retries.values().filter_map(|retry| retry.at).min();
            let until = again.map_or(next, |again| again.min(next));
            // With nobody to tell there is nothing to look for.
            let pause = until.saturating_duration_since(Instant::now());
            let pause = (!self.alerts.is_empty()).then_some(pause);
            self.worker.next_in(pause);
            let asked = self.desk.wait(pause);
            if asked.stop {
                return;
            }
            if let Some(change) = asked.change {
                self.change(*change);
                next = Instant::now();
            }
        }
    }

    fn change(&mut self, change: Change) {
        // The new book is read from the store.
        self.keep();
        let (alerts, outlets): (Vec<DeclaredAlert>, Vec<Outlet>) =
            change.alerts.into_iter().unzip();
        let names = alerts.iter().map(|alert| alert.name.clone());
        self.outlets = names.zip(outlets).collect();
        self.retries.clear();
        if self.alerts.is_empty() {
            self.watch.forget();
        }
        self.watch.change(&alerts);
        self.book = Book::open(&self.store, &alerts);
        self.alerts = alerts;
        self.settings = change.settings;
        self.ways = change.ways;
    }

    /// What is told is kept before: a restart in between tells it all the same.
    fn look(&mut self) {
        panic_point::reach("alert");
        let facts = self.watch.look(&self.alerts);
        for alert in &self.alerts {
            self.book.look(alert, &facts);
        }
        self.keep();
    }

    fn keep(&mut self) {
        match self.book.write(&self.store) {
            Ok(()) => self.unkept = false,
            Err(WriteError::Stopping) => {}
            Err(error) if !self.unkept => {
                self.unkept = true;
                tracing::warn!(%error, "alerts can't be kept yet: a restart may repeat one");
                self.worker.failed(error);
            }
            Err(_) => {}
        }
    }

    /// Tells every destination that is not left alone what it does not know.
    fn tell(&mut self) {
        for index in 0..self.alerts.len() {
            let name = self.alerts[index].name.clone();
            let retry = self.retries.get(&name).copied().unwrap_or_default();
            if retry.at.is_some_and(|at| at > Instant::now()) {
                continue;
            }
            match self.tell_one(&name) {
                Ok(()) => drop(self.retries.remove(&name)),
                Err(refused) => self.leave_alone(name, retry.failures, &refused),
            }
        }
    }

    /// Stops at the first message that is not taken.
    fn tell_one(&mut self, name: &str) -> Result<(), Refused> {
        for ((_, over), troubles) in self.book.untold(name) {
            let few = troubles.len() <= self.settings.summary_above;
            for part in troubles.chunks(if few { 1 } else { troubles.len() }) {
                if self.desk.is_asked() {
                    return Ok(());
                }
                let message = Message::of(&self.store, &self.relay, part, over);
                let outlet = self.outlets.get(name).expect("invariant: each has one");
                let sent = outlet.send(&message, &self.ways);
                panic_point::reach("alert-sent");
                let outcome = if sent.is_ok() { AlertEnd::told } else { AlertEnd::failed };
                self.metrics.alert_messages.get_or_create(&AlertLabels { outcome }).inc();
                let answer = sent?;
                let (condition, state) = (message.condition, message.state);
                tracing::info!(alert = name, condition, state, answer, "the operator was told");
                self.book.told(part);
                self.keep();
            }
        }
        Ok(())
    }

    fn leave_alone(&mut self, name: String, before: u32, refused: &Refused) {
        let (first, most) = (self.settings.retry_first.0, self.settings.retry_most.0);
        let wait = first.saturating_mul(2_u32.saturating_pow(before)).min(most);
        let wait = refused.wait.map_or(wait, |asked| asked.clamp(wait, most));
        tracing::warn!(alert = name, error = %refused, again_in = ?wait, "an alert was not taken");
        self.worker.failed(format_args!("the alert {name} was not taken: {refused}"));
        let retry = Retry { failures: before + 1, at: Some(Instant::now() + wait) };
        self.retries.insert(name, retry);
    }
}
