//! Reading the journal back at start: what is there, what was torn, what is lost.
//!
//! A record is *known synced* when a later one says so (`synced_through`), when a later segment
//! was begun, or when the checkpoint says so. A bad record up to there is damage, reported by
//! number and file; above it begins the torn tail of a write that nobody was told about, and
//! everything from there on is dropped, good-looking records too.

use std::fmt;
use std::io;

use crate::domain::time::Timestamp;
use crate::store::disk::DiskFile;
use crate::store::journal::Tail;
use crate::store::journal::record::{self, HEADER, Header};
use crate::store::journal::segment::{
    SEGMENT_HEADER, SegmentHeader, Segments, encode_header, file_name,
};
use crate::store::journal::walk::{Found, Step, Walk};

/// Records that were on disk once and can't be read any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// In which segment.
    pub segment: u32,
    /// Where the unreadable part begins.
    pub offset: u64,
    /// Where it ends: the next good record, or the end of the segment's written part.
    pub end: u64,
    /// Number of the first record lost.
    pub first: u64,
    /// Number of the last record lost; below `first` when only a file's header is damaged.
    pub last: u64,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = file_name(self.segment);
        let (offset, first, last) = (self.offset, self.first, self.last);
        if last < first {
            return write!(formatter, "journal/{name} at byte {offset}: damaged, no record lost");
        }
        write!(formatter, "journal/{name} at byte {offset}: records {first} to {last} are lost")
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// Where appending goes on.
    pub tail: Tail,
    /// Every record up to this number is known to be on disk.
    pub synced: u64,
    /// What can't be read; serving is refused until the operator accepts it.
    pub losses: Vec<Loss>,
    /// The newest engine time in any record.
    pub time: Timestamp,
    /// Where the records after `synced` begin.
    unsynced_from: Option<u64>,
}

/// Why reading back ended.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The disk failed.
    #[error("reading the journal: {0}")]
    Io(#[from] io::Error),
    /// Written by a newer build.
    #[error("journal/{} has format {format}, newer than this build reads ({})",
        file_name(*.segment), crate::store::journal::segment::FORMAT)]
    Newer {
        /// Which segment.
        segment: u32,
        /// Its format.
        format: u32,
    },
}

/// Reads every record with a number above `after`, in order, and hands it to `visit`. The walk
/// begins at the last segment that begins at or before `after`, at the oldest for 0, and never
/// behind a segment that is missing.
pub fn recover(
    segments: &Segments,
    after: u64,
    known_synced: u64,
    visit: &mut dyn FnMut(u32, Found),
) -> Result<Recovered, RecoverError> {
    let (mut used, mut begun) = (Vec::new(), 0);
    let dropped = match segments.numbers().last().copied() {
        Some(newest) => drop_unsynced(segments, newest, known_synced)?,
        None => 0,
    };
    for number in segments.numbers() {
        match segments.header(number)? {
            SegmentHeader::Used { previous, time_ms } => {
                begun = begun.max(time_ms);
                used.push((number, Some(previous)));
            }
            SegmentHeader::Damaged => used.push((number, None)),
            SegmentHeader::Newer(format) => {
                return Err(RecoverError::Newer { segment: number, format });
            }
            SegmentHeader::Blank => used.push((number, None)),
        }
    }
    let start = used
        .iter()
        .rposition(|(_, previous)| previous.is_some_and(|previous| previous <= after))
        .unwrap_or(0)
        .min(first_irregular(&used));
    let mut reader = Reader {
        segments,
        after,
        last: used.get(start).and_then(|(_, previous)| *previous),
        highest: known_synced,
        time: Timestamp::from_millis(begun),
        losses: Vec::new(),
        visit,
    };
    let Some(&(newest, newest_previous)) = used.last() else { return Ok(no_journal(known_synced)) };
    let surveyed = survey(segments, newest)?;
    reader.highest = reader.highest.max(surveyed.highest).max(dropped);
    let synced = known_synced.max(newest_previous.unwrap_or(0)).max(surveyed.synced);
    let (mut offset, mut unsynced_from) = (SEGMENT_HEADER, None);
    for (place, (number, previous)) in used.iter().enumerate().skip(start) {
        let following = used.get(place + 1).map(|(_, previous)| *previous);
        if previous.is_none() {
            reader.header_damaged(*number)?;
        }
        let known = following.map_or(synced, |previous| previous.unwrap_or(0));
        (offset, unsynced_from) = reader.read(*number, known, following.is_none())?;
    }
    let last = reader.last.unwrap_or(after);
    let tail = Tail { segment: Some(newest), offset, last, highest: reader.highest.max(last) };
    Ok(Recovered { tail, synced, losses: reader.losses, time: reader.time, unsynced_from })
}

