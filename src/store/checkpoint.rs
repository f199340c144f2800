//! A small synced file that says how far the index may be trusted at the next start.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::disk::{Disk, read_small, replace};
use crate::store::place::index_file;

const NAME: &str = "checkpoint";
/// The format that this build writes. Format 1 had neither salt nor index file.
const FORMAT: u32 = 2;

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
    /// The salt of the public ids, beside its record in the journal: without it every id would
    /// read otherwise. Since format 2.
    #[serde(default)]
    pub salt: Option<[u8; 16]>,
    /// The file that the index lies in; unknown before format 2 and while a rebuild is under way.
    #[serde(default)]
    pub index_file: Option<FileIdentity>,
}

/// Which file one is: device, inode, and the time of its birth in ns, for an inode's number is
/// given to another file once it is free.
pub type FileIdentity = (u64, u64, u64);

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
            salt: None,
            index_file: None,
        }
    }

    /// The same in the present format, no longer clean.
    pub fn reopened(&self, boot: &str) -> Checkpoint {
        Checkpoint { format: FORMAT, boot: boot.to_owned(), clean: false, ..self.clone() }
    }

    /// The one in a data folder; `None` when there is none or it does not read, which only costs
    /// a rebuild.
    pub fn read(disk: &dyn Disk, data: &Path) -> io::Result<Option<Checkpoint>> {
        let Some(bytes) = read_small(disk, &path(data))? else { return Ok(None) };
        let read = serde_json::from_slice::<Checkpoint>(&bytes);
        Ok(read.ok().filter(|checkpoint| (1..=FORMAT).contains(&checkpoint.format)))
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
    /// page cache still holds what was written. A copied folder never is, nor one whose index was
    /// put back from a copy.
    pub fn trusts_index(&self, data: &Path, boot: &str, folder: (u64, u64)) -> bool {
        let file = self.index_file;
        let same_file = file.is_none() || file == index_file(data, self.index);
        let same_boot = !boot.is_empty() && self.boot == boot;
        self.folder == folder && same_file && (self.clean || same_boot)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    #[test]
    fn the_first_format_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let old = br#"{"format":1,"synced":7,"boot":"b","folder":[1,2],"clean":true,
            "time_ms":9,"index":3,"ages_suspended":true}"#;
        std::fs::write(folder.path().join(NAME), old).unwrap();
        let read = Checkpoint::read(&RealDisk, folder.path()).unwrap().unwrap();
        assert_eq!((read.synced, read.index, read.salt, read.index_file), (7, 3, None, None));
        let mut new = read.reopened("c");
        new.salt = Some([5; 16]);
        new.index_file = Some((1, 2, 3));
        new.write(&RealDisk, folder.path()).unwrap();
        assert_eq!(Checkpoint::read(&RealDisk, folder.path()).unwrap(), Some(new.clone()));
        assert_eq!((new.format, new.ages_suspended), (FORMAT, true));
        std::fs::write(folder.path().join(NAME), old.map(|b| if b == b'1' { b'3' } else { b }))
            .unwrap();
        assert_eq!(Checkpoint::read(&RealDisk, folder.path()).unwrap(), None);
    }
}
