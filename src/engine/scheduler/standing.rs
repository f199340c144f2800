//! How lanes stand, for whoever looks at them: nothing here changes anything.

use super::Scheduler;
use super::lane::{Knowledge, Lane};
use super::words::Load;
use crate::domain::id::EndpointId;
use crate::domain::throttle::{Rate, Throttle};
use crate::domain::time::Timestamp;

/// Lanes that are named in one look at most.
const NAMED_MAX: usize = 1_000;

/// One lane at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneStanding {
    /// Whose.
    pub endpoint: EndpointId,
    /// Attempts under way.
    pub in_flight: usize,
    /// Attempts that may be under way at once at present.
    pub limit: usize,
    /// Since when it is parked, and when the next delivery may be sent to see: `None` while one is
    /// on its way.
    pub parked: Option<(Timestamp, Option<Timestamp>)>,
    /// Until when its receiver asked for nothing.
    pub rest_until: Option<Timestamp>,
    /// How fast it may be sent to at most, and when the next one may go.
    pub throttle: Option<(Rate, Timestamp)>,
    /// Whether something waits for its throttle, or for that of its application.
    pub throttled: bool,
    /// When the first of what waits was or is due.
    pub due: Option<Timestamp>,
}

/// All lanes at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// How much is in memory.
    pub load: Load,
    /// When what is due for longest was due, in the lanes of endpoints that take deliveries.
    pub oldest_due: Option<Timestamp>,
    /// Lanes that are parked, rest or wait for a throttle, the first thousand of each.
    pub held: Vec<LaneStanding>,
}

impl Scheduler {
    /// How the lane of an endpoint stands at `now`; `None` when it has none, for it had no work
    /// for long.
    pub fn lane_standing(&self, endpoint: EndpointId, now: Timestamp) -> Option<LaneStanding> {
        let lane = self.lanes.get(&endpoint).filter(|lane| !lane.deleted)?;
        Some(self.stands(endpoint, lane, now))
    }

    /// How all of them stand.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let mut standing = Standing { load: self.load(), ..Standing::default() };
        let (mut parked, mut resting, mut throttled) = (0, 0, 0);
        for (endpoint, lane) in self.lanes.iter().filter(|(_, lane)| lane.may_hold()) {
            let stands = self.stands(*endpoint, lane, now);
            let due = stands.due.filter(|due| *due <= now);
            standing.oldest_due = standing.oldest_due.into_iter().chain(due).min();
            let count = match stands {
                LaneStanding { parked: Some(_), .. } => &mut parked,
                LaneStanding { rest_until: Some(_), .. } => &mut resting,
                LaneStanding { throttled: true, .. } => &mut throttled,
                _ => continue,
            };
            *count += 1;
            if *count <= NAMED_MAX {
                standing.held.push(stands);
            }
        }
        standing
    }

    fn stands(&self, endpoint: EndpointId, lane: &Lane, now: Timestamp) -> LaneStanding {
        let facts = match &lane.knowledge {
            Knowledge::Facts(facts) => Some(facts),
            Knowledge::None | Knowledge::Asked => None,
        };
        let shared = facts.and_then(|facts| self.ring.throttle(facts.application));
        let due = lane.first_due();
        let waits = due.is_some_and(|due| due <= now);
        let later = |throttle: Throttle| throttle.next_at(now) > now;
        let own = facts.and_then(|facts| facts.rate()).zip(lane.throttle);
        LaneStanding {
            endpoint,
            in_flight: lane.in_flight,
            limit: lane.limit(),
            parked: lane
                .health
                .park()
                .map(|park| (park.since, Some(park.probe_at).filter(|_| park.probing.is_none()))),
            rest_until: Some(lane.rest_until).filter(|until| *until > now),
            throttle: own.map(|(rate, throttle)| (rate, throttle.next_at(now))),
            throttled: waits && lane.throttle.into_iter().chain(shared).any(later),
            due,
        }
    }
}
