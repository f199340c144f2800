//! Another sealing key while the relay works: from one moment on it seals, and a background task
//! seals anew what older keys had sealed, in bounded steps.
//!
//! The journal goes on holding older values until its segments go, and what was lost of it may
//! bring one back. So a row says in which segment the task ended: an older key is needed until
//! that one and all before it are gone.

mod step;

use serde::{Deserialize, Serialize};

use crate::domain::id::TaskId;
use crate::domain::secret::Secret;
use crate::domain::task::{Task, Work};
use crate::store::key_files::{self, KEY_BYTES};
use crate::store::keys::{self, sealing as rows};
use crate::store::records;
use crate::store::seal::{KeyOrigin, Sealer, SealingKeyId};
use crate::store::transaction::Transaction;
use crate::store::writer::Writer;
use crate::store::{Refusal, Shared, Store, WriteError};

/// Older keys that are kept at a time: 409 beyond it, until the journal has let some of them go.
pub const PREVIOUS_KEYS_MAX: usize = 16;

/// With which key what is current is sealed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct SealingRow {
    key: SealingKeyId,
    standing: Standing,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Standing {
    /// Some of it may be sealed with an older key.
    Unknown,
    /// All of it up to this key of the index is not; the task goes on behind it.
    Behind(TaskId, Vec<u8>),
    /// All of it is, and no segment after this one holds anything else.
    Since(u32),
}

records::one_version!(SealingRow);

/// How the secrets on disk are sealed; of keys their ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealing {
    /// The key that seals.
    pub current: SealingKeyId,
    /// Where it comes from.
    pub origin: KeyOrigin,
    /// Keys that open what they sealed.
    pub previous: Vec<PreviousKey>,
    /// Whether everything that is current is sealed with the current key.
    pub resealed: bool,
    /// The task that sees to it.
    pub task: Option<TaskId>,
    /// The newest segment of the journal that may hold what an older key sealed, once that is
    /// known: previous keys are needed until it has gone.
    pub needed_through: Option<u32>,
    /// The oldest segment of the journal.
    pub oldest_segment: u32,
}

/// An older key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreviousKey {
    /// Its id.
    pub id: SealingKeyId,
    /// Whether the configuration names it; else it lies in the data folder.
    pub configured: bool,
    /// Whether something in the data folder may be sealed with it.
    pub needed: bool,
}

impl SealingRow {
    /// What a folder that was just opened is known to be sealed with, given what it said before.
    fn at_start(held: Option<SealingRow>, sealer: &Sealer, gave_up: bool) -> SealingRow {
        let key = sealer.current();
        let older = !sealer.previous().is_empty();
        let standing = match held {
            // Records that are given up may bring back what had been sealed anew.
            _ if gave_up && older => Standing::Unknown,
            Some(held) if held.key == key => match held.standing {
                Standing::Since(_) if sealer.met_older() => Standing::Unknown,
                standing => standing,
            },
            None if !older => Standing::Since(0),
            Some(_) | None => Standing::Unknown,
        };
        SealingRow { key, standing }
    }
}

impl Writer {
    /// Says how the folder is sealed, if that is not what it says; `gave_up` after a loss.
    pub(super) fn say_sealing(&mut self, gave_up: bool) -> Result<(), WriteError> {
        self.transact(|transaction| {
            let held = transaction.record(&rows::sealing());
            let sealer = &transaction.writer.shared.sealer;
            let row = SealingRow::at_start(held.clone(), sealer, gave_up);
            if held.as_ref() != Some(&row) {
                transaction.put_row(rows::sealing(), records::encode(&row), held.is_none());
            }
            Ok(())
        })
    }
}

impl Transaction<'_> {
    /// Begins to seal everything with the current key, or, when it is, with a new one that is made
    /// in the data folder for it. A key of the configuration only the operator can change.
    pub fn rotate_sealing_key(&mut self) -> Result<Task, Refusal> {
        let shared = &self.writer.shared;
        let held: Option<SealingRow> = self.record(&rows::sealing());
        let held = held.filter(|held| held.key == shared.sealer.current());
        match held.map(|held| held.standing) {
            Some(Standing::Behind(task, _)) if self.is_running(task) => {
                let task = shared.ids.text(task);
                return Err(Refusal::Conflict(format!(
                    "the sealing key is being rotated by {task}: wait until it has finished"
                )));
            }
            // Begun and not finished: all is sealed with the current key first.
            Some(Standing::Behind(..) | Standing::Unknown) | None => {}
            Some(Standing::Since(_)) => shared.make_sealing_key()?,
        }
        let task = self.start_task(Work::Reseal);
        self.put_standing(Standing::Behind(task.id, Vec::new()));
        Ok(task)
    }

    fn is_running(&self, id: TaskId) -> bool {
        self.record::<Task>(&keys::task(id)).is_some_and(|task| task.is_running())
    }

    fn put_standing(&mut self, standing: Standing) {
        let row = SealingRow { key: self.writer.shared.sealer.current(), standing };
        self.put_row(rows::sealing(), records::encode(&row), false);
    }
}

