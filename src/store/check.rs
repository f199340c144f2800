//! Checking a data folder that no relay holds: every record and body of the journal, whether what
//! they say holds together, and whether the index says the same. Nothing of it is changed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::store::account::Account;
use crate::store::checkpoint::Checkpoint;
use crate::store::disk::{Disk, DiskFile};
use crate::store::index::{Index, bad_mark};
use crate::store::journal::record::Header;
use crate::store::journal::recover::{Recovered, recover};
use crate::store::journal::segment::{SegmentHeader, Segments, file_name};
use crate::store::journal::walk::Walk;
use crate::store::memory::MemoryIndex;
use crate::store::open::{INDEX_OPEN_THREAD, OpenError};
use crate::store::place::{index_folder, lock};
use crate::store::replay::open_in_time;

mod dead_letters;
mod rows;

use rows::{Origin, Rows};

/// Findings that are kept; further ones are only counted.
const FINDINGS_MAX: usize = 1_000;

/// What is checked.
pub struct CheckOptions {
    /// The data folder.
    pub folder: PathBuf,
    /// The disk it lies on.
    pub disk: Arc<dyn Disk>,
    /// Bytes of the index's page cache.
    pub index_cache: u64,
    /// The index of the simulation; the folder is then no folder of this machine.
    pub simulated: Option<MemoryIndex>,
}

/// What can be done about a finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Remedy {
    /// Put the file back from a backup, or go on without the records that are lost.
    AcceptLoss,
    /// Put the file back from a backup; without one, what it is about fails and all else goes on.
    Backup,
    /// Make the index anew from the journal; nothing is lost.
    RebuildIndex,
}

/// Something that is not as it was written or as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where, below the data folder: `journal/00000001.seg`, `index`.
    pub file: String,
    /// The number of the record it is about.
    pub record: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
    /// What can be done about it.
    pub remedy: Remedy,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            Some(record) => write!(formatter, "{}, record {record}: {}", self.file, self.what),
            None => write!(formatter, "{}: {}", self.file, self.what),
        }
    }
}

/// How the index stands to the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IndexState {
    /// So many rows were compared; differences are findings.
    Compared(u64),
    /// It is not asked, for the next start makes it anew anyway, and why.
    Rebuilt(&'static str),
    /// It can't be read; the next start makes it anew.
    Unreadable,
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Files of the journal.
    pub segments: usize,
    /// Records that could be read.
    pub records: u64,
    /// Number of the last record.
    pub last: u64,
    /// How the deliveries stand; `None` when records are lost and a count would mislead.
    pub account: Option<Account>,
    /// The index.
    pub index: IndexState,
    /// What is wrong, the journal's damage first.
    pub findings: Vec<Finding>,
    /// Further findings that are not listed.
    pub more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

const EMPTY: IndexState = IndexState::Rebuilt("it is empty");
const UNTRUSTED: IndexState =
    IndexState::Rebuilt("the machine stopped before the relay did, or this is a copy");
/// Not yet compared.
const COMPARED: IndexState = IndexState::Compared(0);

/// Findings up to a bound.
#[derive(Default)]
struct Findings {
    kept: Vec<Finding>,
    more: u64,
}

impl Findings {
    fn add(&mut self, remedy: Remedy, file: String, record: Option<u64>, what: String) {
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(Finding { file, record, what, remedy });
        } else {
            self.more += 1;
        }
    }

    fn in_record(&mut self, remedy: Remedy, origin: Origin, what: String) {
        self.add(remedy, journal_file(origin.segment), Some(origin.sequence), what);
    }

    fn in_index(&mut self, what: impl Into<String>) {
        self.add(Remedy::RebuildIndex, "index".to_owned(), None, what.into());
    }
}

fn journal_file(segment: u32) -> String {
    format!("journal/{}", file_name(segment))
}

/// Checks a data folder; takes about 100 bytes of memory for each row. Refuses a folder that a
/// relay has open, and one that is none.
pub fn check(options: &CheckOptions) -> Result<Report, OpenError> {
    let folder = &options.folder;
    let journal = folder.join("journal");
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Io(path, error)
    };
    options.disk.list(&journal).map_err(at(&journal))?;
    let _lock = if options.simulated.is_some() { None } else { Some(lock(folder)?) };
    let identity = options.disk.identity(folder).map_err(at(folder))?;
    let checkpoint = Checkpoint::read(&*options.disk, folder).map_err(at(folder))?;
    let segments = Segments::open(Arc::clone(&options.disk), &journal).map_err(at(&journal))?;
    // Opening removes a newest segment that was never begun; a check leaves it there.
    for number in segments.numbers() {
        if segments.header(number).map_err(at(&journal))? == SegmentHeader::Blank {
            segments.forget(number);
        }
    }
    let known = checkpoint.as_ref().map_or(0, |held| held.synced);
    let (index, state) = open_index(options, checkpoint.as_ref(), identity);
    let mut findings = Findings::default();
    let mut rows = Rows::new(index.as_ref().map(|(_, applied)| *applied));
    let (records, recovered) = read_journal(&segments, known, &mut rows, &mut findings)?;
    let whole = recovered.losses.is_empty();
    let account = whole.then(|| rows.account(&segments, &mut findings));
    if state == IndexState::Unreadable {
        findings.in_index("it can't be read; the next start makes it anew, nothing is lost");
    }
    // sled drops what lies behind a damaged place in its file, and says nothing.
    let applied = index.as_ref().map_or(0, |(_, applied)| *applied);
    let clean = checkpoint.as_ref().filter(|held| held.clean).map_or(0, |held| held.synced);
    let asked = matches!(state, IndexState::Compared(_)) || state == EMPTY;
    if asked && applied < clean {
        let what = format!("it holds nothing behind record {applied}; the next start mends it");
        findings.in_index(what);
    }
    let index = match index {
        Some(_) if !whole => IndexState::Rebuilt("records of the journal are lost"),
        Some((_, applied)) if applied > recovered.tail.last => {
            IndexState::Rebuilt("it is ahead of the journal")
        }
        Some((index, _)) => compare(index, rows, &mut findings),
        None => state,
    };
    Ok(Report {
        segments: segments.numbers().len(),
        records,
        last: recovered.tail.last,
        account,
        index,
        findings: findings.kept,
        more: findings.more,
    })
}

