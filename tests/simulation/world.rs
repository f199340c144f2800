//! One run: a clock, a queue of events, the scheduler under test and everything around it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use relay::domain::endpoint::Disabled;
use relay::domain::id::{EndpointId, MessageId, Stamp};
use relay::domain::message::Message;
use relay::domain::time::Timestamp;
use relay::engine::scheduler::{EndpointFacts, Finished, Input, Output, Scheduler};
use relay::store::{DuePage, Notice, Ready};

use crate::random::Random;
use crate::receiver::Receiver;
use crate::reference::{Broken, Reference, accounted, hold};
use crate::store::ModelStore;
use crate::swarm::Swarm;

const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);
const TRACE: usize = 80;

/// Something that will happen; all but [`Event::Operate`] and [`Event::Sync`] dies with the
/// process.
pub enum Event {
    Operate,
    Sync,
    Answer(Finished),
    Released(Ready),
    ReadPage { endpoint: EndpointId, until: Timestamp, limit: usize },
    Page { endpoint: EndpointId, page: DuePage },
    Look(EndpointId),
    Facts { endpoint: EndpointId, facts: Option<EndpointFacts> },
    Disable { endpoint: EndpointId, why: Disabled },
}

/// How often each thing happened, for a sign that the runs do what they are for.
pub type Tally = BTreeMap<&'static str, u64>;

/// Everything of one run.
pub struct World {
    pub random: Random,
    pub swarm: Swarm,
    pub now: Timestamp,
    pub store: ModelStore,
    pub receivers: BTreeMap<EndpointId, Receiver>,
    pub faults: bool,
    pub last_stamp: Stamp,
    pub steps: u64,
    pub scheduler: Scheduler,
    pub reference: Reference,
    acknowledged: BTreeMap<MessageId, Message>,
    unacknowledged: BTreeMap<MessageId, Message>,
    events: BTreeMap<(Timestamp, u64), Event>,
    number: u64,
    syncing: bool,
    pub stopping: bool,
    disturbed: Timestamp,
    pub tally: Tally,
    pub outputs: Vec<Output>,
    trace: Option<VecDeque<String>>,
}

impl World {
    pub fn new(seed: u64, traced: bool) -> World {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(&mut random);
        let scheduler = Scheduler::new(swarm.settings.clone(), random.next());
        World {
            random,
            swarm,
            now: START,
            store: ModelStore::default(),
            receivers: BTreeMap::new(),
            faults: true,
            last_stamp: Stamp::first_at(START),
            steps: 0,
            scheduler,
            reference: Reference::default(),
            acknowledged: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            events: BTreeMap::new(),
            number: 0,
            syncing: false,
            stopping: false,
            disturbed: START,
            tally: Tally::new(),
            outputs: Vec::new(),
            trace: traced.then(VecDeque::new),
        }
    }

