//! What the store holds, read through the functions that everyone reads it with.

use std::collections::BTreeSet;

use relay::domain::dead_letter::DeadLetterFilter;
use relay::domain::delivery::{DeliveryId, State, Trigger};
use relay::domain::id::ApplicationId;
use relay::domain::task::Window;
use relay::domain::time::Timestamp;
use relay::engine::scheduler::EndpointFacts;
use relay::store::{MessageFilter, PageRequest, PageStart, Store};

use crate::model::{EndpointRow, Kept, Ordered, Row, Tables};
use crate::operations::keys;
use crate::reference::{Broken, hold};

/// Reads everything, and checks that the due index says the same as the deliveries do.
pub fn read(store: &Store, applications: &[ApplicationId]) -> Result<Tables, Broken> {
    let mut tables = Tables::default();
    for application in applications {
        let page = PageRequest { limit: 10_000, start: PageStart::First, descending: false };
        for endpoint in store.list_endpoints(*application, &page).items {
            let owner = store.endpoint_by_id(endpoint.id).map(|(owner, _)| owner);
            let facts = EndpointFacts {
                application: *application,
                enabled: true,
                throttle_rate: endpoint.throttle_rate,
                application_throttle_rate: owner.and_then(|owner| owner.throttle_rate),
                allowed_rate: None,
                unasked: false,
                max_in_flight: None,
                batch: None,
            };
            let order = match &endpoint.delivery.order {
                None => Ordered::No,
                Some(order) if order.by.is_some() => Ordered::ByType,
                Some(_) => Ordered::Whole,
            };
            hold(endpoint.keys == keys(), || format!("another secret: {:?}", endpoint.id))?;
            let row = EndpointRow { facts, disabled: endpoint.disabled, order };
            tables.endpoints.insert(endpoint.id, row);
        }
        let page = PageRequest { limit: 10_000, start: PageStart::First, descending: false };
        let page = store.list_messages(*application, &MessageFilter::default(), &page);
        hold(page.done, || "more messages than one page takes".to_owned())?;
        for stored in page.items {
            for (id, delivery) in store.deliveries(&stored) {
                if tables.endpoints.contains_key(&id.endpoint) {
                    let row = Row {
                        state: delivery.state,
                        attempts: delivery.attempts,
                        due: delivery.next_attempt(),
                        place: delivery.due,
                        asked: None,
                        made: delivery.attempt_ids.len(),
                    };
                    tables.rows.insert(id, row);
                }
            }
            let body = store.body(&stored.body).ok();
            tables.messages.insert(stored.message.id, Kept { message: stored.message, body });
        }
    }
    due(store, &mut tables)?;
    dead(store, applications, &tables)?;
    Ok(tables)
}

/// All dead letters that are listed.
pub fn every_one() -> DeadLetterFilter {
    DeadLetterFilter {
        endpoint: None,
        reasons: Vec::new(),
        event_types: Vec::new(),
        status_code_class: None,
        channel: None,
        tag: None,
        died: Window { since: Timestamp::default(), until: Timestamp::MAX },
    }
}

/// What is dead is listed, once in its application and once among all, and nothing else is.
fn dead(store: &Store, applications: &[ApplicationId], tables: &Tables) -> Result<(), Broken> {
    let rows = tables.rows.iter().filter(|(_, row)| matches!(row.state, State::Dead(_)));
    let expected: BTreeSet<DeliveryId> = rows.map(|(id, _)| *id).collect();
    let listed = |application| {
        let page = PageRequest { limit: 10_000, start: PageStart::First, descending: true };
        store.list_dead_letters(application, &every_one(), &page).items
    };
    let own: Vec<_> = applications.iter().flat_map(|id| listed(Some(*id))).collect();
    for (whose, letters) in [("its own", own), ("all", listed(None))] {
        let count = letters.len();
        for stored in &letters {
            let letter = &stored.letter;
            let row = tables.rows.get(&letter.delivery);
            let right = row.is_some_and(|row| {
                row.state == State::Dead(letter.reason) && row.made == letter.attempts as usize
            });
            hold(right, || format!("dead letters, {whose}: {letter:?} stands as {row:?}"))?;
        }
        let found: BTreeSet<_> = letters.iter().map(|stored| stored.letter.delivery).collect();
        hold(found == expected && count == found.len(), || {
            format!("dead letters, {whose}: {found:?} of {count} instead of {expected:?}")
        })?;
    }
    Ok(())
}

fn due(store: &Store, tables: &mut Tables) -> Result<(), Broken> {
    let mut waiting: BTreeSet<DeliveryId> =
        tables.rows.iter().filter(|(_, row)| row.waits()).map(|(id, _)| *id).collect();
    let endpoints: Vec<_> = tables.endpoints.keys().copied().collect();
    for endpoint in endpoints {
        for ready in store.due(endpoint, Timestamp::MAX, 1_000_000, &[]).ready {
            let id: DeliveryId = ready.delivery();
            let row = tables.rows.get_mut(&id);
            let row = row.ok_or_else(|| format!("I2: {id:?} is due and is not there"))?;
            if ready.trigger == Trigger::Manual {
                row.asked = Some(ready.due);
                continue;
            }
            hold(row.waits() && row.place == ready.due && row.attempts == ready.attempts, || {
                format!("I2: {id:?} is due at {} and stands as {row:?}", ready.due)
            })?;
            waiting.remove(&id);
        }
    }
    hold(waiting.is_empty(), || format!("I2: {waiting:?} wait and are not in the due index"))
}
