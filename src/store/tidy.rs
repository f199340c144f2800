//! What nobody needs any more, in bounded steps: replies whose time is over, what waits for
//! endpoints that are gone, and their dead letters.

use std::ops::ControlFlow;

use crate::domain::delivery::{DeliveryId, State};
use crate::domain::time::Timestamp;
use crate::store::keys::{self, Key};
use crate::store::transaction::Transaction;
use crate::store::{Store, WriteError};

/// Rows put in order in one step, each of which waits for its sync.
const TIDY_ROWS: usize = 256;

impl Store {
    /// Forgets replies whose time is over, cancels what waits for endpoints that are gone and takes
    /// their dead letters out of the list, a step of each; returns whether there may be more.
    pub fn tidy(&self) -> Result<bool, WriteError> {
        let forgotten = self.forget_dead_letters()?;
        let now = self.shared.clock.now();
        let expired = self.shared.expired_replies(now, TIDY_ROWS);
        let orphans = self.shared.orphans(TIDY_ROWS);
        let more = forgotten || expired.len() == TIDY_ROWS || orphans.len() == TIDY_ROWS;
        if expired.is_empty() && orphans.is_empty() {
            return Ok(forgotten);
        }
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                expired.into_iter().for_each(|key| transaction.delete_row(key));
                for (id, due) in orphans {
                    transaction.cancel(id, due);
                }
                Ok(())
            })
        })??;
        Ok(more)
    }
}

impl Transaction<'_> {
    /// Takes back a delivery whose endpoint is gone.
    pub(super) fn cancel(&mut self, id: DeliveryId, due: Timestamp) {
        self.end(id, due, State::Cancelled);
    }
}

impl crate::store::Shared {
    fn expired_replies(&self, now: Timestamp, limit: usize) -> Vec<Key> {
        let mut found = Vec::new();
        let end = keys::all_replies().after_prefix();
        let mut from = keys::all_replies();
        // One window after the other: in each the oldest buckets come first.
        loop {
            let mut window = None;
            self.overlay.scan(&from, &end, false, &mut |key, _| {
                window = keys::reply_parts(&key).map(|(window_s, _)| window_s);
                ControlFlow::Break(())
            });
            let Some(window_s) = window else { return found };
            let current = super::ledger::bucket(now, window_s);
            let first = keys::reply(window_s, 0, [0; 16]);
            let live = keys::reply(window_s, current.saturating_sub(1), [0; 16]);
            self.overlay.scan(&first, &live, false, &mut |key, _| {
                if found.len() == limit {
                    return ControlFlow::Break(());
                }
                found.push(key);
                ControlFlow::Continue(())
            });
            from = keys::reply(window_s, u32::MAX, [u8::MAX; 16]).successor();
        }
    }

    fn orphans(&self, limit: usize) -> Vec<(DeliveryId, Timestamp)> {
        let mut found = Vec::new();
        for (endpoint, _) in self.lanes() {
            if self.read_catalog().endpoint_by_id(endpoint).is_some() {
                continue;
            }
            let from = keys::due_of(endpoint);
            self.overlay.scan(&from, &from.after_prefix(), false, &mut |key, _| {
                if found.len() == limit {
                    return ControlFlow::Break(());
                }
                found.extend(keys::due_parts(&key));
                ControlFlow::Continue(())
            });
        }
        found
    }
}
