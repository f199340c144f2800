//! Rows that are in the journal and not yet in the index.
//!
//! Every read looks here first. A row that is put and deleted before the apply thread comes to it
//! never touches the index: a delivery that is done within that time costs its last row only.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::store::index::{BATCH_ROWS, Index, IndexChange};
use crate::store::journal::record::Change;
use crate::store::keys::Key;

/// What a row costs beside key and value: map node, queue entry, value header.
const ROW_OVERHEAD: usize = 160;

/// Records that were published within this time go into the index together.
const TICK: Duration = Duration::from_millis(20);

/// Rows that a scan takes out of the overlay at a time.
const SCAN_ROWS: usize = 512;

/// A row as a scan holds it; no value means that it is deleted.
type Held = (Key, Option<Bytes>);

struct Row {
    value: Option<Bytes>,
    /// Counts the changes of this row, so that the apply thread sees one it has missed.
    version: u64,
    /// Waits in `order`; not while the apply thread has it.
    queued: bool,
    /// Known not to be in the index.
    fresh: bool,
}

struct Rows {
    /// What the rows here are not in yet. It is taken together with a look at them: a row leaves
    /// only after this index has it, so that the two miss nothing, even when another index takes
    /// its place meanwhile.
    index: Arc<Index>,
    rows: BTreeMap<Key, Row>,
    order: VecDeque<(u64, Key)>,
    /// When records were published: those up to the number, at the time or a little later.
    published: VecDeque<(u64, Instant)>,
    bytes: usize,
    version: u64,
    /// The last record whose rows are here or in the index.
    through: u64,
    /// The last record up to which every row is in the index.
    applied: u64,
}

/// The overlay over one index; the two together are what the store knows.
pub struct Overlay {
    rows: RwLock<Rows>,
    /// Held while rows go into the index; what is made to take its place gets them too.
    applying: Mutex<Option<Arc<Index>>>,
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
        let rows = Rows {
            index: Arc::new(index),
            rows: BTreeMap::new(),
            order: VecDeque::new(),
            published: VecDeque::new(),
            bytes: 0,
            version: 0,
            through: applied,
            applied,
        };
        Overlay {
            rows: RwLock::new(rows),
            applying: Mutex::new(None),
            moved: AtomicU64::new(0),
            wanted: Mutex::new(Wanted::default()),
            changed: Condvar::new(),
            progressed: Condvar::new(),
        }
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

    /// Moves up to [`BATCH_ROWS`] rows of the oldest records into the index; `false` when it holds
    /// everything already. Only one thread calls it.
    pub fn apply_some(&self) -> bool {
        let mut mirror = self.applying.lock().expect("no holder panics");
        let (index, (changes, versions, applied)) = {
            let mut rows = self.rows.write().expect("no reader panics");
            let oldest = rows.oldest();
            if oldest.0.is_empty() && oldest.2 == rows.applied {
                return false;
            }
            (Arc::clone(&rows.index), oldest)
        };
        index.apply(&changes, applied);
        if let Some(other) = &*mirror
            && let Err(error) = other.mirror(&changes)
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
            rows.applied(&change.key, version);
        }
        rows.applied = applied;
        while rows.published.front().is_some_and(|(through, _)| *through <= applied) {
            rows.published.pop_front();
        }
        true
    }

    /// Moves everything into the index.
    pub fn apply_all(&self) {
        while self.apply_some() {}
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

fn cost(value: &Option<Bytes>) -> usize {
    ROW_OVERHEAD + value.as_ref().map_or(0, Bytes::len)
}

impl Rows {
    fn take(&mut self, sequence: u64, change: Change) {
        let (key, value, new) = match change {
            Change::PutNew(key, value) => (key, Some(value), true),
            Change::Put(key, value) => (key, Some(value), false),
            Change::Delete(key) => (key, None, false),
        };
        self.version += 1;
        let version = self.version;
        self.bytes += cost(&value);
        let Some(row) = self.rows.get_mut(&key) else {
            self.order.push_back((sequence, key));
            self.rows.insert(key, Row { value, version, queued: true, fresh: new });
            return;
        };
        self.bytes -= cost(&row.value);
        if row.fresh && row.queued && value.is_none() {
            // Never in the index and not on its way there; its place in `order` is passed over.
            self.bytes -= cost(&None);
            self.rows.remove(&key);
            return;
        }
        row.value = value;
        row.version = version;
        if !row.queued {
            row.queued = true;
            self.order.push_back((sequence, key));
        }
    }

    /// Remembers when records were published, to within [`TICK`]; returns whether that is new.
    fn mark(&mut self, through: u64, now: Instant) -> bool {
        let known = self.published.back().map_or(self.applied, |(last, _)| *last);
        // A group may have changed nothing.
        if through <= known {
            return false;
        }
        match self.published.back_mut() {
            Some((last, at)) if now < *at + TICK => {
                *last = through;
                false
            }
            _ => {
                self.published.push_back((through, now));
                true
            }
        }
    }

    /// The last record that was published as long ago as `lag`.
    fn ripe(&self, now: Instant, lag: Duration) -> Option<u64> {
        let old = self.published.iter().take_while(|(_, at)| *at + lag <= now);
        old.last().map(|(through, _)| *through)
    }

    /// The next rows for the index, their versions, and the number that it is complete to then.
    fn oldest(&mut self) -> (Vec<IndexChange>, Vec<u64>, u64) {
        let (mut changes, mut versions) = (Vec::new(), Vec::new());
        while changes.len() < BATCH_ROWS
            && let Some((_, key)) = self.order.pop_front()
        {
            let Some(row) = self.rows.get_mut(&key).filter(|row| row.queued) else { continue };
            row.queued = false;
            changes.push(IndexChange { key, value: row.value.clone(), fresh: row.fresh });
            versions.push(row.version);
            row.fresh = false;
        }
        let applied = self.order.front().map_or(self.through, |(sequence, _)| sequence - 1);
        (changes, versions, applied)
    }

    fn applied(&mut self, key: &Key, version: u64) {
        if self.rows.get(key).is_some_and(|row| row.version == version)
            && let Some(row) = self.rows.remove(key)
        {
            self.bytes -= cost(&row.value);
        }
    }
}

mod applying;
mod pause;
#[cfg(test)]
mod tests;
