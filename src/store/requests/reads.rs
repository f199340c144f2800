//! Requests as they are listed and read.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::{HeldRow, NewRequest, RequestFilter, StoredRequest, Waiting};
use crate::domain::id::{RequestId, SourceId, Stamp};
use crate::domain::received::Head;
use crate::domain::source::Source;
use crate::store::keys::Key;
use crate::store::keys::received as rows;
use crate::store::records::{self, RequestRow};
use crate::store::{
    BodyLocation, Filtered, Page, PageRequest, Reply, Shared, Store, StoreError, WriteError,
};

impl Store {
    /// A request that came to a source.
    pub fn request(&self, source: SourceId, id: RequestId) -> Option<StoredRequest> {
        let key = rows::request(source, id);
        let bytes = self.shared.overlay.get(&key)?;
        Some(self.stored_request(&key, &bytes))
    }

    fn stored_request(&self, key: &Key, bytes: &Bytes) -> StoredRequest {
        let row: RequestRow = self.shared.decode(key, bytes);
        let message = row
            .request
            .message
            .and_then(|(application, message)| self.shared.message_by_id(application, message));
        match message {
            Some(message) => StoredRequest {
                request: row.request,
                head: message.head.unwrap_or(BodyLocation::GONE),
                body: message.body,
            },
            None => StoredRequest { request: row.request, head: row.head, body: row.body },
        }
    }

    /// Requests of a source that pass.
    pub fn list_requests(
        &self,
        source: SourceId,
        filter: &RequestFilter,
        page: &PageRequest<RequestId>,
    ) -> Page<StoredRequest, RequestId> {
        let at = |stamp| rows::request_at(source, stamp);
        let id_of = |key: &Key| key.u64_at(9).map(|stamp| RequestId::new(Stamp(stamp)));
        self.shared.list_rows(rows::requests(source), page, at, id_of, |key, value| {
            let row: RequestRow = self.shared.decode(key, value);
            filter.passes(&row.request).then(|| self.stored_request(key, value))
        })
    }

    /// Every source.
    pub fn sources(&self) -> Vec<Arc<Source>> {
        self.shared.read_catalog().sources().all().cloned().collect()
    }

    /// The first requests of a source that came while it was paused, oldest first.
    pub fn held_requests(&self, source: SourceId, limit: usize) -> Vec<RequestId> {
        self.requests_in(rows::held(source), rows::held(source), limit)
    }

    /// How much waits of a source.
    pub fn waiting(&self, source: SourceId) -> Waiting {
        let key = rows::waiting_of(source);
        let value = self.shared.overlay.get(&key);
        value.map_or_else(Waiting::default, |value| self.shared.decode(&key, &value))
    }

    /// Whether a held request was verified when it came.
    pub fn held_verified(&self, source: SourceId, id: RequestId) -> bool {
        let key = rows::held_one(source, id);
        let value = self.shared.overlay.get(&key);
        value.is_some_and(|value| self.shared.decode::<HeldRow>(&key, &value).verified)
    }

    /// A request that can't become a message waits for it no more; blocks.
    pub fn let_go(&self, source: SourceId, id: RequestId) -> Result<(), WriteError> {
        let done = self.write_blocking(None, move |transaction| {
            transaction.forget_waiting(source, id);
            Ok(Reply::Done)
        });
        done.map(|_| ())
    }

    /// The first refused requests of a source behind one that may become messages yet, oldest
    /// first.
    pub fn waiting_requests(
        &self,
        source: SourceId,
        after: Option<RequestId>,
        limit: usize,
    ) -> Vec<RequestId> {
        let all = rows::waiting(source);
        let from = after.map_or(all, |after| rows::waiting_one(source, after).successor());
        self.requests_in(all, from, limit)
    }

    fn requests_in(&self, all: Key, from: Key, limit: usize) -> Vec<RequestId> {
        let mut found = Vec::new();
        self.shared.overlay.scan(&from, &all.after_prefix(), false, &mut |key, _| {
            if found.len() == limit {
                return ControlFlow::Break(());
            }
            found.extend(rows::request_of(&key).map(|(_, id)| id));
            ControlFlow::Continue(())
        });
        found
    }

    /// Asks the filters about the message that a request becomes; see [`Store::filter`].
    pub fn filter_request(&self, source: &Source, new: &NewRequest) -> Filtered {
        if !self.looks_inside(source.application) {
            return Filtered::default();
        }
        let name = self.shared.name_of(source);
        self.filter(&new.clone().message(source, name, RequestId::new(Stamp(0))))
    }

    /// What stood in front of a body that came to a source.
    pub fn head(&self, location: &BodyLocation) -> Result<Head, StoreError> {
        self.shared.read_head(location)
    }
}

impl Shared {
    /// What endpoints and receivers know a source by.
    pub(super) fn name_of(&self, source: &Source) -> String {
        source.uid.clone().unwrap_or_else(|| self.ids.text(source.id))
    }

    pub(in crate::store) fn read_head(&self, location: &BodyLocation) -> Result<Head, StoreError> {
        let bytes = self.read_body(location)?;
        records::decode(&bytes).map_err(|_| self.segments.damaged(location))
    }
}
