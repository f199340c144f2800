//! Operational webhooks: what the relay tells its operator of, as messages like any other.
//!
//! A hidden application owns the endpoints that are told. Every event is a message accepted into
//! it, so that signing, retries, logs and dead letters are those of every delivery.

use serde_json::{Value, json};

use crate::domain::application::Application;
use crate::domain::delivery::{Attempt, State};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{ApplicationId, EndpointId, Ids, MessageId, Stamp};
use crate::domain::time::Timestamp;

/// The hidden application. Stamps begin with the time, so that none is ever minted this low.
pub const HIDDEN: ApplicationId = ApplicationId::new(Stamp(1));

/// After so many failed attempts of its schedule a delivery is told of as failing.
pub const FAILING_AFTER: u16 = 4;

/// What the operator is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// An endpoint was made.
    EndpointCreated,
    /// An endpoint was changed.
    EndpointUpdated,
    /// An endpoint was deleted.
    EndpointDeleted,
    /// An endpoint takes nothing any more, by a person or by itself.
    EndpointDisabled,
    /// A delivery is dead.
    AttemptExhausted,
    /// A delivery failed [`FAILING_AFTER`] times.
    AttemptFailing,
    /// A delivery that was told of as failing was delivered.
    AttemptRecovered,
}

impl Event {
    /// The event type of its messages.
    pub fn name(self) -> &'static str {
        match self {
            Event::EndpointCreated => "endpoint.created",
            Event::EndpointUpdated => "endpoint.updated",
            Event::EndpointDeleted => "endpoint.deleted",
            Event::EndpointDisabled => "endpoint.disabled",
            Event::AttemptExhausted => "message.attempt.exhausted",
            Event::AttemptFailing => "message.attempt.failing",
            Event::AttemptRecovered => "message.attempt.recovered",
        }
    }
}

/// What is told of an endpoint; `fail_since` is when the first of its failures was, if it failed.
pub fn about_endpoint(
    event: Event,
    ids: &Ids,
    application: &Application,
    endpoint: &Endpoint,
    fail_since: Option<Timestamp>,
) -> Value {
    let mut data = json!({
        "appId": ids.text(application.id),
        "appUid": application.uid,
        "endpointId": ids.text(endpoint.id),
        "endpointUid": endpoint.uid,
    });
    if event == Event::EndpointDisabled {
        data["failSince"] = json!(fail_since.map(|time| time.to_string()));
    }
    json!({ "type": event.name(), "data": data })
}

/// What is told of a delivery, with its last attempt; one that expired may have had none.
pub fn about_delivery(
    event: Event,
    ids: &Ids,
    application: &Application,
    (message, event_id): (MessageId, Option<&str>),
    endpoint: EndpointId,
    last: Option<&Attempt>,
) -> Value {
    let last = last.map(|attempt| {
        json!({
            "id": ids.text(attempt.id),
            "responseStatusCode": attempt.status_code,
            "timestamp": attempt.started_at.to_string(),
        })
    });
    json!({
        "type": event.name(),
        "data": {
            "appId": ids.text(application.id),
            "appUid": application.uid,
            "msgId": ids.text(message),
            "msgEventId": event_id,
            "endpointId": ids.text(endpoint),
            "lastAttempt": last,
        },
    })
}

/// What to tell of a delivery after an attempt: whether it was delivered or dead `before`, the
/// state that it is in now, how many attempts of its schedule failed before this one, and whether
/// this one is of the schedule.
pub fn after_attempt(before: State, now: State, failed: u16, scheduled: bool) -> Option<Event> {
    match now {
        State::Dead(_) if before != now => Some(Event::AttemptExhausted),
        State::Delivered if before != now && failed >= FAILING_AFTER => {
            Some(Event::AttemptRecovered)
        }
        State::Retrying if scheduled && failed + 1 == FAILING_AFTER => Some(Event::AttemptFailing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::DeadReason;

    #[test]
    fn what_is_told_after_an_attempt() {
        use State::{Dead, Delivered, Retrying, Waiting};
        let check = |before, now, failed, scheduled, expected| {
            assert_eq!(
                after_attempt(before, now, failed, scheduled),
                expected,
                "{before:?} {now:?}"
            );
        };
        let dead = Dead(DeadReason::Exhausted);
        check(Waiting, Retrying, 0, true, None);
        check(Retrying, Retrying, 2, true, None);
        check(Retrying, Retrying, 3, true, Some(Event::AttemptFailing));
        check(Retrying, Retrying, 3, false, None);
        check(Retrying, Retrying, 4, true, None);
        check(Retrying, dead, 3, true, Some(Event::AttemptExhausted));
        check(Waiting, dead, 0, true, Some(Event::AttemptExhausted));
        check(dead, dead, 5, false, None);
        check(Waiting, Delivered, 0, true, None);
        check(Retrying, Delivered, 3, true, None);
        check(Retrying, Delivered, 4, true, Some(Event::AttemptRecovered));
        check(dead, Delivered, 5, false, Some(Event::AttemptRecovered));
        check(Delivered, Delivered, 5, false, None);
    }
}
