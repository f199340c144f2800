//! Segment files: fixed-size, zero-filled ahead of use, numbered from 1.
//!
//! A segment begins with 64 bytes: magic, format version, its number, the number of the record
//! before its first one, the engine time it was begun at, and a CRC32C over those. Records follow;
//! zeros stand where none is yet.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use bytes::Bytes;

use crate::store::disk::{Disk, DiskFile};
use crate::store::{BodyLocation, StoreError};

/// Bytes before the first record.
pub const SEGMENT_HEADER: u64 = 64;
/// The format that this build writes; it reads no other.
pub const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"relayseg";
const SUFFIX: &str = ".seg";

/// What the first bytes of a segment say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentHeader {
    /// Prepared and never used, or cut off before it was.
    Blank,
    /// In use; the record before its first has this number.
    Used {
        /// Number of the record before the first.
        previous: u64,
        /// Engine time in ms at which it was begun.
        time_ms: u64,
    },
    /// Written by a newer build.
    Newer(u32),
    /// Not what was written.
    Damaged,
}

/// The first bytes of a segment.
pub fn encode_header(number: u32, previous: u64, time_ms: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER as usize);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&previous.to_le_bytes());
    bytes.extend_from_slice(&time_ms.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.resize(SEGMENT_HEADER as usize, 0);
    bytes
}

/// Reads the first bytes of a segment.
pub fn decode_header(bytes: &[u8], number: u32) -> SegmentHeader {
    if bytes.iter().all(|byte| *byte == 0) {
        return SegmentHeader::Blank;
    }
    let u32_at = |at: usize| {
        bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    };
    let u64_at = |at: usize| {
        bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    let whole = bytes.get(..32).is_some_and(|head| crc32c::crc32c(head) == u32_at(32));
    if !bytes.starts_with(MAGIC) || !whole || u32_at(12) != number {
        return SegmentHeader::Damaged;
    }
    match u32_at(8) {
        FORMAT => SegmentHeader::Used { previous: u64_at(16), time_ms: u64_at(24) },
        newer => SegmentHeader::Newer(newer),
    }
}

/// The file name of a segment.
pub fn file_name(number: u32) -> String {
    format!("{number:08}{SUFFIX}")
}

fn number_of(name: &str) -> Option<u32> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

/// Every segment that is kept, open for reading by anyone.
pub struct Segments {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    files: RwLock<BTreeMap<u32, Arc<dyn DiskFile>>>,
}

impl Segments {
    /// Opens every segment in the folder.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> io::Result<Segments> {
        let mut files = BTreeMap::new();
        for name in disk.list(folder)? {
            if let Some(number) = number_of(&name) {
                files.insert(number, disk.open(&folder.join(name))?);
            }
        }
        Ok(Segments { disk, folder: folder.to_owned(), files: RwLock::new(files) })
    }

    /// The folder they lie in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The disk they lie on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Their numbers, oldest first.
    pub fn numbers(&self) -> Vec<u32> {
        self.files.read().expect("no reader panics").keys().copied().collect()
    }

    /// One of them.
    pub fn get(&self, number: u32) -> Option<Arc<dyn DiskFile>> {
        self.files.read().expect("no reader panics").get(&number).cloned()
    }

    /// Takes in a segment that was just made.
    pub fn insert(&self, number: u32, file: Arc<dyn DiskFile>) {
        self.files.write().expect("no reader panics").insert(number, file);
    }

    /// Leaves a segment out from now on; its file stays.
    pub fn forget(&self, number: u32) {
        self.files.write().expect("no reader panics").remove(&number);
    }

    /// Removes a segment for good.
    pub fn remove(&self, number: u32) -> io::Result<()> {
        self.disk.remove(&self.folder.join(file_name(number)))?;
        self.disk.sync_folder(&self.folder)?;
        self.files.write().expect("no reader panics").remove(&number);
        Ok(())
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> io::Result<u64> {
        let files: Vec<_> =
            self.files.read().expect("no reader panics").values().cloned().collect();
        files.iter().map(|file| file.length()).sum()
    }

    /// What the first bytes of a segment say.
    pub fn header(&self, number: u32) -> io::Result<SegmentHeader> {
        let Some(file) = self.get(number) else { return Ok(SegmentHeader::Damaged) };
        if file.length()? < SEGMENT_HEADER {
            return Ok(SegmentHeader::Blank);
        }
        let mut bytes = [0; SEGMENT_HEADER as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(decode_header(&bytes, number))
    }

    /// The bytes at a location, checked.
    pub fn read(&self, location: &BodyLocation) -> Result<Bytes, StoreError> {
        let segment = location.segment;
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the segment was dropped");
        let file = self.get(segment).ok_or_else(|| StoreError::Io { segment, source: gone() })?;
        let mut bytes = vec![0; location.length as usize];
        file.read_at(&mut bytes, u64::from(location.offset))
            .map_err(|source| StoreError::Io { segment, source })?;
        if crc32c::crc32c(&bytes) != location.checksum {
            return Err(self.damaged(location));
        }
        Ok(Bytes::from(bytes))
    }
}
