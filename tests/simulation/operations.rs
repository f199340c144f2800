//! What the outside does to a relay: messages, people, changed endpoints, stops and crashes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use relay::domain::dead_letter::DeadLetterAction;
use relay::domain::delivery::DeliveryId;
use relay::domain::delivery_settings::{DeliverySettings, Order};
use relay::domain::endpoint::{Disabled, Endpoint, EndpointKey};
use relay::domain::filter::Selector;
use relay::domain::id::{ApplicationId, EndpointId, MessageId, Stamp};
use relay::domain::secret::Secret;
use relay::domain::signature::SigningKey;
use relay::domain::subscription::Subscription;
use relay::engine::scheduler::EndpointFacts;
use relay::store::{
    Author, Idempotency, NewMessage, PageRequest, PageStart, Reference, Refusal, Reply, Transaction,
};

use crate::machine::Told;
use crate::model::{EndpointRow, Key, Ordered, Write};
use crate::random::Random;
use crate::reading::every_one;
use crate::receiver::Receiver;
use crate::reference::Broken;
use crate::world::{Event, World};

const ENDPOINTS: usize = 24;
const ATTEMPTS: usize = 24;
const WINDOWS_MS: [u64; 3] = [1_000, 60_000, 43_200_000];

impl World {
    /// One thing from the outside; most often a message.
    pub fn operate(&mut self) -> Result<(), Broken> {
        if self.random.one_in(self.swarm.crash) {
            return self.fall();
        }
        if self.random.one_in(self.swarm.stop) && !self.stopping {
            return self.stop();
        }
        if self.random.one_in(self.swarm.full_disk) || self.full {
            self.full = !self.full || !self.random.one_in(10);
            self.count(if self.full { "full" } else { "room" });
            self.machine.disk.set_full(self.full);
            self.was_full = self.now;
        }
        if self.random.one_in(self.swarm.failed_sync) {
            self.count("failed sync");
            self.machine.disk.fail_next_sync();
        }
        if self.swarm.jumps && self.random.one_in(100) {
            let days = self.random.between(0, 4) as i64 - 2;
            self.machine.set_wall_off(days * 43_200_000);
        }
        if self.swarm.damage && self.random.one_in(80) {
            return self.damage();
        }
        if self.random.one_in(20) {
            return self.tidy();
        }
        if self.random.one_in(self.swarm.rotate) {
            self.rotate();
        } else if self.random.one_in(self.swarm.change_endpoints) {
            self.change_endpoint();
        } else if self.random.one_in(self.swarm.by_person) {
            self.ask();
        } else {
            self.message();
        }
        Ok(())
    }

    fn message(&mut self) {
        let application = self.an_application();
        let soon = self.random.one_in(self.swarm.deliver_at);
        let deliver_at =
            soon.then(|| self.now + Duration::from_millis(self.random.below(3_600_000)));
        let lengths = [0, 10, 100, 300];
        let length = *self.random.pick(&lengths).expect("a length");
        let body = random_bytes(&mut self.random, length);
        let named = self.random.one_in(self.swarm.duplicates);
        let event_id = named.then(|| format!("event-{}", self.random.below(40)));
        let key = self.random.one_in(self.swarm.duplicates).then(|| {
            let number = self.random.below(12) as u8;
            // The window is part of what one caller sends with every key.
            let window_ms = WINDOWS_MS[usize::from(number) % WINDOWS_MS.len()];
            Key { number, request: u8::from(self.random.one_in(6)), window_ms }
        });
        let types = ["invoice.paid", "invoice.sent", "ping"];
        let event_type = (*self.random.pick(&types).expect("a type")).to_owned();
        let new = NewMessage {
            application,
            event_type,
            event_id: event_id.clone(),
            channels: Vec::new(),
            tags: Vec::new(),
            content_type: "application/json".to_owned(),
            deliver_at,
            content_kept: None,
            body: body.clone(),
            received: None,
            filtered: Default::default(),
        };
        let idempotency = key.map(|key| Idempotency {
            scope: [key.number; 32],
            request: [key.request; 32],
            window: Duration::from_millis(key.window_ms),
        });
        self.note(|| format!("accept {event_id:?} {key:?}"));
        let write = Write::Accept { accepted: None, event_id, key, body };
        self.write(write, idempotency, move |transaction| {
            Ok(Reply::Message(transaction.accept(new)?))
        });
    }

