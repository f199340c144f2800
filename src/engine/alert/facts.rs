//! What a look finds: which troubles are there, and which are over.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::tally::{Count, Dead, Requests, Tally, Window};
use crate::config::alert::{DeclaredAlert, ManyRefused};
use crate::config::units::{Size, Span};
use crate::domain::alert::{Condition, Seen, Subject};
use crate::domain::endpoint::Disabled;
use crate::domain::id::{EndpointId, SourceId};
use crate::domain::time::Timestamp;
use crate::engine::driver::Handle;
use crate::engine::scheduler::LateLane;
use crate::store::Store;

/// How long the scheduler may take to answer; without an answer nothing is said of lanes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A trouble that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    pub condition: Condition,
    pub subject: Subject,
    pub since: Timestamp,
    pub detail: String,
}

/// Looks at everything; remembers only what it has to count.
pub(super) struct Watch {
    store: Store,
    scheduler: Handle,
    tally: Arc<Tally>,
    min_free: u64,
    started: Timestamp,
    dead: BTreeMap<Duration, Window<Option<EndpointId>>>,
    requests: BTreeMap<Duration, Window<SourceId>>,
}

/// The windows that are wanted: those that there were, and new ones.
fn windows<K: Copy + Eq + Hash>(
    mut held: BTreeMap<Duration, Window<K>>,
    wanted: impl Iterator<Item = Duration>,
) -> BTreeMap<Duration, Window<K>> {
    let kept = |within| (within, held.remove(&within).unwrap_or_else(|| Window::new(within)));
    // Two alerts may want the same one.
    wanted.collect::<BTreeSet<_>>().into_iter().map(kept).collect()
}

/// What was seen at one moment.
pub(super) struct Facts {
    pub store: Store,
    now: Timestamp,
    started: Timestamp,
    failing: HashMap<EndpointId, Timestamp>,
    /// Endpoints that relay disabled, why and when.
    stopped: HashMap<EndpointId, (Disabled, Timestamp)>,
    late: Option<HashMap<EndpointId, LateLane>>,
    dead: BTreeMap<Duration, Dead>,
    requests: BTreeMap<Duration, Requests>,
    refusal: Option<String>,
    free: Option<u64>,
    /// Free bytes at which nothing is accepted any more.
    needed: u64,
}

impl Watch {
    /// Has counted nothing yet; `min_free` is `data.min_free`.
    pub fn new(
        store: Store,
        scheduler: Handle,
        tally: Arc<Tally>,
        min_free: u64,
        alerts: &[DeclaredAlert],
    ) -> Watch {
        let (dead, requests) = (BTreeMap::new(), BTreeMap::new());
        let started = store.now();
        let mut watch = Watch { store, scheduler, tally, min_free, started, dead, requests };
        watch.change(alerts);
        watch
    }

    /// Counts for these alerts from now on; what it has counted for one that stays it keeps.
    pub fn change(&mut self, alerts: &[DeclaredAlert]) {
        let dead = alerts.iter().map(|alert| alert.dead_letters.within.0);
        self.dead = windows(std::mem::take(&mut self.dead), dead);
        let requests = alerts.iter().map(|alert| alert.source_refusing.within.0);
        self.requests = windows(std::mem::take(&mut self.requests), requests);
    }

    /// What was counted while nobody looked is nothing new.
    pub fn forget(&self) {
        self.tally.forget();
    }

    /// Looks once, for all alerts.
    pub fn look(&mut self, alerts: &[DeclaredAlert]) -> Facts {
        let now = self.store.now();
        let (dead, requests) = self.tally.take();
        self.dead.values_mut().for_each(|window| window.add(now, &dead));
        self.requests.values_mut().for_each(|window| window.add(now, &requests));
        // From half of that age on what is due keeps an alert from being over.
        let youngest = alerts.iter().map(|alert| alert.backlog_age.after.0 / 2).min();
        let late = self.scheduler.late(now - youngest.unwrap_or_default(), PATIENCE);
        let stopped = self.store.stopped_endpoints().into_iter();
        let stopped = stopped.filter_map(|(_, endpoint)| {
            Some((endpoint.id, (endpoint.disabled?, endpoint.updated_at)))
        });
        Facts {
            now,
            started: self.started,
            failing: self.store.failing().into_iter().collect(),
            stopped: stopped.collect(),
            late: late.map(|lanes| lanes.into_iter().map(|lane| (lane.endpoint, lane)).collect()),
            dead: self.dead.iter().map(|(within, window)| (*within, window.totals())).collect(),
            requests: self.requests.iter().map(|(within, one)| (*within, one.totals())).collect(),
            refusal: self.store.refuses(),
            free: self.store.free_bytes().ok(),
            needed: self.min_free.saturating_add(self.store.ballast_lacking()),
            store: self.store.clone(),
        }
    }
}

