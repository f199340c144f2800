//! What the writer and every reader share.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, RwLockReadGuard};
use std::time::Duration;

use crate::domain::id::Ids;
use crate::domain::time::{Clock, Timestamp};
use crate::metrics::Worker;
use crate::store::catalog::Tables;
use crate::store::checkpoint::Checkpoint;
use crate::store::expunge::JustExpunged;
use crate::store::index::BATCH_ROWS;
use crate::store::journal::segment::Segments;
use crate::store::keys::Key;
use crate::store::live::Live;
use crate::store::overlay::Overlay;
use crate::store::place::{Place, disk_bytes, index_file};
use crate::store::records;
use crate::store::requests::CLASSES;
use crate::store::seal::Sealer;
use crate::store::search::Newest;
use crate::store::transaction::Counted;
use crate::store::{Notice, OpenError};

/// Bytes that must be free for the index to be written: what sled holds back before it writes.
const INDEX_RESERVE: u64 = 16 << 20;

/// Consumers that are handed messages at the same moment; others by the same lock take turns.
pub const LEASING: usize = 16;

/// One of so many dropped operational webhooks is in the log.
const UNTOLD_LOGGED: u64 = 1_000;

/// Behind every handle.
pub struct Shared {
    pub overlay: Overlay,
    pub catalog: RwLock<Tables>,
    pub segments: Arc<Segments>,
    pub ids: Ids,
    pub clock: Arc<dyn Clock>,
    pub sealer: Sealer,
    pub notify: Box<dyn Fn(Vec<Notice>) + Send + Sync>,
    on_sync: Box<dyn Fn(Duration) + Send + Sync>,
    pub overlay_limit: usize,
    /// See [`crate::store::Options`].
    pub order_lookahead: usize,
    pub place: Place,
    /// What those hear who follow.
    pub live: Live,
    /// Number of the last durable record.
    pub sequence: AtomicU64,
    /// Writes sent to the writer and not begun.
    pub waiting: AtomicUsize,
    /// When the oldest of what ages was written to the segment that is written to, in ms; 0 when
    /// nothing was.
    segment_first: AtomicU64,
    /// The segment that is written to,
    segment: AtomicU32,
    /// and the last one in which messages are accepted until older ones have gone.
    last_allowed: AtomicU32,
    /// Told when a segment was begun.
    on_segment: OnceLock<Box<dyn Fn() + Send + Sync>>,
    no_room: AtomicBool,
    refusal: RwLock<Option<String>>,
    /// Is told of by the thread that moves rows into the index.
    pub apply_worker: OnceLock<Worker>,
    /// Held while expunged bytes are overwritten.
    pub erasing: Mutex<()>,
    /// Messages that were expunged a short time ago.
    pub expunged: JustExpunged,
    /// Held, one for some consumers each, while what they are handed is written.
    pub leasing: [Mutex<()>; LEASING],
    /// Whether any event was ever remembered in each class; unknown until somebody has looked.
    pub event_classes: [OnceLock<AtomicBool>; CLASSES.len()],
    /// Up to where each application has messages.
    pub newest: Newest,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    sent_in: AtomicU64,
    died: AtomicU64,
    deliveries: AtomicU64,
    finished: AtomicU64,
    syncs: AtomicU64,
    sync_micros: AtomicU64,
    synced_writes: AtomicU64,
    untold: AtomicU64,
}

/// What the store did since it was opened, and what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Messages accepted.
    pub accepted: u64,
    /// Deliveries made for them.
    pub deliveries: u64,
    /// Deliveries that ended, one way or the other.
    pub finished: u64,
    /// Syncs of the journal.
    pub syncs: u64,
    /// Microseconds spent in them.
    pub sync_micros: u64,
    /// Writes that they made durable.
    pub synced_writes: u64,
    /// Events that the operator could not be told of, the disk being full.
    pub untold: u64,
    /// Dead letters in the list.
    pub dead_letters: u64,
    /// Bytes of rows that wait for the index.
    pub overlay_bytes: u64,
    /// Bytes of disk that the index takes, with one that is being made to take its place.
    pub index_bytes: u64,
    /// Bytes of the journal on disk.
    pub journal_bytes: u64,
    /// Bytes of disk that the data folder takes, without what is held in reserve for opening.
    pub folder_bytes: u64,
    /// Number of the last durable record.
    pub sequence: u64,
}

