//! The data folder: which one it is, who holds it, what is kept in reserve there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use crate::store::checkpoint::FileIdentity;
use crate::store::disk::Disk;
use crate::store::open::OpenError;

/// Bytes kept for opening on a full disk: sled has to write to open.
const BALLAST: u64 = 16 << 20;
const BALLAST_NAME: &str = "ballast";

/// Where the store lies and which machine, boot and folder that is.
pub struct Place {
    pub folder: PathBuf,
    pub disk: Arc<dyn Disk>,
    pub boot: String,
    pub identity: (u64, u64),
    /// Which folder under `index/` is the index.
    pub generation: AtomicU32,
    /// Bytes of the index's page cache.
    pub index_cache: u64,
    /// Bytes of a journal segment.
    pub segment_size: u64,
    /// Nothing is deleted for its age: the clock was found far from the last known time.
    pub ages_suspended: AtomicBool,
    /// Held as long as the store is open; none in the simulation.
    pub lock: Option<File>,
}

/// The one file under an index's folder that holds its rows.
const INDEX_FILE: &str = "db";
/// Bytes of the blocks that the file system counts in.
const BLOCK: u64 = 512;

impl Place {
    /// Where the index of a generation lies.
    pub fn index_folder(&self, generation: u32) -> PathBuf {
        index_folder(&self.folder, generation)
    }

    /// Bytes of disk that the data folder takes, without what is held in reserve.
    pub fn used_bytes(&self) -> u64 {
        disk_bytes(&self.folder).saturating_sub(disk_bytes_of(&self.folder.join(BALLAST_NAME)))
    }

    /// Removes what lies under `index/` and is not the index: one that a crash left half made, or
    /// left behind after another had taken its place.
    pub fn remove_other_indexes(&self) -> io::Result<()> {
        let generation = self.generation.load(Ordering::Relaxed).to_string();
        for entry in fs::read_dir(self.folder.join("index"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy() == generation {
                continue;
            }
            tracing::info!(path = %entry.path().display(), "removing what is left of an index");
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Where the index of a generation lies.
pub fn index_folder(data: &Path, generation: u32) -> PathBuf {
    data.join("index").join(generation.to_string())
}

/// Which file the index of a generation lies in; `None` when there is none.
pub fn index_file(data: &Path, generation: u32) -> Option<FileIdentity> {
    let metadata = fs::metadata(index_folder(data, generation).join(INDEX_FILE)).ok()?;
    // Not every file system tells it.
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let born_ns = born.and_then(|born| u64::try_from(born.as_nanos()).ok()).unwrap_or(0);
    Some((metadata.dev(), metadata.ino(), born_ns))
}

/// Bytes of disk that everything under a folder takes, in blocks really written. What goes away
/// meanwhile is not counted.
pub fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * BLOCK,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

fn disk_bytes_of(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.blocks() * BLOCK)
}

/// Takes the folder; one process has it at a time.
pub fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| OpenError::Io(path.clone(), error))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(folder.to_owned())),
        Err(error) => Err(OpenError::Io(path, error.into())),
    }
}

/// Gives the reserve up when there is hardly any room, so that the index can be opened.
pub fn give_up_ballast(disk: &dyn Disk, folder: &Path) {
    if disk.free_bytes(folder).is_ok_and(|free| free < BALLAST) {
        // It is not there at the first start, and after a start on a full disk.
        let _ = disk.remove(&folder.join(BALLAST_NAME));
    }
}

/// Bytes that the reserve lacks.
pub fn ballast_lacking(disk: &dyn Disk, folder: &Path) -> u64 {
    let held = disk.list(folder).is_ok_and(|names| names.iter().any(|name| name == BALLAST_NAME));
    if held { 0 } else { BALLAST }
}

/// Makes the reserve, unless it is there; as much must be left beside it.
pub fn keep_ballast(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let held = disk.list(folder)?.iter().any(|name| name == BALLAST_NAME);
    if held || disk.free_bytes(folder)? < 2 * BALLAST {
        return Ok(());
    }
    let path = folder.join(BALLAST_NAME);
    disk.create(&path, BALLAST).map(|_| ()).inspect_err(|_| {
        // Half of it helps nobody.
        let _ = disk.remove(&path);
    })
}
