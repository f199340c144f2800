//! What must hold, kept beside the scheduler in plain maps and computed on its own.
//!
//! The names I2 … I13 are the invariants that `docs/delivery.md` promises: I2 every delivery
//! counted once, I4 delivered only after a 2xx, I5 no send after success, I6 one attempt at a
//! time, I7 never before its time, I9 in order where one is kept, I10 bounded, I13 everything
//! ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use relay::domain::delivery::{DeadReason, DeliveryId, Outcome, Trigger};
use relay::domain::id::{ApplicationId, EndpointId};
use relay::domain::time::Timestamp;
use relay::engine::scheduler::{EndpointFacts, Finished, Load, Settings};
use relay::store::{Ready, Verdict};

use crate::model::Model;

/// How late a delivery may start that nothing keeps back.
const PROMPT: Duration = Duration::from_secs(1);

/// A broken promise, in words.
pub type Broken = String;

/// Refuses when a promise does not hold.
pub fn hold(holds: bool, words: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(words()) }
}

/// What the receiver of an endpoint went through since the start.
#[derive(Default)]
struct Endpoint {
    facts: Option<EndpointFacts>,
    failed: BTreeSet<DeliveryId>,
    parked_at: Option<Timestamp>,
    probing: bool,
    sent: VecDeque<Timestamp>,
    last_sent: Timestamp,
}

/// What one process has seen; a crash begins it anew.
#[derive(Default)]
pub struct Reference {
    flights: BTreeMap<DeliveryId, (Trigger, u16)>,
    endpoints: BTreeMap<EndpointId, Endpoint>,
    applications: BTreeMap<ApplicationId, VecDeque<Timestamp>>,
    /// Changed on disk, and the scheduler has not come to the notice yet.
    changing: BTreeSet<EndpointId>,
    draining: bool,
}

impl Reference {
    /// For the next process. How fast a receiver may be sent to holds over a crash, by a clock that
    /// goes on.
    pub fn restarted(self) -> Reference {
        let kept = self.endpoints.into_iter().map(|(id, Endpoint { facts, sent, .. })| {
            (id, Endpoint { facts, sent, ..Endpoint::default() })
        });
        let (endpoints, applications) = (kept.collect(), self.applications);
        Reference { endpoints, applications, ..Reference::default() }
    }

    pub fn told(&mut self, endpoint: EndpointId, facts: Option<EndpointFacts>) {
        let known = self.endpoints.entry(endpoint).or_default();
        if known.facts.map(|facts| facts.throttle_rate) != facts.map(|facts| facts.throttle_rate) {
            known.sent.clear();
        }
        known.facts = facts;
    }

    /// The endpoint changed behind what the scheduler is told of first: an order that it has now
    /// does not count for that.
    pub fn changing(&mut self, endpoint: EndpointId) {
        self.changing.insert(endpoint);
    }

    /// The store has said that the endpoint changed: nothing may go out before a look at it.
    pub fn changed(&mut self, endpoint: EndpointId) {
        self.changing.remove(&endpoint);
        let known = self.endpoints.entry(endpoint).or_default();
        known.facts = None;
        if known.parked_at.is_some() {
            known.parked_at = Some(Timestamp::default());
        }
    }

    pub fn drain(&mut self) {
        self.draining = true;
    }

    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Checks an attempt before it starts.
    pub fn send(
        &mut self,
        settings: &Settings,
        model: &Model,
        ready: &Ready,
        now: Timestamp,
    ) -> Result<(), Broken> {
        let id = ready.delivery();
        hold(!self.draining, || format!("sent {id:?} while draining"))?;
        let flight = self.flights.insert(id, (ready.trigger, ready.attempts));
        hold(flight.is_none(), || format!("I6: two attempts of {id:?} at once"))?;
        hold(self.flights.len() <= settings.threads, || "I10: too many in flight".to_owned())?;
        hold(model.settling(id).is_none(), || format!("I5: {id:?} is sent before it is settled"))?;
        if let Some(row) = model.durable.rows.get(&id) {
            match ready.trigger {
                Trigger::Manual => hold(row.asked.is_some(), || format!("nobody asked for {id:?}")),
                Trigger::Scheduled => {
                    hold(row.waits(), || format!("I5: {id:?} is {:?} and was sent", row.state))?;
                    let before = model.before(id);
                    let before = before.filter(|_| !self.changing.contains(&id.endpoint));
                    hold(before.is_none(), || format!("I9: {id:?} goes before {before:?}"))?;
                    hold(row.due <= now, || format!("I7: {id:?} is due {}, now {now}", row.due))?;
                    hold(row.attempts == ready.attempts, || {
                        format!("I7: attempt {} of {id:?} is not dense", ready.attempts)
                    })
                }
            }?;
            let expires = settings.expire_after.filter(|_| ready.trigger == Trigger::Scheduled);
            let message = &ready.message.message;
            let accepted = message.deliver_at.unwrap_or(id.message.time()).max(id.message.time());
            let since = if row.attempts == 0 { accepted.max(row.due) } else { accepted };
            hold(expires.is_none_or(|after| now < since + after), || format!("{id:?} is expired"))?;
        }
        self.send_to(ready, now)
    }

