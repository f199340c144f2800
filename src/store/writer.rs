//! The one thread that changes anything: takes every waiting write, decides, appends, syncs once
//! for all of them, and only then lets anyone know.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::domain::id::Stamp;
use crate::domain::time::Timestamp;
use crate::store::catalog::{CatalogChange, Tables};
use crate::store::journal::record::Change;
use crate::store::journal::{Journal, record};
use crate::store::keys::Key;
use crate::store::transaction::Transaction;
use crate::store::{Notice, Shared, WriteError};
use crate::telemetry::panic_point;

mod held;

pub use held::Ended;

/// What nobody waits for is on disk this long after it happened.
const QUIET_SYNC: Duration = Duration::from_millis(100);
/// Bytes in one group at most; what comes later waits for the next sync.
const GROUP_BYTES: usize = 1 << 20;
/// Writes in one group at most.
const GROUP_WRITES: usize = 1_000;
/// What nobody waits for is synced when the group has so many writes, long before it is full: who
/// comes next waits for all of it.
const QUIET_WRITES: usize = 256;

/// Work for the writer.
pub enum Job {
    /// Someone waits for it.
    Write(Box<dyn FnOnce(&mut Writer) + Send>),
    /// An attempt's result, or that a delivery's time ran out; nobody waits.
    End(Box<Ended>),
    /// The segment that is written to ends if anything in it is older than this; nobody waits.
    EndSegment(Timestamp),
    /// The last one: what comes behind it is not done.
    Stop,
}

/// Tells a waiting caller what came of its write, once that is durable.
pub type Answer = Box<dyn FnOnce() + Send>;

/// Writes that are appended and not yet told to anyone.
#[derive(Default)]
struct Group {
    changes: Vec<(u64, Change)>,
    view: HashMap<Key, Option<Bytes>>,
    catalog: Vec<CatalogChange>,
    notices: Vec<Notice>,
    answers: Vec<Answer>,
    since: Option<Timestamp>,
    urgent: bool,
    writes: usize,
}

impl Group {
    fn add(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
        self.writes += 1;
    }
}

/// The writer's own state; everything in it is ahead of what readers see by the open group.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) tables: Tables,
    journal: Journal,
    last_stamp: Stamp,
    /// The last that was minted when anything was written: no later start mints one before it.
    written_stamp: Stamp,
    group: Group,
    /// What is to be recorded, oldest first: a backlog's results, which come without an end, are
    /// not to keep those waiting who send messages. What finds no room on a full disk stays here.
    held: VecDeque<Ended>,
    /// The oldest of them found no room.
    stuck: bool,
    /// Of them so many may be recorded in this turn yet.
    allowance: usize,
    sealed: bool,
    stopped: bool,
}