    /// A person asks for a delivery again, the same one or as a new one.
    fn ask(&mut self) {
        let Some(id) = self.a_delivery() else { return };
        if self.random.one_in(3) && self.take_dead() {
            return;
        }
        if self.swarm.replays && self.random.one_in(2) {
            return self.replay(id);
        }
        let Some(kept) = self.model.durable.messages.get(&id.message) else { return };
        let application = kept.message.application;
        let Some(stored) = self.process.store.message(application, &Reference::Id(id.message))
        else {
            return;
        };
        self.note(|| format!("resend {id:?}"));
        let asked = Arc::new(Mutex::new(None));
        let told = Arc::clone(&asked);
        self.write(Write::Resend(asked), None, move |transaction| {
            let newest = transaction.resend(&stored, id.endpoint)?;
            *told.lock().expect("no holder panics") = Some((newest, transaction.now()));
            Ok(Reply::Done)
        });
    }

    /// The oldest dead letter of an application is put back or given up, if there is one.
    fn take_dead(&mut self) -> bool {
        let application = self.an_application();
        let page = PageRequest { limit: 1, start: PageStart::First, descending: false };
        let found = self.process.store.list_dead_letters(Some(application), &every_one(), &page);
        let Some(stored) = found.items.first() else { return false };
        let (letter, id) = (stored.id, stored.letter.delivery);
        let worn = stored.letter.attempts as usize >= ATTEMPTS;
        let action = match worn || self.random.one_in(3) {
            true => DeadLetterAction::Purge,
            false => DeadLetterAction::Resend,
        };
        self.count("dead letter taken");
        self.note(|| format!("{action:?} {id:?}"));
        let taken = Arc::new(Mutex::new(None));
        let told = Arc::clone(&taken);
        self.write(Write::Take(taken), None, move |transaction| {
            let due = (action == DeadLetterAction::Resend).then(|| transaction.now());
            if transaction.take_dead_letter(application, letter, action) {
                *told.lock().expect("no holder panics") = Some((id, due));
            }
            Ok(Reply::Done)
        });
        true
    }

    /// The message again, as a new delivery.
    fn replay(&mut self, of: DeliveryId) {
        let Some(kept) = self.model.durable.messages.get(&of.message) else { return };
        let message = kept.message.clone();
        self.note(|| format!("replay {of:?}"));
        let made = Arc::new(Mutex::new(None));
        let told = Arc::clone(&made);
        self.write(Write::Replay(made), None, move |transaction| {
            let new = transaction.replay(&message, of.endpoint)?;
            *told.lock().expect("no holder panics") = Some(new);
            Ok(Reply::Done)
        });
    }

    fn change_endpoint(&mut self) {
        let all: Vec<EndpointId> = self.model.durable.endpoints.keys().copied().collect();
        let Some(id) = self.random.pick(&all).copied() else { return self.add_endpoint() };
        let row = self.model.durable.endpoints[&id];
        match self.random.below(8) {
            0 => {
                self.note(|| format!("delete {id:?}"));
                let application = row.facts.application;
                self.write(Write::Delete(id), None, move |transaction| {
                    transaction.delete_endpoint(application, id, Author::Caller)?;
                    Ok(Reply::Done)
                });
            }
            1 if all.len() < ENDPOINTS => self.add_endpoint(),
            2 | 3 => {
                self.note(|| format!("disable {id:?}"));
                self.put(id, EndpointRow { disabled: Some(Disabled::ByCaller), ..row });
            }
            4 => {
                let facts = EndpointFacts { throttle_rate: self.a_rate(), ..row.facts };
                self.put(id, EndpointRow { facts, ..row });
            }
            5 if self.swarm.ordered > 0 => {
                // By type again it would count from then alone.
                let order = if row.order == Ordered::Whole { Ordered::No } else { Ordered::Whole };
                self.count("order changed");
                self.note(|| format!("{id:?} from {:?} to {order:?}", row.order));
                self.put(id, EndpointRow { order, ..row });
            }
            _ => {
                self.note(|| format!("enable {id:?}"));
                self.put(id, EndpointRow { disabled: None, ..row });
            }
        }
    }

    /// Every endpoint takes deliveries again.
    pub fn enable_all(&mut self) {
        let all = self.model.durable.endpoints.clone();
        for (id, row) in all {
            if row.disabled.is_some() {
                self.put(id, EndpointRow { disabled: None, ..row });
            }
        }
    }

