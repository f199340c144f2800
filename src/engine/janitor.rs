//! Gives disk back, forgets what has expired, watches the free space.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::domain::time::Timestamp;
use crate::metrics::Metrics;
use crate::store::{ReclaimError, Store, WriteError};

const EVERY: Duration = Duration::from_secs(1);
/// The checkpoint carries engine time for a start on a clock that went back.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// A segment of which more than this share had to be kept says that what waits fills the disk.
const DENSE: f64 = 0.75;
/// While what waits fills the allowance, one segment is tried this often.
const DENSE_EVERY: Duration = Duration::from_secs(10);

/// What the janitor keeps to.
#[derive(Clone, Debug)]
pub struct JanitorSettings {
    /// `retention.max_age`.
    pub max_age: Duration,
    /// `retention.max_bytes`, the whole data folder.
    pub max_bytes: u64,
    /// `data.min_free`.
    pub min_free: u64,
}

/// The thread; ends when told to.
pub struct Janitor {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Janitor {
    /// Starts it.
    pub fn start(settings: JanitorSettings, store: Store, metrics: Metrics) -> Janitor {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let mut round = Round {
            settings,
            store,
            metrics,
            checkpointed: Instant::now(),
            dense_until: None,
            said: None,
        };
        // Before the first caller comes: a disk that is full is full from the start.
        round.watch_space();
        let thread = thread::Builder::new()
            .name("janitor".to_owned())
            .spawn(move || {
                while !wait(&stopped) {
                    round.go();
                }
            })
            .expect("a thread can be started");
        Janitor { stop, thread }
    }

    /// Ends it after the step it is in.
    pub fn stop(self) {
        *self.stop.0.lock().expect("no holder panics") = true;
        self.stop.1.notify_all();
        self.thread.join().expect("a panic ends the process");
    }
}

/// Waits for the next round; `true` when there is none.
fn wait(stop: &(Mutex<bool>, Condvar)) -> bool {
    let stopped = stop.0.lock().expect("no holder panics");
    let waited = stop.1.wait_timeout_while(stopped, EVERY, |stopped| !*stopped);
    *waited.expect("no holder panics").0
}

struct Round {
    settings: JanitorSettings,
    store: Store,
    metrics: Metrics,
    checkpointed: Instant,
    dense_until: Option<Instant>,
    said: Option<String>,
}

impl Round {
    fn go(&mut self) {
        let tidied = self.tidy();
        let reclaimed = self.reclaim();
        for error in [tidied.err(), reclaimed.err()].into_iter().flatten() {
            if !matches!(error, ReclaimError::Write(WriteError::Stopping)) {
                tracing::error!(%error, "the janitor could not finish; it tries again");
            }
        }
        self.watch_space();
        if self.checkpointed.elapsed() >= CHECKPOINT_EVERY {
            self.checkpointed = Instant::now();
            if let Err(error) = self.store.checkpoint() {
                tracing::warn!(%error, "the checkpoint can't be written");
            }
        }
    }

    fn tidy(&self) -> Result<(), ReclaimError> {
        while self.store.tidy()? {}
        while self.store.trusts_ages() && self.store.expire_contents()? {}
        Ok(())
    }

    fn used(&self) -> u64 {
        let figures = self.store.figures();
        figures.journal_bytes + figures.index_bytes
    }

    fn reclaim(&mut self) -> Result<(), ReclaimError> {
        if self.dense_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        while let Some(oldest) = self.store.oldest_segment()? {
            let by_bytes = self.used() > self.settings.max_bytes;
            let by_age = self.store.trusts_ages() && self.is_past(oldest.ended);
            if !by_bytes && !by_age {
                self.dense_until = None;
                return Ok(());
            }
            let kept = self.store.reclaim(oldest)?;
            let dense = by_bytes && kept as f64 > oldest.bytes as f64 * DENSE;
            tracing::debug!(segment = oldest.segment, kept, dense, "reclaimed a journal segment");
            if dense {
                self.dense_until = Some(Instant::now() + DENSE_EVERY);
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_past(&self, ended: Timestamp) -> bool {
        self.store.now().since(ended) > self.settings.max_age
    }

    fn watch_space(&mut self) {
        if let Err(error) = self.store.keep_ballast() {
            tracing::warn!(%error, "no space can be kept aside for a start on a full disk");
        }
        let free = self.store.free_bytes().unwrap_or(u64::MAX);
        self.metrics.disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        let overlay = self.store.figures().overlay_bytes;
        self.metrics.store_overlay.set(i64::try_from(overlay).unwrap_or(i64::MAX));
        // What was set aside for opening and given up for it is not there to be filled.
        let needed = self.settings.min_free + self.store.ballast_lacking();
        let reason = if free < needed {
            Some(format!(
                "only {free} bytes are free on the disk and {needed} are to be left (data.min_free \
                 is {}): free some space, nothing was lost",
                self.settings.min_free
            ))
        } else if self.dense_until.is_some() && self.used() > self.settings.max_bytes {
            Some(format!(
                "what waits to be delivered fills retention.max_bytes ({}): raise it, or mend or \
                 delete the endpoints that are down",
                self.settings.max_bytes
            ))
        } else {
            None
        };
        if reason.is_some() != self.said.is_some() {
            match &reason {
                Some(reason) => tracing::error!(%reason, "accepting nothing"),
                None => tracing::info!("accepting again"),
            }
        }
        self.said.clone_from(&reason);
        self.store.refuse(reason);
    }
}
