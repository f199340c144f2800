//! The journal (the truth), the index rebuilt from it, and the domain's words over both.
//!
//! - [`Store`] is the handle: writes go to the writer thread, reads to overlay and index.
//! - `writer` decides, appends, syncs; `transaction` is what a write may do.
//! - `catalog`, `messages`, `queue`, `failing`, `ledger` are the domain's words.
//! - `journal`, `index`, `overlay`, `checkpoint`, `open` are how bytes are kept.

mod accept;
mod account;
mod alerts;
mod aliases;
mod audit;
mod broadcast;
mod carry;
mod catalog;
mod check;
mod checkpoint;
mod compaction;
mod damage;
mod dead_letter_upkeep;
mod dead_letter_work;
mod dead_letters;
pub mod disk;
mod due;
mod error;
mod expunge;
mod failing;
mod hurry;
mod index;
mod journal;
mod key_files;
mod keys;
mod leases;
mod ledger;
mod listeners;
mod live;
mod matching;
mod memory;
mod mend;
mod messages;
mod minutes;
mod open;
mod operational;
mod overlay;
mod pages;
mod place;
mod pollers;
mod queue;
mod reads;
mod records;
mod replay;
mod requests;
mod retention;
mod seal;
mod sealing;
mod search;
mod sessions;
mod shared;
mod sources;
mod standing;
mod stats;
mod stepped;
mod tasks;
mod tidy;
mod tokens;
mod transaction;
mod words;
mod writer;

pub use account::Account;
pub use aliases::{ALIASES_MAX, Named};
pub use audit::AuditFilter;
pub use check::{CheckOptions, Finding, IndexState, Remedy, Report, check, remove_index};
pub use compaction::{Compacted, Compaction, CompactionError, Progress};
pub use damage::{Content, LostBody};
pub use dead_letter_work::DeadLetterPlan;
pub use dead_letters::StoredDeadLetter;
pub use error::StoreError;
pub use index::{LiveRows, Watch};
pub use journal::recover::Loss;
pub use key_files::{KEY_BYTES, PREVIOUS_KEYS, SEALING_KEY};
pub use leases::{Leased, StartingPosition};
pub use listeners::{LISTENERS_MAX, LISTENERS_OF_APPLICATION_MAX, Listener};
pub use live::{Followed, Follower};
pub use matching::Filtered;
pub use memory::MemoryIndex;
pub use mend::Mended;
pub use open::{INDEX_OPEN_THREAD, OpenError, Opened, Options, accept_clock, open};
pub use pollers::{CONSUMERS_MAX, PollFilter, Polled, START, position_at};
pub use requests::{
    Amount, DEDUP_WINDOW_MAX, Decision, EventKeys, NewRequest, RequestFilter, StoredRequest,
    Waiting,
};
pub use retention::{Oldest, ReclaimError};
pub use seal::{KeyOrigin, SealingKeyId, SealingKeys};
pub use sealing::{PREVIOUS_KEYS_MAX, PreviousKey, Sealing};
pub use sessions::{LINKS_MAX, SESSIONS_MAX};
pub use shared::Figures;
pub(crate) use shared::Shared;
pub use sources::SOURCES_MAX;
pub use standing::{Census, LastAttempts, WaitingOf};
pub use stats::{AttemptStats, EndpointStats};
pub use stepped::Stepped;
pub use tasks::TaskFilter;
pub use tokens::OPERATOR_KEYS_MAX;
pub use transaction::Transaction;
pub use words::{
    ApplicationReference, AttemptFilter, Author, BodyLocation, DuePage, EndpointReference,
    Idempotency, MessageFilter, MessageReference, NewMessage, NewOrigin, Notice, Page, PageRequest,
    PageStart, Ready, Reference, Refusal, Reply, Settlement, SourceReference, StoredAttempt,
    StoredMessage, Verdict, WriteError, Written,
};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::id::Ids;
use crate::domain::time::Timestamp;
use crate::metrics::Worker;
use writer::{Ended, Fatal, Job, Writer};

/// Writes waiting for the writer at most; more answer [`WriteError::Busy`].
const WAITING_MAX: usize = 20_000;
/// Rows rest this long in memory before they go into the index: most deliveries are done by then.
const APPLY_LAG: Duration = Duration::from_secs(3);

/// A handle to the open store; clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    /// In the simulation: what stands in for the threads.
    stepped: Option<Stepped>,
}

/// The threads behind a store.
pub struct Running {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    writer: JoinHandle<Result<Writer, Fatal>>,
    applier: JoinHandle<()>,
}

impl Opened {
    /// Starts the writer and the apply thread.
    pub fn start(self) -> (Store, Running) {
        let Opened { shared, writer, .. } = self;
        let (jobs, waiting) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("writer".to_owned())
            // A failed sync leaves nothing to hold on to: the panic hook ends the process.
            .spawn(move || match writer.run(&waiting) {
                Ok(writer) => Ok(writer),
                Err(fatal) => panic!("{fatal}"),
            })
            .expect("a thread can be started");
        let applying = Arc::clone(&shared);
        let applier = thread::Builder::new()
            .name("apply".to_owned())
            .spawn(move || {
                let soft_limit = applying.overlay_limit / 2;
                let told = |took| {
                    applying.apply_worker.get().into_iter().for_each(|worker| worker.ran(took));
                };
                let space = || applying.has_index_space();
                applying.overlay.run(APPLY_LAG, soft_limit, space, told);
            })
            .expect("a thread can be started");
        let store = Store { shared: Arc::clone(&shared), jobs: jobs.clone(), stepped: None };
        (store, Running { shared, jobs, writer, applier })
    }

