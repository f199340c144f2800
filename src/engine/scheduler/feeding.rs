//! A page of a lane on its way from disk, and what it can't know.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::Key;
use crate::domain::time::Timestamp;

/// A page on its way from disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Feeding {
    /// Room kept for it.
    pub want: usize,
    /// The earliest due time heard of since it was asked for: the page may not have it.
    noticed: Option<Timestamp>,
    /// Settled since it was asked for, and whether they wait still: the page may have them as they
    /// stood before.
    settled: BTreeMap<Key, bool>,
    /// Groups one of which failed or came back since: the page may have what waits behind it.
    held: BTreeSet<u64>,
    /// The endpoint was changed since: the page may not have the groups as they are now.
    pub changed: bool,
}

impl Feeding {
    /// With room kept for `want` rows.
    pub fn new(want: usize) -> Feeding {
        Feeding { want, ..Feeding::default() }
    }

    /// Something on disk is due at `due`.
    pub fn notice(&mut self, due: Timestamp) {
        self.noticed = Some(self.noticed.map_or(due, |known| known.min(due)));
    }

    /// When the first of what was noticed since it was asked for is due.
    pub fn noticed(&self) -> Option<Timestamp> {
        self.noticed
    }

    /// One is settled, and may wait still.
    pub fn outdate(&mut self, key: Key, waits: bool) {
        self.settled.insert(key, waits);
    }

    /// One of the group failed or came back.
    pub fn hold_back(&mut self, group: u64) {
        self.held.insert(group);
    }

    /// Whether the page may show it as it stood before it was settled.
    pub fn is_outdated(&self, key: Key) -> bool {
        self.settled.contains_key(&key)
    }

    /// Whether something it may show as waiting for its time waits no longer.
    pub fn took_away(&self) -> bool {
        self.settled.values().any(|waits| !waits)
    }

    /// Passes over one that is outdated: those of its group wait behind it, if it waits still.
    pub fn pass_over(&mut self, key: Key, group: Option<u64>) {
        let waits = self.settled.get(&key).is_some_and(|waits| *waits);
        self.held.extend(group.filter(|_| waits));
    }

    /// Whether the page may show what waits behind one that failed since, or has another order.
    pub fn is_held(&self, group: Option<u64>) -> bool {
        self.changed || group.is_some_and(|group| self.held.contains(&group))
    }

    /// Whether anything happened since it was asked for.
    pub fn overtaken(&self) -> bool {
        self.changed || self.noticed.is_some() || !self.settled.is_empty()
    }
}
