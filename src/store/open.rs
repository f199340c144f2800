//! Opening a data folder: lock, journal, index (trusted or rebuilt), catalog.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::id::{Ids, Stamp};
use crate::domain::time::{CLOCK_TRUST, Clock, Timestamp};
use crate::store::carry;
use crate::store::catalog::Tables;
use crate::store::checkpoint::Checkpoint;
use crate::store::disk::Disk;
use crate::store::index::IndexError;
use crate::store::journal::Journal;
use crate::store::journal::recover::{Loss, RecoverError, Recovered, settle_tail};
use crate::store::journal::segment::Segments;
use crate::store::key_files::{self, PREVIOUS_KEYS};
use crate::store::memory::MemoryIndex;
use crate::store::overlay::Overlay;
use crate::store::place::{self, Place};
use crate::store::records::{self, RecordError};
use crate::store::replay::Replay;
use crate::store::seal::{Sealer, SealingKeys};
use crate::store::writer::{Fatal, Writer};
use crate::store::{Notice, Shared, keys};

/// The thread in which sled opens; a panic on it is an answer, not the end of the process.
pub const INDEX_OPEN_THREAD: &str = "index-open";

/// How to open a data folder.
pub struct Options {
    /// The data folder.
    pub folder: PathBuf,
    /// The disk it lies on.
    pub disk: Arc<dyn Disk>,
    /// Bytes of a journal segment.
    pub segment_size: u64,
    /// Bytes of the index's page cache.
    pub index_cache: u64,
    /// Bytes of rows that may wait for the index.
    pub overlay: usize,
    /// Deliveries that wait behind others of their key, past which one read looks for those that
    /// need not.
    pub order_lookahead: usize,
    /// Seal secrets.
    pub sealing: SealingKeys,
    /// Makes the clock; it must not start before the time it is given, the newest in the journal.
    pub clock: Box<dyn FnOnce(Timestamp) -> Arc<dyn Clock>>,
    /// Told what became durable.
    pub notify: Box<dyn Fn(Vec<Notice>) + Send + Sync>,
    /// Told how far a replay is, with the number of the record it is at.
    pub progress: Box<dyn Fn(u64)>,
    /// Told how long each sync of the journal took.
    pub on_sync: Box<dyn Fn(Duration) + Send + Sync>,
    /// Whether damage is mended by giving up what it hit.
    pub accept_loss: bool,
    /// The index of the simulation, where nothing happens on other threads.
    pub simulated: Option<MemoryIndex>,
}

