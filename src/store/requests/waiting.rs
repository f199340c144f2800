//! Requests that wait to become messages: refused ones, of which the oldest makes room, and those
//! that came while their source was paused, which are never let go. How many they are stands in a
//! row of their source, so that keeping the bounds costs no look at all of them.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::NewRequest;
use crate::domain::id::{RequestId, SourceId};
use crate::domain::source::Source;
use crate::store::keys::Key;
use crate::store::keys::received as rows;
use crate::store::records;
use crate::store::transaction::Transaction;
use crate::store::{Refusal, Shared};

/// Requests let go for one that comes, at most: where the bounds were lowered the next ones go on.
const STEP: usize = 256;

/// So many requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Amount {
    /// How many.
    pub requests: u64,
    /// Bytes of their heads and bodies.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, length: u64) {
        self.requests += 1;
        self.bytes += length;
    }

    fn take(&mut self, length: u64) {
        self.requests = self.requests.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(length);
    }

    fn has_room_for(&self, length: u64, most: &Amount) -> bool {
        self.requests < most.requests && self.bytes + length <= most.bytes
    }
}

/// What waits of one source, or may at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Waiting {
    /// Refused requests; the oldest goes first.
    pub refused: Amount,
    /// Requests that came while the source was paused.
    pub held: Amount,
}

/// A request that came while its source was paused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HeldRow {
    /// Whether it was verified when it came.
    pub verified: bool,
    /// Bytes of its head and body.
    pub length: u64,
}

records::one_version!(HeldRow, Waiting);

impl Transaction<'_> {
    pub(in crate::store) fn waiting(&self, source: SourceId) -> Waiting {
        self.record(&rows::waiting_of(source)).unwrap_or_default()
    }

    /// Sets what waits, where a lost record has it say something else.
    pub(in crate::store) fn mend_waiting(&mut self, source: SourceId, counted: Waiting) {
        if self.waiting(source) != counted {
            self.set_waiting(source, counted);
        }
    }

    fn set_waiting(&mut self, source: SourceId, waiting: Waiting) {
        let key = rows::waiting_of(source);
        let is_new = self.row(&key).is_none();
        self.put_row(key, records::encode(&waiting), is_new);
    }

    /// Keeps a request until its source is active again; refuses where that would be too much.
    pub(super) fn hold(
        &mut self,
        source: &Source,
        id: RequestId,
        new: &NewRequest,
        most: &Amount,
    ) -> Result<(), Refusal> {
        let mut waiting = self.waiting(source.id);
        let row = HeldRow { verified: new.verified, length: new.length() };
        if !waiting.held.has_room_for(row.length, most) {
            return Err(Refusal::Full(
                "the source is paused and holds as much as `sources.held_requests` and \
                 `sources.held_bytes` allow: make it active"
                    .to_owned(),
            ));
        }
        waiting.held.add(row.length);
        self.set_waiting(source.id, waiting);
        self.put_row(rows::held_one(source.id, id), records::encode(&row), true);
        Ok(())
    }

    /// Keeps a refused request for a while; the oldest are let go where it would be too much.
    pub(super) fn quarantine(
        &mut self,
        source: SourceId,
        id: RequestId,
        length: u64,
        most: &Amount,
    ) {
        let mut waiting = self.waiting(source);
        for key in self.refused_to_let_go(source, length, &mut waiting.refused, most) {
            self.delete_row(key);
        }
        waiting.refused.add(length);
        self.set_waiting(source, waiting);
        self.put_row(rows::waiting_one(source, id), records::encode(&length), true);
    }

    /// The oldest that have to go, so that one more of this length is within the bounds.
    fn refused_to_let_go(
        &self,
        source: SourceId,
        length: u64,
        waiting: &mut Amount,
        most: &Amount,
    ) -> Vec<Key> {
        let mut found = Vec::new();
        if waiting.has_room_for(length, most) {
            return found;
        }
        let all = rows::waiting(source);
        let writer = &*self.writer;
        let shared = &writer.shared;
        shared.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            // Another request of the open group may have had it go already.
            if writer.is_deleted(&key) {
                return ControlFlow::Continue(());
            }
            found.push(key);
            waiting.take(shared.decode(&key, &value));
            let enough = waiting.has_room_for(length, most) || found.len() == STEP;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }

    /// A request waits no more: it became something, or its bytes go.
    pub(in crate::store) fn forget_waiting(&mut self, source: SourceId, id: RequestId) {
        let mut waiting = self.waiting(source);
        let (refused, held) = (rows::waiting_one(source, id), rows::held_one(source, id));
        if let Some(length) = self.record::<u64>(&refused) {
            self.delete_row(refused);
            waiting.refused.take(length);
        } else if let Some(row) = self.record::<HeldRow>(&held) {
            self.delete_row(held);
            waiting.held.take(row.length);
        } else {
            return;
        }
        self.set_waiting(source, waiting);
    }
}

impl Shared {
    /// What waits of a source, counted row by row.
    pub(in crate::store) fn count_waiting(&self, source: SourceId) -> Waiting {
        let mut counted = Waiting::default();
        let (refused, held) = (rows::waiting(source), rows::held(source));
        self.overlay.scan(&refused, &refused.after_prefix(), false, &mut |key, value| {
            counted.refused.add(self.decode(&key, &value));
            ControlFlow::Continue(())
        });
        self.overlay.scan(&held, &held.after_prefix(), false, &mut |key, value| {
            counted.held.add(self.decode::<HeldRow>(&key, &value).length);
            ControlFlow::Continue(())
        });
        counted
    }
}
