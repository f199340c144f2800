//! The next segment, filled with zeros before it is needed: a segment that grew while records are
//! written would make every `fdatasync` commit file-system metadata too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::store::disk::{Disk, DiskFile};
use crate::store::journal::segment::{Segments, file_name};

const NAME: &str = "next";

/// After a full disk the next try is made this much later.
const TRY_AGAIN: Duration = Duration::from_secs(1);

enum State {
    Absent,
    Preparing {
        /// After a try that found no space: whether there is some is not known yet.
        again: bool,
    },
    Ready,
    /// The disk had no space for it at this time.
    Refused(Timestamp),
}

/// A segment file without a number.
pub struct Spare {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    length: u64,
    in_background: bool,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Spare {
    /// None yet; one left over from an earlier run is not trusted.
    pub fn new(segments: &Segments, length: u64, in_background: bool) -> io::Result<Spare> {
        let path = segments.folder().join(NAME);
        if segments.disk().list(segments.folder())?.iter().any(|name| name == NAME) {
            segments.disk().remove(&path)?;
        }
        Ok(Spare {
            disk: Arc::clone(segments.disk()),
            path,
            length,
            in_background,
            state: Arc::new((Mutex::new(State::Absent), Condvar::new())),
        })
    }

    /// Its size in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether there was no space for it when it was last tried.
    pub fn is_refused(&self) -> bool {
        let state = self.state.0.lock().expect("no holder panics");
        matches!(*state, State::Refused(_) | State::Preparing { again: true })
    }

    /// Begins to make one, unless there is one or the disk was full a moment ago.
    pub fn prepare(&mut self, now: Timestamp) {
        {
            let mut state = self.state.0.lock().expect("no holder panics");
            let again = match *state {
                State::Absent => false,
                State::Refused(at) if now.since(at) >= TRY_AGAIN => true,
                State::Preparing { .. } | State::Ready | State::Refused(_) => return,
            };
            *state = State::Preparing { again };
        }
        let (disk, path, length) = (Arc::clone(&self.disk), self.path.clone(), self.length);
        let state = Arc::clone(&self.state);
        let make = move || {
            let made = match create(&*disk, &path, length) {
                Ok(_) => State::Ready,
                Err(error) => {
                    tracing::warn!(%error, "the next journal segment can't be prepared");
                    State::Refused(now)
                }
            };
            *state.0.lock().expect("no holder panics") = made;
            state.1.notify_all();
        };
        if self.in_background {
            thread::spawn(make);
        } else {
            make();
        }
    }

    /// Gives it a number and a header; its name is durable when this returns.
    pub fn install(
        &mut self,
        segments: &Segments,
        number: u32,
        header: &[u8],
        now: Timestamp,
    ) -> io::Result<()> {
        let (lock, changed) = &*self.state;
        let mut state = lock.lock().expect("no holder panics");
        while matches!(*state, State::Preparing { .. }) {
            state = changed.wait(state).expect("no holder panics");
        }
        let file = match *state {
            State::Ready => self.disk.open(&self.path)?,
            State::Refused(at) if now.since(at) < TRY_AGAIN => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            State::Absent | State::Preparing { .. } | State::Refused(_) => {
                create(&*self.disk, &self.path, self.length).inspect_err(|_| {
                    *state = State::Refused(now);
                })?
            }
        };
        file.write_at(header, 0)?;
        self.disk.rename(&self.path, &segments.folder().join(file_name(number)))?;
        self.disk.sync_folder(segments.folder())?;
        *state = State::Absent;
        segments.insert(number, file);
        Ok(())
    }
}

/// A segment's worth of zeros. What a full disk cuts short is removed again: settlements and the
/// index make better use of the space.
fn create(disk: &dyn Disk, path: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>> {
    disk.create(path, length).inspect_err(|_| {
        // It may not have come into being at all.
        let _ = disk.remove(path);
    })
}
