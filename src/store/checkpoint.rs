//! A small synced file that says how far the index may be trusted at the next start.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::disk::{Disk, read_small, replace};

const NAME: &str = "checkpoint";
const FORMAT: u32 = 1;

/// What is known for sure.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    format: u32,
    /// Every journal record up to this number was on disk.
    pub synced: u64,
    /// The boot of the machine that the process ran in.
    pub boot: String,
    /// Device and inode of the data folder: a copy has others.
    pub folder: (u64, u64),
    /// Whether journal and index were synced whole and nothing was written since.
    pub clean: bool,
    /// Engine time in ms.
    pub time_ms: u64,
    /// Which folder under `index/` is the index.
    pub index: u32,
    /// Nothing is deleted for its age until the operator confirms the clock.
    pub ages_suspended: bool,
}

impl Checkpoint {
    /// One of the present format.
    pub fn new(synced: u64, boot: &str, folder: (u64, u64), time_ms: u64) -> Checkpoint {
        let boot = boot.to_owned();
        Checkpoint {
            format: FORMAT,
            synced,
            boot,
            folder,
            clean: false,
            time_ms,
            index: 1,
            ages_suspended: false,
        }
    }

    /// The same, no longer clean.
    pub fn reopened(&self, boot: &str) -> Checkpoint {
        Checkpoint { boot: boot.to_owned(), clean: false, ..self.clone() }
    }

    /// The one in a data folder; `None` when there is none or it does not read, which only costs
    /// a rebuild.
    pub fn read(disk: &dyn Disk, data: &Path) -> io::Result<Option<Checkpoint>> {
        let Some(bytes) = read_small(disk, &path(data))? else { return Ok(None) };
        let read = serde_json::from_slice::<Checkpoint>(&bytes);
        Ok(read.ok().filter(|checkpoint| checkpoint.format == FORMAT))
    }

    /// Puts it in the place of the last one, durably.
    pub fn write(&self, disk: &dyn Disk, data: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        match replace(disk, &path(data), &bytes) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let _ = disk.remove(&path(data).with_extension("new"));
                write_over(disk, &path(data), bytes)
            }
            written => written,
        }
    }

    /// Whether the index is what it was: after a clean stop, or a crash within the same boot whose
    /// page cache still holds what was written. A copied folder never is.
    pub fn trusts_index(&self, boot: &str, folder: (u64, u64)) -> bool {
        self.folder == folder && (self.clean || !boot.is_empty() && self.boot == boot)
    }
}

/// On a full disk the block that the old one stands in takes the new one. Should that be cut short
/// it reads as none, which costs a rebuild.
fn write_over(disk: &dyn Disk, path: &Path, mut bytes: Vec<u8>) -> io::Result<()> {
    let file = disk.open(path)?;
    let length = usize::try_from(file.length()?).unwrap_or(0);
    bytes.resize(bytes.len().max(length), b' ');
    file.write_at(&bytes, 0)?;
    file.sync()
}

fn path(data: &Path) -> PathBuf {
    data.join(NAME)
}

/// The kernel's name of this boot; empty where it can't be read, and then no crash is trusted.
/// `RELAY_TEST_BOOT_ID` stands in for it where a test has to pass for a reboot.
pub fn boot_id() -> String {
    std::env::var("RELAY_TEST_BOOT_ID")
        .or_else(|_| std::fs::read_to_string("/proc/sys/kernel/random/boot_id"))
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