/// Removes the index of a folder that no relay holds, so that opening it makes a new one.
pub fn remove_index(folder: &Path) -> Result<(), OpenError> {
    let _lock = lock(folder)?;
    let index = folder.join("index");
    match std::fs::remove_dir_all(&index) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::Io(index, error)),
        _ => Ok(()),
    }
}

fn open_index(
    options: &CheckOptions,
    checkpoint: Option<&Checkpoint>,
    identity: (u64, u64),
) -> (Option<(Index, u64)>, IndexState) {
    let Some(checkpoint) = checkpoint else {
        return (None, IndexState::Rebuilt("there is no checkpoint"));
    };
    let folder = index_folder(&options.folder, checkpoint.index);
    if let Some(rows) = &options.simulated {
        if !checkpoint.trusts_index(&options.folder, &options.disk.boot(), identity) {
            return (None, UNTRUSTED);
        }
        let index = Index::memory(rows.clone());
        let applied = index.applied();
        return (applied.map(|applied| (index, applied)), applied.map_or(EMPTY, |_| COMPARED));
    }
    if bad_mark(&folder).exists() {
        return (None, IndexState::Rebuilt("it is marked as bad"));
    }
    if !folder.exists() {
        return (None, IndexState::Rebuilt("there is none"));
    }
    if !checkpoint.trusts_index(&options.folder, &options.disk.boot(), identity) {
        return (None, UNTRUSTED);
    }
    match open_in_time(&folder, options.index_cache) {
        Ok(index) => match index.read_applied() {
            Ok(Some(applied)) => (Some((index, applied)), COMPARED),
            Ok(None) => (None, EMPTY),
            Err(_) => (None, IndexState::Unreadable),
        },
        Err(_) => (None, IndexState::Unreadable),
    }
}

/// Reads every record and body; returns how many records there are.
fn read_journal(
    segments: &Segments,
    known: u64,
    rows: &mut Rows,
    findings: &mut Findings,
) -> Result<(u64, Recovered), OpenError> {
    let mut records = 0;
    let mut damaged = Vec::new();
    let mut failed = None;
    let recovered = recover(segments, 0, known, &mut |segment, found| {
        records += 1;
        let origin = Origin { segment, sequence: found.header.sequence };
        match bodies_check(segments.get(segment), found.offset, &found.header) {
            Ok(true) => {}
            Ok(false) => damaged.push(origin),
            Err(error) => failed = Some(error),
        }
        found.changes.into_iter().for_each(|change| rows.take(change, origin));
    })?;
    if let Some(error) = failed {
        return Err(OpenError::Io(segments.folder().to_owned(), error));
    }
    for loss in &recovered.losses {
        let what = if loss.last < loss.first {
            "the file's head is damaged, no record is lost".to_owned()
        } else {
            format!(
                "records {} to {} are lost, from byte {} on",
                loss.first, loss.last, loss.offset
            )
        };
        let record = (loss.first <= loss.last).then_some(loss.first);
        findings.add(Remedy::AcceptLoss, journal_file(loss.segment), record, what);
    }
    for origin in damaged {
        let what = "a body in it is damaged: what is still to be sent of it can't be";
        findings.in_record(Remedy::Backup, origin, what.to_owned());
    }
    Ok((records, recovered))
}

fn bodies_check(file: Option<Arc<dyn DiskFile>>, offset: u64, header: &Header) -> io::Result<bool> {
    let file = file.ok_or(io::ErrorKind::NotFound)?;
    Walk::at(&*file, offset)?.bodies_check(offset, header)
}

/// On a thread whose panics are answers: the library may panic over damaged files.
fn compare(index: Index, mut rows: Rows, findings: &mut Findings) -> IndexState {
    let comparing = thread::Builder::new().name(INDEX_OPEN_THREAD.to_owned()).spawn(move || {
        let mut found = Findings::default();
        let mut count = 0;
        let read = index.read_all(&mut |key, value| {
            count += 1;
            rows.compare(key, &value, &mut found);
        });
        rows.missing(&mut found);
        read.map(|()| (count, found))
    });
    match comparing.map(thread::JoinHandle::join) {
        Ok(Ok(Ok((count, found)))) => {
            for one in found.kept {
                findings.add(one.remedy, one.file, one.record, one.what);
            }
            findings.more += found.more;
            IndexState::Compared(count)
        }
        Ok(Ok(Err(error))) => {
            findings.in_index(format!("{error}; the next start may not see it: rebuild it"));
            IndexState::Unreadable
        }
        _ => {
            findings.in_index("it can't be read to its end: rebuild it, nothing is lost");
            IndexState::Unreadable
        }
    }
}
