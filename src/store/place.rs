//! The data folder: which one it is, who holds it, what is kept in reserve there.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    pub generation: u32,
    /// Nothing is deleted for its age: the clock was found far from the last known time.
    pub ages_suspended: AtomicBool,
    /// Held as long as the store is open; none in the simulation.
    pub lock: Option<File>,
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