    fn send_to(&mut self, ready: &Ready, now: Timestamp) -> Result<(), Broken> {
        let endpoint = self.endpoints.entry(ready.endpoint).or_default();
        let Some(facts) = endpoint.facts.filter(|facts| facts.enabled) else {
            return Err(format!("sent to {:?}, which is not enabled", ready.endpoint));
        };
        endpoint.last_sent = now;
        if let Some(rate) = facts.throttle_rate {
            paced(&mut endpoint.sent, rate, now)?;
        }
        if let Some(rate) = facts.application_throttle_rate {
            paced(self.applications.entry(facts.application).or_default(), rate, now)?;
        }
        if let Some(parked_at) = endpoint.parked_at.filter(|_| ready.trigger == Trigger::Scheduled)
        {
            let id = ready.delivery();
            hold(!endpoint.probing, || format!("second probe {id:?} at once"))?;
            let patient = now.since(parked_at) >= Duration::from_secs(5);
            hold(patient, || format!("probe {id:?} too early at {now}, parked {parked_at}"))?;
            endpoint.probing = true;
        }
        Ok(())
    }

    /// A delivery ended before its attempt: the lane moves all the same.
    pub fn expired(&mut self, id: DeliveryId, now: Timestamp) {
        self.endpoints.entry(id.endpoint).or_default().last_sent = now;
    }

    /// A delivery came back unsent.
    pub fn released(&mut self, id: DeliveryId) {
        let flight = self.flights.remove(&id);
        if let Some(endpoint) = self.endpoints.get_mut(&id.endpoint) {
            endpoint.probing &= !matches!(flight, Some((Trigger::Scheduled, _)));
        }
    }

    /// Checks the verdict on an attempt that has just ended.
    pub fn settle(
        &mut self,
        settings: &Settings,
        finished: &Finished,
        (trigger, verdict): (Trigger, Verdict),
        now: Timestamp,
    ) -> Result<(), Broken> {
        let id = finished.delivery;
        let Some((sent_as, attempts)) = self.flights.remove(&id) else {
            return Err(format!("{id:?} was settled without an attempt"));
        };
        hold(sent_as == trigger, || format!("{id:?} was {sent_as:?}, settled as {trigger:?}"))?;
        self.watch(settings, finished, trigger, now);
        let well = finished.outcome == Outcome::Delivered;
        let failed = usize::from(attempts) + 1;
        let last = failed > settings.retry.schedule.len();
        let fits = match verdict {
            Verdict::Delivered => well,
            _ if well => false,
            Verdict::Unchanged => trigger == Trigger::Manual,
            Verdict::Dropped => finished.outcome == Outcome::Dropped,
            _ if trigger == Trigger::Manual => false,
            Verdict::Dead(DeadReason::Gone) => finished.status_code == 410,
            _ if finished.status_code == 410 => false,
            Verdict::Dead(DeadReason::Blocked) => last && finished.outcome == Outcome::Blocked,
            Verdict::Dead(DeadReason::Exhausted) => last && finished.outcome != Outcome::Blocked,
            Verdict::Dead(_) => false,
            Verdict::RetryAt(_) => !last,
        };
        hold(fits, || format!("I4: {verdict:?} after {finished:?}, failure {failed}"))?;
        let Verdict::RetryAt(at) = verdict else { return Ok(()) };
        let rest = &settings.retry.schedule[failed - 1..];
        let jitter = settings.retry.jitter;
        let seconds = rest[0].as_secs_f64();
        let waited = at.since(now).as_secs_f64() + 0.002;
        hold(waited >= seconds * (1.0 - jitter), || {
            format!("I7: {id:?} waits {waited} s instead of {seconds} s less jitter")
        })?;
        let asked = finished.retry_after.filter(|_| matches!(finished.status_code, 429 | 503));
        let horizon: f64 = rest.iter().map(|delay| delay.as_secs_f64() * (1.0 + jitter)).sum();
        let asked =
            asked.map_or(0.0, |asked| asked.as_secs_f64().clamp(1.0, 86_400.0).min(horizon));
        hold(waited >= asked, || format!("{id:?} waits {waited} s, asked for {asked} s"))?;
        hold(waited <= asked.max(seconds * (1.0 + jitter)) + 0.01, || {
            format!("I13: {id:?} waits {waited} s instead of {seconds} s or {asked} s")
        })
    }

