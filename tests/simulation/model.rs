//! What the store should hold, in plain maps: what is durable, and what was written behind it.
//!
//! After a restart the store must hold what was durable and a first part of the rest, in the order
//! it was written, each write whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use relay::domain::delivery::{DeadReason, DeliveryId, State, Trigger};
use relay::domain::endpoint::Disabled;
use relay::domain::id::{ApplicationId, EndpointId, MessageId};
use relay::domain::message::Message;
use relay::domain::time::Timestamp;
use relay::engine::scheduler::EndpointFacts;
use relay::store::Verdict;

use crate::reference::{Broken, hold};

/// A delivery as it should stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    pub state: State,
    pub attempts: u16,
    /// Of no meaning once it ended.
    pub due: Timestamp,
    /// Where it stands in the order of its endpoint; when it is due where there is none.
    pub place: Timestamp,
    /// When a person asked last for an attempt that was not made yet.
    pub asked: Option<Timestamp>,
    /// Attempts recorded, manual ones too.
    pub made: usize,
}

impl Row {
    pub fn waits(&self) -> bool {
        matches!(self.state, State::Waiting | State::Retrying)
    }

    pub fn new(due: Timestamp) -> Row {
        Row { state: State::Waiting, attempts: 0, due, place: due, asked: None, made: 0 }
    }

    fn same(&self, other: &Row) -> bool {
        let of = if self.waits() { other } else { self };
        *self == Row { due: of.due, place: of.place, ..*other }
    }
}

/// An endpoint as it should stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointRow {
    pub facts: EndpointFacts,
    pub disabled: Option<Disabled>,
    pub order: Ordered,
}

/// Which deliveries of an endpoint wait for one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ordered {
    No,
    Whole,
    ByType,
}

/// A message with the bytes that were accepted, if they can be read.
#[derive(Clone, PartialEq, Debug)]
pub struct Kept {
    pub message: Arc<Message>,
    pub body: Option<Bytes>,
}

/// The reply that an idempotency key stands for.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    pub request: u8,
    pub message: MessageId,
    pub until: Timestamp,
}

#[derive(Clone, Default)]
pub struct Tables {
    pub endpoints: BTreeMap<EndpointId, EndpointRow>,
    pub messages: BTreeMap<MessageId, Kept>,
    pub rows: BTreeMap<DeliveryId, Row>,
    pub event_ids: BTreeMap<(ApplicationId, String), MessageId>,
    pub keys: BTreeMap<u8, Remembered>,
}

/// A message accepted under an idempotency key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub number: u8,
    pub request: u8,
    pub window_ms: u64,
}

/// A dead letter that was put back, due then, or given up.
pub type Taken = (DeliveryId, Option<Timestamp>);

/// Something written.
#[derive(Clone, Debug)]
pub enum Write {
    /// What was accepted is known once the writer has done it.
    Accept {
        accepted: Option<Kept>,
        event_id: Option<String>,
        key: Option<Key>,
        body: Bytes,
    },
    /// Of which delivery and when is known once the writer has done it.
    Resend(Arc<Mutex<Option<(DeliveryId, Timestamp)>>>),
    /// What became of it is known once the writer has done it.
    Take(Arc<Mutex<Option<Taken>>>),
    /// Which delivery that is, and when it is due, is known once the writer has made it.
    Replay(Arc<Mutex<Option<(DeliveryId, Timestamp)>>>),
    Settle {
        delivery: DeliveryId,
        due: Timestamp,
        trigger: Trigger,
        verdict: Verdict,
    },
    Expire(DeliveryId),
    /// A new one is known once the writer has made it.
    Endpoint {
        id: Option<EndpointId>,
        row: EndpointRow,
    },
    /// By the relay itself, unless it is already.
    Disable(EndpointId, Disabled),
    Delete(EndpointId),
}

