//! One run: a clock, a queue of events, scheduler and store under test and everything around them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use relay::domain::application::Application;
use relay::domain::delivery::{DeliveryId, LaneKey};
use relay::domain::endpoint::Disabled;
use relay::domain::id::{ApplicationId, EndpointId, MessageId};
use relay::domain::time::Timestamp;
use relay::engine::scheduler::{EndpointFacts, Finished, Input, Output, Scheduler};
use relay::store::{Author, DuePage, Ready, Reply, Settlement};

use crate::machine::{Machine, Process, START};
use crate::model::{Model, Pending, Write};
use crate::random::Random;
use crate::receiver::Receiver;
use crate::reference::{Broken, Reference, hold};
use crate::swarm::Swarm;

const TRACE: usize = 120;
/// What nobody waits for is on disk this many milliseconds after the writer took it.
const QUIET: u64 = 100;

/// The store looks again for space after a second, at its next write.
const FULL_AGAIN: Duration = Duration::from_millis(6_200);

/// Something that will happen; all but [`Event::Operate`] dies with the process.
pub enum Event {
    Operate,
    /// The apply thread has its turn.
    Apply,
    Answer(Finished),
    Released(Ready),
    ReadPage {
        endpoint: EndpointId,
        until: Timestamp,
        limit: usize,
        held: Vec<LaneKey>,
    },
    Page {
        endpoint: EndpointId,
        page: DuePage,
    },
    Look(EndpointId),
    Facts {
        endpoint: EndpointId,
        facts: Option<EndpointFacts>,
    },
    Disable {
        endpoint: EndpointId,
        why: Disabled,
    },
}

/// How often each thing happened, for a sign that the runs do what they are for.
pub type Tally = BTreeMap<&'static str, u64>;

/// Everything of one run.
pub struct World {
    pub random: Random,
    pub swarm: Swarm,
    pub now: Timestamp,
    pub machine: Machine,
    pub process: Process,
    pub model: Model,
    pub applications: Vec<ApplicationId>,
    pub receivers: BTreeMap<EndpointId, Receiver>,
    pub faults: bool,
    pub full: bool,
    pub was_full: Timestamp,
    pub steps: u64,
    pub scheduler: Scheduler,
    pub reference: Reference,
    pub flights: BTreeMap<DeliveryId, (Ready, Timestamp)>,
    pub events: BTreeMap<(Timestamp, u64), Event>,
    number: u64,
    /// When the writer has its next turn.
    pub write_at: Option<Timestamp>,
    pub stopping: bool,
    /// A segment is being emptied: not two at once.
    pub reclaiming: bool,
    pub disturbed: Timestamp,
    pub newest: MessageId,
    pub over: bool,
    pub tally: Tally,
    pub outputs: Vec<Output>,
    trace: Option<VecDeque<String>>,
}

