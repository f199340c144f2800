//! Bringing the index up to the journal: what it lacks is replayed, or all of it is made anew.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::store::index::{Index, IndexError, bad_mark};
use crate::store::journal::record::Change;
use crate::store::journal::recover::{Loss, Recovered, accept_loss, recover};
use crate::store::journal::segment::{SegmentHeader, Segments};
use crate::store::open::{INDEX_OPEN_THREAD, OpenError, Options};
use crate::store::overlay::Overlay;
use crate::store::place::index_folder;

/// sled is given this long to open before the index is rebuilt instead.
const INDEX_OPEN_DEADLINE: Duration = Duration::from_secs(60);
/// Rows in memory at once during a rebuild, in bytes: the more, the fewer reach the index twice.
const REBUILD_OVERLAY: usize = 64 << 20;
/// Records between two reports of progress.
const PROGRESS_EVERY: u64 = 10_000;

/// A replay into the index of one generation.
pub(super) struct Replay<'open> {
    pub options: &'open Options,
    pub segments: &'open Segments,
    /// Every record up to this number was on disk, says the checkpoint.
    pub known: u64,
    /// Damage that was given up.
    pub accepted: Vec<Loss>,
}

impl Replay<'_> {
    /// The index as it lies there and the records it lacks; `None` when it has to be rebuilt.
    pub fn trusted(&mut self, generation: u32) -> Result<Option<(Overlay, Recovered)>, OpenError> {
        let folder = self.index_folder(generation);
        let opened = match &self.options.simulated {
            Some(rows) => Ok(Index::memory(rows.clone())),
            None if bad_mark(&folder).exists() || !folder.exists() => {
                tracing::warn!(folder = %folder.display(), "the index is marked bad or missing");
                return Ok(None);
            }
            None => open_in_time(&folder, self.options.index_cache),
        };
        let index = match opened {
            Ok(index) => index,
            Err(error) => {
                tracing::warn!(%error, "the index does not open");
                return Ok(None);
            }
        };
        let Some(applied) = index.applied() else {
            tracing::warn!("the index opens empty");
            return Ok(None);
        };
        // A row goes into the index after its record was synced.
        self.known = self.known.max(applied);
        if !self.reaches_back_to(applied)? {
            tracing::warn!(applied, "the index is behind the journal");
            return Ok(None);
        }
        let overlay = Overlay::new(index, applied);
        // Damage ends the start here: the index may hold what the journal has lost.
        let recovered = self.read(&overlay, applied, usize::MAX, |change| match change {
            // The index may already hold what a record behind `applied` put.
            Change::PutNew(key, value) => Change::Put(key, value),
            other => other,
        })?;
        Ok(Some((overlay, recovered)))
    }

    /// Whether the record behind `applied`, if there is one, is still kept.
    fn reaches_back_to(&self, applied: u64) -> Result<bool, OpenError> {
        let Some(&oldest) = self.segments.numbers().first() else { return Ok(true) };
        let header = self.segments.header(oldest);
        let header =
            header.map_err(|error| OpenError::Io(self.segments.folder().to_owned(), error))?;
        Ok(match header {
            SegmentHeader::Used { previous, .. } => previous <= applied,
            _ => true,
        })
    }

    /// A fresh index from every record that is kept.
    pub fn rebuilt(&mut self, generation: u32) -> Result<(Overlay, Recovered), OpenError> {
        let folder = self.index_folder(generation);
        let index = match &self.options.simulated {
            Some(rows) => {
                rows.clear();
                Index::memory(rows.clone())
            }
            None => {
                remove_indexes(&self.options.folder)
                    .map_err(|error| OpenError::Io(self.options.folder.join("index"), error))?;
                Index::open(&folder, self.options.index_cache)?
            }
        };
        let overlay = Overlay::new(index, 0);
        let recovered = self.read(&overlay, 0, REBUILD_OVERLAY, |change| change)?;
        Ok((overlay, recovered))
    }

    fn read(
        &mut self,
        overlay: &Overlay,
        after: u64,
        most: usize,
        change: impl Fn(Change) -> Change,
    ) -> Result<Recovered, OpenError> {
        loop {
            let mut count = 0u64;
            let mended = !self.accepted.is_empty();
            let recovered = recover(self.segments, after, self.known, &mut |_, found| {
                let sequence = found.header.sequence;
                let rows = found.changes.into_iter().map(|row| match change(row) {
                    // An earlier round has put it.
                    Change::PutNew(key, value) if mended => Change::Put(key, value),
                    row => row,
                });
                overlay.publish(rows.map(|row| (sequence, row)), sequence);
                count += 1;
                if count.is_multiple_of(PROGRESS_EVERY) {
                    (self.options.progress)(sequence);
                }
                while overlay.bytes() > most && overlay.apply_some(u64::MAX) {}
            })?;
            if recovered.losses.is_empty() {
                // A start with a full overlay would refuse its first writes.
                while overlay.bytes() > self.options.overlay / 2 && overlay.apply_some(u64::MAX) {}
                return Ok(recovered);
            }
            if !self.options.accept_loss {
                return Err(OpenError::Lost(recovered.losses));
            }
            // One at a time: mending one may show that the next is none.
            let loss = recovered.losses[0];
            accept_loss(self.segments, &loss)
                .map_err(|error| OpenError::Io(self.segments.folder().to_owned(), error))?;
            self.accepted.push(loss);
        }
    }

    fn index_folder(&self, generation: u32) -> PathBuf {
        index_folder(&self.options.folder, generation)
    }
}

fn remove_indexes(data: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(data.join("index")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub fn open_in_time(folder: &Path, cache: u64) -> Result<Index, IndexError> {
    let (sender, opened) = mpsc::channel();
    let folder = folder.to_owned();
    let spawned = thread::Builder::new().name(INDEX_OPEN_THREAD.to_owned()).spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = sender.send(Index::open(&folder, cache));
    });
    if let Err(error) = spawned {
        return Err(IndexError(error.to_string()));
    }
    opened
        .recv_timeout(INDEX_OPEN_DEADLINE)
        .unwrap_or_else(|_| Err(IndexError(format!("not open after {INDEX_OPEN_DEADLINE:?}"))))
}
