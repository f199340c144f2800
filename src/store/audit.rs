//! The audit log: an entry in the same transaction as the change that it tells of.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::domain::audit::{AuditEntry, Note};
use crate::domain::id::{AuditId, Stamp};
use crate::domain::time::Timestamp;
use crate::store::keys::{Key, audit as rows};
use crate::store::messages::first_after;
use crate::store::records;
use crate::store::transaction::Transaction;
use crate::store::{Page, PageRequest, Reply, Shared, Store, WriteError};

/// Entries forgotten in one step; other writes go between two steps.
const STEP: usize = 256;

records::one_version!(AuditEntry);

/// Which entries a list shows.
pub struct AuditFilter<'filter> {
    /// Those for which this is true.
    pub passes: &'filter dyn Fn(&AuditEntry) -> bool,
    /// From before this.
    pub before: Option<Timestamp>,
    /// From after this.
    pub after: Option<Timestamp>,
}

impl Transaction<'_> {
    /// Notes what this transaction does.
    pub fn note(&mut self, note: Note) {
        let id = AuditId::new(self.mint());
        self.put_row(rows::one(id), records::encode(&AuditEntry { id, note }), true);
        let count: Option<u64> = self.record(&rows::count());
        let (new, count) = (count.is_none(), count.unwrap_or(0) + 1);
        self.put_row(rows::count(), records::encode(&count), new);
    }

    fn forget_notes(&mut self, entries: Vec<Key>) {
        let held: Vec<Key> = entries.into_iter().filter(|key| self.row(key).is_some()).collect();
        let count = self.record::<u64>(&rows::count()).unwrap_or(0);
        let left = count.saturating_sub(held.len() as u64);
        held.into_iter().for_each(|key| self.delete_row(key));
        self.put_row(rows::count(), records::encode(&left), false);
    }
}

impl Store {
    /// Notes what is done in several steps, before the first. Blocks until that is durable.
    pub fn note(&self, note: Note) -> Result<(), WriteError> {
        self.write_blocking(None, move |transaction| {
            transaction.note(note);
            Ok(Reply::Done)
        })
        .map(|_| ())
    }

    /// Entries of the audit log, by id.
    pub fn list_audit(
        &self,
        filter: &AuditFilter<'_>,
        page: &PageRequest<AuditId>,
    ) -> Page<AuditEntry, AuditId> {
        let all = rows::all();
        let from = filter.after.map_or(all, |after| rows::at(first_after(after)));
        let end = all.after_prefix();
        let to = filter.before.map_or(end, |before| rows::at(Stamp::first_at(before)));
        self.shared.list_between(all, from..to, page, rows::at, rows::id_of, |key, value| {
            let entry: AuditEntry = self.shared.decode(key, value);
            (filter.passes)(&entry).then_some(entry)
        })
    }

    /// How many entries there are.
    pub fn audit_entries(&self) -> u64 {
        let key = rows::count();
        self.shared.overlay.get(&key).map_or(0, |bytes| self.shared.decode(&key, &bytes))
    }

    /// Forgets a step of the entries that are older than `age`, where ages count, and of the oldest
    /// that are more than `most`; returns whether there may be more.
    pub fn sweep_audit(&self, age: Option<Duration>, most: u64) -> Result<bool, WriteError> {
        let excess = self.audit_entries().saturating_sub(most);
        let limit = age.map_or(Stamp(0), |age| {
            let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let now = self.now().millis();
            Stamp::first_at(Timestamp::from_millis(now.saturating_sub(millis)))
        });
        let over = self.shared.oldest_notes(limit, excess);
        if over.is_empty() {
            return Ok(false);
        }
        let more = over.len() == STEP;
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                transaction.forget_notes(over);
                Ok(())
            })
        })??;
        Ok(more)
    }
}

impl Shared {
    /// A step of the entries from before `limit`, and of the first `excess`.
    fn oldest_notes(&self, limit: Stamp, excess: u64) -> Vec<Key> {
        let all = rows::all();
        let mut found = Vec::new();
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, _| {
            let old = rows::id_of(&key).is_none_or(|id| id.stamp() < limit);
            if found.len() == STEP || !old && found.len() as u64 >= excess {
                return ControlFlow::Break(());
            }
            found.push(key);
            ControlFlow::Continue(())
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Actor, Asked, Deed};
    use crate::domain::id::KeyId;

    fn check(note: Note, frozen: &str) {
        let entry = AuditEntry { id: AuditId::new(Stamp(9)), note };
        let bytes = records::encode(&entry);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, frozen);
        assert_eq!(records::decode::<AuditEntry>(&bytes).expect("a row"), entry);
    }

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let asked = Asked {
            method: "PUT".to_owned(),
            route: "/r".to_owned(),
            path: "/p".to_owned(),
            address: Some([127, 0, 0, 1].into()),
            request_id: "q".to_owned(),
            by_session: true,
        };
        let actor = Actor::Key { id: KeyId::new(Stamp(8)), name: Some("a".to_owned()) };
        let note = Note { actor, deed: Deed::LinkRedeemed, asked: Some(asked), detail: None };
        check(note, "01090108010161040103505554022f72022f7001007f00000101710100");
        let detail = Some("d".to_owned());
        let actor = Actor::Configuration;
        check(Note { actor, deed: Deed::Change, asked: None, detail }, "0109040000010164");
        let application =
            Actor::Application { id: crate::domain::id::Id::new(Stamp(7)), session: None };
        for (actor, bytes) in [
            (Actor::Operator, "00"),
            (Actor::Signed { subject: "s".to_owned() }, "020173"),
            (application, "030700"),
            (Actor::Nobody, "05"),
        ] {
            let note = Note { actor, deed: Deed::SignInFailed, asked: None, detail: None };
            check(note, &format!("0109{bytes}030000"));
        }
    }
}
