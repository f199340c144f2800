//! Rows that are in the journal and not yet in the index.
//!
//! Every read looks here first. A row that is put and deleted before the apply thread comes to it
//! never touches the index: a delivery that is done within that time costs its last row only.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock};
use std::time::Instant;

use bytes::Bytes;

use crate::store::index::{Index, IndexChange, WaitingCount};
use crate::store::journal::record::Change;
use crate::store::keys::Key;
use crate::telemetry::panic_point;

mod applying;
mod pause;
mod rows;
#[cfg(test)]
mod tests;

use pause::Mirror;
use rows::Rows;

/// Rows that a scan takes out of the overlay at a time.
const SCAN_ROWS: usize = 512;

/// A row as a scan holds it; no value means that it is deleted.
type Held = (Key, Option<Bytes>);

/// The overlay over one index; the two together are what the store knows.
pub struct Overlay {
    rows: RwLock<Rows>,
    /// Held while rows go into the index; what is made to take its place gets them too.
    applying: Mutex<Option<Mirror>>,
    /// Deliveries that wait in the index.
    waiting: Mutex<WaitingCount>,
    /// Bytes of rows that went into the index.
    moved: AtomicU64,
    wanted: Mutex<Wanted>,
    changed: Condvar,
    progressed: Condvar,
}

#[derive(Default)]
struct Wanted {
    /// Somebody waits for what is applied: rows rest no longer.
    hurry: bool,
    stop: bool,
}

impl Overlay {
    /// Nothing over `index`, which is complete up to `applied`.
    pub fn new(index: Index, applied: u64) -> Overlay {
        let overlay = Overlay {
            rows: RwLock::new(Rows::new(index, applied)),
            applying: Mutex::new(None),
            waiting: Mutex::default(),
            moved: AtomicU64::new(0),
            wanted: Mutex::new(Wanted::default()),
            changed: Condvar::new(),
            progressed: Condvar::new(),
        };
        // All of it when there is little, as in an index that is made anew.
        overlay.count_some();
        overlay
    }

