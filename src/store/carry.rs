//! What of a segment that goes is kept, by copying it forward.
//!
//! What is needed (the catalog, what waits with its bodies, replies still remembered) is appended
//! again; the rest is deleted, by ordinary rows of ordinary records. A row says which segment is
//! the oldest, so that one that is missing is told from one that went.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::delivery::{Delivery, DeliveryId};
use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::message::Message;
use crate::domain::source::Source;
use crate::domain::task::Task;
use crate::store::journal::record::{ALIGN, BODY_HEADER, Change};
use crate::store::journal::recover::Loss;
use crate::store::journal::segment::{SegmentHeader, Segments};
use crate::store::keys::{self, KEY_MAX, Key};
use crate::store::overlay::Overlay;
use crate::store::records::{self, AttemptRow, MessageRow, ReplyRow, RequestRow};
use crate::store::retention::is_queued;
use crate::store::transaction::{Transaction, short_hash};
use crate::store::writer::Writer;
use crate::store::{BodyLocation, Reference, WriteError};

/// Bytes of bodies copied in one step.
const STEP_BYTES: usize = 1 << 20;

/// Bytes of a source's row of what waits at most.
const WAITING_MAX: usize = 64;

/// Rows that a dead letter which goes out of the list changes.
const UNLISTED: usize = 3;

/// Bytes of a row that is deleted, at most.
const DELETE: usize = 2 + KEY_MAX;

/// Looks for the message of a deleted endpoint's delivery in one step. Where there are so many
/// applications that more would be needed, the rest is carried on.
const LOOKS_MAX: usize = 2_000;

/// The applications that have messages, and how many looks are left.
struct Owners {
    applications: Option<Vec<ApplicationId>>,
    left: usize,
}

/// A message and its deliveries that have a row.
struct Sent {
    row: MessageRow,
    held: Vec<(DeliveryId, Delivery)>,
}

/// Rows that go with a delivery.
fn rows_of(held: &Delivery) -> usize {
    let listed = if held.dead_letter.is_some() { UNLISTED } else { 0 };
    1 + held.attempt_ids.len() + listed
}

/// The oldest segment that is kept.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct OldestRow {
    segment: u32,
    /// Number of the record before its first: all up to there was carried out of what went.
    previous: u64,
}

records::one_version!(OldestRow);

/// Segments that are gone and were never emptied; the oldest that is left is at `last + 1`.
pub fn missing_oldest(overlay: &Overlay, segments: &Segments) -> io::Result<Option<Loss>> {
    let known = overlay.get(&keys::oldest_segment());
    let known = known.and_then(|bytes| records::decode(&bytes).ok());
    let known = known.unwrap_or(OldestRow { segment: 1, previous: 0 });
    let Some(&oldest) = segments.numbers().first() else { return Ok(None) };
    let SegmentHeader::Used { previous, .. } = segments.header(oldest)? else { return Ok(None) };
    let (segment, first) = (known.segment, known.previous + 1);
    let gone = Loss { segment, offset: 0, end: 0, first, last: previous };
    Ok((oldest > segment && first <= previous).then_some(gone))
}

impl Writer {
    /// Records which segment is the oldest, and the record before its first one.
    pub(super) fn say_oldest(&mut self, segment: u32, previous: u64) -> Result<(), WriteError> {
        self.transact(|transaction| {
            let row = records::encode(&OldestRow { segment, previous });
            transaction.put_row(keys::oldest_segment(), row, false);
            Ok(())
        })
    }

    /// Carries the first of `rows` out of a segment; returns the bytes kept and the rows left.
    pub(super) fn carry_some(
        &mut self,
        segment: u32,
        mut rows: Vec<Change>,
    ) -> Result<(u64, Vec<Change>), WriteError> {
        let record_max = self.journal().record_max();
        let limit = STEP_BYTES.min(record_max / 2);
        self.transact(|transaction| {
            let (mut kept, mut done) = (0, 0);
            let mut owners = Owners { applications: None, left: LOOKS_MAX };
            for row in &rows {
                if let Change::PutNew(key, value) | Change::Put(key, value) = row
                    && transaction.row(key).as_ref() == Some(value)
                {
                    let length = transaction.record_length();
                    let sent = transaction.sent(*key, value);
                    let most = length + transaction.carried_most(*key, value, sent.as_ref());
                    if done > 0 && (length >= limit || most > record_max) {
                        break;
                    }
                    kept += match sent {
                        Some(sent) => transaction.carry_message(*key, value, sent),
                        None => transaction.carry_row(segment, *key, value.clone(), &mut owners),
                    };
                }
                done += 1;
            }
            let left = rows.split_off(done);
            Ok((kept as u64, left))
        })
    }
}

