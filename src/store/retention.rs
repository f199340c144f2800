//! Giving disk back: copy-forward out of the oldest segment, then the segment goes.
//!
//! Every row that the oldest segment put and that is still the current one is looked at once more
//! ([`crate::store::carry`]). When what became of them is durable the file is removed. A crash
//! between any two steps repeats work and loses nothing. Segments go oldest first, so that the
//! journal that is kept always rebuilds the whole index and a delete never outlives the put it
//! answers.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::domain::delivery::{Delivery, DeliveryId, State};
use crate::domain::id::{ApplicationId, Stamp};
use crate::domain::time::Timestamp;
use crate::store::journal::record::Change;
use crate::store::journal::segment::{SegmentHeader, file_name};
use crate::store::journal::walk::{Step, Walk};
use crate::store::keys;
use crate::store::place;
use crate::store::records::{self, MessageRow};
use crate::store::transaction::Transaction;
use crate::store::writer::{Ended, Job, Writer};
use crate::store::{Notice, Store, WriteError};

/// Rows of a segment looked at in one step; other writes go between two steps, and wait for one.
const STEP_ROWS: usize = 64;

/// The oldest segment and what there is beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oldest {
    /// Its number.
    pub segment: u32,
    /// When its newest record was written, at the latest.
    pub ended: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Why no disk could be given back.
