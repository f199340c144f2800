//! The index of the simulation: an ordered map in sled's place, that outlives the store as files
//! do.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use bytes::Bytes;

use crate::store::index::IndexChange;
use crate::store::keys::{self, Key};

/// Rows that a killed process can take back.
const UNDO_MAX: usize = 1_600;

/// Rows by key; clones share them.
#[derive(Clone, Default)]
pub struct MemoryIndex(Arc<RwLock<Rows>>);

#[derive(Default)]
struct Rows {
    rows: BTreeMap<Key, Bytes>,
    /// What stood where the last rows were written, oldest first.
    undo: VecDeque<(Key, Option<Bytes>)>,
}

impl Rows {
    fn put(&mut self, key: Key, value: Option<Bytes>) {
        let old = match value {
            Some(value) => self.rows.insert(key, value),
            None => self.rows.remove(&key),
        };
        if self.undo.len() == UNDO_MAX {
            self.undo.pop_front();
        }
        self.undo.push_back((key, old));
    }
}

impl MemoryIndex {
    /// Held, it makes every read hang.
    #[cfg(test)]
    pub(super) fn hold(&self) -> std::sync::RwLockWriteGuard<'_, impl Sized> {
        self.0.write().expect("no reader panics")
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().expect("no writer panics")
    }

    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        self.read().rows.get(key).cloned()
    }

    pub(super) fn scan<Step>(
        &self,
        from: &Key,
        to: &Key,
        reverse: bool,
        begin: impl FnOnce() -> Step,
        visit: &mut dyn FnMut(Key, Bytes) -> ControlFlow<()>,
    ) {
        let step = begin();
        let held = self.read();
        drop(step);
        let range = held.rows.range(*from..*to).map(|(key, value)| (*key, value.clone()));
        // The scan ends where the visitor says, or where the range does.
        let _ = if reverse {
            range.rev().try_for_each(|(key, value)| visit(key, value))
        } else {
            { range }.try_for_each(|(key, value)| visit(key, value))
        };
    }

    pub(super) fn apply(&self, changes: &[IndexChange], applied: u64) {
        let mut held = self.0.write().expect("no reader panics");
        for change in changes {
            held.put(change.key, change.value.clone());
        }
        held.put(keys::applied(), Some(Bytes::copy_from_slice(&applied.to_be_bytes())));
    }

    pub(super) fn each(&self, visit: &mut dyn FnMut(Key, Bytes)) {
        let held = self.read();
        let rows = held.rows.iter().filter(|(key, _)| **key != keys::applied());
        rows.for_each(|(key, value)| visit(*key, value.clone()));
    }

    /// From here on no killed process takes back what was applied.
    pub(super) fn flush(&self) {
        self.0.write().expect("no reader panics").undo.clear();
    }

    pub(super) fn clear(&self) {
        *self.0.write().expect("no reader panics") = Rows::default();
    }

    /// What a killed process leaves: the last `rows` that were not flushed are not there.
    pub fn lose(&self, rows: usize) {
        let mut held = self.0.write().expect("no reader panics");
        for _ in 0..rows {
            let Some((key, old)) = held.undo.pop_back() else { return };
            match old {
                Some(value) => held.rows.insert(key, value),
                None => held.rows.remove(&key),
            };
        }
    }

    /// What a power cut may leave of what was written since the last flush: nothing above some
    /// row, though it says to be complete.
    pub fn tear(&self, kept: usize) {
        let mut held = self.0.write().expect("no reader panics");
        if held.undo.is_empty() {
            return;
        }
        let mut place = 0;
        held.rows.retain(|key, _| {
            place += 1;
            place <= kept || *key == keys::applied()
        });
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.read().rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