impl Facts {
    /// What one alert has to tell of, if it did not yet.
    pub fn wrong(&self, alert: &DeclaredAlert) -> Vec<Wrong> {
        let found = alert.on.iter().flat_map(|condition| match condition {
            Condition::EndpointFailing => self.failing(alert.endpoint_failing.after),
            Condition::EndpointParked => self.parked(alert.endpoint_parked.after),
            Condition::EndpointDisabled => self.disabled(),
            Condition::DeadLetters => self.dead_letters(alert).into_iter().collect(),
            Condition::BacklogAge => self.backlog(alert.backlog_age.after),
            Condition::DiskLow => self.disk(alert.disk_low.margin).into_iter().collect(),
            Condition::SourceRefusing => self.refusing(&alert.source_refusing),
        });
        found.collect()
    }

    /// What is to be said of a trouble that was not found: some have to be well for a while, or by
    /// a margin, so that nobody is told of every wave.
    pub fn seen(&self, alert: &DeclaredAlert, condition: Condition, subject: Subject) -> Seen {
        let well = match (condition, subject) {
            (Condition::EndpointFailing, Subject::Endpoint(id)) => Some(self.is_well(id)),
            (Condition::EndpointParked, Subject::Endpoint(id)) => {
                // A restart forgets that a lane was parked, and not that its endpoint fails.
                let lane = self.late.as_ref().map(|late| late.get(&id));
                let parked = lane.map(|lane| lane.is_some_and(|lane| lane.parked_since.is_some()));
                parked.map(|parked| !parked && self.is_well(id))
            }
            (Condition::EndpointDisabled, Subject::Endpoint(id)) => {
                Some(!self.stopped.contains_key(&id))
            }
            (Condition::BacklogAge, Subject::Endpoint(id)) => {
                self.is_caught_up(id, alert.backlog_age.after)
            }
            (Condition::DeadLetters, _) => {
                let many = &alert.dead_letters;
                let few = self.dead(many.within).saturating_mul(2) <= many.count;
                Some(few && self.has_counted(many.within))
            }
            (Condition::DiskLow, _) => {
                let margin = alert.disk_low.margin.0;
                let enough = self.needed.saturating_add(margin).saturating_add(margin / 4);
                self.free.map(|free| self.refusal.is_none() && free >= enough)
            }
            (Condition::SourceRefusing, Subject::Source(id)) => {
                let many = &alert.source_refusing;
                let count = self.requests_of(many.within, id);
                let share = count.wrong as f64 <= count.came as f64 * many.share;
                let few = share && count.wrong.saturating_mul(2) <= many.count;
                Some(few && self.has_counted(many.within))
            }
            // No condition has another subject.
            _ => Some(true),
        };
        if well == Some(true) { Seen::Well } else { Seen::Open }
    }

    fn for_longer(&self, since: Timestamp, after: Span) -> bool {
        self.now.since(since) >= after.0
    }

    /// Counts begin anew at a start: that there are few means little before their time is full.
    fn has_counted(&self, within: Span) -> bool {
        self.now.since(self.started) >= within.0
    }

    fn is_well(&self, id: EndpointId) -> bool {
        !self.failing.contains_key(&id) && !self.stopped.contains_key(&id)
    }

    fn failing(&self, after: Span) -> Vec<Wrong> {
        let long = self.failing.iter().filter(|(_, since)| self.for_longer(**since, after));
        long.map(|(id, since)| endpoint(Condition::EndpointFailing, *id, *since, "")).collect()
    }

    fn parked(&self, after: Span) -> Vec<Wrong> {
        let lanes = self.late.iter().flat_map(HashMap::values);
        let parked = lanes.filter_map(|lane| Some((lane.endpoint, lane.parked_since?)));
        let long = parked.filter(|(_, since)| self.for_longer(*since, after));
        long.map(|(id, since)| endpoint(Condition::EndpointParked, id, since, "")).collect()
    }

