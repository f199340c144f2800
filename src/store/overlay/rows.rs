//! The rows of the overlay, and in which order they go into the index.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::store::index::{BATCH_ROWS, Index, IndexChange};
use crate::store::journal::record::Change;
use crate::store::keys::Key;

/// What a row costs beside key and value: map node, queue entry, value header.
const ROW_OVERHEAD: usize = 160;

/// Records that were published within this time go into the index together.
pub(super) const TICK: Duration = Duration::from_millis(20);

pub(super) struct Row {
    pub value: Option<Bytes>,
    /// Counts the changes of this row, so that the apply thread sees one it has missed.
    version: u64,
    /// Waits in `order`; not while the apply thread has it.
    queued: bool,
    /// Known not to be in the index.
    fresh: bool,
    /// Whether the index has this key, as far as is known without asking it.
    below: bool,
}

impl Row {
    /// Whether the due index is to lose it.
    fn goes(&self, key: &Key) -> bool {
        key.is_due() && self.below && self.value.is_none()
    }

    /// What this row adds to the deliveries that wait in the index.
    fn waiting(&self, key: &Key) -> i64 {
        if key.is_due() { i64::from(self.value.is_some()) - i64::from(self.below) } else { 0 }
    }
}

pub(super) struct Rows {
    /// What the rows here are not in yet. It is taken together with a look at them: a row leaves
    /// only after this index has it, so that the two miss nothing, even when another index takes
    /// its place meanwhile.
    pub index: Arc<Index>,
    pub rows: BTreeMap<Key, Row>,
    order: VecDeque<(u64, Key)>,
    /// Rows of the due index that the index is to lose, out of their turn: to wait longer would be
    /// of no use, and who reads on in a long backlog would pass over all that is done of it.
    gone: VecDeque<Key>,
    /// When records were published: those up to the number, at the time or a little later.
    pub published: VecDeque<(u64, Instant)>,
    pub bytes: usize,
    version: u64,
    /// The last record whose rows are here or in the index.
    pub through: u64,
    /// The last record up to which every row is in the index.
    pub applied: u64,
    /// What the rows here add to the deliveries that wait in the index.
    pub waiting_here: i64,
}

fn cost(value: &Option<Bytes>) -> usize {
    ROW_OVERHEAD + value.as_ref().map_or(0, Bytes::len)
}

impl Rows {
    /// Nothing over `index`, which is complete up to `applied`.
    pub fn new(index: Index, applied: u64) -> Rows {
        Rows {
            waiting_here: 0,
            index: Arc::new(index),
            rows: BTreeMap::new(),
            order: VecDeque::new(),
            gone: VecDeque::new(),
            published: VecDeque::new(),
            bytes: 0,
            version: 0,
            through: applied,
            applied,
        }
    }

    /// Takes in a change of a durable record.
    pub fn take(&mut self, sequence: u64, change: Change) {
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
            let row = Row { value, version, queued: true, fresh: new, below: !new };
            self.waiting_here += row.waiting(&key);
            if row.goes(&key) {
                self.gone.push_back(key);
            }
            self.rows.insert(key, row);
            return;
        };
        self.bytes -= cost(&row.value);
        self.waiting_here -= row.waiting(&key);
        if row.fresh && row.queued && value.is_none() {
            // Never in the index and not on its way there; its place in `order` is passed over.
            self.bytes -= cost(&None);
            self.rows.remove(&key);
            return;
        }
        row.value = value;
        row.version = version;
        self.waiting_here += row.waiting(&key);
        if row.goes(&key) {
            self.gone.push_back(key);
        }
        if !row.queued {
            row.queued = true;
            self.order.push_back((sequence, key));
        }
    }

    /// Remembers when records were published, to within [`TICK`]; returns whether that is new.
    pub fn mark(&mut self, through: u64, now: Instant) -> bool {
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
    pub fn ripe(&self, now: Instant, lag: Duration) -> Option<u64> {
        let old = self.published.iter().take_while(|(_, at)| *at + lag <= now);
        old.last().map(|(through, _)| *through)
    }

    /// Whether rows wait that go into the index out of their turn.
    pub fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    fn next(&mut self, through: u64) -> Option<Key> {
        if let Some(key) = self.gone.pop_front() {
            return Some(key);
        }
        self.order.front().filter(|(sequence, _)| *sequence <= through)?;
        self.order.pop_front().map(|(_, key)| key)
    }

    /// The next rows for the index, of records up to `through`, their versions, and the number that
    /// it is complete to then.
    pub fn oldest(&mut self, through: u64) -> (Vec<IndexChange>, Vec<u64>, u64) {
        let (mut changes, mut versions) = (Vec::new(), Vec::new());
        while changes.len() < BATCH_ROWS
            && let Some(key) = self.next(through)
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

    /// The index has the change, which the row here may have followed with another.
    pub fn applied(&mut self, change: &IndexChange, version: u64) {
        let Entry::Occupied(mut entry) = self.rows.entry(change.key) else { return };
        let row = entry.get_mut();
        self.waiting_here -= row.waiting(&change.key);
        if row.version == version {
            self.bytes -= cost(&row.value);
            entry.remove();
        } else {
            row.below = change.value.is_some();
            self.waiting_here += row.waiting(&change.key);
        }
    }
}
