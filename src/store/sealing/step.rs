//! One step of the task that seals anew what older keys have sealed.

use std::ops::ControlFlow;

use super::{SealingRow, Standing};
use crate::domain::id::TaskId;
use crate::domain::task::{Progress, Task};
use crate::store::keys::{self, Key, sealing as rows};
use crate::store::records::{self, EndpointRow, ReplyRow, SourceRow};
use crate::store::seal::UnsealError;
use crate::store::transaction::Transaction;
use crate::store::{Refusal, Shared, Store, WriteError};

/// Rows sealed anew in one step; other writes go between two steps.
const STEP_ROWS: usize = 256;
/// Rows looked at for one step.
const LOOKED_MAX: usize = 10_000;
/// Bytes of a step beyond which it seals no further row.
const STEP_BYTES: usize = 1 << 20;

/// Rows that the current key did not seal.
struct Found {
    /// Behind which key they were looked for.
    after: Vec<u8>,
    rows: Vec<Key>,
    looked_at: u64,
    /// The last key that was looked at, when there are more behind it.
    next: Option<Key>,
}

impl Transaction<'_> {
    /// Seals these rows anew and keeps how far the task is; returns whether there is more to do.
    fn reseal_step(&mut self, id: TaskId, found: Found) -> Result<bool, Refusal> {
        let Some(mut task) = self.record::<Task>(&keys::task(id)) else { return Ok(false) };
        if !task.is_running() {
            return Ok(false);
        }
        task.updated_at = self.now();
        let behind = self.behind(id);
        if behind.as_ref() != Some(&found.after) {
            // Another task has taken it over, or it begins again: a key came in between.
            let other = match self.record(&rows::sealing()) {
                Some(SealingRow { standing: Standing::Behind(other, _), .. }) => other != id,
                _ => false,
            };
            match other {
                true => task.progress = Progress::Failed("a later rotation goes on".to_owned()),
                false => self.put_standing(Standing::Behind(id, Vec::new())),
            }
        } else {
            task.looked_at += found.looked_at;
            match self.reseal_some(&mut task, &found)? {
                Some(last) => self.put_standing(Standing::Behind(id, last.as_bytes().to_vec())),
                None => {
                    // This record goes into the segment that its bodies would, and everything that
                    // an older key sealed stands before it.
                    let (segment, _) = self.writer.bodies_start();
                    self.put_standing(Standing::Since(segment));
                    task.progress = Progress::Finished;
                }
            }
        }
        self.put_row(keys::task(id), records::encode(&task), false);
        Ok(task.is_running())
    }

    /// Behind which key of the index the task goes on; `None` when it is not this one's.
    fn behind(&self, id: TaskId) -> Option<Vec<u8>> {
        match self.record(&rows::sealing()) {
            Some(SealingRow { key, standing: Standing::Behind(task, behind) })
                if task == id && key == self.writer.shared.sealer.current() =>
            {
                Some(behind)
            }
            _ => None,
        }
    }

    /// Returns the last key that has been seen to, `None` when that was the last of all.
    fn reseal_some(&mut self, task: &mut Task, found: &Found) -> Result<Option<Key>, Refusal> {
        let limit = STEP_BYTES.min(self.record_max() / 2);
        let mut last = None;
        for key in &found.rows {
            if last.is_some() && self.record_length() >= limit {
                return Ok(last);
            }
            last = Some(*key);
            // It may have been written since it was found, or have gone.
            let Some(value) = self.row(key) else { continue };
            match self.writer.shared.resealed(key, &value) {
                Ok(Some(value)) => {
                    self.put_row(*key, value, false);
                    task.done += 1;
                }
                Ok(None) => {}
                // A reply of long ago that nobody could be given either; it goes by itself.
                Err(error) => {
                    tracing::warn!(%error, ?key, "a sealed value can't be sealed anew");
                    *task.counts.entry("unreadable".to_owned()).or_default() += 1;
                }
            }
        }
        Ok(found.next)
    }
}

impl Shared {
    /// The row sealed anew; `None` when the current key had sealed it.
    fn resealed(&self, key: &Key, value: &[u8]) -> Result<Option<bytes::Bytes>, UnsealError> {
        let sealer = &self.sealer;
        match key.as_bytes() {
            [b'c', b'e', ..] => {
                let mut row: EndpointRow = self.decode(key, value);
                Ok(row.reseal(key, sealer)?.then(|| records::encode(&row)))
            }
            [b'c', b's', ..] => {
                let mut row: SourceRow = self.decode(key, value);
                Ok(row.reseal(key, sealer)?.then(|| records::encode(&row)))
            }
            _ => {
                let mut row: ReplyRow = self.decode(key, value);
                Ok(row.reply.reseal(sealer)?.then(|| records::encode(&row)))
            }
        }
    }

    /// Whether the current key did not seal a row.
    fn is_older(&self, key: &Key, value: &[u8]) -> bool {
        let current = |sealed: &[u8]| self.sealer.is_current(sealed);
        match key.as_bytes() {
            [b'c', b'e', ..] => !self.decode::<EndpointRow>(key, value).sealed().all(current),
            [b'c', b's', ..] => !self.decode::<SourceRow>(key, value).sealed().all(current),
            _ => !self.decode::<ReplyRow>(key, value).reply.sealed().into_iter().all(current),
        }
    }

    /// The next rows that are to be sealed anew.
    fn older_rows(&self, after: Vec<u8>) -> Found {
        let mut found = Found { rows: Vec::new(), looked_at: 0, next: None, after };
        let behind = Key::from_bytes(&found.after).filter(|key| !key.as_bytes().is_empty());
        let mut last = None;
        for all in [rows::all_endpoints(), rows::all_sources(), keys::all_replies()] {
            let from = behind.map_or(all, |behind| all.max(behind.successor()));
            if from >= all.after_prefix() {
                continue;
            }
            let mut more = false;
            self.overlay.scan(&from, &all.after_prefix(), false, &mut |key, value| {
                if found.rows.len() == STEP_ROWS || found.looked_at == LOOKED_MAX as u64 {
                    more = true;
                    return ControlFlow::Break(());
                }
                found.looked_at += 1;
                found.rows.extend(self.is_older(&key, &value).then_some(key));
                last = Some(key);
                ControlFlow::Continue(())
            });
            if more {
                found.next = last;
                break;
            }
        }
        found
    }
}

impl Store {
    /// Goes on with a rotation by one step; returns whether there is more to do.
    pub(in crate::store) fn advance_reseal(&self, id: TaskId) -> Result<bool, WriteError> {
        let behind = match self.shared.sealing_row() {
            Some(SealingRow { standing: Standing::Behind(task, behind), .. }) if task == id => {
                behind
            }
            _ => Vec::new(),
        };
        let found = self.shared.older_rows(behind);
        let more = self.on_writer(move |writer| {
            writer.transact(|transaction| {
                if let Some(reason) = transaction.writer.shared.refuses() {
                    return Err(Refusal::Full(reason).into());
                }
                Ok(transaction.reseal_step(id, found)?)
            })
        })??;
        if !more {
            self.forget_sealing_keys();
        }
        Ok(more)
    }
}
