//! The thread that moves rows into the index.

use std::time::{Duration, Instant};

use super::Overlay;
use super::rows::TICK;

/// Looks for space on the disk again after this time.
const STARVED: Duration = Duration::from_millis(500);

impl Overlay {
    /// Applies as rows come, each `lag` after it was published so that short-lived ones are gone by
    /// then, at once when more than `soft_limit` bytes wait; until [`Overlay::stop`]. While
    /// `may_write` says no the rows stay here: an index that finds no space is lost.
    ///
    /// As steadily as they came: a read waits while a batch goes into the index, and the writer,
    /// which reads, would stand still as long as a burst of them lasts.
    ///
    /// `told` is given how long each turn took in which rows went.
    pub fn run(
        &self,
        lag: Duration,
        soft_limit: usize,
        may_write: impl Fn() -> bool,
        told: impl Fn(Duration),
    ) {
        let mut counts = true;
        while let Some(through) = self.wait_ripe(lag, soft_limit, counts) {
            let (mut starved, began, mut went) = (false, Instant::now(), false);
            while !starved && self.has_more(through) {
                starved = !may_write() || !self.apply_some(through);
                went |= !starved;
            }
            if went {
                told(began.elapsed());
            }
            counts = !starved && self.count_some();
            // Taking the lock first: whoever has looked and is about to wait is not passed over.
            let wanted = self.wanted.lock().expect("no holder panics");
            self.progressed.notify_all();
            if starved {
                // Who is in a hurry waits for space too.
                let waited =
                    self.changed.wait_timeout_while(wanted, STARVED, |wanted| !wanted.stop);
                drop(waited.expect("no holder panics"));
            }
        }
    }

    fn has_more(&self, through: u64) -> bool {
        let rows = self.read();
        rows.has_gone() || rows.applied < through
    }

    /// Waits for records whose rows are to go into the index and gives the last one's number; that
    /// of the last applied when rows are to go out of their turn alone, or while what waits is
    /// still counted. `None` when [`Overlay::stop`] came.
    fn wait_ripe(&self, lag: Duration, soft_limit: usize, counts: bool) -> Option<u64> {
        let mut wanted = self.wanted.lock().expect("no holder panics");
        loop {
            if wanted.stop {
                return None;
            }
            let now = Instant::now();
            let (ripe, next) = {
                let rows = self.read();
                let hurry = wanted.hurry || rows.bytes >= soft_limit;
                let ripe = if hurry { Some(rows.through) } else { rows.ripe(now, lag) };
                let ripe = ripe.filter(|through| *through > rows.applied);
                let ripe = ripe.or_else(|| (counts || rows.has_gone()).then_some(rows.applied));
                let next = rows.published.front().map(|(_, at)| (*at + lag).max(now + TICK));
                (ripe, next)
            };
            wanted.hurry = false;
            if ripe.is_some() {
                return ripe;
            }
            wanted = match next {
                None => self.changed.wait(wanted).expect("no holder panics"),
                Some(next) => {
                    let left = next.saturating_duration_since(now);
                    self.changed.wait_timeout(wanted, left).expect("no holder panics").0
                }
            };
        }
    }

    /// Ends [`Overlay::run`].
    pub fn stop(&self) {
        self.wanted.lock().expect("no holder panics").stop = true;
        self.changed.notify_all();
        self.progressed.notify_all();
    }

    /// Waits until every row of records up to `sequence` is in the index; `false` when
    /// [`Overlay::stop`] came first.
    pub fn wait_applied(&self, sequence: u64) -> bool {
        let mut wanted = self.wanted.lock().expect("no holder panics");
        while !self.is_applied(sequence) && !wanted.stop {
            wanted.hurry = true;
            self.changed.notify_all();
            wanted = self.progressed.wait(wanted).expect("no holder panics");
        }
        self.is_applied(sequence)
    }
}
