//! Asks the scheduler thread how it is, from other threads: each question has a deadline.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::senders::Senders;
use super::{Channel, Event};
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::engine::scheduler::{LaneStanding, LateLane, Load, Standing};
use crate::engine::sender;

/// A look at every lane is shown again for so long: it takes the scheduler thread some time, and
/// pages ask for it every second.
const FRESH: Duration = Duration::from_millis(900);

/// What was seen, and when.
type Seen = (Instant, Arc<Standing>);

/// Asks the scheduler thread how it is; clones share what it last said.
#[derive(Clone)]
pub struct Handle {
    events: Sender<Event>,
    senders: Weak<Senders>,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl Channel {
    /// A way to ask a scheduler that may not run: then nothing answers.
    pub fn handle(&self) -> Handle {
        Handle::new(self.sender.clone(), Weak::new())
    }
}

impl Handle {
    pub(super) fn new(events: Sender<Event>, senders: Weak<Senders>) -> Handle {
        Handle { events, senders, seen: Arc::default() }
    }

    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Event, patience: Duration) -> Option<T> {
        let (sender, answer) = mpsc::channel();
        self.events.send(question(sender)).ok()?;
        answer.recv_timeout(patience).ok()
    }

    /// How much is in memory; `None` when the thread does not answer in time.
    pub fn load(&self, patience: Duration) -> Option<Load> {
        self.ask(Event::Load, patience)
    }

    /// Lanes that are parked or hold what was due before this; `None` when the thread does not
    /// answer in time.
    pub fn late(&self, before: Timestamp, patience: Duration) -> Option<Vec<LateLane>> {
        self.ask(|sender| Event::Late(before, sender), patience)
    }

    /// How the lane of an endpoint stands, `None` within when it has none; `None` when the thread
    /// does not answer in time.
    pub fn lane(&self, endpoint: EndpointId, patience: Duration) -> Option<Option<LaneStanding>> {
        self.ask(|sender| Event::Lane(endpoint, sender), patience)
    }

    /// How all lanes stand, or stood less than a second ago; `None` when the thread does not answer
    /// in time. Who asks at the same time waits for one answer.
    pub fn standing(&self, patience: Duration) -> Option<Arc<Standing>> {
        let mut seen = self.seen.lock().expect("no holder panics");
        if let Some((at, standing)) = &*seen
            && at.elapsed() < FRESH
        {
            return Some(Arc::clone(standing));
        }
        let standing = Arc::new(self.ask(Event::Standing, patience)?);
        *seen = Some((Instant::now(), Arc::clone(&standing)));
        Some(standing)
    }

    /// How busy the pools are that perform deliveries: that for what is fresh, and that for what
    /// waited long. `None` when there are none.
    pub fn senders(&self) -> Option<[sender::Load; 2]> {
        self.senders.upgrade().map(|senders| senders.load())
    }
}
