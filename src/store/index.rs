//! sled as an index of small rows: one tree, written by one thread.
//!
//! It is never trusted further than the journal can prove: an error, an undecodable row or a
//! value that should be there and is not marks it bad and ends the process, and the next start
//! rebuilds it ([`crate::store::open`]). The simulation keeps the rows in an ordered map instead.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::store::keys::{self, Key};
use crate::store::memory::MemoryIndex;

mod copy;
mod split;
#[cfg(test)]
mod tests;
mod waiting;
mod watch;

pub use copy::{Copied, LiveRows};
use split::{PART, SPLIT, part_key, write};
pub use waiting::WaitingCount;
pub use watch::Watch;

const SEGMENT_SIZE: usize = 2 << 20;
/// Each time one half empty segment of its file is rewritten at most, and the file synced, which
/// syncs of the journal wait for beside a backlog (docs/performance.md has figures).
const FLUSH_EVERY_MS: u64 = 500;
const LACKS: &str = "a part of a split value is missing";
/// Rows written between two numbers up to which the index is complete.
pub const BATCH_ROWS: usize = 100;

/// A row to write, or to remove when there is no value.
pub struct IndexChange {
    /// The row.
    pub key: Key,
    /// Its value.
    pub value: Option<Bytes>,
    /// Whether the index can't hold this key yet.
    pub fresh: bool,
}

/// The index can't be used; the journal can make it anew.
#[derive(Debug, thiserror::Error)]
#[error("the index is bad: {0}")]
pub struct IndexError(pub String);

/// Rows by key.
pub struct Index {
    rows: Rows,
    /// Sees steps that hang.
    watch: Arc<Watch>,
}

enum Rows {
    /// On disk.
    Sled {
        /// The open database; its default tree is the one tree.
        tree: sled::Db,
        /// Where it lies, to mark it bad.
        folder: PathBuf,
    },
    /// In memory, for the simulation.
    Memory(MemoryIndex),
}

