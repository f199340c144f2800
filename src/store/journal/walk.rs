//! Reading a segment record by record.

use std::io;

use crate::store::disk::DiskFile;
use crate::store::journal::record::{self, Change, HEADER, Header};
use crate::store::journal::segment::SEGMENT_HEADER;

const WINDOW: usize = 256 << 10;

/// A record as it was found.
pub struct Found {
    /// Where it begins.
    pub offset: u64,
    /// Its fixed part.
    pub header: Header,
    /// The rows it changes.
    pub changes: Vec<Change>,
}

/// What stands where a record might.
pub enum Step {
    /// A record whose header and rows are as they were written.
    Record(Found),
    /// Zeros: nothing was written here.
    Blank,
    /// Something else.
    Bad,
    /// No room for another record.
    End,
}

/// A place in a segment, and a window of its bytes.
pub struct Walk<'file> {
    file: &'file dyn DiskFile,
    length: u64,
    offset: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'file> Walk<'file> {
    /// At the first record.
    pub fn new(file: &'file dyn DiskFile) -> io::Result<Walk<'file>> {
        Walk::at(file, SEGMENT_HEADER)
    }

    /// At the record that begins at `offset`.
    pub fn at(file: &'file dyn DiskFile, offset: u64) -> io::Result<Walk<'file>> {
        let length = file.length()?;
        Ok(Walk { file, length, offset, window: Vec::new(), window_start: 0 })
    }

    /// Where the next step looks.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads what stands here; goes past it when it is a record. Bodies are not read.
    pub fn step(&mut self) -> io::Result<Step> {
        if self.offset + HEADER as u64 > self.length {
            return Ok(Step::End);
        }
        let head = self.bytes(self.offset, HEADER)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(Step::Blank);
        }
        let Some((header, checksum)) = record::decode_header(head) else { return Ok(Step::Bad) };
        let head_checksum = crc32c::crc32c(&head[8..]);
        if self.offset + header.length() as u64 > self.length {
            return Ok(Step::Bad);
        }
        let rows_start = self.offset + HEADER as u64 + u64::from(header.bodies_length);
        let rows = self.bytes(rows_start, header.rows_length as usize)?;
        if crc32c::crc32c_append(head_checksum, rows) != checksum {
            return Ok(Step::Bad);
        }
        let Some(changes) = record::decode_changes(rows) else { return Ok(Step::Bad) };
        let found = Found { offset: self.offset, header, changes };
        self.offset += header.length() as u64;
        Ok(Step::Record(found))
    }

    /// Whether the bodies of a record found here are as they were written.
    pub fn bodies_check(&mut self, offset: u64, header: &Header) -> io::Result<bool> {
        let bodies = self.bytes(offset + HEADER as u64, header.bodies_length as usize)?;
        Ok(record::bodies_check(bodies))
    }

    /// Goes to the next place from here on where a good record begins; `false` when there is none.
    pub fn seek_record(&mut self) -> io::Result<bool> {
        while self.offset + HEADER as u64 <= self.length {
            let here = self.offset;
            let magic = record::decode_header(self.bytes(here, HEADER)?).is_some();
            if magic && matches!(self.step()?, Step::Record(_)) {
                self.offset = here;
                return Ok(true);
            }
            self.offset = here + record::ALIGN as u64;
        }
        Ok(false)
    }

    /// Where the last byte that is not zero ends, from here on; here when there is none.
    pub fn written_end(&mut self) -> io::Result<u64> {
        let (mut end, mut at) = (self.offset, self.offset);
        while at < self.length {
            let part = WINDOW.min((self.length - at) as usize);
            let bytes = self.bytes(at, part)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += part as u64;
        }
        Ok(end)
    }

    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let held = self.window_start..self.window_start + self.window.len() as u64;
        if !held.contains(&offset) || offset + length as u64 > held.end {
            let available = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            self.window.resize(length.max(WINDOW).min(available), 0);
            self.window_start = offset;
            self.file.read_at(&mut self.window, offset)?;
        }
        let from = (offset - self.window_start) as usize;
        self.window.get(from..from + length).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