    /// The last things that happened, if it was traced.
    pub fn trace(&self) -> String {
        self.trace.iter().flatten().map(|line| format!("{line}\n")).collect()
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACE {
                trace.pop_front();
            }
            let since = self.now.since(START).as_secs_f64();
            trace.push_back(format!("{since:>14.3} {}", line()));
        }
    }

    pub fn mint(&mut self) -> Stamp {
        self.last_stamp = self.last_stamp.next(self.now);
        self.last_stamp
    }

    pub fn after(&mut self, millis: u64, event: Event) {
        self.number += 1;
        self.events.insert((self.now + Duration::from_millis(millis), self.number), event);
    }

    /// Faults on for `steps` events, then off until all is quiet.
    pub fn run(&mut self, steps: u64) -> Result<(), Broken> {
        self.begin();
        for _ in 0..steps {
            self.next(true)?;
        }
        self.settle_down()
    }

    /// Lets one thing happen; false when nothing ever will.
    fn next(&mut self, outside: bool) -> Result<bool, Broken> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let wake = self.scheduler.next_wake();
        let Some(at) = event.into_iter().chain(wake).min() else { return Ok(false) };
        let tick = event != Some(at);
        self.steps += 1;
        self.now = self.now.max(at);
        if tick {
            self.note(|| "tick".to_owned());
            self.step(Input::Tick)?;
        } else if let Some((_, event)) = self.events.pop_first() {
            self.happen(event, outside)?;
        }
        self.reference.load(&self.swarm.settings, self.scheduler.load())?;
        if self.steps.is_multiple_of(50) && self.swarm.calm() && !self.stopping {
            let settings = &self.swarm.settings;
            self.reference.prompt(settings, &self.store, self.disturbed, self.now)?;
        }
        if self.steps.is_multiple_of(500) {
            accounted(&self.acknowledged, &self.store.current)?;
        }
        Ok(true)
    }

    fn happen(&mut self, event: Event, outside: bool) -> Result<(), Broken> {
        match event {
            Event::Operate if outside => {
                let pace = self.random.between(1, self.swarm.pace);
                self.after(pace, Event::Operate);
                self.operate()
            }
            Event::Operate => Ok(()),
            Event::Sync => self.sync(),
            Event::Answer(finished) => {
                self.note(|| format!("answer {finished:?}"));
                self.step_finished(finished)
            }
            Event::Released(ready) => {
                self.count("released");
                self.note(|| format!("released {:?}", ready.delivery()));
                self.reference.released(ready.delivery());
                self.step(Input::Released(ready))
            }
            Event::ReadPage { endpoint, until, limit } => {
                let page = self.store.due(endpoint, until, limit);
                let late = self.random.below(40);
                self.after(late, Event::Page { endpoint, page });
                Ok(())
            }
            Event::Page { endpoint, page } => {
                self.note(|| format!("page {endpoint:?} {} {:?}", page.ready.len(), page.next_due));
                self.step(Input::Fed { endpoint, page })
            }
            Event::Look(endpoint) => {
                let facts = self.store.facts(endpoint);
                self.after(0, Event::Facts { endpoint, facts });
                Ok(())
            }
            Event::Facts { endpoint, facts } => {
                self.note(|| format!("facts {endpoint:?} {facts:?}"));
                self.reference.told(endpoint, facts);
                self.step(Input::Facts { endpoint, facts })
            }
            Event::Disable { endpoint, why } => self.disable(endpoint, why),
        }
    }

    fn disable(&mut self, endpoint: EndpointId, why: Disabled) -> Result<(), Broken> {
        if self.faults && self.random.one_in(self.swarm.full_disk) {
            self.after(500, Event::Disable { endpoint, why });
        } else if let Some(row) = self.store.current.endpoints.get(&endpoint).copied() {
            self.note(|| format!("disable {endpoint:?} {why:?}"));
            self.store
                .put_endpoint(endpoint, crate::store::EndpointRow { disabled: Some(why), ..row });
            self.written();
        }
        Ok(())
    }

    /// Something was written: it is synced soon.
    pub fn written(&mut self) {
        if !self.syncing && self.store.unsynced() {
            self.syncing = true;
            let slow = self.faults && self.random.one_in(self.swarm.slow_sync);
            let late = if slow { 5_000 } else { self.random.between(1, 100) };
            self.after(late, Event::Sync);
        }
    }

    /// A message is accepted once its group is synced.
    pub fn accept(&mut self, message: Message) {
        self.note(|| format!("accept {:?} for {:?}", message.id, message.endpoints));
        self.unacknowledged.insert(message.id, message.clone());
        self.store.accept(message, self.now);
        self.written();
    }

    fn sync(&mut self) -> Result<(), Broken> {
        self.syncing = false;
        if self.faults && self.random.one_in(self.swarm.failed_sync) {
            return self.crash();
        }
        let synced = self.store.sync();
        for id in synced.accepted {
            if let Some(message) = self.unacknowledged.remove(&id) {
                self.acknowledged.insert(id, message);
            }
        }
        self.note(|| format!("synced, {} notices", synced.notices.len()));
        for notice in synced.notices {
            if let Notice::EndpointChanged(endpoint) | Notice::EndpointDeleted(endpoint) = &notice {
                self.disturbed = self.now;
                self.reference.changed(*endpoint);
            }
            if self.step_may_crash(Input::Notice(notice))? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The process dies and starts again, some time later by its own clock or the wall's.
    pub fn crash(&mut self) -> Result<(), Broken> {
        let kept = self.random.below(self.store.pending() as u64 + 1) as usize;
        self.count("crash");
        self.note(|| format!("crash, {kept} unsynced groups kept"));
        self.store.crash(kept);
        self.events.retain(|_, event| matches!(event, Event::Operate));
        self.unacknowledged.clear();
        let away = if self.swarm.jumps && self.random.one_in(2) { 86_400_000 } else { 5_000 };
        self.now = self.now + Duration::from_millis(self.random.between(1, away));
        accounted(&self.acknowledged, &self.store.current)?;
        self.syncing = false;
        self.stopping = false;
        self.disturbed = self.now;
        self.reference = Reference::default();
        self.scheduler = Scheduler::new(self.swarm.settings.clone(), self.random.next());
        let lanes = self.store.lanes();
        self.step(Input::Lanes(lanes))
    }

    /// A graceful stop; the process starts again when all has ended.
    pub fn stop(&mut self) -> Result<(), Broken> {
        self.note(|| "drain".to_owned());
        self.stopping = true;
        self.reference.drain();
        self.step(Input::Drain)
    }

    /// The stop has ended: what is written is synced, and the process starts again.
    pub fn drained(&mut self) -> Result<(), Broken> {
        self.count("drained");
        let still = self.reference.in_flight();
        hold(self.stopping && still == 0, || format!("drained with {still} in flight"))?;
        self.store.sync();
        self.unacknowledged.clear();
        self.crash()
    }

    /// I13: the faults stop, every endpoint is enabled, and all that waits ends in time.
    fn settle_down(&mut self) -> Result<(), Broken> {
        self.note(|| "faults off".to_owned());
        self.faults = false;
        self.enable_all();
        let stop = self.now;
        let rows = self.store.current.rows.len() as u64;
        for _ in 0..200_000 + 60 * rows {
            if !self.next(false)? {
                // An answer from before the faults stopped may have disabled one.
                if self.store.current.endpoints.values().all(|row| row.disabled.is_none()) {
                    return self.quiet(stop);
                }
                self.enable_all();
            }
        }
        Err("I13: it never comes to rest".to_owned())
    }

    fn quiet(&mut self, stop: Timestamp) -> Result<(), Broken> {
        accounted(&self.acknowledged, &self.store.current)?;
        hold(!self.store.unsynced(), || "something stays unsynced".to_owned())?;
        let load = self.scheduler.load();
        hold((load.queued, load.in_flight, load.unsettled) == (0, 0, 0), || format!("{load:?}"))?;
        for (id, row) in &self.store.current.rows {
            hold(row.next().is_none(), || format!("I13: {id:?} never ended: {row:?}"))?;
        }
        // The longest wait a retry may have, an hour of deliver_at, and a second each at 1/s.
        let longest = self.swarm.settings.retry.horizon(1).max(Duration::from_secs(86_400));
        let count = self.store.current.rows.len() as u64;
        let in_time = stop + longest + Duration::from_secs(3_600 + 60 + 2 * count);
        let now = self.now;
        hold(now <= in_time, || format!("I13: at rest only at {now}, faults stopped {stop}"))
    }

    /// How often each thing happened.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }
}
