//! When the index is made smaller, and how gently.

use std::time::{Duration, Instant};

use crate::metrics::{Metrics, Worker};
use crate::store::{Compaction, LiveRows, Progress, Store};
use crate::telemetry::panic_point;

/// The index is made smaller when it takes this many times its rows. In steady use sled takes two
/// to three times as much.
const RATIO: u64 = 4;
/// It is counted again when rows for so many of its parts went in: counting costs a scan.
const RECOUNT_SHARE: u64 = 8;
/// It must have grown by this since it was last made smaller: small rows take more than they hold.
const GROWN: u64 = 2;
/// Rows counted in one go.
const COUNT_ROWS: usize = 500;
/// Works so long, or as long as the janitor was at giving back segments meanwhile,
const WORK: Duration = Duration::from_millis(4);
/// then leaves processor and disk to the deliveries for so long.
pub(super) const PAUSE: Duration = Duration::from_millis(12);
/// After a failure, or for want of space, it is tried again so much later.
const TRY_AGAIN: Duration = Duration::from_secs(600);

/// Looks after the size of the index.
pub(super) struct Compactor {
    floor: u64,
    min_free: u64,
    state: State,
    /// Bytes that had gone into the index when it was last counted.
    moved: u64,
    /// What it took when it was last made smaller.
    smallest: u64,
    not_before: Option<Instant>,
    worker: Worker,
}

enum State {
    Resting,
    Counting { cursor: Vec<u8>, live: LiveRows, file: u64 },
    Copying(Box<Compaction>),
}

impl Compactor {
    /// One that leaves an index below `floor` bytes alone, and `min_free` bytes free.
    pub fn new(floor: u64, min_free: u64, worker: Worker) -> Compactor {
        Compactor {
            floor,
            min_free,
            state: State::Resting,
            moved: 0,
            smallest: 0,
            not_before: None,
            worker,
        }
    }

    /// Bytes of disk that an index in the making takes.
    pub fn bytes(&self) -> u64 {
        match &self.state {
            State::Copying(compaction) => compaction.bytes(),
            State::Resting | State::Counting { .. } => 0,
        }
    }

    /// Begins to count when the index, of `file` bytes, may take too much.
    pub fn look(&mut self, store: &Store, file: u64) {
        let large = file > self.floor.max(self.smallest.saturating_mul(GROWN));
        let changed = store.index_moved() - self.moved >= file / RECOUNT_SHARE;
        let early = self.not_before.is_some_and(|time| Instant::now() < time);
        if large && changed && !early && matches!(self.state, State::Resting) {
            self.moved = store.index_moved();
            self.state = State::Counting { cursor: Vec::new(), live: LiveRows::default(), file };
        }
    }

    /// Goes on with what was begun, for a few milliseconds, or for `share` when that is longer;
    /// whether there is more to do.
    pub fn work(&mut self, store: &Store, metrics: &Metrics, share: Duration) -> bool {
        if matches!(self.state, State::Resting) {
            return false;
        }
        let began = Instant::now();
        let until = began + WORK.max(share);
        while !matches!(self.state, State::Resting) && Instant::now() < until {
            self.state = match std::mem::replace(&mut self.state, State::Resting) {
                State::Resting => State::Resting,
                State::Counting { mut cursor, live, file } => {
                    match store.count_rows(&mut cursor, COUNT_ROWS) {
                        Some(more) => {
                            let (rows, bytes) = (live.rows + more.rows, live.bytes + more.bytes);
                            State::Counting { cursor, live: LiveRows { rows, bytes }, file }
                        }
                        None => self.counted(store, live, file),
                    }
                }
                State::Copying(compaction) => match self.copy(compaction, metrics) {
                    (next, true) => next,
                    (next, false) => {
                        self.state = next;
                        break;
                    }
                },
            };
        }
        self.worker.ran(began.elapsed());
        !matches!(self.state, State::Resting)
    }

    fn counted(&mut self, store: &Store, live: LiveRows, file: u64) -> State {
        tracing::debug!(live.rows, live.bytes, file, "counted the index");
        if file <= live.bytes.saturating_mul(RATIO) {
            return State::Resting;
        }
        // As large as it is at most, and what is to be left free.
        let needed = self.min_free.saturating_add(file);
        if store.free_bytes().is_ok_and(|free| free < needed) {
            tracing::warn!(file, needed, "too little space to make the index smaller");
            return self.later();
        }
        match store.begin_compaction() {
            Ok(compaction) => {
                tracing::info!(live.rows, live.bytes, file, "making the index smaller");
                State::Copying(Box::new(compaction))
            }
            Err(error) => {
                tracing::warn!(%error, "the index can't be made smaller now");
                self.worker.failed(error);
                self.later()
            }
        }
    }

    /// One step; whether another may follow at once.
    fn copy(&mut self, mut compaction: Box<Compaction>, metrics: &Metrics) -> (State, bool) {
        panic_point::reach("compactor");
        match compaction.step() {
            Ok(Progress::Done(done)) => {
                let (before, after) = (done.before, done.after);
                tracing::info!(before, after, took = ?done.took, "the index was made smaller");
                metrics.index_compactions.inc();
                self.smallest = after;
                (State::Resting, false)
            }
            Ok(Progress::Awaited) => (State::Copying(compaction), false),
            Ok(_) => (State::Copying(compaction), true),
            Err(error) => {
                tracing::warn!(%error, "the index is not made smaller now");
                self.worker.failed(error);
                drop(compaction);
                (self.later(), false)
            }
        }
    }

    fn later(&mut self) -> State {
        self.not_before = Some(Instant::now() + TRY_AGAIN);
        State::Resting
    }
}
