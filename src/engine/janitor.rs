//! Gives disk back, forgets what has expired, watches the free space.

mod space;

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::domain::time::Timestamp;
use crate::engine::compactor::{self, Compactor};
use crate::engine::intake::Intake;
use crate::metrics::{Metrics, Worker};
use crate::store::{ReclaimError, Store, WriteError};
use crate::telemetry::panic_point;

const EVERY: Duration = Duration::from_secs(1);
/// The checkpoint carries engine time for a start on a clock that went back.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// A segment of which more than this share had to be kept is dense. What waits fills the disk when
/// what was kept out of dense ones, one after the other, is more than this share of the allowance.
const DENSE: f64 = 0.75;
/// So many segments may be begun before an old one has to go: the index grows meanwhile.
const AHEAD: u32 = 2;
/// While what waits fills the allowance, or a segment can't go, one is tried this often.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// What has expired is forgotten for so long at a time: messages may wait for a segment to go.
const TIDY: Duration = Duration::from_millis(500);

/// A segment ends when its first record is older than this part of `retention.max_age`: what goes
/// for its age goes so much later at most.
const AGE_SHARE: u32 = 10;
/// But not before it is this old,
const SEGMENT_AGE_LEAST: Duration = Duration::from_secs(60);
/// and at the latest when it is this old.
const SEGMENT_AGE_MOST: Duration = Duration::from_secs(24 * 3_600);

/// Beyond `retention.max_bytes` by this share of it, messages have to wait until older ones are
/// gone.
const OVERRUN_SHARE: u64 = 8;

/// Between two steps of giving back the writer is left to others for so many times as long as the
/// step took, at most.
const REST: f64 = 2.0;

/// What the janitor keeps to.
#[derive(Clone, Debug)]
pub struct JanitorSettings {
    /// `retention.max_age`.
    pub max_age: Duration,
    /// `retention.max_bytes`, the whole data folder.
    pub max_bytes: u64,
    /// `data.min_free`.
    pub min_free: u64,
    /// `data.compact_above`.
    pub compact_above: u64,
    /// `retention.audit_age`.
    pub audit_age: Duration,
    /// `retention.audit_entries`.
    pub audit_entries: u64,
}

/// The thread; ends when told to.
pub struct Janitor {
    call: Arc<(Mutex<Call>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Janitor {
    /// Starts it.
    pub fn start(
        settings: JanitorSettings,
        store: Store,
        intake: Intake,
        metrics: Metrics,
    ) -> Janitor {
        let call = Arc::new((Mutex::new(Call::None), Condvar::new()));
        let (called, on_segment) = (Arc::clone(&call), Arc::clone(&call));
        store.on_segment(move || {
            let mut call = on_segment.0.lock().expect("no holder panics");
            if *call == Call::None {
                *call = Call::Look;
            }
            on_segment.1.notify_all();
        });
        let compacts =
            metrics.workers.add("compactor", "makes the index smaller, in the janitor's pauses");
        let worker = metrics
            .workers
            .add("janitor", "gives disk back, forgets what has expired, watches the space");
        let mut round = Round {
            call: Arc::clone(&call),
            compactor: Compactor::new(settings.compact_above, settings.min_free, compacts),
            worker,
            settings,
            store,
            intake,
            metrics,
            more: false,
            reclaiming: Duration::ZERO,
            rested: Duration::ZERO,
            checkpointed: Instant::now(),
            begins: u32::MAX,
            gave: true,
            dense: 0,
            dense_until: None,
            not_before: None,
            said: None,
        };
        // Before the first caller comes: a disk that is full is full from the start.
        round.watch_space();
        let thread = thread::Builder::new()
            .name("janitor".to_owned())
            .spawn(move || {
                let mut pause = EVERY;
                let mut next = Instant::now() + EVERY;
                loop {
                    let mut share = Duration::ZERO;
                    match wait(&called, pause) {
                        Call::Stop => return,
                        Call::None if Instant::now() < next => {}
                        Call::None | Call::Look => {
                            round.run();
                            share = round.reclaiming;
                            next = Instant::now() + if round.more { Duration::ZERO } else { EVERY };
                        }
                    }
                    // Old segments go first where messages would have to wait for that.
                    let stops = || *called.0.lock().expect("no holder panics") == Call::Stop;
                    let waits = round.more && round.index_waits();
                    let busy =
                        !waits && round.compactor.work(&round.store, &round.metrics, share, stops);
                    let left = next.saturating_duration_since(Instant::now());
                    pause = if busy { left.min(compactor::PAUSE) } else { left };
                    round.worker.next_in(Some(left));
                }
            })
            .expect("a thread can be started");
        Janitor { call, thread }
    }

    /// Ends it after the step it is in.
    pub fn stop(self) {
        *self.call.0.lock().expect("no holder panics") = Call::Stop;
        self.call.1.notify_all();
        self.thread.join().expect("a panic ends the process");
    }
}

/// What the janitor is called for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    /// Nothing: it comes by itself, every second.
    None,
    /// A segment was begun, there may be too many.
    Look,
    Stop,
}

/// Waits to be called, for `pause` at most.
fn wait(call: &(Mutex<Call>, Condvar), pause: Duration) -> Call {
    let called = call.0.lock().expect("no holder panics");
    let waited = call.1.wait_timeout_while(called, pause, |call| *call == Call::None);
    let mut called = waited.expect("no holder panics").0;
    let found = *called;
    if found == Call::Look {
        *called = Call::None;
    }
    found
}

struct Round {
    call: Arc<(Mutex<Call>, Condvar)>,
    settings: JanitorSettings,
    store: Store,
    intake: Intake,
    metrics: Metrics,
    compactor: Compactor,
    worker: Worker,
    /// So many segments may be begun.
    begins: u32,
    /// There may be another segment to go: between two the index has its turn, or it would fill
    /// what they give back.
    more: bool,
    /// How long the last one took, without
    reclaiming: Duration,
    /// the pauses in it.
    rested: Duration,
    checkpointed: Instant,
    /// The last segment that went gave most of its bytes back.
    gave: bool,
    /// Bytes kept out of the segments that went since one of them held little that waits.
    dense: u64,
    /// What waits fills the allowance; looked at again then.
    dense_until: Option<Instant>,
    /// A segment could not go; tried again then.
    not_before: Option<Instant>,
    said: Option<String>,
}

impl Round {
    fn run(&mut self) {
        let began = Instant::now();
        self.go();
        self.worker.ran(began.elapsed());
    }