    fn disabled(&self) -> Vec<Wrong> {
        let stopped = self.stopped.iter().map(|(id, (why, at))| {
            let detail = match why {
                Disabled::Gone => "it answered 410 Gone",
                _ => "it failed for longer than delivery.disable_after",
            };
            endpoint(Condition::EndpointDisabled, *id, *at, detail)
        });
        stopped.collect()
    }

    /// Of endpoints that are down others tell, and what waits for one that takes nothing is meant
    /// to.
    fn backlog(&self, after: Span) -> Vec<Wrong> {
        let lanes = self.late.iter().flat_map(HashMap::values);
        let moving = lanes.filter(|lane| lane.parked_since.is_none());
        let late = moving.filter_map(|lane| Some((lane.endpoint, lane.due?)));
        let late = late.filter(|(id, due)| self.for_longer(*due, after) && self.is_open(*id));
        late.map(|(id, due)| endpoint(Condition::BacklogAge, id, due, "")).collect()
    }

    fn is_open(&self, id: EndpointId) -> bool {
        self.store.endpoint_by_id(id).is_some_and(|(_, endpoint)| endpoint.disabled.is_none())
    }

    fn is_caught_up(&self, id: EndpointId, after: Span) -> Option<bool> {
        let due = self.late.as_ref()?.get(&id).and_then(|lane| lane.due);
        Some(due.is_none_or(|due| self.now.since(due) < after.0 / 2))
    }

    fn dead(&self, within: Span) -> u64 {
        let dead = self.dead.get(&within.0).into_iter().flatten();
        dead.map(|(_, count)| count.wrong).sum()
    }

    fn dead_letters(&self, alert: &DeclaredAlert) -> Option<Wrong> {
        let many = &alert.dead_letters;
        let (all, within) = (self.dead(many.within), many.within);
        if all < many.count {
            return None;
        }
        let by_endpoint = self.dead.get(&within.0)?.iter();
        let named = by_endpoint.filter_map(|(id, count)| Some(((*id)?, count.wrong)));
        let most = named.max_by_key(|(id, count)| (*count, *id)).and_then(|(id, count)| {
            let (application, _) = self.store.endpoint_by_id(id)?;
            let ids = self.store.ids();
            let (id, application) = (ids.text(id), ids.text(application.id));
            Some(format!(", {count} of them of endpoint {id} of application {application}"))
        });
        let most = most.unwrap_or_default();
        let detail = format!("{all} deliveries became dead letters within {within}{most}");
        let subject = Subject::Relay;
        Some(Wrong { condition: Condition::DeadLetters, subject, since: self.now, detail })
    }

    fn disk(&self, margin: Size) -> Option<Wrong> {
        let near = || {
            let free = self.free?;
            let short = free < self.needed.saturating_add(margin.0);
            let (free, needed) = (mebibytes(free), mebibytes(self.needed));
            let words = "are free on the disk; nothing more is accepted below";
            short.then(|| format!("{free} {words} {needed}"))
        };
        let refused = self.refusal.as_ref().map(|why| format!("nothing is accepted: {why}"));
        let detail = refused.or_else(near)?;
        let subject = Subject::Relay;
        Some(Wrong { condition: Condition::DiskLow, subject, since: self.now, detail })
    }

    fn requests_of(&self, within: Span, id: SourceId) -> Count {
        let found = self.requests.get(&within.0).and_then(|requests| requests.get(&id));
        found.copied().unwrap_or_default()
    }

    fn refusing(&self, many: &ManyRefused) -> Vec<Wrong> {
        let requests = self.requests.get(&many.within.0).into_iter().flatten();
        let refusing =
            requests.filter(|(_, count)| count.wrong >= many.count || is_most(**count, many));
        let wrong = refusing.map(|(id, count)| Wrong {
            condition: Condition::SourceRefusing,
            subject: Subject::Source(*id),
            since: self.now,
            detail: format!(
                "{} of {} requests were refused within {}",
                count.wrong, count.came, many.within
            ),
        });
        wrong.collect()
    }
}

fn endpoint(condition: Condition, id: EndpointId, since: Timestamp, detail: &str) -> Wrong {
    Wrong { condition, subject: Subject::Endpoint(id), since, detail: detail.to_owned() }
}

/// Without the bytes that nobody reads.
fn mebibytes(bytes: u64) -> Size {
    Size(bytes >> 20 << 20)
}

/// Whether more than the share of what came was refused, if enough came to say so.
fn is_most(count: Count, many: &ManyRefused) -> bool {
    count.came >= many.least && count.wrong as f64 > count.came as f64 * many.share
}
