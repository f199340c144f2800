//! Sessions of people and sign-in links, of which only digests are kept. They are rows of the index
//! like tokens: read when one comes, swept when their time is over.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::domain::id::KeyId;
use crate::domain::session::{Holder, Session, SignInLink};
use crate::domain::token::OperatorKey;
use crate::store::keys::tokens as rows;
use crate::store::records;
use crate::store::tokens::half;
use crate::store::transaction::Transaction;
use crate::store::{Refusal, Store};

/// Sessions that one operator key has at a time; the oldest ends for another.
pub const SESSIONS_MAX: usize = 100;
/// Sign-in links that nobody has followed yet, at most.
pub const LINKS_MAX: u64 = 100;

/// The sessions of one key, oldest first, by half of their digests.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct SessionsRow(Vec<[u8; 16]>);

records::one_version!(Session, SessionsRow, SignInLink);

impl Transaction<'_> {
    /// The operator key of this id, whether or not its time is over.
    pub fn operator_key(&self, id: KeyId) -> Option<Arc<OperatorKey>> {
        self.writer.tables.operator_keys().find(|key| key.id == id).cloned()
    }

    /// Keeps a session; of too many of one key the oldest ends.
    pub fn put_session(&mut self, session: &Session) {
        let digest = half(&session.digest);
        let list = rows::sessions_of(session.holder);
        let held: Option<SessionsRow> = self.record(&list);
        let new = held.is_none();
        let SessionsRow(mut all) = held.unwrap_or_default();
        let excess = (all.len() + 1).saturating_sub(SESSIONS_MAX);
        for old in all.drain(..excess) {
            self.forget_session(old);
        }
        all.push(digest);
        self.put_row(list, records::encode(&SessionsRow(all)), new);
        self.put_row(rows::session(digest), records::encode(session), true);
        self.put_row(rows::end(session.expires_at, digest), bytes::Bytes::new(), true);
    }

    /// Ends a session at once; returns it, `None` where it is gone already.
    pub fn end_session(&mut self, digest: &[u8; 32]) -> Option<Session> {
        let session: Session = self.record(&rows::session(half(digest)))?;
        self.remove_session(&session);
        Some(session)
    }

    /// Ends a session of this holder, by half of its digest.
    pub fn revoke_session(&mut self, holder: Holder, digest: [u8; 16]) -> Result<(), Refusal> {
        let held: Option<Session> = self.record(&rows::session(digest));
        let session = held.filter(|held| held.holder == holder).ok_or(Refusal::NotFound)?;
        self.remove_session(&session);
        Ok(())
    }

    pub(super) fn remove_session(&mut self, session: &Session) {
        let digest = half(&session.digest);
        self.forget_session(digest);
        let list = rows::sessions_of(session.holder);
        let Some(SessionsRow(mut all)) = self.record(&list) else { return };
        all.retain(|held| *held != digest);
        if all.is_empty() {
            self.delete_row(list);
        } else {
            self.put_row(list, records::encode(&SessionsRow(all)), false);
        }
    }

    /// Takes the rows of a session away, all but its place in the list.
    fn forget_session(&mut self, digest: [u8; 16]) {
        if let Some(session) = self.record::<Session>(&rows::session(digest)) {
            self.delete_row(rows::end(session.expires_at, digest));
            self.delete_row(rows::session(digest));
        }
    }

    /// Ends every session of an operator key.
    pub(super) fn end_sessions_of(&mut self, holder: Holder) {
        let list = rows::sessions_of(holder);
        let Some(SessionsRow(all)) = self.record(&list) else { return };
        all.into_iter().for_each(|digest| self.forget_session(digest));
        self.delete_row(list);
    }

    /// Keeps a sign-in link.
    pub fn put_link(&mut self, link: &SignInLink) -> Result<(), Refusal> {
        let held: Option<u64> = self.record(&rows::links());
        let count = held.unwrap_or(0);
        if count >= LINKS_MAX {
            return Err(Refusal::Limit(format!(
                "{LINKS_MAX} sign-in links wait for somebody to follow them; let some of them \
                 expire"
            )));
        }
        let digest = half(&link.digest);
        self.put_row(rows::link(digest), records::encode(link), true);
        self.put_row(rows::end(link.expires_at, digest), bytes::Bytes::new(), true);
        self.put_row(rows::links(), records::encode(&(count + 1)), held.is_none());
        Ok(())
    }

    /// Takes a sign-in link, which is then gone; whoever asked judges whether its time is over.
    pub fn take_link(&mut self, digest: &[u8; 32]) -> Result<SignInLink, Refusal> {
        let held: Option<SignInLink> = self.record(&rows::link(half(digest)));
        let link = held.filter(|link| link.digest.ct_eq(digest).into());
        let link = link.ok_or(Refusal::NotFound)?;
        self.remove_link(&link);
        Ok(link)
    }

    /// Takes a sign-in link back, by half of its digest.
    pub fn revoke_link(&mut self, digest: [u8; 16]) -> Result<(), Refusal> {
        let link: Option<SignInLink> = self.record(&rows::link(digest));
        self.remove_link(&link.ok_or(Refusal::NotFound)?);
        Ok(())
    }

    pub(super) fn remove_link(&mut self, link: &SignInLink) {
        let digest = half(&link.digest);
        self.delete_row(rows::link(digest));
        self.delete_row(rows::end(link.expires_at, digest));
        match self.record::<u64>(&rows::links()) {
            Some(count) if count > 1 => {
                self.put_row(rows::links(), records::encode(&(count - 1)), false);
            }
            Some(_) => self.delete_row(rows::links()),
            None => {}
        }
    }
}