impl Index {
    /// Opens or makes the database in `folder`. An error or a panic of sled's is an error.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Index, IndexError> {
        remove_unfinished_snapshots(folder);
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            .segment_size(SEGMENT_SIZE)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(tree)) => {
                let rows = Rows::Sled { tree, folder: folder.to_owned() };
                Ok(Index { rows, watch: Arc::default() })
            }
            Ok(Err(error)) => Err(IndexError(error.to_string())),
            Err(_) => Err(IndexError("opening it panicked".to_owned())),
        }
    }

    /// In memory, over rows that outlive it.
    pub fn memory(rows: MemoryIndex) -> Index {
        Index { rows: Rows::Memory(rows), watch: Arc::default() }
    }

    /// The same, seen by the watch of another index, whose place it is to take.
    pub fn watched_with(self, other: &Index) -> Index {
        Index { watch: Arc::clone(&other.watch), ..self }
    }

    /// Sees steps that hang.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The value of a row.
    pub fn get(&self, key: &Key) -> Option<Bytes> {
        let _step = self.watch.begin();
        match &self.rows {
            Rows::Memory(rows) => rows.get(key),
            Rows::Sled { tree, .. } => match tree.get(key.as_bytes()) {
                Ok(None) => None,
                Ok(Some(value)) => self.whole(tree, key, value),
                Err(error) => self.fail(&error.to_string()),
            },
        }
    }

    /// Rows from `from` up to and not including `to`, in order or in reverse, until told to stop.
    pub fn scan(
        &self,
        from: &Key,
        to: &Key,
        reverse: bool,
        visit: &mut dyn FnMut(Key, Bytes) -> ControlFlow<()>,
    ) {
        match &self.rows {
            Rows::Memory(rows) => rows.scan(from, to, reverse, || self.watch.begin(), visit),
            Rows::Sled { tree, .. } => {
                let mut range = tree.range(from.as_bytes()..to.as_bytes());
                // Each step by itself: a scan may take as long as there are rows.
                while let Some((key, value)) = self.next_row(tree, &mut range, reverse) {
                    if let Some(value) = value
                        && visit(key, value).is_break()
                    {
                        return;
                    }
                }
            }
        }
    }

    /// The next row; without a value when it went meanwhile.
    fn next_row(
        &self,
        tree: &sled::Db,
        range: &mut sled::Iter,
        reverse: bool,
    ) -> Option<(Key, Option<Bytes>)> {
        let _step = self.watch.begin();
        let row = if reverse { range.next_back() } else { range.next() };
        let (key, value) = row?.unwrap_or_else(|error| self.fail(&error.to_string()));
        let Some(key) = Key::from_bytes(&key) else {
            self.fail("a key is longer than any that is written")
        };
        Some((key, self.whole(tree, &key, value)))
    }

    /// Writes rows and, behind them, the number up to which the index is complete. At most
    /// [`BATCH_ROWS`] of them.
    ///
    /// One by one: what a crash leaves is the first so many of them, since sled recovers its log up
    /// to some place, and the journal has all of them again. A `Batch` of sled's would keep every
    /// read waiting until its end, and takes its rows in no order.
    pub fn apply(&self, changes: &[IndexChange], applied: u64) {
        debug_assert!(changes.len() <= BATCH_ROWS);
        let _step = self.watch.begin();
        match &self.rows {
            Rows::Memory(rows) => rows.apply(changes, applied),
            Rows::Sled { tree, .. } => {
                let wrote = changes.iter().try_for_each(|change| write(tree, change));
                let number = applied.to_be_bytes();
                let told = wrote.and_then(|()| tree.insert(keys::applied().as_bytes(), &number));
                if let Err(error) = told {
                    self.fail(&error.to_string());
                }
            }
        }
    }

    /// The number up to which the index is complete, `None` when it never held anything.
    pub fn applied(&self) -> Option<u64> {
        let value = self.get(&keys::applied())?;
        Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))
    }

    /// The same for a check, which takes an error for an answer.
    pub fn read_applied(&self) -> Result<Option<u64>, IndexError> {
        let Rows::Sled { tree, .. } = &self.rows else { return Ok(self.applied()) };
        let value = tree.get(keys::applied().as_bytes());
        let value = value.map_err(|error| IndexError(error.to_string()))?;
        Ok(value.and_then(|value| Some(u64::from_be_bytes(value.get(..8)?.try_into().ok()?))))
    }

    /// Every row of the store for a check: the index is not marked bad and goes on being as it is.
    pub fn read_all(&self, visit: &mut dyn FnMut(Key, Bytes)) -> Result<(), IndexError> {
        let tree = match &self.rows {
            Rows::Sled { tree, .. } => tree,
            Rows::Memory(rows) => {
                rows.each(visit);
                return Ok(());
            }
        };
        for row in tree.iter() {
            let (key, value) = row.map_err(|error| IndexError(error.to_string()))?;
            // Parts are read with the rows they belong to.
            if key.first() == Some(&PART) || key.as_ref() == keys::applied().as_bytes() {
                continue;
            }
            let known = Key::from_bytes(&key);
            let key = known.ok_or_else(|| IndexError("a key is too long".to_owned()))?;
            let whole = self.read_whole(&key, &value)?;
            visit(key, whole.ok_or_else(|| IndexError(LACKS.to_owned()))?);
        }
        Ok(())
    }

    /// Hands what sled holds in memory to the file system.
    pub fn flush(&self) {
        self.hand_over().unwrap_or_else(|error| self.fail(&error.0));
    }

    /// Marks the index bad and ends the process: the next start rebuilds it from the journal.
    pub fn fail(&self, reason: &str) -> ! {
        if let Rows::Sled { folder, .. } = &self.rows {
            // If the mark can't be written the same fault is met again and marked then.
            let _ = std::fs::write(bad_mark(folder), reason);
        }
        panic!("the index is bad and will be rebuilt at the next start: {reason}");
    }

    /// The value with all its parts; `None` when the row went while they were read, for a scan
    /// holds values for a while.
    fn whole(&self, tree: &sled::Db, key: &Key, mut value: sled::IVec) -> Option<Bytes> {
        loop {
            let whole = self.read_whole(key, &value).unwrap_or_else(|error| self.fail(&error.0));
            if whole.is_some() {
                return whole;
            }
            match tree.get(key.as_bytes()) {
                Ok(None) => return None,
                Ok(Some(now)) if now == value => self.fail(LACKS),
                Ok(Some(now)) => value = now,
                Err(error) => self.fail(&error.to_string()),
            }
        }
    }

    /// `None` when a part is missing.
    fn read_whole(&self, key: &Key, value: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let Some((&SPLIT, rest)) = value.split_first() else {
            return Ok(Some(Bytes::copy_from_slice(value)));
        };
        let wrong = |what: &str| IndexError(what.to_owned());
        let (count, first) =
            rest.split_first_chunk::<2>().ok_or_else(|| wrong("a split value has no count"))?;
        let mut whole = first.to_vec();
        for part in 0..u16::from_be_bytes(*count) {
            let Some(bytes) = self.read_part(key, part)? else { return Ok(None) };
            whole.extend_from_slice(&bytes);
        }
        Ok(Some(Bytes::from(whole)))
    }

    fn read_part(&self, key: &Key, part: u16) -> Result<Option<sled::IVec>, IndexError> {
        let Rows::Sled { tree, .. } = &self.rows else { return Ok(None) };
        tree.get(part_key(key, part)).map_err(|error| IndexError(error.to_string()))
    }
}

/// Where a bad index is marked: beside it.
pub fn bad_mark(folder: &Path) -> PathBuf {
    folder.with_extension("bad")
}

/// sled refuses to open beside a snapshot that a crash left unfinished (its issues 1527, 1533).
fn remove_unfinished_snapshots(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            // If it stays, opening fails and the index is rebuilt.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
