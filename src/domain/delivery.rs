//! One message on its way to one endpoint: its states, and how an attempt ended.
//!
//! ```text
//! waiting -> sending -> delivered | retrying | dead
//! retrying -> sending            waiting | retrying -> cancelled | dead (expired)
//! dead | cancelled | retrying -> waiting    dead -> cancelled    (by a person)
//! ```
//!
//! Sending is a lease in memory and never stored: after a crash the delivery is still due.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::id::{AttemptId, DeadLetterId, EndpointId, MessageId};
use crate::domain::time::Timestamp;

/// Names a delivery: the message, the endpoint, and which time round (0, then one per replay).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DeliveryId {
    /// What is sent.
    pub message: MessageId,
    /// Where to.
    pub endpoint: EndpointId,
    /// 0 at acceptance, one more for every replay.
    pub replay: u16,
}

/// A delivery among those of its endpoint: the message, and which time round.
pub type LaneKey = (MessageId, u16);

impl DeliveryId {
    /// Its name among those of its endpoint.
    pub fn in_lane(self) -> LaneKey {
        (self.message, self.replay)
    }
}

/// Why a delivery will not be tried again by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DeadReason {
    /// The whole retry schedule was used.
    Exhausted,
    /// The endpoint answered 410.
    Gone,
    /// The receiver asked to stop.
    Rejected,
    /// The address guard refused every address.
    Blocked,
    /// `delivery.expire_after` passed first.
    Expired,
}

impl DeadReason {
    /// As whoever asks is told it: a tenant must not learn which names lead to addresses that are
    /// kept from it.
    pub fn told(self) -> &'static str {
        match self {
            DeadReason::Exhausted | DeadReason::Blocked => "exhausted",
            DeadReason::Gone => "gone",
            DeadReason::Rejected => "rejected",
            DeadReason::Expired => "expired",
        }
    }
}

/// Where a delivery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// Never tried, or put back by a person.
    Waiting,
    /// Leased to a sender, in memory only.
    Sending,
    /// A 2xx head was read.
    Delivered,
    /// Tried without success and due again.
    Retrying,
    /// Will not be tried again by itself.
    Dead(DeadReason),
    /// A person took it back.
    Cancelled,
}

/// What happens to a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A sender takes it.
    Lease,
    /// A sender gives it back unsent.
    Release {
        /// The state it was leased from: whether it was tried before.
        tried: bool,
    },
    /// A 2xx head was read.
    Succeed,
    /// The attempt failed and the schedule goes on.
    Fail,
    /// The attempt failed, or time ran out, for good.
    Die(DeadReason),
    /// A person takes it back.
    Cancel,
    /// A person puts it back.
    Requeue,
    /// A person gives a dead letter up.
    Purge,
}

/// A move that the state does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a delivery that is {state:?} cannot take {input:?}")]
pub struct IllegalTransition {
    /// Where it stood.
    pub state: State,
    /// What was asked.
    pub input: Input,
}

/// The state after `input`; the only place that says which moves exist.
pub fn transition(state: State, input: Input) -> Result<State, IllegalTransition> {
    let next = match (state, input) {
        (State::Waiting | State::Retrying, Input::Lease) => State::Sending,
        (State::Sending, Input::Release { tried: false }) => State::Waiting,
        (State::Sending, Input::Release { tried: true }) => State::Retrying,
        (State::Sending, Input::Succeed) => State::Delivered,
        (State::Sending, Input::Fail) => State::Retrying,
        (State::Sending, Input::Die(reason)) => State::Dead(reason),
        (State::Waiting | State::Retrying, Input::Die(DeadReason::Expired)) => {
            State::Dead(DeadReason::Expired)
        }
        (State::Waiting | State::Retrying, Input::Cancel) => State::Cancelled,
        (State::Dead(_) | State::Cancelled | State::Retrying, Input::Requeue) => State::Waiting,
        (State::Dead(_), Input::Purge) => State::Cancelled,
        (state, input) => return Err(IllegalTransition { state, input }),
    };
    Ok(next)
}

/// A delivery as the store keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it stands; never [`State::Sending`].
    pub state: State,
    /// Scheduled attempts made, manual ones not counted.
    pub attempts: u16,
    /// When it is due, while waiting or retrying; where its endpoint keeps an order, its place
    /// there.
    pub due: Timestamp,
    /// Every attempt made, oldest first, manual ones too.
    pub attempt_ids: Vec<AttemptId>,
    /// Until when it holds up those behind it in the order of its endpoint, after it failed.
    pub held_until: Option<Timestamp>,
    /// The key it is ordered by, where its endpoint asks for one and its message has it.
    pub order_key: Option<u64>,
    /// Where the list of dead letters has it, while it is there.
    pub dead_letter: Option<DeadLetterId>,
}

impl Delivery {
    /// One that was never tried.
    pub fn waiting(due: Timestamp) -> Delivery {
        Delivery {
            state: State::Waiting,
            attempts: 0,
            due,
            attempt_ids: Vec::new(),
            held_until: None,
            order_key: None,
            dead_letter: None,
        }
    }

    /// When it is tried next, while waiting or retrying.
    pub fn next_attempt(&self) -> Timestamp {
        self.held_until.map_or(self.due, |until| until.max(self.due))
    }
}