impl Store {
    /// The session with this digest, whether or not its time is over. May wait for the disk.
    pub fn session(&self, digest: &[u8; 32]) -> Option<Session> {
        let key = rows::session(half(digest));
        let session: Session = self.shared.decode(&key, &self.shared.overlay.get(&key)?);
        bool::from(session.digest.ct_eq(digest)).then_some(session)
    }

    /// The sign-in link whose code has this digest, whether or not its time is over. May wait for
    /// the disk.
    pub fn sign_in_link(&self, digest: &[u8; 32]) -> Option<SignInLink> {
        let key = rows::link(half(digest));
        let link: SignInLink = self.shared.decode(&key, &self.shared.overlay.get(&key)?);
        bool::from(link.digest.ct_eq(digest)).then_some(link)
    }

    /// The sessions of a holder, oldest first, whether or not their time is over. May wait for the
    /// disk.
    pub fn sessions_of(&self, holder: Holder) -> Vec<Session> {
        let list = rows::sessions_of(holder);
        let Some(row) = self.shared.overlay.get(&list) else { return Vec::new() };
        let SessionsRow(all) = self.shared.decode(&list, &row);
        let session = |digest: [u8; 16]| {
            let key = rows::session(digest);
            let session: Session = self.shared.decode(&key, &self.shared.overlay.get(&key)?);
            // Every key of the configuration has the one list.
            Some(session).filter(|session| session.holder == holder)
        };
        all.into_iter().filter_map(session).collect()
    }

    /// The sign-in links that nobody has followed, in no order, whether or not their time is over;
    /// at most [`LINKS_MAX`]. May wait for the disk.
    pub fn sign_in_links(&self) -> Vec<SignInLink> {
        let all = rows::all_links();
        let mut found = Vec::new();
        self.shared.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            found.push(self.shared.decode(&key, &value));
            ControlFlow::Continue(())
        });
        found
    }

    /// The operator key of this id, whether or not its time is over.
    pub fn operator_key_by_id(&self, id: KeyId) -> Option<Arc<OperatorKey>> {
        self.shared.read_catalog().operator_keys().find(|key| key.id == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;
    use crate::domain::time::Timestamp;
    use crate::domain::token::Role;

    fn check<T: records::Record + PartialEq + std::fmt::Debug>(row: &T, frozen: &str) {
        let bytes = records::encode(row);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, frozen);
        assert_eq!(records::decode::<T>(&bytes).expect("a row"), *row);
    }

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let (digest, time) = ("07".repeat(32), "fd001867fba1010000");
        let moment = Timestamp::from_millis(1_795_219_200_000);
        let session = |holder| Session {
            digest: [7; 32],
            holder,
            created_at: moment,
            expires_at: Timestamp::from_millis(1),
        };
        let key = Holder::Key(KeyId::new(Stamp(9)));
        check(&session(key), &format!("01{digest}0109{time}01"));
        let other = Holder::Configured([8; 32]);
        check(&session(other), &format!("01{digest}00{}{time}01", "08".repeat(32)));
        check(&SessionsRow(vec![[5; 16]]), &format!("0101{}", "05".repeat(16)));
        let link = SignInLink {
            digest: [7; 32],
            name: Some("a".to_owned()),
            role: Role::ReadOnly,
            made_by: Some(key),
            created_at: moment,
            expires_at: moment,
        };
        check(&link, &format!("01{digest}01016101010109{time}{time}"));
    }
}