#[derive(Debug, thiserror::Error)]
pub enum ReclaimError {
    /// The journal could not be read or a segment not removed.
    #[error("reclaiming a journal segment: {0}")]
    Io(#[from] io::Error),
    /// A record can't be read, and what it holds would go with the segment.
    #[error(
        "journal/{} is damaged at byte {offset} and is kept: stop the relay, remove data/index and \
         start it again to see what is lost", file_name(*.segment)
    )]
    Damaged {
        /// Which segment.
        segment: u32,
        /// Where the damage begins.
        offset: u64,
    },
    /// The writer refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Store {
    /// The oldest segment, when it is not the one written to.
    pub fn oldest_segment(&self) -> io::Result<Option<Oldest>> {
        let segments = &self.shared.segments;
        let [segment, next, ..] = segments.numbers()[..] else { return Ok(None) };
        let ended = match segments.header(next)? {
            SegmentHeader::Used { time_ms, .. } => Timestamp::from_millis(time_ms),
            _ => return Ok(None),
        };
        let bytes = segments.get(segment).map_or(Ok(0), |file| file.length())?;
        Ok(Some(Oldest { segment, ended, bytes }))
    }

    /// Ends the segment that is written to when anything in it was written before `limit`, so that
    /// what it holds can go for its age; nothing happens while it holds nothing that ages.
    pub fn end_segment(&self, limit: Timestamp) {
        if self.shared.segment_first().is_some_and(|first| first < limit) {
            // The writer outlives every store handle.
            let _ = self.jobs.send(Job::EndSegment(limit));
        }
    }

    /// Has `told` called when a segment was begun; for the one janitor there is.
    pub fn on_segment(&self, told: impl Fn() + Send + Sync + 'static) {
        self.shared.on_segment(Box::new(told));
    }

    /// Accepts messages until the journal has grown by `bytes`, in whole segments; at `None`, if
    /// the present segment was allowed, until it is full. Callers are then told to come back
    /// ([`WriteError::Busy`]). Returns how many segments may be begun.
    pub fn allow_bytes(&self, bytes: Option<u64>) -> u32 {
        let segments = |bytes: u64| bytes / self.shared.place.segment_size.max(1);
        let more = bytes.map(|bytes| u32::try_from(segments(bytes)).unwrap_or(u32::MAX));
        self.shared.allow_segments(more);
        more.unwrap_or(0)
    }

    /// Empties the oldest segment and removes it; returns the bytes that had to be kept. Other
    /// writes may go between two steps, where `between` is called with the time that the step
    /// held the writer up and says whether to go on; not to is [`WriteError::Stopping`].
    pub fn reclaim(
        &self,
        oldest: Oldest,
        between: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<u64, ReclaimError> {
        let file = self.shared.segments.get(oldest.segment);
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let segment = oldest.segment;
        let through = match self.shared.segments.header(segment + 1)? {
            SegmentHeader::Used { previous, .. } => previous,
            _ => return Err(ReclaimError::Damaged { segment: segment + 1, offset: 0 }),
        };
        // First: what a segment that can't go kept would be kept again with each try.
        self.check_whole(segment, through)?;
        let mut walk = Walk::new(&*file)?;
        let (mut rows, mut kept) = (Vec::new(), 0);
        while let Step::Record(found) = walk.step()? {
            rows.extend(found.changes.into_iter().filter(|row| !matches!(row, Change::Delete(_))));
            while rows.len() >= STEP_ROWS {
                let rest = rows.split_off(STEP_ROWS);
                kept += self.carry(segment, rows, between)?;
                rows = rest;
            }
        }
        kept += self.carry(segment, rows, between)?;
        // A replay begins behind what the index holds: it must not need this segment any more,
        // and what sled holds in memory only a crash takes back.
        if !self.shared.overlay.wait_applied(through) {
            return Err(WriteError::Stopping.into());
        }
        self.shared.overlay.index().flush();
        self.on_writer(move |writer| writer.say_oldest(segment + 1, through))??;
        self.shared.segments.remove(segment)?;
        self.forget_sealing_keys();
        Ok(kept)
    }

    /// Whether every record of a segment, up to number `through`, can be read.
    fn check_whole(&self, segment: u32, through: u64) -> Result<(), ReclaimError> {
        let file = self.shared.segments.get(segment);
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let SegmentHeader::Used { previous: mut last, .. } =
            self.shared.segments.header(segment)?
        else {
            return Err(ReclaimError::Damaged { segment, offset: 0 });
        };
        let mut walk = Walk::new(&*file)?;
        while let Step::Record(found) = walk.step()? {
            last = found.header.sequence;
        }
        let damaged = ReclaimError::Damaged { segment, offset: walk.offset() };
        if last == through { Ok(()) } else { Err(damaged) }
    }

    /// What the steps write is durable with the row that says that the segment goes.
    fn carry(
        &self,
        segment: u32,
        rows: Vec<Change>,
        between: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<u64, ReclaimError> {
        let mut rest = rows;
        // Looked at here first: what is not current any more never will be, and the writer finds
        // the others where they have just been read.
        rest.retain(|row| match row {
            Change::PutNew(key, value) | Change::Put(key, value) => {
                self.shared.overlay.get(key).as_ref() == Some(value)
            }
            Change::Delete(_) => false,
        });
        let mut kept = 0;
        while !rest.is_empty() {
            let (done, took) = self.soon_on_writer(move |writer| {
                let began = Instant::now();
                (writer.carry_some(segment, rest), began.elapsed())
            })?;
            let (bytes, left) = done?;
            kept += bytes;
            rest = left;
            if !between(took) {
                return Err(WriteError::Stopping.into());
            }
        }
        Ok(kept)
    }

    /// Says why nothing may be accepted; `None` to accept again.
    pub fn refuse(&self, reason: Option<String>) {
        self.shared.set_refusal(reason);
    }

    /// Keeps the space aside, if it is not yet, that opening on a full disk needs; as much must be
    /// left beside it.
    pub fn keep_ballast(&self) -> io::Result<()> {
        let place = &self.shared.place;
        place::keep_ballast(&*place.disk, &place.folder)
    }

    /// Bytes that the space kept for opening on a full disk lacks.
    pub fn ballast_lacking(&self) -> u64 {
        let place = &self.shared.place;
        place::ballast_lacking(&*place.disk, &place.folder)
    }

    /// Bytes free on the file system of the data folder.
    pub fn free_bytes(&self) -> io::Result<u64> {
        self.shared.place.disk.free_bytes(&self.shared.place.folder)
    }

    /// Records that a delivery's time ran out; a [`Notice::Settled`] says when that is durable.
    pub fn expire(&self, delivery: DeliveryId) {
        // The writer outlives every store handle.
        let _ = self.jobs.send(Job::End(Box::new(Ended::Expired(delivery))));
    }

    /// Writes down how far the index may be trusted; done now and then for the time it carries.
    pub fn checkpoint(&self) -> io::Result<()> {
        self.shared
            .checkpoint(self.shared.sequence.load(std::sync::atomic::Ordering::Acquire), false)
    }

    /// Whether the writer answers within `patience`.
    pub fn answers(&self, patience: Duration) -> bool {
        let (sender, done) = mpsc::channel();
        let job = Job::Write(Box::new(move |writer: &mut Writer| {
            writer.answer_when_durable(Box::new(move || {
                // Whoever asked may have given up.
                let _ = sender.send(());
            }));
        }));
        self.jobs.send(job).is_ok() && done.recv_timeout(patience).is_ok()
    }

    /// Runs `work` on the writer's thread and returns what it returned, once that is durable.
    pub(super) fn on_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, WriteError> {
        let (sender, done) = mpsc::channel();
        let job = Job::Write(Box::new(move |writer: &mut Writer| {
            let result = work(writer);
            writer.answer_when_durable(Box::new(move || {
                // The caller waits below.
                let _ = sender.send(result);
            }));
        }));
        self.jobs.send(job).map_err(|_| WriteError::Stopping)?;
        self.wait(&done)
    }

    /// Runs `work` on the writer's thread and returns what it returned. That is durable only when
    /// something is that was written later.
    fn soon_on_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, WriteError> {
        let (sender, done) = mpsc::channel();
        let job = Job::Write(Box::new(move |writer: &mut Writer| {
            // The caller waits below.
            let _ = sender.send(work(writer));
        }));
        self.jobs.send(job).map_err(|_| WriteError::Stopping)?;
        self.wait(&done)
    }
}

impl Transaction<'_> {
    /// Ends a delivery whose time ran out; whether it had not ended before.
    pub(super) fn expire(&mut self, id: DeliveryId) -> bool {
        let state = State::Dead(crate::domain::delivery::DeadReason::Expired);
        let held: Option<Delivery> = self.record(&keys::delivery(id));
        let owner = self.writer.tables.endpoint_by_id(id.endpoint);
        let due = held.map(|held| held.due).or_else(|| {
            let key = keys::message(owner?.0.id, id.message);
            self.record::<MessageRow>(&key).map(|row| row.message.first_due())
        });
        let ended = due.is_some_and(|due| self.end(id, due, state));
        self.notify(Notice::Settled { delivery: id, due: None });
        ended
    }

    /// Returns whether it had not ended before.
    pub(super) fn end(&mut self, id: DeliveryId, due: Timestamp, state: State) -> bool {
        let key = keys::delivery(id);
        let held: Option<Delivery> = self.record(&key);
        let new = held.is_none();
        let mut delivery = held.unwrap_or_else(|| Delivery::waiting(due));
        let place = keys::due(id, due);
        // What is not there is not taken off the number of those that wait.
        if self.row(&place).is_some() {
            self.delete_row(place);
        }
        let ends = is_queued(delivery.state);
        if ends {
            delivery.state = state;
            self.list_dead(id, &mut delivery, None);
            self.put_row(key, records::encode(&delivery), new);
            self.counted().finished += 1;
            if matches!(state, State::Dead(_)) {
                self.notify_died(id.endpoint);
            }
        }
        ends
    }
}

pub(super) fn is_queued(state: State) -> bool {
    matches!(state, State::Waiting | State::Retrying)
}

impl crate::store::Shared {
    /// The applications that have messages, deleted ones too, and one more than `most` of them.
    pub(super) fn owners_of_messages(&self, most: usize) -> Vec<ApplicationId> {
        let end = keys::all_messages().after_prefix();
        let (mut from, mut found) = (keys::all_messages(), Vec::new());
        while found.len() <= most {
            let mut first = None;
            self.overlay.scan(&from, &end, false, &mut |key, _| {
                first = key.u64_at(1);
                ControlFlow::Break(())
            });
            let Some(stamp) = first else { break };
            let owner = ApplicationId::new(Stamp(stamp));
            found.push(owner);
            from = keys::messages(owner).after_prefix();
        }
        found
    }
}
