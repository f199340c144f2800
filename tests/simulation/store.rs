//! The model store: what is written stands in memory until a sync makes it durable, and a crash
//! keeps what is durable and any first part of the rest, as a journal does.
//!
//! Its functions are those that the driver of the scheduler calls on the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use relay::domain::delivery::{DeadReason, DeliveryId, Trigger};
use relay::domain::endpoint::Disabled;
use relay::domain::id::{ApplicationId, EndpointId, MessageId};
use relay::domain::message::Message;
use relay::domain::time::Timestamp;
use relay::engine::scheduler::EndpointFacts;
use relay::store::{BodyLocation, DuePage, Notice, Ready, StoredMessage, Verdict};

/// Where a delivery stands in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Waiting,
    Delivered,
    Dead(DeadReason),
}

/// A delivery as the model keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    pub standing: Standing,
    pub attempts: u16,
    pub due: Timestamp,
    /// When a person asked for an attempt that was not made yet.
    pub asked: Option<Timestamp>,
}

impl Row {
    /// When it is due and who starts the attempt.
    pub fn next(&self) -> Option<(Timestamp, Trigger)> {
        match (self.asked, self.standing) {
            (Some(asked), _) => Some((asked, Trigger::Manual)),
            (None, Standing::Waiting) => Some((self.due, Trigger::Scheduled)),
            (None, _) => None,
        }
    }
}

/// An endpoint as the model keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointRow {
    pub facts: EndpointFacts,
    pub disabled: Option<Disabled>,
}

#[derive(Clone, Debug)]
enum Put {
    Message(Arc<Message>),
    Delivery(DeliveryId, Row),
    Endpoint(EndpointId, EndpointRow),
    NoEndpoint(EndpointId),
}

/// Changes that become durable together, and what is said of them then.
#[derive(Clone, Debug, Default)]
struct Group {
    puts: Vec<Put>,
    notices: Vec<Notice>,
    accepted: Option<MessageId>,
}

#[derive(Clone, Default)]
pub struct Tables {
    pub endpoints: BTreeMap<EndpointId, EndpointRow>,
    pub rows: BTreeMap<DeliveryId, Row>,
    pub messages: BTreeMap<MessageId, Arc<Message>>,
    due: BTreeSet<(EndpointId, Timestamp, MessageId, u16)>,
}

impl Tables {
    fn apply(&mut self, put: &Put) {
        match put {
            Put::Message(message) => _ = self.messages.insert(message.id, Arc::clone(message)),
            Put::Delivery(id, row) => {
                if let Some((due, _)) = self.rows.insert(*id, *row).and_then(|old| old.next()) {
                    self.due.remove(&(id.endpoint, due, id.message, id.replay));
                }
                if let Some((due, _)) = row.next() {
                    self.due.insert((id.endpoint, due, id.message, id.replay));
                }
            }
            Put::Endpoint(id, row) => _ = self.endpoints.insert(*id, *row),
            Put::NoEndpoint(gone) => {
                self.endpoints.remove(gone);
                self.rows.retain(|id, _| id.endpoint != *gone);
                self.due.retain(|(endpoint, ..)| endpoint != gone);
            }
        }
    }
}

/// What a sync made durable.
pub struct Synced {
    pub notices: Vec<Notice>,
    pub accepted: Vec<MessageId>,
}

#[derive(Default)]
pub struct ModelStore {
    pub current: Tables,
    pub durable: Tables,
    pending: Vec<Group>,
}

impl ModelStore {
    fn write(&mut self, group: Group) {
        for put in &group.puts {
            self.current.apply(put);
        }
        self.pending.push(group);
    }

