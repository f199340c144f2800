//! What is due: lanes at a start, and the next deliveries of one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::delivery::{Delivery, DeliveryId, LaneKey, Trigger};
use crate::domain::delivery_settings::Order;
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::store::keys;
use crate::store::retention::is_queued;
use crate::store::{DuePage, Ready, Shared};

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
    /// See [`crate::store::Store::due`].
    pub(super) fn due(
        &self,
        endpoint: EndpointId,
        until: Timestamp,
        limit: usize,
        held: &[LaneKey],
    ) -> DuePage {
        let mut page = DuePage::default();
        let asked = keys::resends_of(endpoint);
        self.overlay.scan(&asked, &asked.after_prefix(), false, &mut |key, value| {
            let Some(id) = keys::resend_of(&key) else { return ControlFlow::Continue(()) };
            let at: Timestamp = self.decode(&key, &value);
            if page.ready.len() == limit.saturating_add(held.len()) {
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
        let endpoint_held = self.read_catalog().endpoint_by_id(endpoint);
        let order = endpoint_held.and_then(|(_, endpoint)| endpoint.delivery.order.clone());
        let is_held = |ready: &&Ready| held.binary_search(&ready.delivery().in_lane()).is_ok();
        let (skipped, given) = match order {
            None => (held, page.ready.iter().filter(is_held).count()),
            // In an order even what is held says whether others may go.
            Some(_) => (&[][..], held.len()),
        };
        let limit = limit.saturating_add(given);
        let mut reading = Reading { until, limit, skipped, order, passed: 0, page };
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
    fn pass(&self, reading: &mut Reading<'_>, id: DeliveryId, due: Timestamp) -> ControlFlow<()> {
        // What persons asked for may be more than the rest of the page.
        if due > reading.until || reading.page.ready.len() >= reading.limit {
            reading.page.lower(due);
            return ControlFlow::Break(());
        }
        if reading.skipped.binary_search(&id.in_lane()).is_ok() {
            return ControlFlow::Continue(());
        }
        let key = keys::delivery(id);
        let held: Option<Delivery> = self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes));
        // A row whose message was lost, or that damage brought back, must not hold up others.
        if held.as_ref().is_some_and(|held| !is_queued(held.state)) {
            return ControlFlow::Continue(());
        }
        let order_key = held.as_ref().and_then(|held| held.order_key);
        let group = reading.order.as_ref().map(|order| order.group(order_key));
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
        let by_key = reading.order.as_ref().is_some_and(|order| order.by.is_some());
        if !by_key || reading.passed == self.order_lookahead {
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

struct Reading<'held> {
    until: Timestamp,
    limit: usize,
    skipped: &'held [LaneKey],
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
