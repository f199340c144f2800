//! Endpoints that are gone or have failed for too long are disabled, as often as it takes.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::{Driver, Event};
use crate::domain::endpoint::{Disabled, Endpoint};
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::store::{Author, Reference, Refusal, Reply, Store, WriteError};

/// Disabling that the store was too busy or its disk too full for is tried again after this.
const DISABLE_AGAIN: Duration = Duration::from_secs(1);

impl Driver {
    /// Asks the store once more where it is time.
    pub(super) fn disable_again(&mut self) {
        let now = Instant::now();
        let (due, later) = self.disable.drain(..).partition(|(_, _, at)| *at <= now);
        self.disable = later;
        for (endpoint, why, _) in due {
            if disable(&self.store, endpoint, why, self.events.clone()).is_err() {
                self.disable_later(endpoint, why);
            }
        }
    }

    /// To be tried again a little later.
    pub(super) fn disable_later(&mut self, endpoint: EndpointId, why: Disabled) {
        self.disable.push((endpoint, why, Instant::now() + DISABLE_AGAIN));
    }
}

/// Asks the store to disable an endpoint; the notice that follows tells the scheduler. What the
/// store refuses comes back to `events`: the lane stands still until it is written.
fn disable(
    store: &Store,
    endpoint: EndpointId,
    why: Disabled,
    events: Sender<Event>,
) -> Result<(), WriteError> {
    let Some((application, _)) = store.endpoint_by_id(endpoint) else { return Ok(()) };
    let (application, name) = (application.id, store.ids().text(endpoint));
    store.submit(
        None,
        move |transaction| {
            let found = match transaction.endpoint(application, &Reference::Id(endpoint)) {
                Ok(found) => found,
                Err(Refusal::NotFound) => return Ok(Reply::Done),
                Err(refusal) => return Err(refusal),
            };
            if found.disabled.is_none() {
                let updated_at: Timestamp = transaction.now();
                let disabled =
                    Endpoint { disabled: Some(why), updated_at, ..found.as_ref().clone() };
                transaction.put_endpoint(disabled, Author::Relay)?;
            }
            Ok(Reply::Done)
        },
        move |result| match result {
            Ok(_) => tracing::warn!(endpoint = name, ?why, "an endpoint was disabled"),
            Err(error) => {
                tracing::error!(endpoint = name, %error, "an endpoint can't be disabled yet");
                // The scheduler thread may have ended, and the process ends.
                let _ = events.send(Event::NotDisabled(endpoint, why));
            }
        },
    )
}