/// Why a data folder was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is in use by another relay")]
    InUse(PathBuf),
    /// The disk failed.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// The journal can't be read.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// Records that were durable are lost.
    #[error("the journal is damaged: {}", told(.0))]
    Lost(Vec<Loss>),
    /// A fresh index can't be made.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A row of the catalog can't be read.
    #[error("the catalog can't be read: {0}")]
    Catalog(#[from] RecordError),
    /// A sealing key is not 32 bytes.
    #[error("a sealing key is not 32 bytes in base64")]
    SealingKey,
    /// The journal can't be written.
    #[error(transparent)]
    Write(#[from] Fatal),
}

/// An open data folder, before its threads run.
pub struct Opened {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    /// Damage that was given up.
    pub accepted: Vec<Loss>,
    /// Whether the index was made anew.
    pub rebuilt: bool,
}

/// Opens or makes the data folder.
pub fn open(options: Options) -> Result<Opened, OpenError> {
    let folder = options.folder.clone();
    let at = |error| OpenError::Io(folder.clone(), error);
    let disk = Arc::clone(&options.disk);
    let journal_folder = folder.join("journal");
    disk.create_folder(&journal_folder).map_err(at)?;
    let lock = if options.simulated.is_some() { None } else { Some(place::lock(&folder)?) };
    place::give_up_ballast(&*disk, &folder);
    let sealer = sealer(&options)?;
    let checkpoint = Checkpoint::read(&*disk, &folder).map_err(at)?;
    let place = Place {
        boot: disk.boot(),
        identity: disk.identity(&folder).map_err(at)?,
        generation: AtomicU32::new(checkpoint.as_ref().map_or(1, |held| held.index)),
        ages_suspended: AtomicBool::new(
            checkpoint.as_ref().is_some_and(|held| held.ages_suspended),
        ),
        index_cache: options.index_cache,
        segment_size: options.segment_size,
        folder: folder.clone(),
        disk: Arc::clone(&disk),
        lock,
    };
    let segments = Segments::open(disk, &journal_folder).map_err(at)?;
    let mut found = find(&options, &place, &segments, checkpoint.as_ref())?;
    found.gone = carry::missing_oldest(&found.overlay, &segments).map_err(at)?;
    if let Some(gone) = found.gone {
        if !options.accept_loss {
            return Err(OpenError::Lost(vec![gone]));
        }
        found.accepted.push(gone);
    }
    settle_tail(&segments, &found.recovered).map_err(at)?;
    assemble(options, place, segments, sealer, found, checkpoint.as_ref())
}

/// The keys that were given and those that the folder keeps.
fn sealer(options: &Options) -> Result<Sealer, OpenError> {
    let kept = key_files::read_previous(&*options.disk, &options.folder);
    let at = |error| OpenError::Io(options.folder.join(PREVIOUS_KEYS), error);
    Sealer::new(&options.sealing, kept.map_err(at)?).ok_or(OpenError::SealingKey)
}

/// What the folder held.
struct Found {
    overlay: Overlay,
    recovered: Recovered,
    accepted: Vec<Loss>,
    rebuilt: bool,
    /// The oldest segments are missing.
    gone: Option<Loss>,
}

/// The index with what the journal has beyond it, or a new one.
fn find(
    options: &Options,
    place: &Place,
    segments: &Segments,
    checkpoint: Option<&Checkpoint>,
) -> Result<Found, OpenError> {
    let known = checkpoint.map_or(0, |checkpoint| checkpoint.synced);
    let mut replay = Replay { options, segments, known, accepted: Vec::new() };
    let trusted =
        checkpoint.filter(|held| held.trusts_index(&place.folder, &place.boot, place.identity));
    let at = |error| OpenError::Io(place.folder.clone(), error);
    if let Some(held) = trusted {
        // From here on sled writes: a reboot may not find what the clean stop had synced.
        held.reopened(&place.boot).write(&*place.disk, &place.folder).map_err(at)?;
        if let Some((overlay, recovered)) = replay.trusted(held.index)? {
            if options.simulated.is_none() {
                place.remove_other_indexes().map_err(at)?;
            }
            let accepted = replay.accepted;
            return Ok(Found { overlay, recovered, accepted, rebuilt: false, gone: None });
        }
    }
    if let Some(held) = checkpoint {
        let (copied, clean) = (held.folder != place.identity, held.clean);
        tracing::info!(copied, clean, "the index is made anew from the journal");
        place.generation.fetch_add(1, Ordering::Relaxed);
    }
    // Until it is whole, no start may trust what a rebuild has made so far.
    let mut started = Checkpoint::new(replay.known, "", place.identity, 0);
    let generation = place.generation.load(Ordering::Relaxed);
    started.index = generation;
    started.salt = checkpoint.and_then(|held| held.salt);
    started.time_ms = checkpoint.map_or(0, |held| held.time_ms);
    started.ages_suspended = checkpoint.is_some_and(|held| held.ages_suspended);
    started.write(&*place.disk, &place.folder).map_err(at)?;
    let (overlay, recovered) = replay.rebuilt(generation)?;
    Ok(Found { overlay, recovered, accepted: replay.accepted, rebuilt: true, gone: None })
}

fn assemble(
    options: Options,
    place: Place,
    segments: Segments,
    sealer: Sealer,
    found: Found,
    checkpoint: Option<&Checkpoint>,
) -> Result<Opened, OpenError> {
    let folder = place.folder.clone();
    let at = |error| OpenError::Io(folder.clone(), error);
    let Found { overlay, recovered, accepted, rebuilt, gone } = found;
    let checkpoint_ms = checkpoint.map_or(0, |held| held.time_ms);
    let floor = recovered.time.max(Timestamp::from_millis(checkpoint_ms));
    let clock = (options.clock)(floor);
    suspect_clock(&place, clock.wall(), floor);
    let segments = Arc::new(segments);
    let journal = Journal::open(
        Arc::clone(&segments),
        options.segment_size,
        recovered.tail,
        clock.now(),
        options.simulated.is_none(),
    )
    .map_err(at)?;
    let salt = salt(&overlay);
    let tables = Tables::read(&overlay, &sealer)?;
    let published = Tables::read(&overlay, &sealer)?;
    let shared = Arc::new(Shared::new(
        overlay,
        published,
        segments,
        Ids::new(salt.or(checkpoint.and_then(|held| held.salt)).unwrap_or_else(fresh_salt)),
        clock,
        sealer,
        options.notify,
        options.on_sync,
        options.overlay,
        options.order_lookahead,
        place,
    ));
    shared.sequence.store(recovered.tail.last, Ordering::Release);
    let after = Stamp::first_at(floor + Duration::from_millis(1));
    let mut writer = Writer::new(Arc::clone(&shared), tables, journal, after);
    // The salt may have been lost; then there are older records.
    let is_new = recovered.tail.last == 0;
    if salt.is_none() {
        writer.make_room()?;
        let kept = records::encode(shared.ids.salt());
        let saved = writer.transact(|transaction| {
            transaction.put_row(keys::salt(), kept, true);
            if is_new {
                transaction.begin_dead_letters();
            }
            Ok(())
        });
        saved.map_err(io::Error::other).map_err(at)?;
    }
    say(&mut writer, gone, !accepted.is_empty(), &folder)?;
    writer.finish_group()?;
    shared.checkpoint(writer.journal().synced(), false).map_err(at)?;
    shared.forget_sealing_keys();
    shared.tell_of_older_keys();
    Ok(Opened { shared, writer, accepted, rebuilt })
}

/// Writes what this start has found.
fn say(
    writer: &mut Writer,
    gone: Option<Loss>,
    accepted: bool,
    folder: &Path,
) -> Result<(), OpenError> {
    let at = |error| OpenError::Io(folder.to_owned(), io::Error::other(error));
    writer.make_room()?;
    writer.say_sealing(accepted).map_err(at)?;
    let oldest = writer.shared.segments.numbers().first().copied();
    if let (Some(gone), Some(oldest)) = (gone, oldest) {
        writer.make_room()?;
        writer.say_oldest(oldest, gone.last).map_err(at)?;
    }
    Ok(())
}

/// A clock far from the last known time suspends every deletion by age, over restarts too, until
/// [`accept_clock`].
fn suspect_clock(place: &Place, wall: Timestamp, last: Timestamp) {
    let apart = wall.since(last).max(last.since(wall));
    if last > Timestamp::default() && apart > CLOCK_TRUST {
        place.ages_suspended.store(true, Ordering::Relaxed);
    }
    if place.ages_suspended.load(Ordering::Relaxed) {
        tracing::warn!(
            %wall, last_known = %last,
            "the clock was found more than 24 h from the last known time: nothing is deleted for \
             its age, and engine time does not follow it so far ahead, until \
             `relay repair --accept-clock`"
        );
    }
}

/// Confirms the clock of a stopped data folder: deletion by age goes on at the next start.
pub fn accept_clock(disk: &dyn Disk, folder: &Path) -> Result<(), OpenError> {
    let at = |error| OpenError::Io(folder.to_owned(), error);
    let _lock = place::lock(folder)?;
    if let Some(mut held) = Checkpoint::read(disk, folder).map_err(at)? {
        held.ages_suspended = false;
        held.time_ms = held.time_ms.max(wall_ms());
        held.write(disk, folder).map_err(at)?;
    }
    Ok(())
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn salt(overlay: &Overlay) -> Option<[u8; 16]> {
    overlay.get(&keys::salt()).and_then(|bytes| records::decode(&bytes).ok())
}

fn fresh_salt() -> [u8; 16] {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("the kernel gives random bytes");
    salt
}

fn told(losses: &[Loss]) -> String {
    losses.iter().map(Loss::to_string).collect::<Vec<_>>().join("; ")
}
