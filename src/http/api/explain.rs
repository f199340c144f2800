//! `/app/{app}/msg/{msg}/explain`: what became of a message at every endpoint, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde::Serialize;

use super::call::Call;
use super::page;
use super::shapes::disabled_reason;
use crate::domain::delivery::{DeadReason, Delivery, State, Trigger};
use crate::domain::endpoint::{Disabled, Endpoint};
use crate::domain::message::Message;
use crate::domain::redact::Redaction;
use crate::http::error::ApiError;
use crate::store::{Store, StoredMessage};

/// One endpoint's part of the story. `reason` is stable, `detail` is for people.
#[derive(Serialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
struct Explained {
    endpoint_id: String,
    endpoint_uid: Option<String>,
    url: String,
    /// `delivered`, `waiting`, `dead`, `cancelled`, `not_matched`.
    outcome: &'static str,
    reason: Option<&'static str>,
    attempts: u16,
    next_attempt: Option<String>,
    detail: String,
}

/// What is told of one endpoint, before its names.
struct Told {
    outcome: &'static str,
    reason: Option<&'static str>,
    detail: String,
}

fn told(outcome: &'static str, reason: Option<&'static str>, detail: impl Into<String>) -> Told {
    Told { outcome, reason, detail: detail.into() }
}

/// Answers for the application's endpoints, newest first, in pages.
pub(super) async fn explain(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let reference = call.reference("msg")?;
    let request = page::request(&call.query()?, call.ids(), true)?;
    let redaction = call.redaction();
    call.read(move |store| {
        let stored = store.message(application.id, &reference).ok_or_else(ApiError::not_found)?;
        // A replay is a later delivery to the same endpoint.
        let deliveries: BTreeMap<_, _> = store
            .deliveries(&stored)
            .into_iter()
            .map(|(id, delivery)| (id.endpoint, delivery))
            .collect();
        let page = store.list_endpoints(application.id, &request);
        let name = |endpoint: &Arc<Endpoint>| endpoint.id;
        page::json(store.ids(), &request, page, name, |endpoint| {
            let delivery = deliveries.get(&endpoint.id);
            Ok(explained(store, &redaction, &stored, &endpoint, delivery))
        })
    })
    .await
    .map(page::ok)
}

fn explained(
    store: &Store,
    redaction: &Redaction,
    stored: &StoredMessage,
    endpoint: &Endpoint,
    delivery: Option<&Delivery>,
) -> Explained {
    let ids = store.ids();
    let Told { outcome, reason, detail } = match delivery {
        Some(delivery) => matched(endpoint, delivery, &Tried::of(store, stored, delivery)),
        None => unmatched(store, redaction, stored, endpoint),
    };
    let waits = outcome == "waiting" && endpoint.disabled.is_none();
    Explained {
        endpoint_id: ids.text(endpoint.id),
        endpoint_uid: endpoint.uid.clone(),
        url: endpoint.url.clone(),
        outcome,
        reason,
        attempts: delivery.map_or(0, |delivery| delivery.attempts),
        next_attempt: delivery
            .filter(|_| waits)
            .map(|delivery| delivery.next_attempt().to_string()),
        detail,
    }
}

/// Attempts that were made, and how many of them persons asked for.
struct Tried {
    all: usize,
    asked: usize,
}

impl Tried {
    fn of(store: &Store, stored: &StoredMessage, delivery: &Delivery) -> Tried {
        let all = delivery.attempt_ids.len();
        // Most often the schedule alone has made them, and none has to be read.
        if all == usize::from(delivery.attempts) {
            return Tried { all, asked: 0 };
        }
        let asked = delivery.attempt_ids.iter().filter(|id| {
            let found = store.attempt(stored, **id);
            found.is_some_and(|found| found.attempt.trigger == Trigger::Manual)
        });
        Tried { all, asked: asked.count() }
    }

    fn words(&self) -> String {
        let attempts = |count: usize| match count {
            1 => "1 attempt".to_owned(),
            count => format!("{count} attempts"),
        };
        match (self.all, self.asked) {
            (0, _) => "not tried yet".to_owned(),
            (all, 0) => format!("after {}", attempts(all)),
            (all, asked) => {
                format!("after {}, {} scheduled, {asked} asked for", attempts(all), all - asked)
            }
        }
    }
}

