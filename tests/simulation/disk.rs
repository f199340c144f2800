//! A disk in memory that fails as disks do.
//!
//! What is written stands in the page cache until a sync; names made, moved and removed until the
//! folder's sync. A killed process loses nothing of that; a power cut keeps what was synced and of
//! the rest what chance leaves, in sectors. A sync that fails may leave pages in the cache that
//! later reads show and no later sync writes.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use relay::store::disk::{Disk, DiskFile};

use crate::random::Random;

const SECTOR: usize = 512;
const BLOCK: usize = 4_096;

/// Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk(Arc<Mutex<State>>);

struct State {
    random: Random,
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not durable, oldest first; each is there as a whole or not.
    renamed: Vec<Vec<(PathBuf, Option<usize>)>>,
    boot: u64,
    full: bool,
    fail_sync: bool,
    /// A file could not be made since the process began.
    not_made: bool,
    /// The process dies in the course of this operation from now.
    dies_in: Option<u64>,
    dead: bool,
}

#[derive(Default)]
struct Content {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Written and not synced, oldest first.
    dirty: Vec<Range<usize>>,
}

impl Content {
    /// Makes a part of the cache durable.
    fn keep(&mut self, part: Range<usize>) {
        let end = part.end.min(self.cached.len());
        if part.start < end {
            self.durable.resize(self.durable.len().max(end), 0);
            self.durable[part.start..end].copy_from_slice(&self.cached[part.start..end]);
        }
    }

    /// Makes some sectors of what is not synced durable, as `kept` says of each: as they are now,
    /// with all that was written to them.
    fn keep_some(&mut self, mut kept: impl FnMut() -> bool) {
        for part in std::mem::take(&mut self.dirty) {
            for sector in part.start / SECTOR..part.end.div_ceil(SECTOR) {
                if kept() {
                    self.keep(sector * SECTOR..(sector + 1) * SECTOR);
                }
            }
        }
    }
}

fn died() -> io::Error {
    io::Error::other("the process is dead")
}

