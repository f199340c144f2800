//! Idempotency keys: the reply to a request is remembered and given again.
//!
//! Decided inside the writer, one request after the other, so that concurrent twins can't both
//! pass; the row is part of the request's own record, so that it is there exactly if the request
//! is. Follows the IETF draft "The Idempotency-Key HTTP Header Field", but for another body under
//! the same key it answers 409.

use std::sync::Arc;

use crate::domain::time::Timestamp;
use crate::store::keys::{self, Key};
use crate::store::records::{self, EndpointRow, MessageRow, ReplyRow, SourceRow, StoredReply};
use crate::store::transaction::Transaction;
use crate::store::writer::Writer;
use crate::store::{Idempotency, Refusal, Reply, WriteError, Written};

impl Writer {
    /// Runs a request once per key.
    pub(super) fn write(
        &mut self,
        key: Option<&Idempotency>,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal>,
    ) -> Result<Written, WriteError> {
        if let Some(key) = key
            && let Some(reply) = self.remembered(key)?
        {
            return Ok(Written { reply, replayed: true });
        }
        let reply = self.transact(|transaction| {
            let reply = work(transaction)?;
            if let Some(key) = key {
                transaction.remember(key, &reply);
            }
            Ok(reply)
        })?;
        Ok(Written { reply, replayed: false })
    }

    fn remembered(&self, key: &Idempotency) -> Result<Option<Reply>, WriteError> {
        let now = self.shared.clock.now();
        for row_key in row_keys(key, now) {
            let Some(bytes) = self.row(&row_key) else { continue };
            let row: ReplyRow = self.shared.decode(&row_key, &bytes);
            if row.scope != key.scope || row.expires_at <= now {
                continue;
            }
            if row.request != key.request {
                return Err(WriteError::KeyReused);
            }
            return Ok(self.reply(row.reply));
        }
        Ok(None)
    }

    /// The reply as it was; `None` when the message it was about is no longer kept.
    fn reply(&self, stored: StoredReply) -> Option<Reply> {
        let reply = match stored {
            StoredReply::Application { application, created } => {
                Reply::Application { application: Arc::new(application), created }
            }
            StoredReply::EndpointV1 { row, created } => {
                let row = Box::new(EndpointRow::from(*row));
                return self.reply(StoredReply::Endpoint { row, created });
            }
            StoredReply::EndpointV2 { row, created } => {
                let row = Box::new(EndpointRow::from(*row));
                return self.reply(StoredReply::Endpoint { row, created });
            }
            StoredReply::Endpoint { row, created } => {
                let key = row.key();
                match row.open(&key, &self.shared.sealer) {
                    Ok(endpoint) => Reply::Endpoint { endpoint: Arc::new(endpoint), created },
                    Err(error) => self.shared.overlay.index().fail(&error.to_string()),
                }
            }
            StoredReply::EventType { event_type, created } => {
                Reply::EventType { event_type: Arc::new(event_type), created }
            }
            StoredReply::Message { application, id } => {
                let key = keys::message(application, id);
                let row: MessageRow = self.shared.decode(&key, &self.row(&key)?);
                Reply::Message(row.into())
            }
            StoredReply::Task(id) => {
                let key = keys::task(id);
                Reply::Task(Box::new(self.shared.decode(&key, &self.row(&key)?)))
            }
            StoredReply::Shown { nonce, digest } => Reply::Shown { nonce, digest },
            StoredReply::Source { row, created } => {
                let key = row.key();
                match row.open(&key, &self.shared.sealer) {
                    Ok(source) => Reply::Source { source: Arc::new(source), created },
                    Err(error) => self.shared.overlay.index().fail(&error.to_string()),
                }
            }
            // No request with an Idempotency-Key has such a scope.
            StoredReply::Received { .. } => return None,
            StoredReply::Done => Reply::Done,
        };
        Some(reply)
    }
}

impl Transaction<'_> {
    fn remember(&mut self, key: &Idempotency, reply: &Reply) {
        let now = self.now();
        let stored = match reply {
            Reply::Application { application, created } => StoredReply::Application {
                application: application.as_ref().clone(),
                created: *created,
            },
            Reply::Endpoint { endpoint, created } => {
                let row_key = keys::endpoint(endpoint.application, endpoint.id);
                let row = EndpointRow::seal(endpoint, &row_key, &self.writer.shared.sealer);
                StoredReply::Endpoint { row: Box::new(row), created: *created }
            }
            Reply::EventType { event_type, created } => StoredReply::EventType {
                event_type: event_type.as_ref().clone(),
                created: *created,
            },
            Reply::Message(stored) => StoredReply::Message {
                application: stored.message.application,
                id: stored.message.id,
            },
            Reply::Task(task) => StoredReply::Task(task.id),
            Reply::Shown { nonce, digest } => StoredReply::Shown { nonce: *nonce, digest: *digest },
            Reply::Source { source, created } => {
                let row_key = keys::received::source(source.id);
                let row = SourceRow::seal(source, &row_key, &self.writer.shared.sealer);
                StoredReply::Source { row: Box::new(row), created: *created }
            }
            Reply::Received(request) => StoredReply::Received { request: request.id },
            Reply::Done => StoredReply::Done,
        };
        let row = ReplyRow {
            request: key.request,
            scope: key.scope,
            expires_at: now + key.window,
            reply: stored,
        };
        let [current, _] = row_keys(key, now);
        self.put_row(current, records::encode(&row), false);
    }
}

/// Where a reply remembered now stands, and where one remembered up to a window ago may.
fn row_keys(key: &Idempotency, now: Timestamp) -> [Key; 2] {
    let window = u32::try_from(key.window.as_secs()).unwrap_or(u32::MAX).max(1);
    let bucket = bucket(now, window);
    let mut scope = [0; 16];
    scope.copy_from_slice(&key.scope[..16]);
    [bucket, bucket.saturating_sub(1)].map(|bucket| keys::reply(window, bucket, scope))
}

/// The bucket of a moment.
pub(super) fn bucket(now: Timestamp, window_s: u32) -> u32 {
    u32::try_from(now.seconds() / u64::from(window_s)).unwrap_or(u32::MAX)
}