    /// The index underneath.
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.read().index)
    }

    /// Bytes of rows that went into the index since this was made.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Memory that the rows here take, in bytes.
    pub fn bytes(&self) -> usize {
        self.read().bytes
    }

    /// Deliveries that wait, due or not: the rows of the due index. After a start those of them
    /// that are counted already.
    pub fn waiting(&self) -> u64 {
        let here = self.read().waiting_here;
        self.count().get().saturating_add_signed(here)
    }

    /// Counts some of what waits in the index; returns whether there is more to count.
    pub fn count_some(&self) -> bool {
        let _applying = self.applying.lock().expect("no holder panics");
        let index = self.index();
        let mut count = self.count();
        if !count.is_whole() {
            count.go_on(&index);
        }
        !count.is_whole()
    }

    fn count(&self) -> MutexGuard<'_, WaitingCount> {
        self.waiting.lock().expect("no holder panics")
    }

    /// Takes in the rows of durable records, in their order; `(number of the record, change)`.
    pub fn publish(&self, changes: impl IntoIterator<Item = (u64, Change)>, through: u64) {
        let mut rows = self.rows.write().expect("no reader panics");
        for (sequence, change) in changes {
            rows.take(sequence, change);
        }
        rows.through = rows.through.max(through);
        let marked = rows.mark(through, Instant::now());
        drop(rows);
        if marked {
            // Taking the lock: whoever has looked and is about to wait is not passed over.
            drop(self.wanted.lock().expect("no holder panics"));
            self.changed.notify_one();
        }
    }

    /// The value of a row.
    pub fn get(&self, key: &Key) -> Option<Bytes> {
        let rows = self.read();
        if let Some(row) = rows.rows.get(key) {
            return row.value.clone();
        }
        let index = Arc::clone(&rows.index);
        drop(rows);
        index.get(key)
    }

    /// Rows from `from` up to and not including `to`, in order or in reverse, until told to stop.
    ///
    /// The overlay is read first: a row leaves it only after the index has it, so that a row may
    /// be looked at twice but never missed.
    pub fn scan(
        &self,
        from: &Key,
        to: &Key,
        reverse: bool,
        visit: &mut dyn FnMut(Key, Bytes) -> ControlFlow<()>,
    ) {
        let (mut from, mut to) = (*from, *to);
        loop {
            let (pending, index) = self.part(&from, &to, reverse);
            let last = (pending.len() == SCAN_ROWS).then(|| pending.back().map(|row| row.0));
            let (part_from, part_to) = match last.flatten() {
                None => (from, to),
                Some(last) if reverse => (last, to),
                Some(last) => (from, last.successor()),
            };
            let flow = merge(&index, &part_from, &part_to, reverse, pending, visit);
            if flow.is_break() || last.is_none() {
                return;
            }
            (from, to) = if reverse { (from, part_from) } else { (part_to, to) };
        }
    }

    /// The first rows of a range that are here, in the order they are wanted, and the index under
    /// them.
    fn part(&self, from: &Key, to: &Key, reverse: bool) -> (VecDeque<Held>, Arc<Index>) {
        let rows = self.read();
        let index = Arc::clone(&rows.index);
        let range = rows.rows.range(*from..*to).map(|(key, row)| (*key, row.value.clone()));
        let part = if reverse {
            range.rev().take(SCAN_ROWS).collect()
        } else {
            { range }.take(SCAN_ROWS).collect()
        };
        (part, index)
    }

    /// Moves up to [`BATCH_ROWS`] rows of the oldest records, up to `through`, into the index;
    /// `false` when it holds all of them already. One caller waits for another.
    ///
    /// [`BATCH_ROWS`]: crate::store::index::BATCH_ROWS
    pub fn apply_some(&self, through: u64) -> bool {
        let mut mirror = self.applying.lock().expect("no holder panics");
        let (index, (changes, versions, applied)) = {
            let mut rows = self.rows.write().expect("no reader panics");
            let oldest = rows.oldest(through);
            if oldest.0.is_empty() && oldest.2 == rows.applied {
                return false;
            }
            (Arc::clone(&rows.index), oldest)
        };
        panic_point::reach("index-apply");
        self.count().change(&index, &changes);
        index.apply(&changes, applied);
        panic_point::reach("index-applied");
        if let Some(Mirror { index: other, copied }) = &*mirror
            && let Err(error) = other.mirror(&changes, copied)
        {
            tracing::warn!(%error, "the index is not made smaller this time");
            *mirror = None;
        }
        let bytes = |change: &IndexChange| {
            change.key.as_bytes().len() + change.value.as_ref().map_or(0, Bytes::len)
        };
        let moved = changes.iter().map(bytes).sum::<usize>();
        self.moved.fetch_add(moved as u64, Ordering::Relaxed);
        let mut rows = self.rows.write().expect("no reader panics");
        for (change, version) in changes.iter().zip(versions) {
            rows.applied(change, version);
        }
        rows.applied = applied;
        while rows.published.front().is_some_and(|(through, _)| *through <= applied) {
            rows.published.pop_front();
        }
        true
    }

    /// Moves everything into the index.
    pub fn apply_all(&self) {
        while self.apply_some(u64::MAX) {}
    }

    /// Whether every row of records up to `sequence` is in the index.
    fn is_applied(&self, sequence: u64) -> bool {
        self.read().applied >= sequence
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rows> {
        self.rows.read().expect("no writer panics")
    }
}

/// Index rows of a range, with those of `pending` in their places.
fn merge(
    index: &Index,
    from: &Key,
    to: &Key,
    reverse: bool,
    mut pending: VecDeque<Held>,
    visit: &mut dyn FnMut(Key, Bytes) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut flow = ControlFlow::Continue(());
    index.scan(from, to, reverse, &mut |key, value| {
        let mut replaced = false;
        let wanted = |held: &Key| *held == key || (*held < key) != reverse;
        while flow.is_continue()
            && pending.front().is_some_and(|(held, _)| wanted(held))
            && let Some((held, value)) = pending.pop_front()
        {
            replaced |= held == key;
            if let Some(value) = value {
                flow = visit(held, value);
            }
        }
        if flow.is_continue() && !replaced {
            flow = visit(key, value);
        }
        flow
    });
    while flow.is_continue()
        && let Some((key, value)) = pending.pop_front()
    {
        if let Some(value) = value {
            flow = visit(key, value);
        }
    }
    flow
}