impl Shared {
    #[allow(clippy::too_many_arguments, reason = "called once, by open, with all of its work")]
    pub fn new(
        overlay: Overlay,
        catalog: Tables,
        segments: Arc<Segments>,
        ids: Ids,
        clock: Arc<dyn Clock>,
        sealer: Sealer,
        notify: Box<dyn Fn(Vec<Notice>) + Send + Sync>,
        on_sync: Box<dyn Fn(Duration) + Send + Sync>,
        overlay_limit: usize,
        order_lookahead: usize,
        place: Place,
    ) -> Shared {
        Shared {
            overlay,
            catalog: RwLock::new(catalog),
            segments,
            ids,
            clock,
            sealer,
            notify,
            on_sync,
            overlay_limit,
            order_lookahead,
            place,
            live: Live::default(),
            sequence: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            segment_first: AtomicU64::new(0),
            segment: AtomicU32::new(0),
            last_allowed: AtomicU32::new(u32::MAX),
            on_segment: OnceLock::new(),
            no_room: AtomicBool::new(false),
            refusal: RwLock::new(None),
            apply_worker: OnceLock::new(),
            erasing: Mutex::new(()),
            expunged: JustExpunged::default(),
            leasing: Default::default(),
            event_classes: Default::default(),
            newest: Newest::default(),
            counts: Counts::default(),
        }
    }