/// A failed write or sync: what is on disk is not known any more, so the process ends and the next
/// start finds out.
#[derive(Debug, thiserror::Error)]
#[error("the journal can't be written: {0}")]
pub struct Fatal(#[from] io::Error);

impl Writer {
    /// Goes on where the journal ends.
    pub fn new(shared: Arc<Shared>, tables: Tables, journal: Journal, last_stamp: Stamp) -> Writer {
        Writer {
            shared,
            tables,
            journal,
            last_stamp,
            written_stamp: last_stamp,
            group: Group::default(),
            held: VecDeque::new(),
            stuck: false,
            allowance: 0,
            sealed: true,
            stopped: false,
        }
    }

    /// Works until it is told to stop or every sender of jobs is gone, then syncs what is left.
    pub fn run(mut self, jobs: &Receiver<Job>) -> Result<Writer, Fatal> {
        while !self.stopped {
            let next = match self.patience() {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(patience) => jobs.recv_timeout(patience),
            };
            if matches!(next, Err(RecvTimeoutError::Timeout)) {
                // It has waited in full, whatever the clock says.
                self.group.urgent |= self.group.since.is_some();
            }
            self.turn(next, jobs)?;
        }
        Ok(self)
    }

    /// How long it may wait for a job before its next turn; `None`: until one comes.
    pub fn patience(&self) -> Option<Duration> {
        if self.group.urgent || self.has_recordable() {
            return Some(Duration::ZERO);
        }
        if self.group.since.is_none() && self.held.is_empty() {
            return None;
        }
        Some(QUIET_SYNC.saturating_sub(self.waited()))
    }

    /// One turn: the job that came in time, if one did, what waits behind it, some of what is held,
    /// and the sync if someone waits for it or it is time.
    pub fn turn(
        &mut self,
        next: Result<Job, RecvTimeoutError>,
        jobs: &Receiver<Job>,
    ) -> Result<(), Fatal> {
        self.allow_held();
        match next {
            Ok(job) => self.take(job)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.stopped = true,
        }
        let full = self.drain(jobs)?;
        // Now, not when nothing else comes: under steady traffic that would be never.
        self.record_held()?;
        let quiet = self.group.writes >= QUIET_WRITES || self.waited() >= QUIET_SYNC;
        if full || self.group.urgent || quiet {
            self.finish_group()?;
            self.seal_if_idle(jobs)?;
        }
        if self.stopped {
            self.finish()?;
        }
        Ok(())
    }

    /// How old the open group is.
    fn waited(&self) -> Duration {
        self.group.since.map_or(Duration::ZERO, |since| self.shared.clock.now().since(since))
    }

    /// Takes what waits already; returns whether that is as much as one sync should carry.
    fn drain(&mut self, jobs: &Receiver<Job>) -> Result<bool, Fatal> {
        while !self.stopped
            && self.journal.unwritten() < GROUP_BYTES
            && self.group.writes < GROUP_WRITES
        {
            match jobs.try_recv() {
                Ok(job) => self.take(job)?,
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Does one job; what it did becomes durable with the group.
    pub fn take(&mut self, job: Job) -> Result<(), Fatal> {
        match job {
            Job::Write(work) => {
                // In their order, as long as that keeps nobody waiting.
                self.record_held()?;
                self.group.add(self.shared.clock.now());
                self.group.urgent = true;
                self.make_room()?;
                work(self);
            }
            Job::End(ended) => {
                self.held.push_back(*ended);
            }
            Job::EndSegment(before) => self.end_segment(before)?,
            Job::Stop => self.stopped = true,
        }
        Ok(())
    }

    /// Where there is no space for another segment this one goes on.
    fn end_segment(&mut self, before: Timestamp) -> Result<(), Fatal> {
        if self.journal.first().is_none_or(|first| first >= before) {
            return Ok(());
        }
        match self.journal.end_segment(self.shared.clock.now()) {
            Err(error) if !is_full(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A full disk is not fatal: accept is refused and settlements use what is left of the
    /// segment until there is room again.
    pub fn make_room(&mut self) -> Result<(), Fatal> {
        match self.journal.make_room(self.shared.clock.now()) {
            Ok(()) => self.shared.set_no_room(!self.journal.has_reserve()),
            Err(error) if is_full(&error) => self.shared.set_no_room(true),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Runs `work`; when it returns an error nothing of what it did remains.
    pub fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let now = self.shared.clock.now();
        let mut transaction = Transaction::new(self, now);
        let result = work(&mut transaction);
        let parts = transaction.into_parts();
        let kept = result.and_then(|done| {
            let (bodies, rows) = (parts.bodies.len(), parts.rows_length());
            let length = record::record_length(bodies, rows);
            if length > self.journal.record_max() {
                return Err(WriteError::Full(format!(
                    "one change of {length} bytes is more than a journal record holds ({}): \
                     raise data.segment_size",
                    self.journal.record_max()
                )));
            }
            // What changes nothing is not written: a start on a full disk may have nothing to say.
            if !parts.changes.is_empty() && !self.journal.fits(length) {
                return Err(WriteError::Full("the disk is full".to_owned()));
            }
            Ok(done)
        });
        match kept {
            Ok(done) => {
                self.keep(parts);
                Ok(done)
            }
            Err(error) => {
                for undo in parts.undo.into_iter().rev() {
                    self.tables.set(undo);
                }
                Err(error)
            }
        }
    }

    fn keep(&mut self, parts: crate::store::transaction::Parts) {
        let rows_length = parts.rows_length();
        self.shared.count(&parts.counted);
        self.group.catalog.extend(parts.catalog);
        if !parts.changes.is_empty() {
            self.written_stamp = self.last_stamp;
            let mut rows = Vec::with_capacity(rows_length);
            parts.changes.iter().for_each(|change| record::encode_change(change, &mut rows));
            // A stamp may be ahead of the clock; the next start mints behind what it reads here.
            let time = parts.now.max(self.last_stamp.time());
            let sequence = self.journal.append(time, &parts.bodies, &rows);
            self.sealed = false;
            for change in parts.changes {
                let value = match &change {
                    Change::PutNew(_, value) | Change::Put(_, value) => Some(value.clone()),
                    Change::Delete(_) => None,
                };
                self.group.view.insert(*change.key(), value);
                self.group.changes.push((sequence, change));
            }
        }
        self.group.notices.extend(parts.notices);
    }

    /// Calls back when everything before this is durable.
    pub fn answer_when_durable(&mut self, answer: Answer) {
        self.group.answers.push(answer);
    }

    /// Makes the open group durable, shows it to readers, tells the scheduler, answers.
    pub fn finish_group(&mut self) -> Result<(), Fatal> {
        let began = Instant::now();
        panic_point::reach("journal-write");
        self.journal.sync()?;
        panic_point::reach("journal-written");
        let group = std::mem::take(&mut self.group);
        if !group.changes.is_empty() {
            self.shared.synced(began.elapsed(), group.writes);
        }
        let through = self.journal.last();
        self.shared.sequence.store(through, Ordering::Release);
        self.shared.set_segment_first(self.journal.first());
        self.shared.set_segment(self.journal.bodies_start().0);
        let rows = group.changes.len();
        let noted = self.shared.live.note(&group.changes);
        self.shared.overlay.publish(group.changes, through);
        self.shared.live.tell(noted, self.written_stamp);
        if !group.catalog.is_empty() {
            let mut tables = self.shared.catalog.write().expect("no reader panics");
            for change in group.catalog {
                tables.set(change);
            }
        }
        if !group.notices.is_empty() {
            (self.shared.notify)(group.notices);
        }
        group.answers.into_iter().for_each(|answer| answer());
        self.shared.keep_up(rows);
        Ok(())
    }

    /// An empty record says that the group before it was synced, so that damage to the last group
    /// is told from a torn write. It is written, not synced: it only has to outlive the process.
    fn seal_if_idle(&mut self, jobs: &Receiver<Job>) -> Result<(), Fatal> {
        if self.sealed || self.has_recordable() {
            return Ok(());
        }
        match jobs.try_recv() {
            Ok(job) => self.take(job),
            Err(_) => self.seal(),
        }
    }

    /// Writes the empty record.
    pub fn seal(&mut self) -> Result<(), Fatal> {
        if self.journal.fits(record::record_length(0, 0)) {
            self.journal.append(self.shared.clock.now(), &[], &[]);
            self.journal.write()?;
        }
        self.sealed = true;
        Ok(())
    }

    /// A new stamp, larger than all before; `now` is the time its record will carry.
    pub fn mint(&mut self, now: Timestamp) -> Stamp {
        self.last_stamp = self.last_stamp.next(now);
        self.last_stamp
    }

    /// A row as the open group leaves it.
    pub fn row(&self, key: &Key) -> Option<Bytes> {
        match self.group.view.get(key) {
            Some(value) => value.clone(),
            None => self.shared.overlay.get(key),
        }
    }

    /// How many rows begin with a key, as the open group leaves them.
    pub fn count_rows(&self, all: &Key) -> usize {
        let (view, own) = (&self.group.view, all.as_bytes());
        let put = view.iter().filter(|(_, value)| value.is_some());
        let mut count = put.filter(|(key, _)| key.as_bytes().starts_with(own)).count();
        self.shared.overlay.scan(all, &all.after_prefix(), false, &mut |key, _| {
            count += usize::from(!view.contains_key(&key));
            std::ops::ControlFlow::Continue(())
        });
        count
    }

    /// Whether the open group takes a row away.
    pub fn is_deleted(&self, key: &Key) -> bool {
        matches!(self.group.view.get(key), Some(None))
    }

    /// Segment and offset at which the bodies of the next record begin.
    pub fn bodies_start(&self) -> (u32, u64) {
        self.journal.bodies_start()
    }

    /// The journal, for retention and the clean stop.
    pub fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
