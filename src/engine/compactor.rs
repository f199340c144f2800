//! When the index is made smaller, and how gently.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::metrics::{Metrics, Worker};
use crate::store::{Compaction, LiveRows, Progress, Store};
use crate::telemetry::panic_point;

/// The index is made smaller when it takes this many times its rows. While as many go as come sled
/// takes three to five times as much, and a new one soon does, too.
const RATIO: u64 = 6;
/// It is counted again when rows for so many of its parts went in: counting costs a scan.
const RECOUNT_SHARE: u64 = 8;
/// It must have grown by this since it was last made smaller: small rows take more than they hold.
const GROWN: u64 = 2;
/// Rows counted in one go.
const COUNT_ROWS: usize = 500;
/// How far the thread that counts steps back before all others: its nice value.
const STEP_BACK: i32 = 5;
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
    Counting { count: Count, file: u64 },
    Copying(Box<Compaction>),
}

/// A scan of all rows, by a thread of its own: of ten million it takes seconds.
struct Count {
    thread: Option<JoinHandle<LiveRows>>,
    stop: Arc<AtomicBool>,
}

impl Count {
    fn begin(store: Store) -> io::Result<Count> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            if let Err(error) = rustix::process::nice(STEP_BACK) {
                tracing::debug!(%error, "the count of the index can't step back");
            }
            let (mut cursor, mut live) = (Vec::new(), LiveRows::default());
            while !stopped.load(Ordering::Relaxed)
                && let Some(more) = store.count_rows(&mut cursor, COUNT_ROWS)
            {
                live.rows += more.rows;
                live.bytes += more.bytes;
            }
            live
        };
        let thread = thread::Builder::new().name("index-count".to_owned()).spawn(work)?;
        Ok(Count { thread: Some(thread), stop })
    }

    /// What was counted, once it is.
    fn done(&mut self) -> Option<LiveRows> {
        let thread = self.thread.take_if(|thread| thread.is_finished())?;
        Some(thread.join().expect("a panic ends the process"))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it counted nobody waits for any more.
            let _ = thread.join();
        }
    }
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
        if !large || !changed || early || !matches!(self.state, State::Resting) {
            return;
        }
        self.moved = store.index_moved();
        self.state = match Count::begin(store.clone()) {
            Ok(count) => State::Counting { count, file },
            Err(error) => {
                tracing::warn!(%error, "no thread to count the index");
                self.worker.failed(error);
                self.later()
            }
        };
    }

    /// Goes on with what was begun, for a few milliseconds, or for `share` when that is longer, and
    /// until it `stops`; whether there is more to do.
    pub fn work(
        &mut self,
        store: &Store,
        metrics: &Metrics,
        share: Duration,
        stops: impl Fn() -> bool,
    ) -> bool {
        if let State::Counting { count, file } = &mut self.state
            && let (Some(live), file) = (count.done(), *file)
        {
            self.state = self.counted(store, live, file);
        }
        if !matches!(self.state, State::Copying(_)) {
            return false;
        }
        let began = Instant::now();
        let until = began + WORK.max(share);
        while Instant::now() < until
            && !stops()
            && let State::Copying(compaction) = std::mem::replace(&mut self.state, State::Resting)
        {
            let goes_on;
            (self.state, goes_on) = self.copy(compaction, metrics);
            if !goes_on {
                break;
            }
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

    /// What old segments give back has to go before messages are refused: the index can wait.
    pub fn give_up(&mut self) {
        if matches!(self.state, State::Copying(_)) {
            tracing::warn!("the index is not made smaller now: what comes needs the disk's time");
            self.state = self.later();
        }
    }

    fn later(&mut self) -> State {
        self.not_before = Some(Instant::now() + TRY_AGAIN);
        State::Resting
    }
}