impl Shared {
    /// Makes a key in the data folder and seals with it from now on.
    fn make_sealing_key(&self) -> Result<(), Refusal> {
        let (sealer, place) = (&self.sealer, &self.place);
        if sealer.origin() == KeyOrigin::Configuration {
            return Err(Refusal::Conflict(
                "the sealing key comes from the configuration, and everything is sealed with it: \
                 set data.sealing_key to a new one, add the present one to \
                 data.previous_sealing_keys, restart, and rotate again"
                    .to_owned(),
            ));
        }
        if sealer.previous().len() >= PREVIOUS_KEYS_MAX {
            return Err(Refusal::Conflict(format!(
                "the journal may still hold what {PREVIOUS_KEYS_MAX} older keys have sealed: \
                 rotate again when some of its segments have gone"
            )));
        }
        let key = loop {
            let mut bytes = vec![0; KEY_BYTES];
            getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
            let key = Secret::new(bytes);
            if !sealer.is_named(&key) {
                break key;
            }
        };
        key_files::put_new(&*place.disk, &place.folder, &key, &sealer.expose_all()).map_err(
            |error| Refusal::Full(format!("the new sealing key can't be written: {error}")),
        )?;
        // What follows may still fail: then it seals all the same, and the next call goes on.
        sealer.replace(key);
        Ok(())
    }

    fn sealing_row(&self) -> Option<SealingRow> {
        let key = rows::sealing();
        self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes))
    }

    /// The newest segment that may hold what an older key has sealed; `None` while that is not
    /// known.
    fn older_through(&self) -> Option<u32> {
        match self.sealing_row()? {
            SealingRow { key, standing: Standing::Since(segment) } => {
                (key == self.sealer.current()).then_some(segment)
            }
            _ => None,
        }
    }

    fn older_are_needed(&self) -> bool {
        let oldest = self.segments.numbers().first().copied().unwrap_or(0);
        self.older_through().is_none_or(|through| oldest <= through)
    }

    /// Says that somebody has to begin what only a rotation finds out.
    pub(super) fn tell_of_older_keys(&self) {
        let standing = self.sealing_row().map(|row| row.standing);
        if standing == Some(Standing::Unknown) && !self.sealer.previous().is_empty() {
            tracing::warn!("older keys may have sealed some secrets: relay sealing-key rotate");
        }
    }

    /// Forgets the older keys once nothing that is kept can be sealed with them. Only where a
    /// rotation can't begin meanwhile: its first step makes an older key of the current one.
    pub(super) fn forget_sealing_keys(&self) {
        let previous = self.sealer.previous();
        if previous.is_empty() || self.older_are_needed() {
            return;
        }
        match key_files::remove_previous(&*self.place.disk, &self.place.folder) {
            Ok(true) => tracing::info!("the journal holds nothing older: old sealing keys removed"),
            Ok(false) => {}
            // It is tried again when the next segment goes, and at the next start.
            Err(error) => {
                tracing::error!(%error, "old sealing keys can't be removed");
                return;
            }
        }
        self.sealer.forget_previous();
        for (id, _) in previous.iter().filter(|(_, configured)| *configured) {
            tracing::info!(%id, "nothing needs this key of data.previous_sealing_keys any more");
        }
    }
}

impl Store {
    /// Forgets older keys that are not needed; the writer does it, which also begins rotations.
    pub(super) fn forget_sealing_keys(&self) {
        if !self.shared.sealer.previous().is_empty() {
            // One that is stopping leaves it to the next start.
            let _ = self.on_writer(|writer| writer.shared.forget_sealing_keys());
        }
    }

    /// How the secrets on disk are sealed.
    pub fn sealing(&self) -> Sealing {
        let shared = &self.shared;
        let needed = shared.older_are_needed();
        let previous = shared.sealer.previous().into_iter();
        let needed_through = shared.older_through();
        let running = |id: &TaskId| self.task(*id).is_some_and(|task| task.is_running());
        let task = match shared.sealing_row() {
            Some(SealingRow { standing: Standing::Behind(task, _), .. }) => Some(task),
            _ => None,
        };
        Sealing {
            current: shared.sealer.current(),
            origin: shared.sealer.origin(),
            previous: previous
                .map(|(id, configured)| PreviousKey { id, configured, needed })
                .collect(),
            resealed: needed_through.is_some(),
            task: task.filter(running),
            needed_through: needed_through.filter(|segment| *segment > 0),
            oldest_segment: shared.segments.numbers().first().copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;

    /// The bytes that were ever written, for ever.
    #[test]
    fn frozen_bytes() {
        let standings = [
            (Standing::Unknown, "0101020304 00"),
            (Standing::Behind(TaskId::new(Stamp(7)), vec![b'c', b'e']), "0101020304 0107026365"),
            (Standing::Since(300), "0101020304 02fb2c01"),
        ];
        for (standing, frozen) in standings {
            let row = SealingRow { key: SealingKeyId([1, 2, 3, 4]), standing };
            let bytes = records::encode(&row);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, frozen.replace(' ', ""));
            assert_eq!(records::decode::<SealingRow>(&bytes).unwrap(), row);
        }
    }
}