impl State {
    /// One operation that changes something begins; true when the process dies of it.
    fn operation(&mut self) -> io::Result<bool> {
        if self.dead {
            return Err(died());
        }
        match &mut self.dies_in {
            Some(0) => {
                self.dies_in = None;
                self.dead = true;
                Ok(true)
            }
            Some(left) => {
                *left -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(died()) } else { Ok(()) }
    }

    fn rename(&mut self, changes: Vec<(PathBuf, Option<usize>)>) {
        name(&mut self.names, &changes);
        self.renamed.push(changes);
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, changes: &[(PathBuf, Option<usize>)]) {
    for (path, file) in changes {
        match file {
            Some(file) => names.insert(path.clone(), *file),
            None => names.remove(path),
        };
    }
}

impl FaultyDisk {
    pub fn new(random: Random) -> FaultyDisk {
        FaultyDisk(Arc::new(Mutex::new(State {
            random,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamed: Vec::new(),
            boot: 1,
            full: false,
            fail_sync: false,
            not_made: false,
            dies_in: None,
            dead: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }

    /// Whether there is space for anything new.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// The next sync fails.
    pub fn fail_next_sync(&self) {
        self.state().fail_sync = true;
    }

    /// Nothing goes wrong any more, what was drawn before included.
    pub fn calm(&self) {
        let mut state = self.state();
        (state.full, state.dies_in, state.fail_sync) = (false, None, false);
    }

    /// The process dies in the course of this operation from now; `None` takes it back.
    pub fn die_in(&self, operations: Option<u64>) {
        self.state().dies_in = operations;
    }

    /// Whether every operation fails, for the process is dead.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Whether the store may lack a file for another reason than want of space.
    pub fn lacks_file(&self) -> bool {
        self.state().not_made
    }

    /// The process ends, and a new one may begin: the page cache is as it was.
    pub fn killed(&self) {
        let mut state = self.state();
        (state.dead, state.dies_in, state.fail_sync) = (false, None, false);
        state.not_made = false;
    }

    /// The power goes, and comes back.
    pub fn power_cut(&self) {
        self.killed();
        let state = &mut *self.state();
        state.boot += 1;
        for changes in std::mem::take(&mut state.renamed) {
            if state.random.one_in(2) {
                // Of the later ones none: the file system keeps their order.
                break;
            }
            name(&mut state.durable_names, &changes);
        }
        state.names = state.durable_names.clone();
        let way = state.random.below(4);
        for content in &mut state.files {
            let random = &mut state.random;
            let mut left = random.below(8);
            content.keep_some(|| match way {
                0 => false,
                1 => true,
                2 => random.one_in(2),
                _ => {
                    left = left.saturating_sub(1);
                    left > 0
                }
            });
            content.cached.clone_from(&content.durable);
        }
    }

    /// The paths of all files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// Changes bytes where they lie.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut [u8])) {
        let mut state = self.state();
        let Some(file) = state.names.get(path).copied() else { return };
        let content = &mut state.files[file];
        change(&mut content.cached);
        content.durable.clone_from(&content.cached);
    }

    /// Takes a file away for good.
    pub fn lose(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }
}

impl Disk for FaultyDisk {
    fn create_folder(&self, _path: &Path) -> io::Result<()> {
        self.state().alive()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let dies = state.operation()?;
        if dies && state.random.one_in(2) {
            return Err(died());
        }
        let file = state.files.len();
        let zeros = vec![0; if state.full || dies { 0 } else { length as usize }];
        state.files.push(Content { durable: zeros.clone(), cached: zeros, dirty: Vec::new() });
        state.rename(vec![(path.to_owned(), Some(file))]);
        if dies {
            return Err(died());
        }
        if state.full && length > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if std::mem::take(&mut state.fail_sync) {
            state.not_made = true;
            return Err(io::Error::other("input/output error"));
        }
        Ok(Arc::new(FaultyFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        state.alive()?;
        let file = state.names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultyFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let dies = state.operation()?;
        let file = state.names.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        if !dies || state.random.one_in(2) {
            state.rename(vec![(from.to_owned(), None), (to.to_owned(), Some(file))]);
        }
        if dies { Err(died()) } else { Ok(()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let dies = state.operation()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !dies || state.random.one_in(2) {
            state.rename(vec![(path.to_owned(), None)]);
        }
        if dies { Err(died()) } else { Ok(()) }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let state = &mut *self.state();
        let dies = state.operation()?;
        if dies && state.random.one_in(2) {
            return Err(died());
        }
        let inside = |changes: &Vec<(PathBuf, _)>| changes[0].0.parent() == Some(folder);
        let (now, later) = std::mem::take(&mut state.renamed).into_iter().partition(inside);
        state.renamed = later;
        now.iter().for_each(|changes| name(&mut state.durable_names, changes));
        if dies { Err(died()) } else { Ok(()) }
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let state = self.state();
        state.alive()?;
        Ok(if state.full { 0 } else { 1 << 40 })
    }

    fn identity(&self, _folder: &Path) -> io::Result<(u64, u64)> {
        Ok((1, 1))
    }

    fn boot(&self) -> String {
        self.state().boot.to_string()
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: usize,
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        state.alive()?;
        let from = offset as usize;
        let bytes = state.files[self.file].cached.get(from..from + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let dies = state.operation()?;
        let length = if dies { state.random.below(bytes.len() as u64 + 1) } else { u64::MAX };
        let bytes = &bytes[..bytes.len().min(length as usize)];
        let content = &mut state.files[self.file];
        let part = offset as usize..offset as usize + bytes.len();
        if part.end > content.cached.len() {
            // What a file's last block has room for needs no more space.
            if state.full && part.end > content.cached.len().next_multiple_of(BLOCK) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.cached.resize(part.end, 0);
        }
        content.cached[part.clone()].copy_from_slice(bytes);
        // What is written is a sector, with whatever else stands in it.
        content.dirty.push(part.start / SECTOR * SECTOR..part.end.next_multiple_of(SECTOR));
        if dies { Err(died()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let dies = state.operation()?;
        let content = &mut state.files[self.file];
        if dies || state.fail_sync {
            let (random, dirty) = (&mut state.random, content.dirty.clone());
            content.keep_some(|| random.one_in(2));
            if dies {
                content.dirty = dirty;
                return Err(died());
            }
            state.fail_sync = false;
            return Err(io::Error::other("input/output error"));
        }
        content.keep_some(|| true);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.alive()?;
        Ok(state.files[self.file].cached.len() as u64)
    }
}
