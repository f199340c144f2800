//! Operator keys and the tokens of applications, of which only digests are kept.
//!
//! Operator keys are few and stand in the catalog, in memory. Tokens may be a million: they are
//! rows of the index, read when one comes, and swept in steps when their time is over.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use subtle::ConstantTimeEq;

use crate::domain::id::{ApplicationId, KeyId};
use crate::domain::session::Holder;
use crate::domain::time::Timestamp;
use crate::domain::token::{ApplicationToken, OperatorKey};
use crate::store::catalog::CatalogChange;
use crate::store::keys::{self, Key, tokens as rows};
use crate::store::records;
use crate::store::transaction::Transaction;
use crate::store::{Reference, Refusal, Shared, Store, WriteError};

/// Operator keys at most, besides the one of the configuration.
pub const OPERATOR_KEYS_MAX: usize = 100;
/// Tokens looked at in one step; other writes go between two steps.
const STEP: usize = 256;

pub(super) fn half(digest: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

impl Transaction<'_> {
    /// Keeps an operator key.
    pub fn put_operator_key(&mut self, key: OperatorKey) -> Result<Arc<OperatorKey>, Refusal> {
        if self.writer.tables.operator_keys().count() >= OPERATOR_KEYS_MAX {
            return Err(Refusal::Limit(format!(
                "there are {OPERATOR_KEYS_MAX} operator keys; revoke one first"
            )));
        }
        self.put_row(rows::operator_key(key.id), records::encode(&key), true);
        let key = Arc::new(key);
        self.set(CatalogChange::OperatorKey(key.id, Some(Arc::clone(&key))));
        Ok(key)
    }

    /// Revokes an operator key; its sessions end with it.
    pub fn revoke_operator_key(&mut self, id: KeyId) -> Result<(), Refusal> {
        if self.writer.tables.operator_keys().all(|key| key.id != id) {
            return Err(Refusal::NotFound);
        }
        self.end_sessions_of(Holder::Key(id));
        self.delete_row(rows::operator_key(id));
        self.set(CatalogChange::OperatorKey(id, None));
        Ok(())
    }

    /// Keeps a token; an application has at most `most` of them.
    pub fn put_token(&mut self, token: &ApplicationToken, most: u64) -> Result<(), Refusal> {
        let (application, digest) = (token.application, half(&token.digest));
        self.application(&Reference::Id(application))?;
        let count: Option<u64> = self.record(&rows::count(application));
        if count.unwrap_or(0) >= most {
            return Err(Refusal::Limit(format!(
                "this application has {most} tokens (auth.tokens_per_application); let some of \
                 them expire"
            )));
        }
        if self.row(&rows::token(digest)).is_some() {
            return Err(Refusal::Conflict("this token exists already".to_owned()));
        }
        self.put_row(rows::token(digest), records::encode(token), true);
        self.put_row(rows::of(application, digest), records::encode(&token.session), true);
        self.put_row(rows::end(token.expires_at, digest), Bytes::new(), true);
        let new = count.is_none();
        let count = count.unwrap_or(0) + 1;
        self.put_row(rows::count(application), records::encode(&count), new);
        Ok(())
    }

    /// Revokes a token at once; one that is gone stays so.
    pub fn revoke_token(&mut self, digest: &[u8; 32]) {
        self.end_token(half(digest), Timestamp::default());
    }

    /// Has a token end at `at`, unless it ends before.
    fn end_token(&mut self, digest: [u8; 16], at: Timestamp) {
        let Some(mut token) = self.record::<ApplicationToken>(&rows::token(digest)) else { return };
        if at <= self.now() {
            return self.remove_token(&token);
        }
        if at < token.expires_at {
            self.delete_row(rows::end(token.expires_at, digest));
            token.expires_at = at;
            self.put_row(rows::end(at, digest), Bytes::new(), false);
            self.put_row(rows::token(digest), records::encode(&token), false);
        }
    }

    fn remove_token(&mut self, token: &ApplicationToken) {
        let (application, digest) = (token.application, half(&token.digest));
        self.delete_row(rows::token(digest));
        self.delete_row(rows::of(application, digest));
        self.delete_row(rows::end(token.expires_at, digest));
        let key = rows::count(application);
        match self.record::<u64>(&key) {
            Some(count) if count > 1 => self.put_row(key, records::encode(&(count - 1)), false),
            Some(_) => self.delete_row(key),
            None => {}
        }
    }

    /// Takes away a token, session or link whose time is over, by its place among the ends.
    fn sweep_token(&mut self, end: Key) {
        let digest = rows::digest_of(&end).unwrap_or_default();
        if let Some(token) = self.record(&rows::token(digest)) {
            self.remove_token(&token);
        } else if let Some(session) = self.record(&rows::session(digest)) {
            self.remove_session(&session);
        } else if let Some(link) = self.record(&rows::link(digest)) {
            self.remove_link(&link);
        } else {
            self.delete_row(end);
        }
    }
}

impl Store {
    /// Every operator key that was made through the API, oldest first.
    pub fn operator_keys(&self) -> Vec<Arc<OperatorKey>> {
        self.shared.read_catalog().operator_keys().cloned().collect()
    }