    /// Follows how a receiver does, as the rule of parking reads.
    fn watch(
        &mut self,
        settings: &Settings,
        finished: &Finished,
        trigger: Trigger,
        now: Timestamp,
    ) {
        let endpoint = self.endpoints.entry(finished.delivery.endpoint).or_default();
        if trigger == Trigger::Scheduled && endpoint.probing {
            endpoint.probing = false;
        }
        let down = match finished.outcome {
            Outcome::Delivered => {
                endpoint.failed.clear();
                endpoint.parked_at = None;
                return;
            }
            Outcome::Status => finished.status_code == 429 || finished.status_code >= 500,
            _ => true,
        };
        if down && endpoint.parked_at.is_none() {
            endpoint.failed.insert(finished.delivery);
            if endpoint.failed.len() >= settings.park_after {
                endpoint.failed.clear();
                endpoint.parked_at = Some(now);
                endpoint.probing = false;
            }
        }
    }

    /// I12: with a thread free, a lane that has something due sends within a second.
    pub fn prompt(
        &self,
        settings: &Settings,
        model: &Model,
        disturbed: Timestamp,
        now: Timestamp,
    ) -> Result<(), Broken> {
        if self.flights.len() >= settings.threads - settings.reserve {
            return Ok(());
        }
        for (id, row) in &model.durable.rows {
            let (endpoint, due) = (id.endpoint, row.due);
            if !row.waits() || due > now || model.settling(*id).is_some() {
                continue;
            }
            let known = self.endpoints.get(&endpoint);
            let open = known.and_then(|known| known.facts).is_none_or(|facts| facts.enabled)
                && model.durable.facts(endpoint).is_some_and(|facts| facts.enabled);
            let busy = self.flights.keys().any(|id| id.endpoint == endpoint);
            let last_sent = known.map_or(disturbed, |known| known.last_sent.max(disturbed));
            let overdue = now.since(due.max(last_sent)) > PROMPT;
            hold(!open || busy || !overdue, || format!("I12: {endpoint:?} is due since {due}"))?;
        }
        Ok(())
    }

    /// What the scheduler says of its memory, against its limits.
    pub fn load(&self, settings: &Settings, load: Load) -> Result<(), Broken> {
        hold(load.queued <= settings.memory, || format!("I10: {load:?}"))?;
        let unsettled = settings.unsettled + settings.threads;
        hold(load.unsettled <= unsettled, || format!("I10: {load:?}"))?;
        hold(load.in_flight == self.flights.len(), || {
            format!("{load:?}, but {} are in flight", self.flights.len())
        })
    }
}

/// No second carries more than the rate and a tenth of it.
fn paced(sent: &mut VecDeque<Timestamp>, rate: u16, now: Timestamp) -> Result<(), Broken> {
    sent.push_back(now);
    while sent.front().is_some_and(|at| now.since(*at).as_millis() >= 1_000) {
        sent.pop_front();
    }
    let most = usize::from(rate) + usize::from(rate / 10).max(1);
    hold(sent.len() <= most, || format!("{rate}/s is exceeded"))
}
