//! What is due: lanes at a start, and the next deliveries of one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::delivery::{Delivery, DeliveryId, Trigger};
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::store::keys;
use crate::store::retention::is_queued;
use crate::store::{DuePage, Ready, Shared};

/// Deliveries that wait behind others of their key, past which one read looks for those that need
/// not: with more, an endpoint ordered by a key stands still until one of them is done.
const ORDER_LOOKAHEAD: usize = 20_000;

impl Shared {
    /// Every endpoint with deliveries waiting or asked for, and when the first is due.
    pub(super) fn lanes(&self) -> Vec<(EndpointId, Timestamp)> {
        let end = keys::all_due().after_prefix();
        let (mut from, mut lanes) = (keys::all_due(), BTreeMap::new());
        loop {
            let mut first = None;
            self.overlay.scan(&from, &end, false, &mut |key, _| {
                first = keys::due_parts(&key);
                ControlFlow::Break(())
            });
            let Some((id, due)) = first else { break };
            lanes.insert(id.endpoint, due);
            from = keys::due_of(id.endpoint).after_prefix();
        }
        let asked = keys::all_resends();
        self.overlay.scan(&asked, &asked.after_prefix(), false, &mut |key, value| {
            if let Some(id) = keys::resend_of(&key) {
                let at: Timestamp = self.decode(&key, &value);
                lanes.entry(id.endpoint).and_modify(|due| *due = at.min(*due)).or_insert(at);
            }
            ControlFlow::Continue(())
        });
        lanes.into_iter().collect()
    }

    /// The first `limit` deliveries of an endpoint that are due by `until`; first what a person
    /// asked for, which may be there a second time because it is due too.
    pub(super) fn due(&self, endpoint: EndpointId, until: Timestamp, limit: usize) -> DuePage {
        let mut page = DuePage::default();
        let asked = keys::resends_of(endpoint);
        self.overlay.scan(&asked, &asked.after_prefix(), false, &mut |key, value| {
            let Some(id) = keys::resend_of(&key) else { return ControlFlow::Continue(()) };
            let at: Timestamp = self.decode(&key, &value);
            if page.ready.len() == limit {
                page.next_due = Some(at);
                return ControlFlow::Break(());
            }
            let asked = self.ready(id, at, None);
            let asked = asked.map(|ready| Ready { trigger: Trigger::Manual, group: None, ..ready });
            page.ready.extend(asked);
            ControlFlow::Continue(())
        });
        if page.next_due.is_some() {
            return page;
        }
        let order = self.read_catalog().endpoint_by_id(endpoint).and_then(|(_, endpoint)| {
            let order = endpoint.delivery.order.as_ref()?;
            Some(if order.by.is_some() { Order::ByKey } else { Order::Whole })
        });
        let mut reading = Reading { until, limit, order, passed: 0, page };
        let from = keys::due_of(endpoint);
        self.overlay.scan(&from, &from.after_prefix(), false, &mut |key, _| match keys::due_parts(
            &key,
        ) {
            Some((id, due)) => self.pass(&mut reading, id, due),
            None => ControlFlow::Continue(()),
        });
        reading.page
    }

    /// Looks at one row of the due index.
    fn pass(&self, reading: &mut Reading, id: DeliveryId, due: Timestamp) -> ControlFlow<()> {
        if due > reading.until || reading.page.ready.len() == reading.limit {
            reading.page.lower(due);
            return ControlFlow::Break(());
        }
        let key = keys::delivery(id);
        let held: Option<Delivery> = self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes));
        // A row whose message was lost, or that damage brought back, must not hold up others.
        if held.as_ref().is_some_and(|held| !is_queued(held.state)) {
            return ControlFlow::Continue(());
        }
        let group = held.as_ref().and_then(|held| held.order_key).unwrap_or_default();
        let group = reading.order.map(|_| group);
        let until = held.as_ref().and_then(|held| held.held_until);
        let until = until.filter(|held_until| *held_until > reading.until);
        match (group, until) {
            (Some(group), _) if reading.page.held.contains_key(&group) => {}
            (Some(group), Some(until)) => _ = reading.page.held.insert(group, until),
            // It was tried while the endpoint still kept an order.
            (None, Some(until)) => {
                reading.page.lower(until);
                return ControlFlow::Continue(());
            }
            (_, None) => {
                let ready = self.ready(id, due, held);
                reading.page.ready.extend(ready.map(|ready| Ready { group, ..ready }));
                return ControlFlow::Continue(());
            }
        }
        reading.passed += 1;
        if reading.order == Some(Order::Whole) || reading.passed == ORDER_LOOKAHEAD {
            reading.page.lower(due);
            reading.page.stuck = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn ready(&self, id: DeliveryId, due: Timestamp, held: Option<Delivery>) -> Option<Ready> {
        let application = self.read_catalog().endpoint_by_id(id.endpoint)?.0.id;
        let stored = self.message_by_id(application, id.message)?;
        let held = held.or_else(|| {
            let key = keys::delivery(id);
            self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes))
        });
        Some(Ready {
            message: stored,
            endpoint: id.endpoint,
            replay: id.replay,
            due,
            attempts: held.map_or(0, |held| held.attempts),
            trigger: Trigger::Scheduled,
            group: None,
        })
    }
}

/// What an order goes by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Whole,
    ByKey,
}

struct Reading {
    until: Timestamp,
    limit: usize,
    order: Option<Order>,
    /// Deliveries that wait behind others of their key.
    passed: usize,
    page: DuePage,
}

impl DuePage {
    fn lower(&mut self, due: Timestamp) {
        self.next_due = Some(self.next_due.map_or(due, |known| known.min(due)));
    }
}
