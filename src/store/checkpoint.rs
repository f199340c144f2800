//! A small synced file that says how far the index may be trusted at the next start: a line of JSON
//! and, since format 2, a line with the CRC32C of the first in hexadecimal.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::disk::{Disk, read_small, replace};
use crate::store::place::index_file;

const NAME: &str = "checkpoint";
/// The format that this build writes. Format 1 had neither salt nor index file nor checksum.
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
        Ok(decode(&bytes))
    }

    /// Puts it in the place of the last one, durably.
    pub fn write(&self, disk: &dyn Disk, data: &Path) -> io::Result<()> {
        let bytes = self.encode().map_err(io::Error::other)?;
        match replace(disk, &path(data), &bytes) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let _ = disk.remove(&path(data).with_extension("new"));
                write_over(disk, &path(data), bytes)
            }
            written => written,
        }
    }

    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let json = serde_json::to_string(self)?;
        let checksum = crc32c::crc32c(json.as_bytes());
        Ok(format!("{json}\n{checksum:08x}\n").into_bytes())
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

/// Written over in place, a power cut can leave parts of two that read as one: the checksum tells.
fn decode(bytes: &[u8]) -> Option<Checkpoint> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end();
    let (json, checksum) = match text.rsplit_once('\n') {
        Some((json, checksum)) => (json, u32::from_str_radix(checksum, 16).ok()),
        None => (text, None),
    };
    let read: Checkpoint = serde_json::from_str(json).ok()?;
    let whole = match read.format {
        1 => true,
        FORMAT => checksum == Some(crc32c::crc32c(json.as_bytes())),
        _ => false,
    };
    whole.then_some(read)
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
        let first = r#"{"format":1,"synced":7,"boot":"b","folder":[1,2],"clean":true,"#;
        let rest = r#""time_ms":9,"index":3,"ages_suspended":true}"#;
        let old = format!("{first}{rest}");
        std::fs::write(folder.path().join(NAME), &old).unwrap();
        let read = Checkpoint::read(&RealDisk, folder.path()).unwrap().unwrap();
        assert_eq!((read.synced, read.index, read.salt, read.index_file), (7, 3, None, None));
        let mut new = read.reopened("c");
        new.salt = Some([5; 16]);
        new.index_file = Some((1, 2, 3));
        new.write(&RealDisk, folder.path()).unwrap();
        assert_eq!(Checkpoint::read(&RealDisk, folder.path()).unwrap(), Some(new.clone()));
        assert_eq!((new.format, new.ages_suspended), (FORMAT, true));
        std::fs::write(folder.path().join(NAME), old.replace('1', "3")).unwrap();
        assert_eq!(Checkpoint::read(&RealDisk, folder.path()).unwrap(), None);
    }

    /// Every mixture of two checkpoints at any byte reads as one of them or as none.
    #[test]
    fn parts_of_two_are_none() {
        let one = Checkpoint { salt: Some([250; 16]), ..Checkpoint::new(99, "b", (1, 2), 999) };
        let two = Checkpoint { salt: Some([7; 16]), ..Checkpoint::new(100, "b", (1, 2), 1_000) };
        let (old, mut new) = (one.encode().unwrap(), two.encode().unwrap());
        new.resize(new.len().max(old.len()), b' ');
        for at in 0..new.len() {
            let mixed = [&new[..at], old.get(at..).unwrap_or_default()].concat();
            let read = decode(&mixed);
            assert!(read.is_none_or(|read| read == one || read == two), "at byte {at}");
        }
        assert_eq!((decode(&old), decode(&new)), (Some(one), Some(two)));
    }
}
