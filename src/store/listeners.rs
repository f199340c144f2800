//! Where listeners go on: programs elsewhere that follow what is accepted and keep their place
//! here, so that they can end, and go on from another machine.

use std::ops::ControlFlow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::id::{ApplicationId, MessageId};
use crate::domain::operational::HIDDEN;
use crate::domain::time::Timestamp;
use crate::store::keys::{Key, pollers as rows};
use crate::store::records;
use crate::store::transaction::{Transaction, short_hash};
use crate::store::{Refusal, Shared, Store, WriteError};

/// Listeners of operators at most.
pub const LISTENERS_MAX: usize = 1_000;
/// Listeners of one application at most.
pub const LISTENERS_OF_APPLICATION_MAX: usize = 50;
/// One that has not moved for so long is forgotten.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Listeners that one step of forgetting looks at.
const STEP: usize = 256;

/// Where a listener goes on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct ListenerRow {
    name: String,
    position: MessageId,
    updated_at: Timestamp,
}

records::one_version!(ListenerRow);

/// Where a listener goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// What it calls itself.
    pub name: String,
    /// Everything up to there is done.
    pub position: MessageId,
    /// When it last said so.
    pub updated_at: Timestamp,
}

impl From<ListenerRow> for Listener {
    fn from(row: ListenerRow) -> Listener {
        Listener { name: row.name, position: row.position, updated_at: row.updated_at }
    }
}

/// Whose listeners: those of an application, or of operators, which stand with the hidden one.
fn key(owner: Option<ApplicationId>, name: &str) -> Key {
    rows::listener(owner.unwrap_or(HIDDEN), short_hash(name.as_bytes()))
}

impl Store {
    /// Where a listener goes on, of an application or of operators; `None` while it never has been.
    pub fn listener(&self, owner: Option<ApplicationId>, name: &str) -> Option<Listener> {
        let key = key(owner, name);
        let row = self.shared.overlay.get(&key)?;
        Some(self.shared.decode::<ListenerRow>(&key, &row).into())
    }

    /// All of them, in no order; at most [`LISTENERS_MAX`].
    pub fn listeners(&self, owner: Option<ApplicationId>) -> Vec<Listener> {
        let all = rows::listeners_of(owner.unwrap_or(HIDDEN));
        let mut found = Vec::new();
        self.shared.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            found.push(self.shared.decode::<ListenerRow>(&key, &value).into());
            ControlFlow::Continue(())
        });
        found
    }

    /// Forgets a step of the listeners that have not moved for 30 days; returns whether there may
    /// be more.
    pub fn sweep_listeners(&self) -> Result<bool, WriteError> {
        let now = self.shared.clock.now();
        let unused = self.shared.unused_listeners(now, STEP);
        if unused.is_empty() {
            return Ok(false);
        }
        let more = unused.len() == STEP;
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                for key in unused {
                    // One that moved meanwhile stays.
                    let row: Option<ListenerRow> = transaction.record(&key);
                    if row.is_some_and(|row| now.since(row.updated_at) > UNUSED) {
                        transaction.delete_row(key);
                    }
                }
                Ok(())
            })
        })??;
        Ok(more)
    }
}

impl Transaction<'_> {
    /// A listener has done everything up to `position`, or is to begin there again; refuses one
    /// too many.
    pub fn set_listener(
        &mut self,
        owner: Option<ApplicationId>,
        name: &str,
        position: MessageId,
    ) -> Result<Listener, Refusal> {
        let key = key(owner, name);
        let held: Option<ListenerRow> = self.record(&key);
        if held.is_none() {
            let most = owner.map_or(LISTENERS_MAX, |_| LISTENERS_OF_APPLICATION_MAX);
            let all = rows::listeners_of(owner.unwrap_or(HIDDEN));
            if self.writer.count_rows(&all) >= most {
                return Err(Refusal::Limit(format!(
                    "there are {most} listeners already: use the name of one of them, or delete \
                     one that nobody uses"
                )));
            }
        }
        let row = ListenerRow { name: name.to_owned(), position, updated_at: self.now() };
        self.put_row(key, records::encode(&row), held.is_none());
        Ok(row.into())
    }

    /// Forgets a listener.
    pub fn forget_listener(
        &mut self,
        owner: Option<ApplicationId>,
        name: &str,
    ) -> Result<(), Refusal> {
        let key = key(owner, name);
        if self.row(&key).is_none() {
            return Err(Refusal::NotFound);
        }
        self.delete_row(key);
        Ok(())
    }
}

impl Shared {
    fn unused_listeners(&self, now: Timestamp, limit: usize) -> Vec<Key> {
        let all = rows::all_listeners();
        let mut found = Vec::new();
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            let row: ListenerRow = self.decode(&key, &value);
            if now.since(row.updated_at) > UNUSED {
                found.push(key);
            }
            if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let row = ListenerRow {
            name: "laptop".to_owned(),
            position: MessageId::new(Stamp(0x0102_0304_0506_0708)),
            updated_at: Timestamp::from_millis(1_795_219_200_000),
        };
        let bytes = records::encode(&row);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01066c6170746f70fd0807060504030201fd001867fba1010000");
        assert_eq!(records::decode::<ListenerRow>(&bytes).expect("a row"), row);
    }
}