    fn go(&mut self) {
        panic_point::reach("janitor");
        let age = (self.settings.max_age / AGE_SHARE).clamp(SEGMENT_AGE_LEAST, SEGMENT_AGE_MOST);
        let now = self.store.now().millis();
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.store.end_segment(Timestamp::from_millis(now.saturating_sub(age_ms)));
        let began = Instant::now();
        (self.more, self.rested) = (false, Duration::ZERO);
        let reclaimed = self.reclaim();
        if reclaimed.is_err() {
            self.not_before = Some(Instant::now() + TRY_AGAIN);
        }
        if self.more && self.used() > self.most() && !self.index_is_most() {
            self.compactor.give_up();
        }
        self.reclaiming = began.elapsed().saturating_sub(self.rested);
        let tidied = self.tidy();
        for error in [tidied.err(), reclaimed.err()].into_iter().flatten() {
            if !matches!(error, ReclaimError::Write(WriteError::Stopping)) {
                tracing::error!(%error, "the janitor could not finish; it tries again");
                self.worker.failed(error);
            }
        }
        self.watch_space();
        if self.checkpointed.elapsed() >= CHECKPOINT_EVERY {
            self.checkpointed = Instant::now();
            if let Err(error) = self.store.checkpoint() {
                tracing::warn!(%error, "the checkpoint can't be written");
                self.worker.failed(error);
            }
        }
    }

    /// Forgets what has expired; what is left over is gone on with in the next round.
    fn tidy(&mut self) -> Result<(), ReclaimError> {
        let until = Instant::now() + TIDY;
        let trusted = self.store.trusts_ages();
        let audit = &self.settings;
        let age = trusted.then_some(audit.audit_age);
        let steps: [&dyn Fn() -> Result<bool, ReclaimError>; 7] = [
            &|| Ok(self.store.tidy()?),
            &|| Ok(self.intake.release_all_held()?),
            &|| Ok(trusted && self.store.expire_contents()?),
            &|| Ok(trusted && self.store.sweep_tokens()?),
            &|| Ok(self.store.sweep_audit(age, audit.audit_entries)?),
            &|| Ok(trusted && self.store.sweep_listeners()?),
            &|| Ok(trusted && self.store.sweep_sources()?),
        ];
        let (mut more, mut failed) = (false, Ok(()));
        for step in steps {
            let mut once = || match step() {
                Ok(left) => left,
                // What is held goes on when there is room again.
                Err(ReclaimError::Write(WriteError::Busy | WriteError::Full(_))) => false,
                Err(error) => {
                    failed = Err(error);
                    false
                }
            };
            // Each in every round, once at least: none waits for another.
            let mut left = once();
            while left && Instant::now() < until && !self.stops() {
                left = once();
            }
            more |= left;
        }
        self.more |= more;
        failed
    }