    /// Starts no thread: the simulation does the work of both, step by step.
    pub fn step_by_step(self) -> (Store, Stepped) {
        let Opened { shared, writer, .. } = self;
        let (jobs, waiting) = mpsc::channel();
        let stepped = Stepped::new(Arc::clone(&shared), writer, waiting);
        (Store { shared, jobs, stepped: Some(stepped.clone()) }, stepped)
    }
}

impl Running {
    /// Who waits until the index has everything waits no more: on a full disk that could be for
    /// ever. What is left goes into it with [`Running::stop`].
    pub fn release_waiters(&self) {
        self.shared.overlay.stop();
    }

    /// Syncs everything and writes a clean checkpoint; later writes answer
    /// [`WriteError::Stopping`].
    pub fn stop(self) -> Result<(), OpenError> {
        // A writer that is gone already has panicked, and the process ends.
        let _ = self.jobs.send(Job::Stop);
        let mut writer = self.writer.join().expect("a panic ends the process")?;
        self.shared.overlay.stop();
        self.applier.join().expect("a panic ends the process");
        self.shared.close(writer.journal().synced())
    }
}

impl Store {
    /// Turns ids into text and back.
    pub fn ids(&self) -> &Ids {
        &self.shared.ids
    }

    /// Engine time.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Runs `work` on the writer's thread and answers when what it did is on disk. With a key that
    /// was used before, `work` is not run and the remembered reply is given.
    pub async fn write<W>(&self, key: Option<Idempotency>, work: W) -> Result<Written, WriteError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        self.submit(key, work, move |result| {
            // A caller that went away does not undo its write.
            let _ = sender.send(result);
        })?;
        answer.await.unwrap_or(Err(WriteError::Stopping))
    }

    /// The same for callers outside the async runtime; blocks.
    pub fn write_blocking<W>(
        &self,
        key: Option<Idempotency>,
        work: W,
    ) -> Result<Written, WriteError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        let (sender, answer) = mpsc::channel();
        self.submit(key, work, move |result| {
            // The receiver waits below.
            let _ = sender.send(result);
        })?;
        self.wait(&answer)?
    }

    /// Waits for what the writer says; without a thread whoever waits is the writer.
    fn wait<T>(&self, answer: &mpsc::Receiver<T>) -> Result<T, WriteError> {
        if let Some(stepped) = &self.stepped {
            // An error ends the writer, and with it the answer.
            let _ = stepped.write();
        }
        answer.recv().map_err(|_| WriteError::Stopping)
    }

    /// The same without waiting: `answer` is called on the writer's thread once it is durable.
    pub fn submit<W, A>(
        &self,
        key: Option<Idempotency>,
        work: W,
        answer: A,
    ) -> Result<(), WriteError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
        A: FnOnce(Result<Written, WriteError>) + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        if shared.overlay.bytes() > shared.overlay_limit
            || shared.waiting.load(Ordering::Relaxed) >= WAITING_MAX
        {
            return Err(WriteError::Busy);
        }
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        let job = Job::Write(Box::new(move |writer: &mut Writer| {
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
            let result = writer.write(key.as_ref(), work);
            writer.answer_when_durable(Box::new(move || answer(result)));
        }));
        self.jobs.send(job).map_err(|_| WriteError::Stopping)
    }

    /// Records an attempt; it is on disk within 100 ms and a [`Notice::Settled`] says so.
    pub fn settle(&self, settlement: Settlement) {
        // The writer outlives every store handle.
        let _ = self.jobs.send(Job::End(Box::new(Ended::Attempt(settlement))));
    }

    /// Messages that applications were sent, and deliveries that became dead letters, since the
    /// store was opened; of both what is durable or about to be.
    pub fn flow(&self) -> (u64, u64) {
        self.shared.flow()
    }

    /// Deliveries that have not ended, due or not.
    pub fn waiting_deliveries(&self) -> u64 {
        self.shared.overlay.waiting()
    }

    /// Has the thread that moves rows into the index tell of itself. Once for a store.
    pub fn report_apply(&self, worker: Worker) {
        // A second one would be told nothing: there is one thread.
        let _ = self.shared.apply_worker.set(worker);
    }

    /// Writes that the writer has not begun.
    pub fn waiting_writes(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Bytes of rows that wait for the index.
    pub fn overlay_bytes(&self) -> usize {
        self.shared.overlay.bytes()
    }

    /// What the store did and holds, for metrics.
    pub fn figures(&self) -> Figures {
        self.shared.figures()
    }

    /// Goes to the next tick of the watch over the index; returns how many steps of reads hang,
    /// having begun a whole ring of ticks ago. Called every [`Watch::every`].
    pub fn watch_index(&self) -> u32 {
        self.shared.overlay.index().watch().tick()
    }

    /// Marks the index bad and ends the process: the next start makes it anew.
    pub fn give_up_index(&self, reason: &str) -> ! {
        self.shared.overlay.index().fail(reason)
    }

    /// Whether ages may delete: not while the clock is not confirmed.
    pub fn trusts_ages(&self) -> bool {
        !self.shared.place.ages_suspended.load(Ordering::Relaxed)
    }

    /// Why nothing is accepted at present, `None` while it is.
    pub fn refuses(&self) -> Option<String> {
        self.shared.refuses()
    }
}
