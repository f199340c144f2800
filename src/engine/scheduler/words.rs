//! What the scheduler is told, what it asks for, and its limits.

use std::time::Duration;

use crate::config;
use crate::domain::delivery::{Asks, DeliveryId, LaneKey, Outcome, Trigger};
use crate::domain::delivery_settings::Batch;
use crate::domain::endpoint::Disabled;
use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::retry::RetryPolicy;
use crate::domain::throttle::Rate;
use crate::domain::time::Timestamp;
use crate::store::{DuePage, Notice, Ready, Verdict};

/// The limits the scheduler keeps; fixed while it runs.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// When failed deliveries are due again.
    pub retry: RetryPolicy,
    /// Deliveries in flight at once.
    pub threads: usize,
    /// Of these, how many only lanes with nothing in flight may take.
    pub reserve: usize,
    /// How many of `threads` the lanes that fail, time out or are slow share at most.
    pub strained_threads: usize,
    /// Distinct failed deliveries with no success between after which a lane is parked.
    pub park_after: usize,
    /// How long an endpoint fails before it is disabled.
    pub disable_after: Duration,
    /// After it a delivery not yet made is dead.
    pub expire_after: Option<Duration>,
    /// Deliveries of one lane that wait in memory.
    pub lane_memory: usize,
    /// Deliveries of all lanes that wait in memory.
    pub memory: usize,
    /// Results not yet confirmed by the store, beyond which nothing more is sent.
    pub unsettled: usize,
}

impl From<&config::Delivery> for Settings {
    fn from(delivery: &config::Delivery) -> Settings {
        let threads = delivery.threads.max(1);
        Settings {
            retry: RetryPolicy {
                schedule: delivery.retry_schedule.iter().map(|span| span.0).collect(),
                jitter: delivery.jitter,
            },
            threads,
            reserve: if threads < 4 { 0 } else { (threads / 16).max(1) },
            strained_threads: (threads / 2).max(1),
            park_after: usize::try_from(delivery.park_after).unwrap_or(usize::MAX).max(1),
            disable_after: delivery.disable_after.0,
            expire_after: delivery.expire_after.map(|span| span.0),
            lane_memory: 256,
            memory: 16_384,
            unsettled: 16_384,
        }
    }
}

/// What the scheduler needs to know of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointFacts {
    /// The tenant it belongs to.
    pub application: ApplicationId,
    /// Whether it takes deliveries.
    pub enabled: bool,
    /// Its deliveries a second.
    pub throttle_rate: Option<u16>,
    /// Deliveries a second over all endpoints of its application.
    pub application_throttle_rate: Option<u16>,
    /// Its deliveries at most, as its receiver allows them.
    pub allowed_rate: Option<Rate>,
    /// Its receiver is asked before it is sent anything, and has not answered yet: one delivery at
    /// a time.
    pub unasked: bool,
    /// Requests in flight at once at most.
    pub max_in_flight: Option<u16>,
    /// How deliveries are put together.
    pub batch: Option<Batch>,
}

impl EndpointFacts {
    /// How fast its deliveries may go.
    pub fn rate(&self) -> Option<Rate> {
        let throttle = self.throttle_rate.map(Rate::per_second);
        throttle.into_iter().chain(self.allowed_rate).min()
    }
}

/// How an attempt ended, without what it carried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// Whose attempt.
    pub delivery: DeliveryId,
    /// How it ended.
    pub outcome: Outcome,
    /// The status read, 0 when none was.
    pub status_code: u16,
    /// From the request's begin to the end of the answer or the failure.
    pub duration: Duration,
    /// The same with what came before it: a transformation, an access token.
    pub held: Duration,
    /// What the receiver asked for in `Retry-After`.
    pub retry_after: Option<Duration>,
    /// What the receiver asked for in `webhook-delivery`.
    pub asks: Option<Asks>,
    /// The delays between attempts, where the endpoint has its own.
    pub retry_schedule: Option<Vec<Duration>>,
    /// The endpoint has another URL since: of that this says nothing.
    pub moved: bool,
}

