//! What the store should hold, in plain maps, and a comparison with what it does.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use relay::domain::delivery::{AttemptContent, DeadReason, DeliveryId, Outcome, State, Trigger};
use relay::domain::id::{ApplicationId, AttemptId, EndpointId, MessageId};
use relay::domain::message::Message;
use relay::domain::time::Timestamp;
use relay::store::{
    MessageFilter, NewMessage, Notice, Page, PageRequest, PageStart, Reference, Reply, Settlement,
    StoredMessage, Verdict,
};

use super::folder::Open;
use super::random::Random;

/// One delivery as it should stand.
#[derive(Clone, PartialEq, Debug)]
pub struct Expected {
    pub state: State,
    pub attempts: u16,
    pub due: Timestamp,
    pub attempt_ids: Vec<AttemptId>,
}

#[derive(Clone)]
pub struct Kept {
    pub message: Message,
    pub body: Bytes,
    pub deliveries: BTreeMap<EndpointId, Expected>,
}

impl Kept {
    pub fn is_waiting(&self) -> bool {
        self.deliveries.values().any(|held| is_queued(held.state))
    }
}

fn is_queued(state: State) -> bool {
    matches!(state, State::Waiting | State::Retrying)
}

/// One application with its endpoints and messages.
#[derive(Clone)]
pub struct Model {
    pub application: ApplicationId,
    pub endpoints: Vec<EndpointId>,
    pub messages: BTreeMap<MessageId, Kept>,
}

/// What a lenient comparison found.
#[derive(Default, Debug)]
pub struct Differences {
    pub missing: usize,
    pub unreadable: usize,
}

impl Model {
    pub fn new(open: &Open, endpoints: usize) -> Model {
        let application = open.application("acme");
        let endpoints =
            (0..endpoints).map(|n| open.endpoint(application, &format!("books-{n}"))).collect();
        Model { application, endpoints, messages: BTreeMap::new() }
    }

    /// Whether the application and its endpoints are in the store.
    pub fn owners_are_there(&self, open: &Open) -> bool {
        open.store.application(&Reference::Id(self.application)).is_some()
            && self.endpoints.iter().all(|id| open.store.endpoint_by_id(*id).is_some())
    }

    pub fn accept(&mut self, open: &Open, random: &mut Random, body: Vec<u8>) -> MessageId {
        let body = Bytes::from(body);
        let event_id = (random.below(2) == 0).then(|| format!("event-{}", random.next()));
        let message = NewMessage {
            application: self.application,
            event_type: ["invoice.paid", "invoice.sent", "user.made"][random.below(3)].to_owned(),
            event_id,
            channels: (0..random.below(3)).map(|n| format!("channel-{n}")).collect(),
            tags: (0..random.below(2)).map(|n| format!("tag-{n}")).collect(),
            content_type: "application/json".to_owned(),
            deliver_at: None,
            content_kept: None,
            body: body.clone(),
            received: None,
            filtered: Default::default(),
        };
        let written = open.store.write_blocking(None, move |transaction| {
            transaction.accept(message).map(Reply::Message)
        });
        let Reply::Message(StoredMessage { message, .. }) = written.unwrap().reply else {
            panic!("an accept answers with a message")
        };
        let due = message.first_due();
        let waiting = Expected { state: State::Waiting, attempts: 0, due, attempt_ids: Vec::new() };
        let deliveries =
            message.endpoints.iter().map(|endpoint| (*endpoint, waiting.clone())).collect();
        let id = message.id;
        self.messages.insert(id, Kept { message: message.as_ref().clone(), body, deliveries });
        id
    }

    /// Settles some deliveries at random, and waits until that is durable.
    pub fn settle(&mut self, open: &Open, random: &mut Random, most: usize) {
        let now = open.store.now();
        let mut asked = Vec::new();
        for _ in 0..most {
            let waiting: Vec<DeliveryId> = self.waiting();
            let Some(&id) = waiting.get(random.below(waiting.len().max(1))) else { break };
            let held = self.held(id);
            let verdict = match random.below(5) {
                0 => Verdict::RetryAt(now + Duration::from_secs(1 + random.below(100) as u64)),
                1 => Verdict::Dead(DeadReason::Exhausted),
                _ => Verdict::Delivered,
            };
            open.store.settle(settlement(id, held.due, verdict));
            held.attempts += 1;
            match verdict {
                Verdict::RetryAt(due) => (held.state, held.due) = (State::Retrying, due),
                Verdict::Dead(reason) => held.state = State::Dead(reason),
                Verdict::Dropped => held.state = State::Cancelled,
                Verdict::Delivered | Verdict::Unchanged => held.state = State::Delivered,
            }
            asked.push(id);
        }
        flush(open);
        for id in &asked {
            while !matches!(open.notice(), Notice::Settled { delivery, .. } if delivery == *id) {}
        }
        for id in asked {
            let stored = open.store.message(self.application, &Reference::Id(id.message)).unwrap();
            let found = open.store.deliveries(&stored);
            let (_, delivery) = found.into_iter().find(|(found, _)| *found == id).unwrap();
            self.held(id).attempt_ids = delivery.attempt_ids;
        }
    }