fn matched(endpoint: &Endpoint, delivery: &Delivery, tried: &Tried) -> Told {
    let (all, tried) = (tried.all, tried.words());
    match (delivery.state, endpoint.disabled) {
        (State::Delivered, _) => told("delivered", None, format!("delivered {tried}")),
        (State::Waiting | State::Retrying, Some(disabled)) => {
            let words = format!("waits until the endpoint is enabled again: {}", why(disabled));
            told("waiting", Some("disabled"), words)
        }
        (State::Waiting, None) => {
            // One that was put back has its whole schedule before it.
            let which = if all == 0 { "first" } else { "next" };
            let words = format!("waits for its {which} attempt, due {}", delivery.next_attempt());
            told("waiting", None, words)
        }
        (State::Retrying, None) => {
            let words = format!("failed {tried}; the next is due {}", delivery.next_attempt());
            told("waiting", Some("retrying"), words)
        }
        (State::Sending, _) => told("waiting", Some("sending"), "is being sent now"),
        (State::Dead(reason), _) => {
            told("dead", Some(reason.told()), format!("given up {tried}: {}", dead(reason)))
        }
        (State::Cancelled, _) => told("cancelled", None, format!("taken back {tried}")),
    }
}

fn by_source(store: &Store, message: &Message, endpoint: &Endpoint) -> Option<Told> {
    let origin = message.origin.as_ref();
    let id = origin.map(|origin| store.ids().text(origin.source));
    let names = origin.zip(id.as_ref()).map(|(origin, id)| [origin.name.as_str(), id]);
    if endpoint.subscription.wants_source(names) {
        return None;
    }
    let wanted = endpoint.subscription.sources.join(", ");
    let came =
        origin.map_or_else(|| "was sent".to_owned(), |origin| format!("is of {}", origin.name));
    let words = format!("it wants messages of the sources {wanted}; the message {came}");
    Some(told("not_matched", Some("source"), words))
}

fn dead(reason: DeadReason) -> &'static str {
    match reason {
        // Told as the same, see `DeadReason::told`.
        DeadReason::Exhausted | DeadReason::Blocked => "the whole retry schedule was used",
        DeadReason::Gone => "the endpoint answered 410 Gone",
        DeadReason::Rejected => "the receiver asked not to be sent it again",
        DeadReason::Expired => "delivery.expire_after passed first",
    }
}

fn why(disabled: Disabled) -> &'static str {
    match disabled {
        Disabled::ByCaller => "it was disabled through the API",
        Disabled::Gone => "it answered 410 Gone",
        Disabled::Failing => "it failed for too long (delivery.disable_after)",
        Disabled::LeftConfig => "it is no longer declared in relay.toml",
    }
}

/// Why an endpoint got none, as far as the endpoint as it is now can tell.
fn unmatched(
    store: &Store,
    redaction: &Redaction,
    stored: &StoredMessage,
    endpoint: &Endpoint,
) -> Told {
    let (message, subscription) = (&stored.message, &endpoint.subscription);
    if endpoint.id.stamp() > message.id.stamp() {
        let words = format!("the endpoint was made after the message, {}", endpoint.created_at);
        return told("not_matched", Some("created_later"), words);
    }
    if !subscription.wants_event_type(&message.event_type) {
        let wanted = subscription.event_types.join(", ");
        let words = format!("it does not want {}, but {wanted}", message.event_type);
        return told("not_matched", Some("event_type"), words);
    }
    if !subscription.wants_channels(&message.channels) {
        let carried = match message.channels.as_slice() {
            [] => "none".to_owned(),
            channels => channels.join(", "),
        };
        let wanted = subscription.channels.join(", ");
        let words = format!("it listens to the channels {wanted}; the message carries {carried}");
        return told("not_matched", Some("channel"), words);
    }
    if let Some(told) = by_source(store, message, endpoint) {
        return told;
    }
    if let Some(mismatch) = store.mismatch(endpoint, stored, redaction) {
        let words = format!("its filter does not let it pass: {mismatch}");
        return told("not_matched", Some("filter"), words);
    }
    if let Some(disabled) = endpoint.disabled {
        let words = format!("the endpoint is disabled: {}", why(disabled));
        let reason = match disabled_reason(disabled) {
            "by_caller" => "disabled",
            other => other,
        };
        return told("not_matched", Some(reason), words);
    }
    if endpoint.updated_at <= message.id.time() {
        let words = "the message was an example, sent to another endpoint alone";
        return told("not_matched", Some("example"), words);
    }
    let words = format!(
        "it would be matched now; it was changed after the message, last on {}",
        endpoint.updated_at
    );
    told("not_matched", Some("changed_later"), words)
}