/// What the scheduler is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// Every endpoint with deliveries waiting and when the first is due: once, at start.
    Lanes(Vec<(EndpointId, Timestamp)>),
    /// Endpoints that fail, and since when none of their attempts succeeded: once, at start.
    Failing(Vec<(EndpointId, Timestamp)>),
    /// Something became durable.
    Notice(Notice),
    /// The answer to [`Output::Feed`].
    Fed {
        /// Whose deliveries.
        endpoint: EndpointId,
        /// What `store.due` gave.
        page: DuePage,
    },
    /// The answer to [`Output::Look`]; `None` when there is no such endpoint any more.
    Facts {
        /// Which endpoint.
        endpoint: EndpointId,
        /// What it is like now.
        facts: Option<EndpointFacts>,
    },
    /// An endpoint has answered how fast it may be sent to.
    Allowed {
        /// Which endpoint.
        endpoint: EndpointId,
        /// At most; as fast as it can be when unset.
        rate: Option<Rate>,
    },
    /// A sender is done with a delivery: answered by one [`Output::Settle`] in the same step.
    Finished(Finished),
    /// A sender is done with all that it got together: answered by one [`Output::Settle`] each.
    FinishedTogether(Vec<Finished>),
    /// A sender gives a delivery back unsent.
    Released(Ready),
    /// A sender gives back what it got together.
    ReleasedTogether(Vec<Ready>),
    /// The time that [`super::Scheduler::next_wake`] gave has come.
    Tick,
    /// Send nothing more; [`Output::Drained`] follows when nothing is in flight.
    Drain,
}

/// What the scheduler asks for, to be done in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Make an attempt, started by `trigger` of what it carries; answered by [`Input::Finished`]
    /// or [`Input::Released`].
    Send(Ready),
    /// Make one attempt for all of these, which are of one endpoint; answered by
    /// [`Input::FinishedTogether`] or [`Input::ReleasedTogether`].
    SendTogether(Vec<Ready>),
    /// Record the attempt that has just finished; answered by [`Notice::Settled`].
    Settle {
        /// Whose attempt.
        delivery: DeliveryId,
        /// Who started it.
        trigger: Trigger,
        /// What becomes of the delivery.
        verdict: Verdict,
    },
    /// Record that its time ran out before an attempt; answered by [`Notice::Settled`].
    Expire(DeliveryId),
    /// Read `store.due`; answered by [`Input::Fed`].
    Feed {
        /// Whose deliveries.
        endpoint: EndpointId,
        /// Due by this time.
        until: Timestamp,
        /// At most so many.
        limit: usize,
        /// What is in memory already, in order.
        held: Vec<LaneKey>,
    },
    /// Look the endpoint up; answered by [`Input::Facts`].
    Look(EndpointId),
    /// Disable the endpoint, and try again until that is written; [`Notice::EndpointChanged`]
    /// follows. Until then its lane stands still.
    Disable {
        /// Which endpoint.
        endpoint: EndpointId,
        /// Why.
        why: Disabled,
    },
    /// Nothing is in flight and nothing will be: once, after [`Input::Drain`].
    Drained,
}

/// A lane that is parked, or in which something is due for longer than was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LateLane {
    /// Whose.
    pub endpoint: EndpointId,
    /// Since when it is parked, if it is.
    pub parked_since: Option<Timestamp>,
    /// When the first of what waits was due.
    pub due: Option<Timestamp>,
}

/// How much is in memory, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Lanes known.
    pub lanes: usize,
    /// Lanes parked.
    pub parked: usize,
    /// Deliveries that wait in memory, rows asked for included.
    pub queued: usize,
    /// Deliveries with a sender.
    pub in_flight: usize,
    /// Results not yet confirmed by the store.
    pub unsettled: usize,
}
