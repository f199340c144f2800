//! The machine that the relay runs on: disk, index, clocks, and the process with its store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use relay::domain::secret::Secret;
use relay::domain::time::{Clock, Timestamp};
use relay::store::disk::Disk;
use relay::store::{
    CheckOptions, KEY_BYTES, KeyOrigin, MemoryIndex, Mended, Notice, OpenError, Options, Reply,
    Report, SEALING_KEY, SealingKeys, Stepped, Store, WriteError, Written, check, open,
};

use crate::disk::FaultyDisk;
use crate::random::Random;

pub const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);
const FOLDER: &str = "/data";

/// What the store tells the world, in this order.
pub enum Told {
    /// A write was done, and is not durable yet.
    Done(u64, Reply),
    /// A write is durable, or was refused.
    Answered(u64, Result<Written, WriteError>),
    Noticed(Vec<Notice>),
}

pub type Inbox = Arc<Mutex<Vec<Told>>>;

/// The machine's clocks: what passes, and how far the wall clock is from it.
#[derive(Default)]
struct Clocks {
    passed: AtomicU64,
    wall_off: AtomicI64,
}

impl Clocks {
    fn wall(&self) -> Timestamp {
        let off = self.wall_off.load(Ordering::Relaxed);
        let millis = START.millis() + self.passed.load(Ordering::Relaxed);
        Timestamp::from_millis(millis.saturating_add_signed(off))
    }
}

/// Engine time of one process.
struct EngineTime {
    start: Timestamp,
    began: u64,
    clocks: Arc<Clocks>,
}

impl Clock for EngineTime {
    fn now(&self) -> Timestamp {
        let passed = self.clocks.passed.load(Ordering::Relaxed) - self.began;
        Timestamp::from_millis(self.start.millis() + passed)
    }

    fn wall(&self) -> Timestamp {
        self.clocks.wall()
    }
}

pub struct Machine {
    pub disk: FaultyDisk,
    pub rows: MemoryIndex,
    pub inbox: Inbox,
    pub segment_size: u64,
    clocks: Arc<Clocks>,
}

/// The store of one process.
#[derive(Clone)]
pub struct Process {
    pub store: Store,
    pub stepped: Stepped,
    pub rebuilt: bool,
    pub lost: usize,
}

impl Machine {
    pub fn new(random: &mut Random, segment_size: u64) -> Machine {
        Machine {
            disk: FaultyDisk::new(Random::new(random.next())),
            rows: MemoryIndex::default(),
            inbox: Inbox::default(),
            segment_size,
            clocks: Arc::default(),
        }
    }

    /// Time passes.
    pub fn pass(&self, millis: u64) {
        self.clocks.passed.fetch_add(millis, Ordering::Relaxed);
    }

    /// The wall clock is set.
    pub fn set_wall_off(&self, millis: i64) {
        self.clocks.wall_off.store(millis, Ordering::Relaxed);
    }

    /// Opens the store as a starting process does.
    pub fn start(&self, accept_loss: bool) -> Result<Process, OpenError> {
        self.inbox.lock().expect("no holder panics").clear();
        let (inbox, clocks) = (Arc::clone(&self.inbox), Arc::clone(&self.clocks));
        let opened = open(Options {
            folder: PathBuf::from(FOLDER),
            disk: Arc::new(self.disk.clone()),
            segment_size: self.segment_size,
            index_cache: 0,
            overlay: 64 << 20,
            order_lookahead: 20,
            sealing: self.sealing().map_err(|error| OpenError::Io(FOLDER.into(), error))?,
            clock: Box::new(move |floor| {
                let began = clocks.passed.load(Ordering::Relaxed);
                Arc::new(EngineTime { start: clocks.wall().max(floor), began, clocks })
            }),
            notify: Box::new(move |notices| {
                inbox.lock().expect("no holder panics").push(Told::Noticed(notices));
            }),
            progress: Box::new(|_| ()),
            on_sync: Box::new(|_| ()),
            accept_loss,
            simulated: Some(self.rows.clone()),
        })?;
        let (rebuilt, lost) = (opened.rebuilt, opened.accepted.len());
        let (store, stepped) = opened.step_by_step();
        Ok(Process { store, stepped, rebuilt, lost })
    }

    /// The key that lies in the folder, or the first one.
    fn sealing(&self) -> io::Result<SealingKeys> {
        let current = match self.disk.open(&Path::new(FOLDER).join(SEALING_KEY)) {
            Ok(file) => {
                let mut text = vec![0; file.length()? as usize];
                file.read_at(&mut text, 0)?;
                STANDARD.decode(text.trim_ascii()).map_err(io::Error::other)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => vec![7; KEY_BYTES],
            Err(error) => return Err(error),
        };
        let (current, origin) = (Secret::new(current), KeyOrigin::Folder);
        Ok(SealingKeys { current, origin, previous: Vec::new() })
    }

    /// What `relay repair` says of the folder of a process that has ended.
    pub fn check(&self) -> Result<Report, OpenError> {
        check(&CheckOptions {
            folder: PathBuf::from(FOLDER),
            disk: Arc::new(self.disk.clone()),
            index_cache: 0,
            simulated: Some(self.rows.clone()),
        })
    }

    /// The journal's segments, oldest first.
    pub fn segments(&self) -> Vec<PathBuf> {
        let mut paths = self.disk.paths();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        paths
    }

    /// The file that says how far the index may be trusted.
    pub fn checkpoint(&self) -> PathBuf {
        Path::new(FOLDER).join("checkpoint")
    }
}

impl Process {
    /// After damage was given up.
    pub fn mend(&self) -> Result<Mended, WriteError> {
        self.store.mend()
    }
}