impl Tables {
    pub fn apply(&mut self, write: &Write) {
        match write {
            Write::Accept { accepted, event_id, key, .. } => {
                let Some(kept) = accepted else { return };
                let message = &kept.message;
                for endpoint in &message.endpoints {
                    let id = DeliveryId { message: message.id, endpoint: *endpoint, replay: 0 };
                    self.rows.insert(id, Row::new(message.first_due()));
                }
                if let Some(event_id) = event_id {
                    let name = (message.application, event_id.clone());
                    self.event_ids.insert(name, message.id);
                }
                if let Some(Key { number, request, window_ms }) = *key {
                    let until = message.id.time() + std::time::Duration::from_millis(window_ms);
                    let message = message.id;
                    self.keys.insert(number, Remembered { request, message, until });
                }
                self.messages.insert(message.id, kept.clone());
            }
            Write::Resend(asked) => {
                let asked = *asked.lock().expect("no holder panics");
                if let Some((id, at)) = asked
                    && let Some(row) = self.rows.get_mut(&id)
                {
                    row.asked = Some(at);
                }
            }
            Write::Replay(made) => {
                if let Some((id, due)) = *made.lock().expect("no holder panics") {
                    self.rows.insert(id, Row::new(due));
                }
            }
            Write::Take(taken) => {
                let taken = *taken.lock().expect("no holder panics");
                if let Some((id, due)) = taken
                    && let Some(row) = self.rows.get_mut(&id)
                {
                    match due {
                        Some(due) => {
                            *row = Row { asked: row.asked, made: row.made, ..Row::new(due) };
                        }
                        None => row.state = State::Cancelled,
                    }
                }
            }
            Write::Settle { delivery, due, trigger, verdict } => {
                self.settle(*delivery, *due, *trigger, *verdict);
            }
            Write::Expire(id) => {
                if let Some(row) = self.rows.get_mut(id).filter(|row| row.waits()) {
                    row.state = State::Dead(DeadReason::Expired);
                }
            }
            Write::Endpoint { id: Some(id), row } => _ = self.endpoints.insert(*id, *row),
            Write::Endpoint { id: None, .. } => {}
            Write::Disable(id, why) => {
                if let Some(row) = self.endpoints.get_mut(id) {
                    row.disabled.get_or_insert(*why);
                }
            }
            Write::Delete(gone) => {
                self.endpoints.remove(gone);
                self.rows.retain(|id, _| id.endpoint != *gone);
            }
        }
    }

    fn settle(&mut self, id: DeliveryId, due: Timestamp, trigger: Trigger, verdict: Verdict) {
        if !self.endpoints.contains_key(&id.endpoint) || !self.messages.contains_key(&id.message) {
            return;
        }
        let ordered = self.endpoints.get(&id.endpoint).is_some_and(|row| row.order != Ordered::No);
        let row = self.rows.entry(id).or_insert(Row::new(due));
        row.made += 1;
        match trigger {
            // Asked for again since: that is another attempt.
            Trigger::Manual => row.asked = row.asked.filter(|asked| *asked > due),
            Trigger::Scheduled => row.attempts += 1,
        }
        match verdict {
            Verdict::Delivered => row.state = State::Delivered,
            Verdict::RetryAt(due) if row.waits() => {
                (row.state, row.due) = (State::Retrying, due);
                row.place = if ordered { row.place } else { due };
            }
            Verdict::Dead(reason) if row.waits() => row.state = State::Dead(reason),
            Verdict::Dropped if row.waits() => row.state = State::Cancelled,
            Verdict::RetryAt(_) | Verdict::Dead(_) | Verdict::Unchanged | Verdict::Dropped => {}
        }
    }

    pub fn facts(&self, endpoint: EndpointId) -> Option<EndpointFacts> {
        let row = self.endpoints.get(&endpoint)?;
        Some(EndpointFacts { enabled: row.disabled.is_none(), ..row.facts })
    }

    /// The deliveries of a message.
    pub fn rows_of(&self, message: MessageId) -> impl Iterator<Item = (&DeliveryId, &Row)> {
        let endpoint = EndpointId::new(Default::default());
        let first = DeliveryId { message, endpoint, replay: 0 };
        self.rows.range(first..).take_while(move |(id, _)| id.message == message)
    }

    /// Nothing of it is to be sent any more.
    fn ended(&self, message: MessageId) -> bool {
        self.rows_of(message).all(|(_, row)| !row.waits() && row.asked.is_none())
    }

    /// Forgets a message that its segment took along.
    pub fn forget(&mut self, message: MessageId) {
        self.messages.remove(&message);
        let gone: Vec<DeliveryId> = self.rows_of(message).map(|(id, _)| *id).collect();
        gone.iter().for_each(|id| _ = self.rows.remove(id));
        self.event_ids.retain(|_, id| *id != message);
    }