    /// Whether a sync would do anything.
    pub fn unsynced(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes all that was written durable.
    pub fn sync(&mut self) -> Synced {
        let mut synced = Synced { notices: Vec::new(), accepted: Vec::new() };
        for group in self.pending.drain(..) {
            for put in &group.puts {
                self.durable.apply(put);
            }
            synced.notices.extend(group.notices);
            synced.accepted.extend(group.accepted);
        }
        synced
    }

    /// The process dies; the first `kept` unsynced groups had reached the disk all the same.
    pub fn crash(&mut self, kept: usize) {
        for group in self.pending.iter().take(kept) {
            for put in &group.puts {
                self.durable.apply(put);
            }
        }
        self.pending.clear();
        self.current = self.durable.clone();
    }

    /// How many groups are not synced.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Accepts a message for every endpoint of its application.
    pub fn accept(&mut self, message: Message, now: Timestamp) {
        let message = Arc::new(message);
        let due = message.deliver_at.map_or(now, |at| at.max(now));
        let mut group = Group { accepted: Some(message.id), ..Group::default() };
        group.puts.push(Put::Message(Arc::clone(&message)));
        for endpoint in message.endpoints.clone() {
            let id = DeliveryId { message: message.id, endpoint, replay: 0 };
            let row = Row { standing: Standing::Waiting, attempts: 0, due, asked: None };
            group.puts.push(Put::Delivery(id, row));
            group.notices.push(Notice::Ready(ready(&message, id, &row, Trigger::Scheduled)));
        }
        self.write(group);
    }

    /// A person asks for one attempt now.
    pub fn resend(&mut self, id: DeliveryId, now: Timestamp) {
        let (Some(row), Some(message)) =
            (self.current.rows.get(&id), self.current.messages.get(&id.message))
        else {
            return;
        };
        let row = Row { asked: Some(now), ..*row };
        let notice = Notice::Ready(ready(message, id, &row, Trigger::Manual));
        let puts = vec![Put::Delivery(id, row)];
        self.write(Group { puts, notices: vec![notice], accepted: None });
    }

    /// The same message to the same endpoint once more, as a new delivery.
    pub fn replay(&mut self, of: DeliveryId, now: Timestamp) {
        let last = DeliveryId { replay: u16::MAX, ..of };
        let first = DeliveryId { replay: 0, ..of };
        let Some((newest, _)) = self.current.rows.range(first..=last).next_back() else { return };
        let id = DeliveryId { replay: newest.replay + 1, ..of };
        let row = Row { standing: Standing::Waiting, attempts: 0, due: now, asked: None };
        let Some(message) = self.current.messages.get(&of.message) else { return };
        let notice = Notice::Ready(ready(message, id, &row, Trigger::Scheduled));
        let puts = vec![Put::Delivery(id, row)];
        self.write(Group { puts, notices: vec![notice], accepted: None });
    }

    pub fn put_endpoint(&mut self, id: EndpointId, row: EndpointRow) {
        let puts = vec![Put::Endpoint(id, row)];
        self.write(Group { puts, notices: vec![Notice::EndpointChanged(id)], accepted: None });
    }

    pub fn delete_endpoint(&mut self, id: EndpointId) {
        let puts = vec![Put::NoEndpoint(id)];
        self.write(Group { puts, notices: vec![Notice::EndpointDeleted(id)], accepted: None });
    }

    /// Records what became of a delivery; of a deleted endpoint nothing is recorded.
    pub fn settle(&mut self, id: DeliveryId, trigger: Trigger, verdict: Verdict) {
        let Some(mut row) = self.current.rows.get(&id).copied() else { return };
        match trigger {
            Trigger::Manual => row.asked = None,
            Trigger::Scheduled => row.attempts += 1,
        }
        match verdict {
            Verdict::Delivered => row.standing = Standing::Delivered,
            Verdict::RetryAt(due) => row.due = due,
            Verdict::Dead(reason) => row.standing = Standing::Dead(reason),
            Verdict::Unchanged => {}
        }
        self.settled(id, row);
    }

    /// Records that its time ran out.
    pub fn expire(&mut self, id: DeliveryId) {
        if let Some(row) = self.current.rows.get(&id).copied() {
            self.settled(id, Row { standing: Standing::Dead(DeadReason::Expired), ..row });
        }
    }

    fn settled(&mut self, delivery: DeliveryId, row: Row) {
        let notice = Notice::Settled { delivery, due: row.next().map(|(due, _)| due) };
        let puts = vec![Put::Delivery(delivery, row)];
        self.write(Group { puts, notices: vec![notice], accepted: None });
    }

    pub fn facts(&self, endpoint: EndpointId) -> Option<EndpointFacts> {
        let row = self.current.endpoints.get(&endpoint)?;
        Some(EndpointFacts { enabled: row.disabled.is_none(), ..row.facts })
    }

    /// Every endpoint with deliveries waiting, and when the first is due.
    pub fn lanes(&self) -> Vec<(EndpointId, Timestamp)> {
        let mut lanes: Vec<(EndpointId, Timestamp)> = Vec::new();
        for (endpoint, due, ..) in &self.current.due {
            if lanes.last().is_none_or(|(last, _)| last != endpoint) {
                lanes.push((*endpoint, *due));
            }
        }
        lanes
    }

    pub fn due(&self, endpoint: EndpointId, until: Timestamp, limit: usize) -> DuePage {
        let first = (endpoint, Timestamp::default(), MessageId::new(Default::default()), 0);
        let mut page = DuePage::default();
        for (of, due, message, replay) in self.current.due.range(first..) {
            if *of != endpoint {
                break;
            }
            if *due > until || page.ready.len() == limit {
                page.next_due = Some(*due);
                break;
            }
            let id = DeliveryId { message: *message, endpoint, replay: *replay };
            let row = &self.current.rows[&id];
            let trigger = row.next().expect("a row in the due index is due").1;
            page.ready.push(ready(&self.current.messages[message], id, row, trigger));
        }
        page
    }

    /// The applications' endpoints, disabled ones too.
    pub fn endpoints_of(&self, application: ApplicationId) -> Vec<EndpointId> {
        let all = self.current.endpoints.iter();
        all.filter(|(_, row)| row.facts.application == application).map(|(id, _)| *id).collect()
    }
}

fn ready(message: &Arc<Message>, id: DeliveryId, row: &Row, trigger: Trigger) -> Ready {
    let due = if trigger == Trigger::Manual { row.asked.unwrap_or(row.due) } else { row.due };
    Ready {
        message: StoredMessage { message: Arc::clone(message), body: nowhere() },
        endpoint: id.endpoint,
        replay: id.replay,
        due,
        attempts: row.attempts,
        trigger,
    }
}

/// The model keeps no bodies.
fn nowhere() -> BodyLocation {
    thread_local! {
        static NOWHERE: BodyLocation = serde_json::from_str(
            r#"{ "segment": 0, "offset": 0, "length": 0, "checksum": 0 }"#,
        ).expect("a body location");
    }
    NOWHERE.with(|location| *location)
}