/// Where a segment is missing or has lost its header, the segment before that: the walk begins
/// there at the latest, and tells what is lost.
fn first_irregular(used: &[(u32, Option<u64>)]) -> usize {
    let damaged = used.iter().position(|(_, previous)| previous.is_none());
    let before_gap = used.windows(2).position(|pair| pair[1].0 != pair[0].0 + 1);
    damaged.unwrap_or(usize::MAX).min(before_gap.unwrap_or(usize::MAX))
}

/// A new folder, or one whose journal was taken away.
fn no_journal(known_synced: u64) -> Recovered {
    let (first, last) = (1, known_synced);
    let gone = Loss { segment: 1, offset: 0, end: SEGMENT_HEADER, first, last };
    Recovered {
        tail: Tail { segment: None, offset: 0, last: known_synced, highest: known_synced },
        synced: known_synced,
        losses: if known_synced == 0 { Vec::new() } else { vec![gone] },
        time: Timestamp::default(),
        unsynced_from: None,
    }
}

/// Removes the newest segment when a power cut came before its first sync: its header is not there,
/// and of what was written behind it nothing was known to be on disk, whatever of it now is.
/// Returns the highest number that was used in it, for none is used twice.
fn drop_unsynced(segments: &Segments, newest: u32, known_synced: u64) -> io::Result<u64> {
    if !matches!(segments.header(newest)?, SegmentHeader::Blank) {
        return Ok(0);
    }
    let before = segments.numbers().into_iter().rev().nth(1);
    let before = before.map_or(Ok(Survey::default()), |number| survey(segments, number))?;
    let inside = survey(segments, newest)?;
    let file = segments.get(newest).ok_or(io::ErrorKind::NotFound)?;
    let is_empty = Walk::at(&*file, 0)?.written_end()? == 0;
    if is_empty || known_synced.max(inside.synced) <= before.highest {
        tracing::info!(segment = newest, "dropped a segment that was never synced");
        segments.remove(newest)?;
    }
    Ok(inside.highest)
}

/// What the good records of a segment tell, looked for behind bad places too.
#[derive(Default)]
struct Survey {
    /// The highest `synced_through`.
    synced: u64,
    /// The highest number.
    highest: u64,
}

fn survey(segments: &Segments, number: u32) -> io::Result<Survey> {
    let mut found = Survey::default();
    let Some(file) = segments.get(number) else { return Ok(found) };
    let mut walk = Walk::new(&*file)?;
    while walk.seek_record()? {
        while let Step::Record(record) = walk.step()? {
            found.synced = found.synced.max(record.header.synced_through);
            found.highest = found.highest.max(record.header.sequence);
        }
    }
    Ok(found)
}

struct Reader<'run> {
    segments: &'run Segments,
    after: u64,
    last: Option<u64>,
    highest: u64,
    time: Timestamp,
    losses: Vec<Loss>,
    visit: &'run mut dyn FnMut(u32, Found),
}

impl Reader<'_> {
    fn header_damaged(&mut self, segment: u32) -> io::Result<()> {
        if self.last.is_none() {
            // The oldest segment that is kept need not begin with the first record.
            let file = self.segments.get(segment).ok_or(io::ErrorKind::NotFound)?;
            if let Step::Record(first) = Walk::new(&*file)?.step()? {
                self.last = Some(first.header.previous);
            }
        }
        let next = self.last.map_or(1, |last| last + 1);
        self.losses.push(Loss {
            segment,
            offset: 0,
            end: SEGMENT_HEADER,
            first: next,
            last: next - 1,
        });
        Ok(())
    }

    /// Reads one segment; returns where its good part ends and where what is not known synced
    /// begins.
    fn read(&mut self, segment: u32, known: u64, newest: bool) -> io::Result<(u64, Option<u64>)> {
        let file = self.segments.get(segment).ok_or(io::ErrorKind::NotFound)?;
        let mut walk = Walk::new(&*file)?;
        let mut unsynced_from = None;
        loop {
            let here = walk.offset();
            if let Step::Record(found) = walk.step()? {
                let header = found.header;
                let unsynced = newest && header.sequence > known;
                if unsynced && !walk.bodies_check(here, &header)? {
                    return Ok((here, unsynced_from));
                }
                if unsynced {
                    unsynced_from.get_or_insert(here);
                }
                if let Some(last) = self.last.filter(|last| *last != header.previous) {
                    self.lost(segment, here, here, last + 1, header.previous);
                }
                self.last = Some(header.sequence);
                self.time = self.time.max(Timestamp::from_millis(header.time_ms));
                if header.sequence > self.after {
                    (self.visit)(segment, found);
                }
                continue;
            }
            let last = self.last.unwrap_or(0);
            if last >= known {
                return Ok((here, unsynced_from));
            }
            if !walk.seek_record()? {
                let end = Walk::at(&*file, here)?.written_end()?;
                self.lost(segment, here, end.max(here + HEADER as u64), last + 1, known);
                self.last = Some(known);
                return Ok((end.next_multiple_of(record::ALIGN as u64), unsynced_from));
            }
            let found = walk.offset();
            let Step::Record(next) = walk.step()? else { continue };
            if newest && next.header.previous > known {
                // What follows was never known synced: the loss is the end of what was.
                self.lost(segment, here, found, last + 1, known);
                self.last = Some(known);
                return Ok((found, unsynced_from));
            }
            self.lost(segment, here, found, last + 1, next.header.previous);
            self.last = Some(next.header.previous);
            walk = Walk::at(&*file, found)?;
        }
    }

    fn lost(&mut self, segment: u32, offset: u64, end: u64, first: u64, last: u64) {
        if first <= last {
            self.losses.push(Loss { segment, offset, end, first, last });
        }
    }
}