    /// The catalog as it is durable.
    pub fn read_catalog(&self) -> RwLockReadGuard<'_, Tables> {
        self.catalog.read().expect("no writer panics")
    }

    /// A row of the index, decoded; one that does not decode ends the process, and the next start
    /// rebuilds the index from the journal.
    pub fn decode<T: records::Record>(&self, key: &Key, bytes: &[u8]) -> T {
        match records::decode(bytes) {
            Ok(row) => row,
            Err(error) => self.overlay.index().fail(&format!("row {key:?}: {error}")),
        }
    }

    /// Whether the index may be written: sled does not outlive a write that finds no space.
    pub fn has_index_space(&self) -> bool {
        let place = &self.place;
        place.disk.free_bytes(&place.folder).is_ok_and(|free| free >= INDEX_RESERVE)
    }

    /// Says when the oldest of what ages was written to the segment that is written to.
    pub fn set_segment_first(&self, first: Option<Timestamp>) {
        self.segment_first.store(first.map_or(0, Timestamp::millis), Ordering::Relaxed);
    }

    /// The same, `None` when nothing was.
    pub fn segment_first(&self) -> Option<Timestamp> {
        let first = self.segment_first.load(Ordering::Relaxed);
        (first > 0).then(|| Timestamp::from_millis(first))
    }

    /// Says which segment is written to.
    pub fn set_segment(&self, segment: u32) {
        if self.segment.swap(segment, Ordering::Relaxed) != segment
            && let Some(told) = self.on_segment.get()
        {
            told();
        }
    }

    /// Has `told` called, on the writer's thread, when a segment was begun. Once for a store.
    pub fn on_segment(&self, told: Box<dyn Fn() + Send + Sync>) {
        // A second one would be told nothing: there is one janitor.
        let _ = self.on_segment.set(told);
    }

    /// Accepts messages in `segments` segments more than the present one; when that is `None` in
    /// the rest of the present one at most, of which the space is taken, if it was allowed before.
    pub fn allow_segments(&self, segments: Option<u32>) {
        let segment = self.segment.load(Ordering::Relaxed);
        match segments {
            Some(more) => {
                self.last_allowed.store(segment.saturating_add(more), Ordering::Relaxed);
            }
            None => {
                self.last_allowed.fetch_min(segment, Ordering::Relaxed);
            }
        }
    }

    /// Whether so much is stored that older segments must go before messages are accepted again.
    pub fn is_past_allowance(&self) -> bool {
        self.segment.load(Ordering::Relaxed) > self.last_allowed.load(Ordering::Relaxed)
    }

    /// Says whether the journal has a segment in reserve.
    pub fn set_no_room(&self, no_room: bool) {
        self.no_room.store(no_room, Ordering::Relaxed);
    }

    /// Says why nothing is accepted; `None` to accept again.
    pub fn set_refusal(&self, reason: Option<String>) {
        *self.refusal.write().expect("no reader panics") = reason;
    }

    /// Why nothing is accepted at present.
    pub fn refuses(&self) -> Option<String> {
        if self.no_room.load(Ordering::Relaxed) {
            return Some("the disk is full: free some space, nothing was lost".to_owned());
        }
        self.refusal.read().expect("no writer panics").clone()
    }

    /// While the overlay is nearly full, moves as many rows into the index as a group added:
    /// whoever sends is slowed to what the index takes, rather than refused.
    pub fn keep_up(&self, added: usize) {
        for _ in 0..added.div_ceil(BATCH_ROWS) {
            let nearly_full = self.overlay.bytes() > self.overlay_limit / 4 * 3;
            if !nearly_full || !self.has_index_space() {
                return;
            }
            self.overlay.apply_some(u64::MAX);
        }
    }

    /// Counts what a transaction that is kept did. Of events that the operator is not told of the
    /// log has the first and every thousandth, since there may be one for every attempt.
    pub fn count(&self, counted: &Counted) {
        let counts = &self.counts;
        for (count, more) in [
            (&counts.accepted, counted.accepted),
            (&counts.sent_in, counted.sent_in),
            (&counts.deliveries, counted.deliveries),
            (&counts.finished, counted.finished),
            (&counts.died, counted.died),
        ] {
            count.fetch_add(more, Ordering::Relaxed);
        }
        let before = counts.untold.fetch_add(counted.untold, Ordering::Relaxed);
        let untold = before + counted.untold;
        if before.div_ceil(UNTOLD_LOGGED) != untold.div_ceil(UNTOLD_LOGGED) {
            tracing::error!(untold, "an operational webhook was dropped: there is no space for it");
        }
    }

    /// Messages that applications were sent, and deliveries that died, since the store was opened.
    pub fn flow(&self) -> (u64, u64) {
        let Counts { sent_in, died, .. } = &self.counts;
        (sent_in.load(Ordering::Relaxed), died.load(Ordering::Relaxed))
    }

    /// Counts a sync of the journal.
    pub fn synced(&self, took: Duration, writes: usize) {
        (self.on_sync)(took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        self.counts.sync_micros.fetch_add(micros, Ordering::Relaxed);
        self.counts.synced_writes.fetch_add(writes as u64, Ordering::Relaxed);
    }

    /// What was done and what is held.
    pub fn figures(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures {
            accepted: read(&self.counts.accepted),
            deliveries: read(&self.counts.deliveries),
            finished: read(&self.counts.finished),
            syncs: read(&self.counts.syncs),
            sync_micros: read(&self.counts.sync_micros),
            synced_writes: read(&self.counts.synced_writes),
            untold: read(&self.counts.untold),
            dead_letters: self.dead_letters().count,
            overlay_bytes: self.overlay.bytes() as u64,
            index_bytes: disk_bytes(&self.place.folder.join("index")),
            journal_bytes: self.segments.bytes().unwrap_or(0),
            folder_bytes: self.place.used_bytes(),
            sequence: read(&self.sequence),
        }
    }

    /// Writes down how far the index may be trusted.
    pub fn checkpoint(&self, synced: u64, clean: bool) -> io::Result<()> {
        let place = &self.place;
        let now = self.clock.now().millis();
        let mut checkpoint = Checkpoint::new(synced, &place.boot, place.identity, now);
        checkpoint.clean = clean;
        checkpoint.index = place.generation.load(Ordering::Relaxed);
        checkpoint.index_file = index_file(&place.folder, checkpoint.index);
        checkpoint.salt = Some(*self.ids.salt());
        checkpoint.ages_suspended = place.ages_suspended.load(Ordering::Relaxed);
        checkpoint.write(&*place.disk, &place.folder)
    }

    /// The last thing of a stop: everything goes into the index, and a clean checkpoint says so.
    /// `synced` is the number of the last record, which is on disk.
    pub fn close(&self, synced: u64) -> Result<(), OpenError> {
        let at = |error| OpenError::Io(self.place.folder.clone(), error);
        if !self.has_index_space() {
            tracing::warn!("the disk is full: the next start reads the end of the journal again");
            return self.checkpoint(synced, false).map_err(at);
        }
        self.overlay.apply_all();
        self.overlay.index().flush();
        let stopped = self.sync_file_system();
        stopped.and_then(|()| self.checkpoint(synced, true)).map_err(at)
    }

    /// Makes everything in the file system of the data folder durable: sled does not sync its own
    /// files (docs/storage.md).
    pub fn sync_file_system(&self) -> io::Result<()> {
        if self.place.lock.is_none() {
            return Ok(());
        }
        let folder = File::open(&self.place.folder)?;
        rustix::fs::syncfs(&folder)?;
        Ok(())
    }
}
