//! The scheduler thread: hands the state machine what happened and does what it says.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::domain::delivery::{DeliveryId, Outcome, Trigger};
use crate::domain::endpoint::Disabled;
use crate::domain::id::EndpointId;
use crate::domain::time::{Clock, Timestamp};
use crate::engine::attempt::{Attempter, Made};
use crate::engine::permission::Permissions;
use crate::engine::scheduler::{
    EndpointFacts, Input, LaneStanding, LateLane, Load, Output, Scheduler, Settings, Standing,
};
use crate::metrics::{AttemptLabels, Metrics, Worker};
use crate::store::{DuePage, Notice, Ready, Store, Verdict};
use crate::telemetry::panic_point;

mod disable;
mod gauges;
mod handle;
mod outcome;
mod reader;
mod senders;

pub use handle::Handle;

use gauges::Gauges;
use outcome::{count, settlement, told};
use reader::{Reader, Wanted};
use senders::Senders;

/// Inputs taken between two looks at the clock.
const INPUTS_AT_ONCE: usize = 256;

/// What wakes the scheduler thread.
pub enum Event {
    /// The store made something durable.
    Notices(Vec<Notice>),
    /// A sender is done; nothing was made when the endpoint takes no deliveries any more.
    Done(Box<Ready>, Option<Box<Made>>),
    /// The same for what was sent together, in its order.
    DoneTogether(Vec<Ready>, Option<Vec<Made>>),
    /// A page was read.
    Page(EndpointId, DuePage),
    /// Send nothing more and end when nothing is in flight.
    Drain,
    /// Tell how much is in memory.
    Load(Sender<Load>),
    /// Tell which lanes are parked or hold what was due before this.
    Late(Timestamp, Sender<Vec<LateLane>>),
    /// Tell how the lane of an endpoint stands.
    Lane(EndpointId, Sender<Option<LaneStanding>>),
    /// Tell how all of them stand.
    Standing(Sender<Standing>),
    /// The store refused to disable an endpoint.
    NotDisabled(EndpointId, Disabled),
}

/// What a sender does.
pub enum Job {
    /// One delivery.
    One(Ready),
    /// Several of one endpoint in one request.
    Together(Vec<Ready>),
}

impl Job {
    fn unsent(self) -> Event {
        match self {
            Job::One(ready) => Event::Done(Box::new(ready), None),
            Job::Together(all) => Event::DoneTogether(all, None),
        }
    }

    /// Since when its first delivery is.
    fn due(&self) -> Option<Timestamp> {
        match self {
            Job::One(ready) => Some(ready.due),
            Job::Together(all) => all.first().map(|ready| ready.due),
        }
    }
}

/// A way to reach the scheduler thread, before and after it runs.
pub struct Channel {
    /// For the store and everyone else.
    pub sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Default for Channel {
    fn default() -> Channel {
        let (sender, receiver) = mpsc::channel();
        Channel { sender, receiver }
    }
}

/// The running engine.
pub struct Engine {
    events: Sender<Event>,
    handle: Handle,
    senders: Arc<Senders>,
    thread: JoinHandle<()>,
}

impl Engine {
    /// Starts the scheduler thread over what the store holds.
    pub fn start(
        settings: Settings,
        seed: u64,
        attempter: Attempter,
        channel: Channel,
        metrics: Metrics,
    ) -> Engine {
        let Channel { sender, receiver } = channel;
        let (store, clock) = (attempter.store.clone(), Arc::clone(&attempter.clock));
        let permissions = Arc::clone(&attempter.permissions);
        let (done, events) = (sender.clone(), sender.clone());
        let threads = settings.threads;
        let attempter = Arc::new(attempter);
        let senders = Arc::new(Senders::new(threads, move |job| {
            panic_point::reach("send");
            let event = match job {
                Job::One(ready) => {
                    let made = attempter.make(&ready).map(Box::new);
                    Event::Done(Box::new(ready), made)
                }
                Job::Together(all) => {
                    let made = attempter.make_together(&all);
                    Event::DoneTogether(all, made)
                }
            };
            panic_point::reach("sent");
            // The scheduler thread outlives every sender.
            let _ = done.send(event);
        }));
        let driver = Driver {
            scheduler: Scheduler::new(settings, seed),
            reader: Reader::start(store.clone(), events.clone(), &metrics.workers),
            worker: metrics.workers.add("scheduler", "decides what is sent when"),
            store,
            clock,
            metrics,
            permissions,
            senders: Arc::clone(&senders),
            outputs: Vec::new(),
            refused: Vec::new(),
            events,
            disable: Vec::new(),
            drained: false,
            gauges: Gauges::default(),
        };
        let thread = thread::Builder::new()
            .name("scheduler".to_owned())
            .spawn(move || driver.run(&receiver))
            .expect("a thread can be started");
        let handle = Handle::new(sender.clone(), Arc::downgrade(&senders));
        Engine { events: sender, handle, senders, thread }
    }