impl Transaction<'_> {
    /// The message of a row, if it is one.
    fn sent(&self, key: Key, value: &bytes::Bytes) -> Option<Sent> {
        (key.prefix() == b'm').then(|| {
            let row: MessageRow = self.writer.shared.decode(&key, value);
            let held = self.delivery_rows(&row.message);
            Sent { row, held }
        })
    }

    /// Bytes that keeping or deleting a row can add to the record.
    fn carried_most(&self, key: Key, value: &bytes::Bytes, sent: Option<&Sent>) -> usize {
        let again = DELETE + 4 + value.len() + BODY_HEADER + ALIGN;
        if let Some(Sent { row, held }) = sent {
            let rows: usize = held.iter().map(|(_, held)| rows_of(held)).sum();
            return again + BODY_HEADER + ALIGN + row.length() + (2 + rows) * DELETE;
        }
        match key.prefix() {
            b'a' => {
                let row: AttemptRow = self.writer.shared.decode(&key, value);
                again + row.content.length() as usize
            }
            b's' => {
                let row: RequestRow = self.writer.shared.decode(&key, value);
                let bodies = (row.body.length() + row.head.length()) as usize;
                2 * again + BODY_HEADER + ALIGN + bodies + WAITING_MAX
            }
            // Its place goes along, and the count is written again.
            b'z' => again + UNLISTED * DELETE,
            // What waits of its source is written again.
            b'w' => 2 * again + WAITING_MAX,
            _ => again,
        }
    }

    /// Keeps or deletes one current row of a segment that goes, but for messages; returns the bytes
    /// kept.
    fn carry_row(
        &mut self,
        segment: u32,
        key: Key,
        value: bytes::Bytes,
        owners: &mut Owners,
    ) -> usize {
        if self.is_left_over(key, &value, owners) {
            self.delete_row(key);
            return 0;
        }
        match key.prefix() {
            b'a' => self.carry_attempt(segment, key, &value),
            b'b' => {
                let task: Task = self.writer.shared.decode(&key, &value);
                if task.is_running() {
                    return self.again(key, value);
                }
                self.delete_row(key);
                0
            }
            b'k' => {
                let row: ReplyRow = self.writer.shared.decode(&key, &value);
                if row.expires_at > self.now() {
                    return self.again(key, value);
                }
                self.delete_row(key);
                0
            }
            b's' => self.carry_request(key, &value),
            b'w' => {
                self.let_go(&key);
                0
            }
            b'z' => self.carry_dead_letter(key, value),
            b'h' | b'n' if self.source_of(&key).is_some() => self.again(key, value),
            b'h' | b'n' => {
                self.delete_row(key);
                0
            }
            _ => self.again(key, value),
        }
    }

    fn source_of(&self, key: &Key) -> Option<Arc<Source>> {
        let source = keys::received::source_of(key)?;
        self.source(&Reference::Id(source)).ok()
    }

    /// A refused request goes with its bytes, and is not counted any more.
    fn let_go(&mut self, key: &Key) {
        let request = keys::received::request_of(key);
        match request.filter(|_| self.source_of(key).is_some()) {
            Some((source, id)) => self.forget_waiting(source, id),
            None => self.delete_row(*key),
        }
    }

    /// What came while its source was paused is kept; the rest goes with its bytes.
    fn carry_request(&mut self, key: Key, value: &bytes::Bytes) -> usize {
        let row: RequestRow = self.writer.shared.decode(&key, value);
        let RequestRow { request, head, body } = row;
        let held = keys::received::held_one(request.source, request.id);
        if self.row(&held).is_none() || self.source_of(&key).is_none() {
            self.delete_row(key);
            return 0;
        }
        let (head, body) = match (self.copy(&head), self.copy(&body)) {
            (Some(head), Some(body)) => (head, body),
            // It becomes no message any more, and says that its bytes are gone.
            _ => {
                self.forget_waiting(request.source, request.id);
                (BodyLocation::GONE, BodyLocation::GONE)
            }
        };
        let length = (head.length() + body.length()) as usize;
        length + self.again(key, records::encode(&RequestRow { request, head, body }))
    }

    /// Whether a row is about a delivery whose message is gone: one that was being made while the
    /// message went, or a resend to an endpoint that was deleted.
    fn is_left_over(&self, key: Key, value: &bytes::Bytes, owners: &mut Owners) -> bool {
        let delivery = match key.prefix() {
            b'd' => keys::delivery_of(&key),
            b'r' => keys::resend_of(&key),
            b'a' => {
                let row: AttemptRow = self.writer.shared.decode(&key, value);
                Some(row.attempt.delivery)
            }
            _ => None,
        };
        let Some(id) = delivery else { return false };
        let kept = |owner: ApplicationId| self.row(&keys::message(owner, id.message)).is_some();
        if let Some((owner, _)) = self.writer.tables.endpoint_by_id(id.endpoint) {
            return !kept(owner.id);
        }
        // Nothing says whose an endpoint was that is deleted.
        let shared = &self.writer.shared;
        let all = owners.applications.get_or_insert_with(|| shared.owners_of_messages(LOOKS_MAX));
        if all.len() > owners.left {
            return false;
        }
        owners.left -= all.len();
        !all.iter().any(|owner| kept(*owner))
    }

    pub(super) fn again(&mut self, key: Key, value: bytes::Bytes) -> usize {
        let bytes = key.as_bytes().len() + value.len();
        self.put_row(key, value, false);
        bytes
    }

    /// Keeps or deletes a current message. One that goes takes its deliveries, attempts and event
    /// id along, so that of those whatever is still current is needed. Of more deliveries than a
    /// record has room for, the rest is left over, and goes with its own segments.
    fn carry_message(&mut self, key: Key, value: &bytes::Bytes, sent: Sent) -> usize {
        let Sent { row, held } = sent;
        if self.is_waiting(&row.message, &held) || self.is_broadcast(&row.message) {
            let Some(body) = self.copy(&row.body) else { return self.again(key, value.clone()) };
            // Where it can't be read the message goes without it.
            let head = row.head.and_then(|head| self.copy(&head));
            let length = row.length();
            let value = records::encode(&MessageRow { message: row.message, body, head });
            return length + self.again(key, value);
        }
        self.delete_row(key);
        if let Some(event_id) = &row.message.event_id {
            let hash = short_hash(event_id.as_bytes());
            self.delete_row(keys::event_id(row.message.application, hash));
        }
        let mut room = self.record_max().saturating_sub(self.record_length() + DELETE);
        for (delivery, held) in held {
            let Some(left) = room.checked_sub(rows_of(&held) * DELETE) else { break };
            room = left;
            for attempt in held.attempt_ids {
                self.delete_row(keys::attempt(delivery.endpoint, attempt));
            }
            if let Some(listed) = held.dead_letter {
                self.unlist_dead(delivery, listed);
            }
            self.delete_row(keys::delivery(delivery));
        }
        if !self.replays(row.message.id).is_empty() {
            self.delete_row(keys::replays(row.message.id));
        }
        0
    }

    fn carry_attempt(&mut self, segment: u32, key: Key, value: &bytes::Bytes) -> usize {
        let mut row: AttemptRow = self.writer.shared.decode(&key, value);
        if row.content.segment != segment {
            return self.again(key, value.clone());
        }
        // The message is younger than this segment, or it waits, or it would have taken this along.
        match self.copy(&row.content) {
            Some(content) => {
                row.content = content;
                let value = records::encode(&row);
                row.content.length() as usize + self.again(key, value)
            }
            None => {
                self.delete_row(key);
                0
            }
        }
    }

    /// A body, once more in this record; `None` when it can't be read any more.
    fn copy(&mut self, location: &BodyLocation) -> Option<BodyLocation> {
        match self.writer.shared.segments.read(location) {
            Ok(bytes) => Some(self.body(&bytes)),
            Err(error) => {
                tracing::error!(%error, "a body can't be carried forward");
                None
            }
        }
    }

    /// Whether anything of a message is still to be sent, by its `held` deliveries.
    fn is_waiting(&self, message: &Message, held: &[(DeliveryId, Delivery)]) -> bool {
        let open = |endpoint| self.writer.tables.endpoint_by_id(endpoint).is_some();
        let waits = |(id, delivery): &(DeliveryId, Delivery)| {
            (is_queued(delivery.state) || self.row(&keys::resend(*id)).is_some())
                && open(id.endpoint)
        };
        // One that was never tried has no row. Those that have one come in the message's order.
        let mut first = held.iter().filter(|(id, _)| id.replay == 0).peekable();
        let untried = |endpoint: &EndpointId| {
            first.next_if(|(id, _)| id.endpoint == *endpoint).is_none() && open(*endpoint)
        };
        held.iter().any(waits) || message.endpoints.iter().any(untried)
    }

    /// Every delivery of a message that has a row: the first of each endpoint, in the message's
    /// order, then those of replays.
    pub(super) fn delivery_rows(&self, message: &Message) -> Vec<(DeliveryId, Delivery)> {
        let first = |endpoint: &EndpointId| {
            let id = DeliveryId { message: message.id, endpoint: *endpoint, replay: 0 };
            self.record(&keys::delivery(id)).map(|held| (id, held))
        };
        let again = self.replay_rows(message.id);
        message.endpoints.iter().filter_map(first).chain(again).collect()
    }
}