    /// Whether a message may be gone when all segments that ended by then are.
    pub fn may_go(&self, message: MessageId, reclaimed: Timestamp) -> Result<(), Broken> {
        hold(message.time() <= reclaimed, || format!("I1: {message:?} is lost"))?;
        hold(self.ended(message), || format!("I1: {message:?} waits and went with its segment"))
    }

    /// Compares with what the store holds; gives the messages that went with their segments.
    pub fn compare(
        &self,
        found: &Tables,
        reclaimed: Timestamp,
        told: bool,
    ) -> Result<Vec<MessageId>, Broken> {
        hold(self.endpoints == found.endpoints, || {
            format!("endpoints: {:?} instead of {:?}", found.endpoints, self.endpoints)
        })?;
        let mut gone = Vec::new();
        for (id, kept) in &self.messages {
            match found.messages.get(id) {
                // That it can't be read was told: not silently other bytes.
                Some(Kept { message, body: None }) if told && *message == kept.message => {}
                Some(held) => hold(held == kept, || format!("I14: {held:?} instead of {kept:?}"))?,
                None => {
                    self.may_go(*id, reclaimed)?;
                    gone.push(*id);
                }
            }
        }
        if let Some(id) = found.messages.keys().find(|id| !self.messages.contains_key(id)) {
            return Err(format!("I3: {id:?} is there and was never accepted"));
        }
        for (id, row) in &self.rows {
            let held = found.rows.get(id);
            let lost = gone.binary_search(&id.message).is_ok();
            hold(held.is_some_and(|held| row.same(held)) || lost && held.is_none(), || {
                format!("I2: {id:?} is {held:?} instead of {row:?}")
            })?;
        }
        match found.rows.keys().find(|id| !self.rows.contains_key(id)) {
            Some(id) => Err(format!("I2: {id:?} is there and should not be")),
            None => Ok(gone),
        }
    }
}

/// A write that is on its way.
#[derive(Clone, Debug)]
pub struct Pending {
    pub write: Write,
    /// When it is durable at the latest.
    pub by: Timestamp,
    /// There may have been no space for it.
    pub loose: bool,
}

impl Pending {
    /// Whether it may have been held while what was written later was not.
    fn may_be_held(&self) -> bool {
        self.loose && matches!(self.write, Write::Settle { .. } | Write::Expire(_))
    }
}

#[derive(Default)]
pub struct Model {
    pub durable: Tables,
    /// By number, in the order they were written.
    pub pending: BTreeMap<u64, Pending>,
    /// Segments that ended by then may have gone.
    pub reclaimed: Timestamp,
}

impl Model {
    /// Writes that are to change a delivery.
    pub fn settling(&self, id: DeliveryId) -> Option<u64> {
        let found = self.pending.iter().find(|(_, pending)| match pending.write {
            Write::Settle { delivery, .. } | Write::Expire(delivery) => delivery == id,
            _ => false,
        });
        found.map(|(number, _)| *number)
    }

    /// A write is durable.
    pub fn done(&mut self, number: u64) {
        if let Some(pending) = self.pending.remove(&number) {
            self.durable.apply(&pending.write);
        }
    }

    /// The process ended: finds how much of what was written the store holds now.
    pub fn recovered(&mut self, found: &Tables, told: bool) -> Result<(), Broken> {
        let pending = std::mem::take(&mut self.pending);
        let held = pending.values().filter(|pending| pending.may_be_held()).count();
        let mut first = None;
        for recorded in 0..=held {
            let mut tables = self.durable.clone();
            let mut skipped = held - recorded;
            let writes = pending.values().rev().filter(|pending| {
                let skip = pending.may_be_held() && skipped > 0;
                skipped -= usize::from(skip);
                !skip
            });
            let writes: Vec<&Write> = writes.map(|pending| &pending.write).collect();
            for write in [None].into_iter().chain(writes.into_iter().rev().map(Some)) {
                write.into_iter().for_each(|write| tables.apply(write));
                match tables.compare(found, self.reclaimed, told) {
                    Ok(gone) => {
                        gone.into_iter().for_each(|id| tables.forget(id));
                        self.durable = tables;
                        return Ok(());
                    }
                    Err(broken) => _ = first.get_or_insert(broken),
                }
            }
        }
        let writes: Vec<_> = pending.values().collect();
        Err(format!("{}\nnor with any of {writes:#?}", first.unwrap_or_default()))
    }
}