    /// Whether the janitor is to end.
    fn stops(&self) -> bool {
        *self.call.0.lock().expect("no holder panics") == Call::Stop
    }

    /// What a smaller index in the making takes goes soon, with the larger one: nothing that is
    /// stored has to make room for it.
    fn used(&self) -> u64 {
        self.store.figures().folder_bytes.saturating_sub(self.compactor.bytes())
    }

    /// Whether old segments go before the index is made smaller: where messages would be refused
    /// soon, and sooner where the index is not what takes the room.
    fn index_waits(&self) -> bool {
        let beyond = self.used().saturating_sub(self.settings.max_bytes);
        let near = self.settings.max_bytes / OVERRUN_SHARE * 3 / 4;
        beyond > near || (self.rest() == 0.0 && !self.index_is_most())
    }

    /// Whether segments would have to go for an index that takes more than half of what there is
    /// for both.
    fn index_is_most(&self) -> bool {
        let index = self.store.figures().index_bytes.saturating_sub(self.compactor.bytes());
        index > self.settings.max_bytes / 2
    }

    /// Bytes beyond which messages have to wait.
    fn most(&self) -> u64 {
        self.settings.max_bytes.saturating_add(self.settings.max_bytes / OVERRUN_SHARE)
    }

    /// Holds up what comes in while it comes faster than old segments go. With nothing left to go
    /// it is not in the way.
    fn allow(&mut self) -> Result<(), ReclaimError> {
        let behind = self.store.oldest_segment()?.is_some() && self.dense_until.is_none();
        self.begins = self.store.allow_bytes(match self.most().checked_sub(self.used()) {
            None if behind => None,
            None => Some(0),
            left => left,
        });
        Ok(())
    }

    /// Whether older segments have to go: there is too much, or no room for the next one, for which
    /// an eighth of a small allowance is too little.
    fn is_full(&self) -> bool {
        self.used() > self.settings.max_bytes || self.begins == 0
    }

    /// Whether it soon will be, and a segment that goes helps: one of what waits would be carried
    /// again and again.
    fn is_nearly_full(&self) -> bool {
        self.begins < AHEAD && self.gave
    }

    fn reclaim(&mut self) -> Result<(), ReclaimError> {
        self.allow()?;
        let waits = self.dense_until.max(self.not_before);
        if waits.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        if let Some(oldest) = self.store.oldest_segment()? {
            let by_bytes = self.is_full() || self.is_nearly_full();
            let by_age = self.store.trusts_ages() && self.is_past(oldest.ended);
            if !by_bytes && !by_age {
                (self.dense, self.dense_until) = (0, None);
                return Ok(());
            }
            let rest = if self.begins > 0 { self.rest() } else { 0.0 };
            let mut rested = Duration::ZERO;
            let mut pause = |took: Duration| {
                rested += self.pause(took.mul_f64(rest));
                !self.stops()
            };
            let kept = self.store.reclaim(oldest, &mut pause)?;
            self.rested = rested;
            tracing::debug!(segment = oldest.segment, kept, "reclaimed a journal segment");
            self.allow()?;
            self.gave = kept as f64 <= oldest.bytes as f64 * DENSE;
            let dense = by_bytes && !self.gave;
            self.dense = if dense { self.dense.saturating_add(kept) } else { 0 };
            // Behind a few segments of what waits there may be more that can go.
            let fills = self.dense as f64 > self.settings.max_bytes as f64 * DENSE;
            self.dense_until = fills.then(|| Instant::now() + TRY_AGAIN);
            self.more = !fills;
        }
        Ok(())
    }

    /// For how many times as long as a step took the writer is left to those who send, while
    /// another segment may be begun: the less the more there is beyond `retention.max_bytes`.
    fn rest(&self) -> f64 {
        let beyond = self.used().saturating_sub(self.settings.max_bytes) as f64;
        let room = (self.settings.max_bytes / OVERRUN_SHARE / 2).max(1) as f64;
        REST * (1.0 - beyond / room).max(0.0)
    }

    /// Waits, unless the janitor is to end or the next segment was begun before this one went;
    /// how long.
    fn pause(&self, pause: Duration) -> Duration {
        let began = Instant::now();
        let called = self.call.0.lock().expect("no holder panics");
        let on = |call: &mut Call| *call == Call::None;
        drop(self.call.1.wait_timeout_while(called, pause, on).expect("no holder panics"));
        began.elapsed()
    }

    fn is_past(&self, ended: Timestamp) -> bool {
        self.store.now().since(ended) > self.settings.max_age
    }
}
