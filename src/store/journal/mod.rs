//! The log that is the truth: append, sync, rotate.
//!
//! [`recover`] reads it back at start; [`record`] and [`segment`] say what its bytes mean.

pub mod record;
pub mod recover;
pub mod segment;
mod spare;
pub mod walk;

use std::io;
use std::sync::Arc;

use crate::domain::time::Timestamp;
use crate::store::disk::DiskFile;
use record::{Header, record_length};
use segment::{SEGMENT_HEADER, Segments, encode_header};
use spare::Spare;
use walk::{Step, Walk};

/// A record may take one part in so many of a segment; a segment ends when less is left.
pub const RECORD_SHARE: u64 = 16;

/// Where appending goes on after a start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tail {
    /// The segment, `None` when there is none yet.
    pub segment: Option<u32>,
    /// The first free byte in it.
    pub offset: u64,
    /// Number of the last good record.
    pub last: u64,
    /// The largest number that any record, good or torn, ever had.
    pub highest: u64,
}

/// The end of the journal that is written.
pub struct Journal {
    segments: Arc<Segments>,
    spare: Spare,
    segment_size: u64,
    file: Arc<dyn DiskFile>,
    number: u32,
    offset: u64,
    buffer: Vec<u8>,
    previous: u64,
    next: u64,
    synced: u64,
    /// When the first record with rows was written to this segment.
    first: Option<Timestamp>,
}

impl Journal {
    /// Goes on at the tail; makes the first segment when there is none.
    pub fn open(
        segments: Arc<Segments>,
        segment_size: u64,
        tail: Tail,
        now: Timestamp,
        in_background: bool,
    ) -> io::Result<Journal> {
        let mut spare = Spare::new(&segments, segment_size, in_background)?;
        let (number, offset) = match tail.segment {
            Some(number) => (number, tail.offset),
            None => {
                let header = encode_header(1, tail.last, now.millis());
                spare.install(&segments, 1, &header, now)?;
                (1, SEGMENT_HEADER)
            }
        };
        spare.prepare(now);
        let file = segments.get(number).ok_or(io::ErrorKind::NotFound)?;
        let capacity = file.length()?;
        let first = first_content(&*file)?;
        Ok(Journal {
            segments,
            spare,
            segment_size: capacity,
            file,
            number,
            offset,
            buffer: Vec::new(),
            previous: tail.last,
            next: tail.last.max(tail.highest) + 1,
            synced: tail.last,
            first,
        })
    }

    /// The largest record that [`Journal::append`] takes.
    pub fn record_max(&self) -> usize {
        (self.spare.length() / RECORD_SHARE) as usize
    }

    /// Number of the last record appended.
    pub fn last(&self) -> u64 {
        self.previous
    }

    /// Every record up to this number is on disk.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Whether a segment after this one is to be had, or this one has room for a good while.
    pub fn has_reserve(&self) -> bool {
        !self.spare.is_refused() || self.room() > self.segment_size / 2
    }

    /// Makes room for one record of the largest size, in a new segment if need be. Only a new
    /// segment that the disk has no space for is [`io::ErrorKind::StorageFull`].
    pub fn make_room(&mut self, now: Timestamp) -> io::Result<()> {
        if self.room() >= self.record_max() as u64 {
            // The disk may have space again for one that it had none for.
            self.spare.prepare(now);
            return Ok(());
        }
        self.next_segment(now)
    }

    /// Ends the segment before it is full, if anything that ages is in it, and gives back what it
    /// does not need.
    pub fn end_segment(&mut self, now: Timestamp) -> io::Result<()> {
        if self.first.is_none() {
            return Ok(());
        }
        let ended = Arc::clone(&self.file);
        self.sync().map_err(io::Error::other)?;
        let written = self.offset;
        self.next_segment(now)?;
        // The segment that follows is durable and says where this one ends.
        ended.shorten(written)
    }

    /// When the oldest of what ages was written to the segment that is written to.
    pub fn first(&self) -> Option<Timestamp> {
        self.first
    }

    fn next_segment(&mut self, now: Timestamp) -> io::Result<()> {
        // A failed sync is fatal whatever its reason: a second one may report what is not so.
        self.sync().map_err(io::Error::other)?;
        let number = self.number + 1;
        let header = encode_header(number, self.previous, now.millis());
        self.spare.install(&self.segments, number, &header, now)?;
        self.spare.prepare(now);
        self.file = self.segments.get(number).ok_or(io::ErrorKind::NotFound)?;
        self.segment_size = self.file.length()?;
        self.number = number;
        self.offset = SEGMENT_HEADER;
        self.first = None;
        Ok(())
    }

    /// Segment and offset at which the bodies of the next record begin.
    pub fn bodies_start(&self) -> (u32, u64) {
        (self.number, self.offset + self.buffer.len() as u64 + record::HEADER as u64)
    }

    /// Appends one record and returns its number. It is on disk after [`Journal::sync`]; room for
    /// it was made before.
    pub fn append(&mut self, now: Timestamp, bodies: &[u8], rows: &[u8]) -> u64 {
        debug_assert!(record_length(bodies.len(), rows.len()) as u64 <= self.room());
        let header = Header {
            sequence: self.next,
            previous: self.previous,
            synced_through: self.synced,
            time_ms: now.millis(),
            bodies_length: bodies.len() as u32,
            rows_length: rows.len() as u32,
        };
        record::encode(&header, bodies, rows, &mut self.buffer);
        if self.first.is_none() && !rows.is_empty() {
            self.first = Some(now);
        }
        self.previous = self.next;
        self.next += 1;
        self.previous
    }

    /// Bytes appended and not yet written.
    pub fn unwritten(&self) -> usize {
        self.buffer.len()
    }

    /// Writes what was appended and waits until it is on disk.
    pub fn sync(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.write()?;
        } else if self.synced == self.previous {
            return Ok(());
        }
        self.file.sync()?;
        self.synced = self.previous;
        Ok(())
    }

    /// Writes what was appended and does not wait: it outlives the process, not a power cut.
    pub fn write(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Whether a record of this length goes into what is left of the segment.
    pub fn fits(&self, length: usize) -> bool {
        length as u64 <= self.room()
    }

    fn room(&self) -> u64 {
        self.segment_size.saturating_sub(self.offset + self.buffer.len() as u64)
    }
}

/// The time of the first record with rows.
fn first_content(file: &dyn DiskFile) -> io::Result<Option<Timestamp>> {
    let mut walk = Walk::new(file)?;
    while let Step::Record(found) = walk.step()? {
        if found.header.rows_length > 0 {
            return Ok(Some(Timestamp::from_millis(found.header.time_ms)));
        }
    }
    Ok(None)
}