    /// A way to ask it how it is.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Sends nothing more, lets what is in flight end within `patience`, then interrupts it. What
    /// was not sent is due again at the next start.
    pub fn stop(self, patience: Duration, interrupt: impl FnOnce()) {
        // A scheduler that is gone has panicked, and the process ends.
        let _ = self.events.send(Event::Drain);
        let drained = self.senders.drain(patience, interrupt);
        for job in drained.released {
            let _ = self.events.send(job.unsent());
        }
        if drained.running == 0 {
            self.thread.join().expect("a panic ends the process");
        }
    }
}

struct Driver {
    scheduler: Scheduler,
    reader: Reader,
    store: Store,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    permissions: Arc<Permissions>,
    senders: Arc<Senders>,
    outputs: Vec<Output>,
    /// What the pool did not take.
    refused: Vec<Job>,
    events: Sender<Event>,
    disable: Vec<(EndpointId, Disabled, Instant)>,
    drained: bool,
    gauges: Gauges,
    worker: Worker,
}

impl Driver {
    fn run(mut self, events: &Receiver<Event>) {
        self.step(Input::Failing(self.store.failing()));
        self.step(Input::Lanes(self.store.lanes()));
        while !self.drained {
            let event = match self.sleep_for() {
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(left) => events.recv_timeout(left),
            };
            match event {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => self.step(Input::Tick),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for event in events.try_iter().take(INPUTS_AT_ONCE) {
                self.take(event);
            }
            // After the events, for one of them says that nothing is sent any more.
            for job in std::mem::take(&mut self.refused) {
                self.take(job.unsent());
            }
            self.disable_again();
            self.gauges.show(&self.scheduler, &self.metrics, &self.worker);
        }
    }

    /// Until the scheduler's next wake or the next try at disabling; `None`: until something comes.
    fn sleep_for(&self) -> Option<Duration> {
        if !self.refused.is_empty() {
            return Some(Duration::ZERO);
        }
        let wake = self.scheduler.next_wake().map(|at| at.since(self.clock.now()));
        let again = self
            .disable
            .iter()
            .map(|(_, _, at)| at.saturating_duration_since(Instant::now()))
            .min();
        [wake, again, self.gauges.wait()].into_iter().flatten().min()
    }

    fn take(&mut self, event: Event) {
        panic_point::reach("scheduler");
        match event {
            Event::Notices(notices) => {
                notices.into_iter().for_each(|notice| self.step(Input::Notice(notice)));
            }
            Event::Done(ready, None) => self.step(Input::Released(*ready)),
            Event::Done(ready, Some(made)) => self.finished(&ready, *made),
            Event::DoneTogether(all, None) => self.step(Input::ReleasedTogether(all)),
            Event::DoneTogether(all, Some(made)) => self.finished_together(&all, made),
            Event::Page(endpoint, page) => self.step(Input::Fed { endpoint, page }),
            Event::Drain => self.step(Input::Drain),
            // Whoever asked may have given up.
            Event::Load(sender) => drop(sender.send(self.scheduler.load())),
            Event::Late(before, sender) => drop(sender.send(self.scheduler.late(before))),
            Event::Lane(endpoint, sender) => {
                let standing = self.scheduler.lane_standing(endpoint, self.clock.now());
                let _ = sender.send(standing);
            }
            Event::Standing(sender) => {
                drop(sender.send(self.scheduler.standing(self.clock.now())));
            }
            Event::NotDisabled(endpoint, why) => self.disable_later(endpoint, why),
        }
    }

    fn finished(&mut self, ready: &Ready, made: Made) {
        self.allowed(ready.endpoint, &made);
        self.count_attempt(&made);
        let finished = told(ready, &made);
        self.scheduler.step(self.clock.now(), Input::Finished(finished), &mut self.outputs);
        let (metrics, mut made, now) = (self.metrics.clone(), Some(made), self.clock.now());
        self.carry_out(&mut |store, _, trigger, verdict| {
            if let Some(made) = made.take() {
                count(&metrics, ready, verdict, now);
                store.settle(settlement(ready, made, trigger, verdict));
            }
        });
    }

    fn finished_together(&mut self, all: &[Ready], made: Vec<Made>) {
        if let (Some(ready), Some(made)) = (all.first(), made.first()) {
            self.allowed(ready.endpoint, made);
            self.count_attempt(made);
        }
        let finished = all.iter().zip(&made).map(|(ready, made)| told(ready, made)).collect();
        self.scheduler.step(self.clock.now(), Input::FinishedTogether(finished), &mut self.outputs);
        let (metrics, mut made) = (self.metrics.clone(), all.iter().zip(made));
        let now = self.clock.now();
        self.carry_out(&mut |store, delivery, trigger, verdict| {
            if let Some((ready, made)) = made.next() {
                debug_assert_eq!(ready.delivery(), delivery, "settled in the order they finished");
                count(&metrics, ready, verdict, now);
                store.settle(settlement(ready, made, trigger, verdict));
            }
        });
    }

    /// What the receiver allows counts before what it answered.
    fn allowed(&mut self, endpoint: EndpointId, made: &Made) {
        if made.asked {
            let rate = self.permissions.rate(endpoint, self.clock.now()).flatten();
            self.step(Input::Allowed { endpoint, rate });
        }
    }

    fn count_attempt(&self, made: &Made) {
        let labels = AttemptLabels { outcome: made.answer.outcome.word() };
        self.metrics.attempts.get_or_create(&labels).inc();
        self.metrics.attempt_duration.observe(made.answer.duration.as_secs_f64());
        if !matches!(made.answer.outcome, Outcome::Delivered | Outcome::Dropped) {
            self.metrics.flow.failed();
        }
    }

    fn step(&mut self, input: Input) {
        self.scheduler.step(self.clock.now(), input, &mut self.outputs);
        self.carry_out(&mut |_, delivery, _, _| {
            debug_assert!(false, "{delivery:?} settled without an attempt");
        });
    }

    /// Does what the scheduler asked for, and what it asks for then.
    fn carry_out(&mut self, settle: &mut SettleWith<'_>) {
        while !self.outputs.is_empty() {
            for output in std::mem::take(&mut self.outputs) {
                if let Some(answer) = self.do_one(output, settle) {
                    self.scheduler.step(self.clock.now(), answer, &mut self.outputs);
                }
            }
        }
    }

    fn do_one(&mut self, output: Output, settle: &mut SettleWith<'_>) -> Option<Input> {
        match output {
            Output::Send(ready) => self.submit(Job::One(ready)),
            Output::SendTogether(all) => self.submit(Job::Together(all)),
            Output::Settle { delivery, trigger, verdict } => {
                settle(&self.store, delivery, trigger, verdict);
            }
            Output::Expire(delivery) => self.store.expire(delivery),
            Output::Feed { endpoint, until, limit, held } => {
                self.reader.ask(Wanted { endpoint, until, limit, held });
            }
            Output::Look(endpoint) => {
                return Some(Input::Facts { endpoint, facts: self.facts(endpoint) });
            }
            Output::Disable { endpoint, why } => {
                self.disable.push((endpoint, why, Instant::now()));
            }
            Output::Drained => self.drained = true,
        }
        None
    }

    fn submit(&mut self, job: Job) {
        self.refused.extend(self.senders.submit(job, self.clock.now()).err());
    }

    fn facts(&self, endpoint: EndpointId) -> Option<EndpointFacts> {
        let (application, endpoint) = self.store.endpoint_by_id(endpoint)?;
        let asks = endpoint.delivery.cloud_events;
        let allowed = asks.then(|| self.permissions.rate(endpoint.id, self.clock.now())).flatten();
        Some(EndpointFacts {
            application: application.id,
            enabled: endpoint.disabled.is_none(),
            throttle_rate: endpoint.throttle_rate,
            application_throttle_rate: application.throttle_rate,
            allowed_rate: allowed.flatten(),
            unasked: endpoint.delivery.cloud_events && allowed.is_none(),
            max_in_flight: endpoint.delivery.max_in_flight,
            batch: endpoint.delivery.batch,
        })
    }
}

type SettleWith<'made> = dyn FnMut(&Store, DeliveryId, Trigger, Verdict) + 'made;
