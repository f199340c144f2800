//! What the outside does to a relay: messages, people, changed endpoints, stops and crashes.

use std::time::Duration;

use relay::domain::delivery::DeliveryId;
use relay::domain::endpoint::Disabled;
use relay::domain::id::{ApplicationId, EndpointId, MessageId, Stamp};
use relay::domain::message::Message;
use relay::engine::scheduler::EndpointFacts;

use crate::receiver::Receiver;
use crate::reference::Broken;
use crate::store::EndpointRow;
use crate::world::{Event, World};

const ENDPOINTS: usize = 24;

impl World {
    /// The endpoints a run begins with, and the first operation.
    pub fn begin(&mut self) {
        for _ in 0..self.swarm.endpoints {
            self.add_endpoint();
        }
        self.after(1, Event::Operate);
    }

    /// One thing from the outside; most often a message.
    pub fn operate(&mut self) -> Result<(), Broken> {
        if self.random.one_in(self.swarm.crash) {
            return self.crash();
        }
        if self.random.one_in(self.swarm.stop) && !self.stopping {
            return self.stop();
        }
        if self.random.one_in(self.swarm.change_endpoints) {
            self.change_endpoint();
        } else if self.random.one_in(self.swarm.by_person) {
            self.ask();
        } else if !self.random.one_in(self.swarm.full_disk) {
            // A full disk refuses the message, and nothing is promised.
            self.message();
        }
        Ok(())
    }

    fn message(&mut self) {
        let application = self.an_application();
        let endpoints = self.store.endpoints_of(application);
        if endpoints.is_empty() {
            return;
        }
        let soon = self.random.one_in(self.swarm.deliver_at);
        let deliver_at =
            soon.then(|| self.now + Duration::from_millis(self.random.below(3_600_000)));
        let message = Message {
            id: MessageId::new(self.mint()),
            application,
            event_type: "invoice.paid".to_owned(),
            event_id: None,
            channels: Vec::new(),
            tags: Vec::new(),
            content_type: "application/json".to_owned(),
            deliver_at,
            endpoints,
        };
        self.accept(message);
    }

    /// A person asks for a delivery again, the same one or as a new one.
    fn ask(&mut self) {
        let Some(id) = self.a_delivery() else { return };
        if self.random.one_in(2) {
            self.note(|| format!("resend {id:?}"));
            self.store.resend(id, self.now);
        } else {
            self.note(|| format!("replay {id:?}"));
            self.store.replay(id, self.now);
        }
        self.written();
    }

    fn change_endpoint(&mut self) {
        let all: Vec<EndpointId> = self.store.current.endpoints.keys().copied().collect();
        let Some(id) = self.random.pick(&all).copied() else { return self.add_endpoint() };
        let row = self.store.current.endpoints[&id];
        match self.random.below(8) {
            0 => {
                self.note(|| format!("delete {id:?}"));
                self.store.delete_endpoint(id);
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
            _ => {
                self.note(|| format!("enable {id:?}"));
                self.put(id, EndpointRow { disabled: None, ..row });
            }
        }
        self.written();
    }

    /// Every endpoint takes deliveries again.
    pub fn enable_all(&mut self) {
        let all = self.store.current.endpoints.clone();
        for (id, row) in all {
            if row.disabled.is_some() {
                self.put(id, EndpointRow { disabled: None, ..row });
            }
        }
        self.written();
    }

    fn add_endpoint(&mut self) {
        let id = EndpointId::new(self.mint());
        let facts = EndpointFacts {
            application: self.an_application(),
            enabled: true,
            throttle_rate: self.a_rate(),
            application_throttle_rate: self.swarm.application_throttle,
        };
        let receiver = Receiver::draw(&mut self.random, &self.swarm.moods.clone());
        self.receivers.insert(id, receiver);
        self.put(id, EndpointRow { facts, disabled: None });
        self.written();
    }

    fn put(&mut self, id: EndpointId, row: EndpointRow) {
        self.store.put_endpoint(id, row);
    }

    fn an_application(&mut self) -> ApplicationId {
        ApplicationId::new(Stamp(1 + self.random.below(self.swarm.applications)))
    }

    fn a_rate(&mut self) -> Option<u16> {
        let rates = [1, 3, 20, 500];
        self.swarm.throttles.then(|| self.random.pick(&rates).copied()).flatten()
    }

    fn a_delivery(&mut self) -> Option<DeliveryId> {
        let from = Stamp(self.random.below(self.last_stamp.0.max(1)));
        let back = self.now.millis().saturating_sub(self.random.below(100_000));
        let near = Stamp(back << 20).max(from);
        let first = DeliveryId {
            message: MessageId::new(near),
            endpoint: EndpointId::new(Stamp(0)),
            replay: 0,
        };
        let rows = &self.store.current.rows;
        rows.range(first..).next().or_else(|| rows.iter().next_back()).map(|(id, _)| *id)
    }
}
