//! The index of the simulation: an ordered map in sled's place, that outlives the store as files
//! do.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use bytes::Bytes;

use crate::store::index::IndexChange;
use crate::store::keys::{self, Key};

/// Batches that a killed process can take back.
const UNDO_MAX: usize = 16;

/// Rows by key; clones share them.
#[derive(Clone, Default)]
pub struct MemoryIndex(Arc<RwLock<Rows>>);

#[derive(Default)]
struct Rows {
    rows: BTreeMap<Key, Bytes>,
    /// What stood where the last batches wrote, oldest first.
    undo: VecDeque<Vec<(Key, Option<Bytes>)>>,
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
        let mut undo = Vec::with_capacity(changes.len() + 1);
        for change in changes {
            let old = match &change.value {
                Some(value) => held.rows.insert(change.key, value.clone()),
                None => held.rows.remove(&change.key),
            };
            undo.push((change.key, old));
        }
        let value = Bytes::copy_from_slice(&applied.to_be_bytes());
        undo.push((keys::applied(), held.rows.insert(keys::applied(), value)));
        if held.undo.len() == UNDO_MAX {
            held.undo.pop_front();
        }
        held.undo.push_back(undo);
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

    /// What a killed process leaves: the last `batches` that were not flushed are not there.
    pub fn lose(&self, batches: usize) {
        let mut held = self.0.write().expect("no reader panics");
        for _ in 0..batches {
            let Some(undo) = held.undo.pop_back() else { return };
            for (key, old) in undo.into_iter().rev() {
                match old {
                    Some(value) => held.rows.insert(key, value),
                    None => held.rows.remove(&key),
                };
            }
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