impl World {
    pub fn new(seed: u64, traced: bool) -> World {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(&mut random);
        let scheduler = Scheduler::new(swarm.settings.clone(), random.next());
        let machine = Machine::new(&mut random, swarm.segment_size);
        let process = machine.start(false).expect("a new folder opens");
        World {
            random,
            swarm,
            now: START,
            machine,
            process,
            model: Model::default(),
            applications: Vec::new(),
            receivers: BTreeMap::new(),
            faults: true,
            full: false,
            was_full: Timestamp::default(),
            steps: 0,
            scheduler,
            reference: Reference::default(),
            flights: BTreeMap::new(),
            events: BTreeMap::new(),
            number: 0,
            write_at: None,
            stopping: false,
            reclaiming: false,
            disturbed: START,
            newest: MessageId::new(Default::default()),
            over: false,
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

    pub fn after(&mut self, millis: u64, event: Event) {
        self.number += 1;
        self.events.insert((self.now + Duration::from_millis(millis), self.number), event);
    }

    /// The applications, the first endpoints, and the first operation.
    fn begin(&mut self) -> Result<(), Broken> {
        for number in 0..self.swarm.applications {
            let throttle_rate = self.swarm.application_throttle;
            let made = self.process.store.write_blocking(None, move |transaction| {
                let now = transaction.now();
                let application = Application {
                    id: ApplicationId::new(transaction.mint()),
                    uid: None,
                    name: number.to_string(),
                    throttle_rate,
                    metadata: Default::default(),
                    managed: false,
                    created_at: now,
                    updated_at: now,
                };
                let application = transaction.put_application(application, Author::Caller)?;
                Ok(Reply::Application { application, created: true })
            });
            match made.map(|written| written.reply) {
                Ok(Reply::Application { application, .. }) => {
                    self.applications.push(application.id)
                }
                other => return Err(format!("no application is made: {other:?}")),
            }
        }
        for _ in 0..self.swarm.endpoints {
            self.add_endpoint();
        }
        self.carry_on();
        Ok(())
    }

    /// Faults on for `steps` events, then off until all is quiet.
    pub fn run(&mut self, steps: u64) -> Result<(), Broken> {
        self.begin()?;
        for _ in 0..steps {
            self.next(true)?;
            if self.over {
                return Ok(());
            }
        }
        self.settle_down()
    }

    /// Lets one thing happen; false when nothing ever will.
    pub fn next(&mut self, outside: bool) -> Result<bool, Broken> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let wake = self.scheduler.next_wake();
        let times = event.into_iter().chain(wake).chain(self.write_at);
        let Some(at) = times.min() else { return Ok(false) };
        self.steps += 1;
        self.machine.pass(at.since(self.now).as_millis() as u64);
        self.now = self.now.max(at);
        if self.write_at == Some(at) {
            self.let_write()?;
        } else if event != Some(at) {
            self.note(|| "tick".to_owned());
            self.step(Input::Tick)?;
        } else if let Some((_, event)) = self.events.pop_first() {
            self.happen(event, outside)?;
        }
        self.listen()?;
        self.reference.load(&self.swarm.settings, self.scheduler.load())?;
        if self.steps.is_multiple_of(50) && self.swarm.calm() && !self.stopping {
            let settings = &self.swarm.settings;
            self.reference.prompt(settings, &self.model, self.disturbed, self.now)?;
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
            Event::Apply => {
                let batches = self.random.below(6);
                let more = (0..batches).all(|_| self.process.stepped.apply());
                if self.faults || more {
                    let pause = self.random.between(1, 6_000);
                    self.after(pause, Event::Apply);
                }
                Ok(())
            }
            Event::Answer(finished) => {
                self.note(|| format!("answer {finished:?}"));
                self.step_finished(finished)
            }
            Event::Released(ready) => {
                self.count("released");
                self.note(|| format!("released {:?}", ready.delivery()));
                self.reference.released(ready.delivery());
                self.flights.remove(&ready.delivery());
                self.step(Input::Released(ready))
            }
            Event::ReadPage { endpoint, until, limit, held } => {
                let page = self.process.store.due(endpoint, until, limit, &held);
                let late = self.random.below(40);
                self.after(late, Event::Page { endpoint, page });
                Ok(())
            }
            Event::Page { endpoint, page } => {
                self.note(|| format!("page {endpoint:?} {} {:?}", page.ready.len(), page.next_due));
                self.step(Input::Fed { endpoint, page })
            }
            Event::Look(endpoint) => {
                let found = self.process.store.endpoint_by_id(endpoint);
                let facts = found.map(|(application, endpoint)| EndpointFacts {
                    application: application.id,
                    enabled: endpoint.disabled.is_none(),
                    throttle_rate: endpoint.throttle_rate,
                    application_throttle_rate: application.throttle_rate,
                    allowed_rate: None,
                    unasked: false,
                    max_in_flight: None,
                    batch: None,
                });
                self.after(0, Event::Facts { endpoint, facts });
                Ok(())
            }
            Event::Facts { endpoint, facts } => {
                self.note(|| format!("facts {endpoint:?} {facts:?}"));
                self.reference.told(endpoint, facts);
                self.step(Input::Facts { endpoint, facts })
            }
            Event::Disable { endpoint, why } => {
                self.disable(endpoint, why);
                Ok(())
            }
        }
    }

    /// A write is handed over: the writer takes it soon. Its number.
    pub fn on_its_way(&mut self, write: Write) -> u64 {
        let slow = self.faults && self.random.one_in(self.swarm.slow_sync);
        let late = if slow { 5_000 } else { self.random.below(20) };
        let turn = self.now + Duration::from_millis(late);
        self.write_at = Some(self.write_at.map_or(turn, |at| at.min(turn)));
        self.number += 1;
        let by = turn + Duration::from_millis(QUIET);
        let loose = self.lately_full();
        self.model.pending.insert(self.number, Pending { write, by, loose });
        self.number
    }

    /// Whether the disk is full, or was when the store last looked.
    pub fn lately_full(&self) -> bool {
        self.full || self.machine.disk.lacks_file() || self.now.since(self.was_full) <= FULL_AGAIN
    }

    /// Records an attempt.
    pub fn settle(&mut self, settlement: Settlement) {
        self.on_its_way(Write::Settle {
            delivery: settlement.delivery,
            due: settlement.due,
            trigger: settlement.trigger,
            verdict: settlement.verdict,
        });
        self.process.store.settle(settlement);
    }

    /// I13: the faults stop, every endpoint is enabled, and all that waits ends in time.
    fn settle_down(&mut self) -> Result<(), Broken> {
        self.note(|| "faults off".to_owned());
        self.faults = false;
        self.was_full = if self.full { self.now } else { self.was_full };
        self.full = false;
        self.machine.disk.calm();
        self.enable_all();
        let stop = self.now;
        let rows = self.model.durable.rows.len() as u64;
        for _ in 0..200_000 + 60 * rows {
            if !self.next(false)? {
                // An answer from before the faults stopped may have disabled one.
                let mut endpoints = self.model.durable.endpoints.values();
                if endpoints.all(|row| row.disabled.is_none()) {
                    return self.quiet(stop);
                }
                self.enable_all();
            }
        }
        Err("I13: it never comes to rest".to_owned())
    }

    fn quiet(&mut self, stop: Timestamp) -> Result<(), Broken> {
        let pending = &self.model.pending;
        hold(pending.is_empty(), || format!("it stays unsynced: {pending:?}"))?;
        let load = self.scheduler.load();
        hold((load.queued, load.in_flight, load.unsettled) == (0, 0, 0), || format!("{load:?}"))?;
        for (id, row) in &self.model.durable.rows {
            let ended = !row.waits() && row.asked.is_none();
            hold(ended, || format!("I13: {id:?} never ended: {row:?}"))?;
        }
        // The longest wait a retry may have, an hour of deliver_at, and a second each at 1/s.
        let longest = self.swarm.settings.retry.horizon(1).max(Duration::from_secs(86_400));
        let count = self.model.durable.rows.len() as u64;
        let in_time = stop + longest + Duration::from_secs(3_600 + 60 + 2 * count);
        let now = self.now;
        hold(now <= in_time, || format!("I13: at rest only at {now}, faults stopped {stop}"))?;
        self.compare()
    }

    /// How often each thing happened.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }
}
