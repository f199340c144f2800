//! The gauges of what the scheduler has in memory.

use std::time::{Duration, Instant};

use crate::engine::scheduler::Scheduler;
use crate::metrics::{Metrics, Worker};

/// Counting goes over every lane: not after each event.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// When they are to be set again.
#[derive(Default)]
pub(super) struct Gauges {
    due: Option<Instant>,
    next: Option<Instant>,
}

impl Gauges {
    /// Something happened: they are set now, or a little later.
    pub fn show(&mut self, scheduler: &Scheduler, metrics: &Metrics, worker: &Worker) {
        let now = Instant::now();
        if let Some(next) = self.next.filter(|next| *next > now) {
            self.due = Some(next);
            return;
        }
        let load = scheduler.load();
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.attempts_in_flight.set(whole(load.in_flight));
        metrics.lanes_parked.set(whole(load.parked));
        worker.is_at_it();
        (self.due, self.next) = (None, Some(now + SHOWN_EVERY));
    }

    /// Until then.
    pub fn wait(&self) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(Instant::now()))
    }
}