/// Who started an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trigger {
    /// The schedule, wire value 0.
    Scheduled,
    /// A person, wire value 1.
    Manual,
}

impl Outcome {
    /// Whether a request was made.
    pub fn was_sent(self) -> bool {
        !matches!(self, Outcome::Transform | Outcome::Dropped)
    }

    /// A word for scripts and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Status => "status",
            Outcome::TimedOut => "timedout",
            Outcome::Dns => "dns",
            Outcome::Connect => "connect",
            Outcome::Tls => "tls",
            Outcome::Broken => "broken",
            Outcome::Protocol => "protocol",
            Outcome::Blocked => "blocked",
            Outcome::Transform => "transform",
            Outcome::Dropped => "dropped",
            Outcome::Token => "token",
        }
    }
}

/// What a receiver asks for in the header `webhook-delivery` of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asks {
    /// `disable`: to be sent nothing any more, as by a 410.
    Disable,
    /// `abort-message`: not to be sent this message again.
    AbortMessage,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// A 2xx head was read.
    Delivered,
    /// Any other status, redirects included.
    Status,
    /// The delivery's time was up.
    TimedOut,
    /// The name has no address, or none could be looked up.
    Dns,
    /// The connection was refused or could not be made.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke before an answer.
    Broken,
    /// What came back is not HTTP/1.x or breaks its limits.
    Protocol,
    /// The address guard refused.
    Blocked,
    /// The endpoint's transformation failed: nothing was sent.
    Transform,
    /// The endpoint's transformation dropped it: nothing is to be sent.
    Dropped,
    /// No access token was given for it: nothing was sent.
    Token,
}

/// One HTTP request of a delivery, as lists show it; headers and body stand in its content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// Names it; its time is when the attempt ended up in the store.
    pub id: AttemptId,
    /// Whose attempt.
    pub delivery: DeliveryId,
    /// Who started it.
    pub trigger: Trigger,
    /// When the request began.
    pub started_at: Timestamp,
    /// Milliseconds from begin to the end of the answer or the failure.
    pub duration_ms: u32,
    /// The status read, 0 when none was.
    pub status_code: u16,
    /// How it ended.
    pub outcome: Outcome,
}

impl Attempt {
    /// How it ended, as a tenant is told it: where no connection was made, not why, for that would
    /// map the network that relay stands in.
    pub fn outcome_told(&self) -> Outcome {
        match self.outcome {
            Outcome::Blocked | Outcome::Dns => Outcome::Connect,
            Outcome::TimedOut if self.duration_ms == 0 => Outcome::Connect,
            told => told,
        }
    }
}

/// What was sent and what came back.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AttemptContent {
    /// Where it was sent.
    pub url: String,
    /// The request's headers in order, secrets of the caller's own headers included.
    pub request_headers: Vec<(String, String)>,
    /// The answer's headers in order.
    pub response_headers: Vec<(String, String)>,
    /// The first bytes of the answer, at most `delivery.response_limit`; an error text when there
    /// was no answer.
    pub response_body: Vec<u8>,
    /// What the transformation wrote to its console, a line each.
    pub console: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of state and input, and what comes of it.
    #[test]
    fn every_pair() {
        use State::{Cancelled, Delivered, Retrying, Sending, Waiting};
        let reasons = [
            DeadReason::Exhausted,
            DeadReason::Gone,
            DeadReason::Rejected,
            DeadReason::Blocked,
            DeadReason::Expired,
        ];
        let mut states = vec![Waiting, Sending, Delivered, Retrying, Cancelled];
        states.extend(reasons.map(State::Dead));
        let mut inputs = vec![
            Input::Lease,
            Input::Release { tried: false },
            Input::Release { tried: true },
            Input::Succeed,
            Input::Fail,
            Input::Cancel,
            Input::Requeue,
            Input::Purge,
        ];
        inputs.extend(reasons.map(Input::Die));
        let mut allowed = vec![
            (Waiting, Input::Lease, Sending),
            (Retrying, Input::Lease, Sending),
            (Sending, Input::Release { tried: false }, Waiting),
            (Sending, Input::Release { tried: true }, Retrying),
            (Sending, Input::Succeed, Delivered),
            (Sending, Input::Fail, Retrying),
            (Waiting, Input::Cancel, Cancelled),
            (Retrying, Input::Cancel, Cancelled),
            (Cancelled, Input::Requeue, Waiting),
            (Retrying, Input::Requeue, Waiting),
            (Waiting, Input::Die(DeadReason::Expired), State::Dead(DeadReason::Expired)),
            (Retrying, Input::Die(DeadReason::Expired), State::Dead(DeadReason::Expired)),
        ];
        for reason in reasons {
            allowed.push((Sending, Input::Die(reason), State::Dead(reason)));
            allowed.push((State::Dead(reason), Input::Requeue, Waiting));
            allowed.push((State::Dead(reason), Input::Purge, Cancelled));
        }
        for state in &states {
            for input in &inputs {
                let expected = allowed
                    .iter()
                    .find(|(from, with, _)| from == state && with == input)
                    .map(|(_, _, to)| *to);
                assert_eq!(transition(*state, *input).ok(), expected, "{state:?} {input:?}");
            }
        }
    }
}