    /// Makes an endpoint; its receiver is drawn when it is known.
    pub fn add_endpoint(&mut self) {
        let application = self.an_application();
        let facts = EndpointFacts {
            application,
            enabled: true,
            throttle_rate: self.a_rate(),
            application_throttle_rate: self.swarm.application_throttle,
            allowed_rate: None,
            unasked: false,
            max_in_flight: None,
            batch: None,
        };
        let order = if self.random.one_in(self.swarm.ordered) {
            *self.random.pick(&[Ordered::Whole, Ordered::ByType]).expect("an order")
        } else {
            Ordered::No
        };
        let row = EndpointRow { facts, disabled: None, order };
        self.write(Write::Endpoint { id: None, row }, None, move |transaction| {
            let id = EndpointId::new(transaction.mint());
            let endpoint = endpoint(id, row, transaction);
            let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created: true })
        });
    }

    fn put(&mut self, id: EndpointId, row: EndpointRow) {
        self.write(Write::Endpoint { id: Some(id), row }, None, move |transaction| {
            let owner = row.facts.application;
            let found = transaction.endpoint(owner, &Reference::Id(id))?;
            let changed = Endpoint {
                disabled: row.disabled,
                throttle_rate: row.facts.throttle_rate,
                delivery: settings(row.order),
                ..found.as_ref().clone()
            };
            let endpoint = transaction.put_endpoint(changed, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created: false })
        });
    }

    /// The scheduler has it disabled, as the driver does.
    pub fn disable(&mut self, id: EndpointId, why: Disabled) {
        let Some(row) = self.model.durable.endpoints.get(&id) else { return };
        let owner = row.facts.application;
        self.note(|| format!("disable {id:?} {why:?}"));
        self.write(Write::Disable(id, why), None, move |transaction| {
            let found = match transaction.endpoint(owner, &Reference::Id(id)) {
                Ok(found) => found,
                Err(Refusal::NotFound) => return Ok(Reply::Done),
                Err(refusal) => return Err(refusal),
            };
            if found.disabled.is_none() {
                let disabled = Endpoint { disabled: Some(why), ..found.as_ref().clone() };
                transaction.put_endpoint(disabled, Author::Relay)?;
            }
            Ok(Reply::Done)
        });
    }

    /// Hands a write to the store.
    fn write<W>(&mut self, write: Write, key: Option<Idempotency>, work: W)
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        let number = self.on_its_way(write);
        let (inbox, answers) = (Arc::clone(&self.machine.inbox), Arc::clone(&self.machine.inbox));
        let submitted = self.process.store.submit(
            key,
            move |transaction| {
                let reply = work(transaction)?;
                inbox.lock().expect("no holder panics").push(Told::Done(number, reply.clone()));
                Ok(reply)
            },
            move |result| {
                answers.lock().expect("no holder panics").push(Told::Answered(number, result));
            },
        );
        if submitted.is_err() {
            self.model.pending.remove(&number);
        }
    }

    fn an_application(&mut self) -> ApplicationId {
        *self.random.pick(&self.applications).expect("invariant: there is one")
    }

    fn a_rate(&mut self) -> Option<u16> {
        let rates = [1, 3, 20, 500];
        self.swarm.throttles.then(|| self.random.pick(&rates).copied()).flatten()
    }

    fn a_delivery(&mut self) -> Option<DeliveryId> {
        let back = self.now.millis().saturating_sub(self.random.below(100_000));
        let first = DeliveryId {
            message: MessageId::new(Stamp(back << 20)),
            endpoint: EndpointId::new(Stamp(0)),
            replay: 0,
        };
        let rows = &self.model.durable.rows;
        let found = rows.range(first..).next().or_else(|| rows.iter().next_back());
        // A delivery with ever more attempts outgrows the records of so small a segment.
        found.filter(|(_, row)| row.made < ATTEMPTS).map(|(id, _)| *id)
    }

    /// A receiver for an endpoint that is new.
    pub fn settle_in(&mut self, endpoint: EndpointId) {
        let receiver = Receiver::draw(&mut self.random, &self.swarm.moods.clone());
        self.receivers.insert(endpoint, receiver);
    }

    /// The first operation of a process.
    pub fn carry_on(&mut self) {
        self.after(1, Event::Operate);
        self.after(3_000, Event::Apply);
    }
}

fn random_bytes(random: &mut Random, length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(length);
    Bytes::from(bytes)
}

fn endpoint(id: EndpointId, row: EndpointRow, transaction: &Transaction<'_>) -> Endpoint {
    Endpoint {
        id,
        application: row.facts.application,
        uid: None,
        url: "http://127.0.0.1:9/".to_owned(),
        description: String::new(),
        subscription: Subscription::default(),
        disabled: None,
        throttle_rate: row.facts.throttle_rate,
        delivery: settings(row.order),
        metadata: Default::default(),
        transformation: None,
        headers: Default::default(),
        keys: keys(),
        managed: false,
        created_at: transaction.now(),
        updated_at: transaction.now(),
    }
}

/// What every endpoint signs with.
pub fn keys() -> Vec<EndpointKey> {
    let key = SigningKey::Hmac(Secret::new(vec![9; 24]));
    vec![EndpointKey { key, expires_at: None }]
}

fn settings(order: Ordered) -> DeliverySettings {
    let by = Selector::try_from("event_type".to_owned()).expect("a place");
    let order = match order {
        Ordered::No => None,
        Ordered::Whole => Some(Order { by: None }),
        Ordered::ByType => Some(Order { by: Some(by) }),
    };
    DeliverySettings { order, ..DeliverySettings::default() }
}