/// Makes the newest segment as it was found durable before anything rests on it: what was not
/// known synced is written again (a sync that failed may have left it in memory only), what is
/// torn is overwritten with zeros. Its name is made durable too: the process may have died between
/// giving it that name and syncing the folder.
pub fn settle_tail(segments: &Segments, recovered: &Recovered) -> io::Result<()> {
    segments.disk().sync_folder(segments.folder())?;
    let Some(number) = recovered.tail.segment else { return Ok(()) };
    let file = segments.get(number).ok_or(io::ErrorKind::NotFound)?;
    if let Some(from) = recovered.unsynced_from {
        copy_onto_itself(&*file, from, recovered.tail.offset)?;
    }
    let mut walk = Walk::at(&*file, recovered.tail.offset)?;
    let end = walk.written_end()?;
    if end > recovered.tail.offset {
        let torn = (end - recovered.tail.offset) as usize;
        tracing::info!(bytes = torn, "dropped the torn end of a write nobody was told about");
        file.write_at(&vec![0; torn], recovered.tail.offset)?;
    }
    file.sync()
}

fn copy_onto_itself(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX)];
    file.read_at(&mut bytes, from)?;
    file.write_at(&bytes, from)
}

/// Puts an empty record in the place of a lost part, so that the chain of numbers holds again.
pub fn accept_loss(segments: &Segments, loss: &Loss) -> io::Result<()> {
    if segments.numbers().is_empty() {
        let path = segments.folder().join(file_name(loss.segment));
        let file = segments.disk().create(&path, SEGMENT_HEADER)?;
        file.write_at(&encode_header(loss.segment, loss.last, 0), 0)?;
        file.sync()?;
        segments.disk().sync_folder(segments.folder())?;
        segments.insert(loss.segment, file);
        return Ok(());
    }
    let file = segments.get(loss.segment).ok_or(io::ErrorKind::NotFound)?;
    if loss.last < loss.first {
        file.write_at(&encode_header(loss.segment, loss.last, 0), 0)?;
        return file.sync();
    }
    if loss.end == loss.offset {
        return rechain(&*file, loss);
    }
    let end = loss.end.max(loss.offset + HEADER as u64).next_multiple_of(record::ALIGN as u64);
    let header = Header {
        sequence: loss.last,
        previous: loss.first - 1,
        synced_through: loss.last,
        time_ms: 0,
        bodies_length: (end - loss.offset) as u32 - HEADER as u32,
        rows_length: 0,
    };
    let mut filler = Vec::new();
    record::encode(&header, &vec![0; header.bodies_length as usize], &[], &mut filler);
    file.write_at(&filler, loss.offset)?;
    file.sync()
}

/// A whole segment is missing: the good record at the loss follows the last one there is.
fn rechain(file: &dyn DiskFile, loss: &Loss) -> io::Result<()> {
    let mut head = vec![0; HEADER];
    file.read_at(&mut head, loss.offset)?;
    let (header, _) = record::decode_header(&head).ok_or(io::ErrorKind::InvalidData)?;
    let mut whole = vec![0; HEADER + (header.bodies_length + header.rows_length) as usize];
    file.read_at(&mut whole, loss.offset)?;
    let (bodies, rows) = whole[HEADER..].split_at(header.bodies_length as usize);
    let mut record = Vec::new();
    record::encode(&Header { previous: loss.first - 1, ..header }, bodies, rows, &mut record);
    file.write_at(&record, loss.offset)?;
    file.sync()
}
