//! What a service manager is told: `sd_notify(3)`. Nothing happens without `NOTIFY_SOCKET`.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::engine::driver::Handle;
use crate::store::Store;

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

/// Feeds the service manager's watchdog while scheduler and writer answer.
pub struct Watchdog {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts it; without `WATCHDOG_USEC` there is none.
    pub fn start(store: Store, engine: Handle) -> Watchdog {
        let (stop, stopped) = mpsc::channel();
        let thread = sd_notify::watchdog_enabled().map(|every| {
            thread::Builder::new()
                .name("watchdog".to_owned())
                .spawn(move || {
                    while stopped.recv_timeout(every / 3) == Err(RecvTimeoutError::Timeout) {
                        if engine.load(ANSWER).is_some() && store.answers(ANSWER) {
                            tell(&[NotifyState::Watchdog]);
                        } else {
                            tracing::error!("the engine does not answer");
                        }
                    }
                })
                .expect("a thread can be started")
        });
        Watchdog { stop, thread }
    }

    /// Ends it.
    pub fn stop(self) {
        drop(self.stop);
        if let Some(thread) = self.thread {
            thread.join().expect("a panic ends the process");
        }
    }
}