    pub fn waiting(&self) -> Vec<DeliveryId> {
        let each = self.messages.values().flat_map(|kept| {
            let message = kept.message.id;
            kept.deliveries
                .iter()
                .filter(|(_, held)| is_queued(held.state))
                .map(move |(endpoint, _)| DeliveryId { message, endpoint: *endpoint, replay: 0 })
        });
        each.collect()
    }

    fn held(&mut self, id: DeliveryId) -> &mut Expected {
        let kept = self.messages.get_mut(&id.message).unwrap();
        kept.deliveries.get_mut(&id.endpoint).unwrap()
    }

    /// Everything is there, byte for byte.
    pub fn check(&self, open: &Open) {
        let found = self.compare(open);
        assert_eq!((found.missing, found.unreadable), (0, 0));
        self.check_due(open);
    }

    /// What is there is as it should be; counts what is missing.
    pub fn compare(&self, open: &Open) -> Differences {
        let mut differences = Differences::default();
        let all = every_message(open, self.application);
        for id in all.keys() {
            assert!(self.messages.contains_key(id), "{id:?} was never accepted");
        }
        for (id, kept) in &self.messages {
            let Some(stored) = all.get(id) else {
                differences.missing += 1;
                continue;
            };
            assert_eq!(*stored.message, kept.message);
            match open.store.body(&stored.body) {
                Ok(body) => assert_eq!(body, kept.body),
                Err(_) => differences.unreadable += 1,
            }
            self.compare_deliveries(open, stored, kept, &mut differences);
        }
        differences
    }

    fn compare_deliveries(
        &self,
        open: &Open,
        stored: &StoredMessage,
        kept: &Kept,
        differences: &mut Differences,
    ) {
        for (id, delivery) in open.store.deliveries(stored) {
            let expected = &kept.deliveries[&id.endpoint];
            let found = Expected {
                state: delivery.state,
                attempts: delivery.attempts,
                due: delivery.due,
                attempt_ids: delivery.attempt_ids.clone(),
            };
            if found != *expected {
                differences.missing += 1;
                continue;
            }
            for attempt in delivery.attempt_ids {
                match open.store.attempt(stored, attempt) {
                    None => differences.missing += 1,
                    Some(found) => {
                        assert_eq!(found.attempt.delivery, id);
                        match open.store.attempt_content(&found.content) {
                            Ok(content) => assert_eq!(content.response_body, b"ok"),
                            Err(_) => differences.unreadable += 1,
                        }
                    }
                }
            }
        }
    }

    fn check_due(&self, open: &Open) {
        let late = open.store.now() + Duration::from_secs(1 << 20);
        let mut lanes = BTreeMap::new();
        for endpoint in &self.endpoints {
            let mut expected: Vec<(Timestamp, MessageId)> = Vec::new();
            for (id, kept) in &self.messages {
                let held = kept.deliveries.get(endpoint).filter(|held| is_queued(held.state));
                expected.extend(held.map(|held| (held.due, *id)));
            }
            expected.sort_unstable();
            if let Some((first, _)) = expected.first() {
                lanes.insert(*endpoint, *first);
            }
            let page = open.store.due(*endpoint, late, usize::MAX, &[]);
            let found: Vec<_> =
                page.ready.iter().map(|ready| (ready.due, ready.message.message.id)).collect();
            assert_eq!(found, expected);
        }
        let found: BTreeMap<_, _> = open.store.lanes().into_iter().collect();
        assert_eq!(found, lanes);
    }
}

/// Ends the open group of writes: settlements wait for company.
pub fn flush(open: &Open) {
    open.store.write_blocking(None, |_| Ok(Reply::Done)).unwrap();
}

pub fn settlement(id: DeliveryId, due: Timestamp, verdict: Verdict) -> Settlement {
    let delivered = verdict == Verdict::Delivered;
    Settlement {
        delivery: id,
        due,
        first_due: due,
        trigger: Trigger::Scheduled,
        started_at: due,
        duration_ms: 3,
        status_code: if delivered { 200 } else { 500 },
        outcome: if delivered { Outcome::Delivered } else { Outcome::Status },
        verdict,
        content: AttemptContent { response_body: b"ok".to_vec(), ..AttemptContent::default() },
    }
}

pub fn every_message(
    open: &Open,
    application: ApplicationId,
) -> BTreeMap<MessageId, StoredMessage> {
    let (mut all, mut start) = (BTreeMap::new(), PageStart::First);
    loop {
        let page = PageRequest { limit: 250, start, descending: false };
        let Page { items, done, .. } =
            open.store.list_messages(application, &MessageFilter::default(), &page);
        if let Some(last) = items.last() {
            start = PageStart::After(last.message.id);
        }
        all.extend(items.into_iter().map(|stored| (stored.message.id, stored)));
        if done {
            return all;
        }
    }
}
