//! Making the index smaller: sled's file never shrinks, so another is made beside it, row by row,
//! and takes its place.
//!
//! While rows are copied, what goes into the index before the cursor goes into both
//! ([`crate::store::overlay`]), so that what lies there is equal in both at any moment. The
//! checkpoint names the index that counts, and names the new one only when that is whole and handed
//! to the file system. A crash between any two steps leaves one of the two whole; the next start
//! removes the other.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::store::index::{Index, IndexError, LiveRows, bad_mark};
use crate::store::place::disk_bytes;
use crate::store::replay::open_in_time;
use crate::store::{Shared, Store};
use crate::telemetry::panic_point;

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compacted {
    /// Bytes of disk that the index took.
    pub before: u64,
    /// Bytes of disk that it takes now.
    pub after: u64,
    /// From the first step to the last.
    pub took: Duration,
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Copied up to 100 rows.
    Copied,
    /// There is nothing more to copy.
    Whole,
    /// Handed what was copied to the file system.
    Flushed,
    /// The new index is the one that counts, for the next start too.
    Switched,
    /// Somebody still reads the old one.
    Awaited,
    /// The old one is removed.
    Done(Compacted),
}

/// Why the index stays as large as it is; nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// The new index can't be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The disk failed.
    #[error("making the index smaller: {0}")]
    Io(#[from] io::Error),
    /// The disk has too little space for two.
    #[error("the disk has too little space to make the index smaller")]
    NoSpace,
    /// What goes into the index could not be written to the new one too.
    #[error("the new index fell behind and was given up")]
    Behind,
}

enum Stage {
    Copying,
    Flushing,
    Switching,
    /// The old index may still have readers.
    Removing(Arc<Index>),
    Done,
}

/// An index in the making; given up, with what there is of it, when this is dropped.
pub struct Compaction {
    shared: Arc<Shared>,
    next: Option<Arc<Index>>,
    old_folder: PathBuf,
    next_folder: PathBuf,
    generation: u32,
    stage: Stage,
    before: u64,
    began: Instant,
}

impl Store {
    /// Bytes of rows that went into the index since the store was opened.
    pub fn index_moved(&self) -> u64 {
        self.shared.overlay.moved()
    }

    /// Counts up to `most` rows of the index behind `cursor`, empty for the first, and moves it;
    /// `None` when there are none left.
    pub fn count_rows(&self, cursor: &mut Vec<u8>, most: usize) -> Option<LiveRows> {
        self.shared.overlay.index().count_some(cursor, most)
    }

    /// Begins to make a smaller index. One at a time, and not while a segment is reclaimed.
    pub fn begin_compaction(&self) -> Result<Compaction, CompactionError> {
        let shared = Arc::clone(&self.shared);
        let place = &shared.place;
        let current = place.generation.load(Ordering::Relaxed);
        let generation = current.wrapping_add(1);
        let (old_folder, next_folder) =
            (place.index_folder(current), place.index_folder(generation));
        remove(&next_folder)?;
        let old = shared.overlay.index();
        let next = open_in_time(&next_folder, place.index_cache)?.watched_with(&old);
        let next = Arc::new(next);
        shared.overlay.hold().mirror(Some(Arc::clone(&next)));
        Ok(Compaction {
            before: disk_bytes(&old_folder),
            shared,
            next: Some(next),
            old_folder,
            next_folder,
            generation,
            stage: Stage::Copying,
            began: Instant::now(),
        })
    }
}

impl Compaction {
    /// Does the next step, of a millisecond or so but for flushing. After an error, and to give it
    /// up at any time, drop it.
    pub fn step(&mut self) -> Result<Progress, CompactionError> {
        if matches!(self.stage, Stage::Copying | Stage::Flushing) && !self.shared.has_index_space()
        {
            return Err(CompactionError::NoSpace);
        }
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Copying => self.copy(),
            Stage::Flushing => {
                if let Some(next) = &self.next {
                    next.hand_over()?;
                }
                self.stage = Stage::Switching;
                Ok(Progress::Flushed)
            }
            Stage::Switching => self.switch(),
            Stage::Removing(old) => self.remove(old),
            Stage::Done => Ok(Progress::Awaited),
        }
    }

    /// Bytes of disk that the new index takes so far; 0 once it is the one that counts.
    pub fn bytes(&self) -> u64 {
        if self.next.is_some() { disk_bytes(&self.next_folder) } else { 0 }
    }

    fn copy(&mut self) -> Result<Progress, CompactionError> {
        let copied = self.shared.overlay.hold().copy_some();
        let more = copied.ok_or(CompactionError::Behind)??;
        self.stage = if more { Stage::Copying } else { Stage::Flushing };
        Ok(if more { Progress::Copied } else { Progress::Whole })
    }

    fn switch(&mut self) -> Result<Progress, CompactionError> {
        let shared = Arc::clone(&self.shared);
        let pause = shared.overlay.hold();
        let Some(next) = self.next.as_ref().filter(|_| pause.is_mirrored()) else {
            return Err(CompactionError::Behind);
        };
        next.complete(pause.applied())?;
        let named = &shared.place.generation;
        let old_generation = named.swap(self.generation, Ordering::Relaxed);
        let synced = shared.sequence.load(Ordering::Acquire);
        if let Err(error) = shared.checkpoint(synced, false) {
            // Whichever of the two it names now, the next start finds it whole.
            named.store(old_generation, Ordering::Relaxed);
            return Err(error.into());
        }
        panic_point::reach("index-switch");
        self.next = None;
        let old = pause.switch().expect("it is mirrored, as was just seen");
        self.stage = Stage::Removing(old);
        Ok(Progress::Switched)
    }

    fn remove(&mut self, old: Arc<Index>) -> Result<Progress, CompactionError> {
        match Arc::try_unwrap(old) {
            Err(old) => {
                self.stage = Stage::Removing(old);
                Ok(Progress::Awaited)
            }
            Ok(old) => {
                drop(old);
                remove(&self.old_folder)?;
                Ok(Progress::Done(Compacted {
                    before: self.before,
                    after: disk_bytes(&self.next_folder),
                    took: self.began.elapsed(),
                }))
            }
        }
    }
}

impl Drop for Compaction {
    fn drop(&mut self) {
        if let Some(next) = self.next.take() {
            self.shared.overlay.hold().mirror(None);
            drop(next);
            if let Err(error) = remove(&self.next_folder) {
                tracing::warn!(%error, "what was made of a new index goes at the next start");
            }
        }
    }
}

/// Removes an index that nobody has open.
fn remove(folder: &std::path::Path) -> io::Result<()> {
    for removed in [std::fs::remove_dir_all(folder), std::fs::remove_file(bad_mark(folder))] {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