    /// The operator key with this digest, whether or not its time is over; takes as long whichever
    /// it is.
    pub fn operator_key(&self, digest: &[u8; 32]) -> Option<Arc<OperatorKey>> {
        let catalog = self.shared.read_catalog();
        let mut found = None;
        for key in catalog.operator_keys() {
            if key.digest.ct_eq(digest).into() {
                found = Some(Arc::clone(key));
            }
        }
        found
    }

    /// The token with this digest, whether or not its time is over. May wait for the disk.
    pub fn token(&self, digest: &[u8; 32]) -> Option<ApplicationToken> {
        let key = rows::token(half(digest));
        let token: ApplicationToken = self.shared.decode(&key, &self.shared.overlay.get(&key)?);
        bool::from(token.digest.ct_eq(digest)).then_some(token)
    }

    /// Has the tokens that an application has now end at `at`, unless they end before; with
    /// `sessions` only those that were made for one of them. Blocks until that is durable; done in
    /// steps, so that a crash may leave a part undone.
    pub fn expire_tokens(
        &self,
        application: ApplicationId,
        at: Timestamp,
        sessions: &[String],
    ) -> Result<(), WriteError> {
        let mut from = rows::all_of(application);
        loop {
            let (digests, next) = self.shared.tokens_of(application, from, sessions);
            if !digests.is_empty() {
                self.on_writer(move |writer| {
                    writer.transact(|transaction| {
                        digests.into_iter().for_each(|digest| transaction.end_token(digest, at));
                        Ok(())
                    })
                })??;
            }
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Forgets a step of the keys, tokens, sessions and links whose time is over; returns whether
    /// there may be more.
    pub fn sweep_tokens(&self) -> Result<bool, WriteError> {
        let now = self.shared.clock.now();
        let ends = self.shared.ended_tokens(now);
        let over: Vec<KeyId> = {
            let catalog = self.shared.read_catalog();
            let over = catalog.operator_keys().filter(|key| !key.is_valid(now));
            over.map(|key| key.id).collect()
        };
        if ends.is_empty() && over.is_empty() {
            return Ok(false);
        }
        let more = ends.len() == STEP;
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                ends.into_iter().for_each(|end| transaction.sweep_token(end));
                for id in over {
                    // Somebody may have revoked it meanwhile.
                    let _ = transaction.revoke_operator_key(id);
                }
                Ok(())
            })
        })??;
        Ok(more)
    }
}

impl Shared {
    fn ended_tokens(&self, now: Timestamp) -> Vec<Key> {
        let mut found = Vec::new();
        let (from, to) = (rows::all_ends(), rows::end_at(now).after_prefix());
        self.overlay.scan(&from, &to, false, &mut |key, _| {
            found.push(key);
            if found.len() == STEP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }

    /// The tokens of an application from a place on, a step of them, and where to go on.
    fn tokens_of(
        &self,
        application: ApplicationId,
        from: keys::Key,
        sessions: &[String],
    ) -> (Vec<[u8; 16]>, Option<Key>) {
        let end = rows::all_of(application).after_prefix();
        let (mut found, mut looked_at, mut next) = (Vec::new(), 0, None);
        self.overlay.scan(&from, &end, false, &mut |key, value| {
            if looked_at == STEP {
                next = Some(key);
                return ControlFlow::Break(());
            }
            looked_at += 1;
            let session: Option<String> = self.decode(&key, &value);
            let meant = sessions.is_empty() || session.is_some_and(|one| sessions.contains(&one));
            found.extend(rows::digest_of(&key).filter(|_| meant));
            ControlFlow::Continue(())
        });
        (found, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;
    use crate::domain::token::{Capabilities, Capability, Role};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes of every version, for ever.
    #[test]
    fn frozen_bytes() {
        let moment = Timestamp::from_millis(1_795_219_200_000);
        let token = ApplicationToken {
            digest: [7; 32],
            application: ApplicationId::new(Stamp(9)),
            capabilities: [Capability::ViewBase, Capability::ManageEndpoint].into_iter().collect(),
            feature_flags: vec!["f".to_owned()],
            session: Some("s".to_owned()),
            created_at: moment,
            expires_at: moment,
        };
        let bytes = records::encode(&token);
        let time = "fd001867fba1010000";
        let digest = "07".repeat(32);
        assert_eq!(hex(&bytes), format!("01{digest}0921010166010173{time}{time}"));
        assert_eq!(records::decode::<ApplicationToken>(&bytes).expect("a row"), token);
        let key = OperatorKey {
            id: KeyId::new(Stamp(9)),
            name: Some("ci".to_owned()),
            digest: [7; 32],
            created_at: moment,
            expires_at: None,
            role: Role::Operator,
        };
        let bytes = records::encode(&key);
        let fields = format!("0901026369{digest}{time}00");
        assert_eq!(hex(&bytes), format!("02{fields}00"));
        assert_eq!(records::decode::<OperatorKey>(&bytes).expect("a row"), key);
        // What was written before there were roles: it opened everything, and it does.
        let first: Vec<u8> = [&[1], &bytes[1..bytes.len() - 1]].concat();
        assert_eq!(hex(&first), format!("01{fields}"));
        assert_eq!(records::decode::<OperatorKey>(&first).expect("a row"), key);
        let looks = OperatorKey { role: Role::ReadOnly, ..key };
        assert_eq!(hex(&records::encode(&looks)), format!("02{fields}01"));
        assert!(Capabilities::default().names().is_empty());
    }
}
