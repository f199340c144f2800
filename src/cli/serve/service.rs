//! What a service manager is told: `sd_notify(3)`. Nothing happens without `NOTIFY_SOCKET`.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::engine::driver::Handle;
use crate::metrics::Workers;
use crate::store::{Store, Watch};

/// More time asked for with every report of a replay.
const MORE_TIME: Duration = Duration::from_secs(60);
/// The engine answers within this or counts as stuck.
const ANSWER: Duration = Duration::from_secs(5);

/// The relay accepts and delivers.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The relay is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// The journal is being read back; the start may take that much longer.
pub fn replaying(record: u64) {
    let status = format!("reading the journal back, at record {record}");
    tracing::info!(record, "reading the journal back");
    let more = u32::try_from(MORE_TIME.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::ExtendTimeoutUsec(more),
        NotifyState::Watchdog,
        NotifyState::Status(&status),
    ]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager can't be told");
    }
}

/// Looks whether reads of the index hang, and feeds the service manager's watchdog while scheduler
/// and writer answer.
pub struct Watchdog {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watchdog {
    /// Starts it; the service manager is told nothing without `WATCHDOG_USEC`. A step of a read
    /// that takes longer than `deadline` ends the process.
    pub fn start(store: Store, engine: Handle, deadline: Duration, workers: &Workers) -> Watchdog {
        let does = "looks whether reads of the index hang, and feeds the service manager";
        let worker = workers.add("watchdog", does);
        let (stop, stopped) = mpsc::channel();
        let feed_every = sd_notify::watchdog_enabled().map(|within| within / 3);
        let tick_every = Watch::every(deadline);
        let pause = feed_every.unwrap_or(tick_every).min(tick_every);
        let work = move || {
            let (mut fed, mut ticked) = (Instant::now(), Instant::now());
            worker.next_in(Some(pause));
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if ticked.elapsed() >= tick_every {
                    ticked = Instant::now();
                    worker.run(|| look(&store, deadline));
                }
                if feed_every.is_some_and(|every| fed.elapsed() >= every) {
                    fed = Instant::now();
                    worker.run(|| feed(&store, &engine));
                }
                worker.next_in(Some(pause));
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned()).spawn(work);
        Watchdog { stop, thread: thread.expect("a thread can be started") }
    }

    /// Ends it.
    pub fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("a panic ends the process");
    }
}

fn feed(store: &Store, engine: &Handle) {
    if engine.load(ANSWER).is_some() && store.answers(ANSWER) {
        tell(&[NotifyState::Watchdog]);
    } else {
        tracing::error!("the engine does not answer");
    }
}

/// What hangs in sled holds its locks: nothing but a new process gets past it.
fn look(store: &Store, deadline: Duration) {
    let hanging = store.watch_index();
    if hanging > 0 {
        tracing::error!(hanging, ?deadline, "reads of the index hang (data.read_deadline)");
        store.give_up_index(&format!("{hanging} reads did not end within {deadline:?}"));
    }
}
