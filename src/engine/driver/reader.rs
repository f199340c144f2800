//! The thread that reads what waits on disk, so that the scheduler goes on meanwhile.

use std::sync::mpsc::{self, Sender};
use std::thread;

use crate::domain::delivery::LaneKey;
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::engine::driver::Event;
use crate::metrics::Workers;
use crate::store::Store;
use crate::telemetry::panic_point;

/// What is to be read: the arguments of [`Store::due`].
pub(super) struct Wanted {
    pub endpoint: EndpointId,
    pub until: Timestamp,
    pub limit: usize,
    pub held: Vec<LaneKey>,
}

/// Reads pages in the order they are asked for; it ends when nobody can ask any more.
pub(super) struct Reader(Sender<Wanted>);

impl Reader {
    /// Answers each by [`Event::Page`].
    pub fn start(store: Store, answers: Sender<Event>, workers: &Workers) -> Reader {
        let worker = workers.add("scheduler-read", "reads what waits on disk and is due");
        let (wanted, queue) = mpsc::channel::<Wanted>();
        let read = move || {
            for Wanted { endpoint, until, limit, held } in queue {
                panic_point::reach("read");
                let page = worker.run(|| store.due(endpoint, until, limit, &held));
                // Nobody waits for it at the end.
                let _ = answers.send(Event::Page(endpoint, page));
            }
        };
        let named = thread::Builder::new().name("scheduler-read".to_owned());
        named.spawn(read).expect("a thread can be started");
        Reader(wanted)
    }

    /// Asks for a page.
    pub fn ask(&self, wanted: Wanted) {
        // It outlives this but for a panic, which ends the process.
        let _ = self.0.send(wanted);
    }
}
