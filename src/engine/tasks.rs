//! Background tasks: one thread goes on with each of them in turn, a step at a time.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::domain::id::TaskId;
use crate::metrics::{Worker, Workers};
use crate::store::{Notice, Store, WriteError};
use crate::telemetry::panic_point;

/// After a step that the store could not take the task rests so long.
const REST: Duration = Duration::from_secs(1);

enum Event {
    Started(TaskId),
    Stop,
}

/// A way to reach the thread, before and after it runs.
pub struct TaskChannel {
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Default for TaskChannel {
    fn default() -> TaskChannel {
        let (sender, events) = channel();
        TaskChannel { sender, events }
    }
}

/// Hears what the store made durable.
#[derive(Clone)]
pub struct TaskListener(Sender<Event>);

impl TaskListener {
    /// Takes in a task that was begun; all else is others' business.
    pub fn hear(&self, notices: &[Notice]) {
        for notice in notices {
            if let Notice::TaskStarted(id) = notice {
                // A relay that stops goes on with it at the next start.
                let _ = self.0.send(Event::Started(*id));
            }
        }
    }
}

impl TaskChannel {
    /// For the store.
    pub fn listener(&self) -> TaskListener {
        TaskListener(self.sender.clone())
    }
}

/// The thread; ends when told to.
pub struct Tasks {
    events: Sender<Event>,
    thread: JoinHandle<()>,
}

impl Tasks {
    /// Starts it over the tasks that the store holds.
    pub fn start(store: Store, channel: TaskChannel, workers: &Workers) -> Tasks {
        let worker = workers.add("tasks", "goes on with background tasks, a step at a time");
        let TaskChannel { sender, events } = channel;
        let thread = thread::Builder::new()
            .name("tasks".to_owned())
            .spawn(move || run(&store, &events, &worker))
            .expect("a thread can be started");
        Tasks { events: sender, thread }
    }

    /// Ends it after the step it is in; what is left is done after the next start.
    pub fn stop(self) {
        // A thread that is gone has panicked, and the process ends.
        let _ = self.events.send(Event::Stop);
        self.thread.join().expect("a panic ends the process");
    }
}

fn run(store: &Store, events: &Receiver<Event>, worker: &Worker) {
    // What was begun before is done first; one that a notice names too is only looked at twice.
    let mut running = VecDeque::from(store.running_tasks());
    finish_erasing(store);
    let mut listing = store.lacks_dead_letters().then_some(None);
    let mut rest = Duration::ZERO;
    loop {
        let event = match running.is_empty() && listing.is_none() {
            true => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => events.recv_timeout(rest),
        };
        match event {
            Ok(Event::Started(id)) if !running.contains(&id) => running.push_back(id),
            Ok(Event::Started(_)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        rest = Duration::ZERO;
        if let Some(after) = listing {
            match store.list_old_dead(after) {
                Ok(next) => listing = next.map(Some),
                Err(WriteError::Stopping) => return,
                Err(error) => {
                    tracing::warn!(%error, "the list of dead letters has to wait");
                    worker.failed(error);
                    rest = REST;
                }
            }
        }
        let Some(id) = running.pop_front() else { continue };
        panic_point::reach("task");
        match worker.run(|| store.advance_task(id)) {
            Ok(true) => running.push_back(id),
            Ok(false) => finish_erasing(store),
            Err(WriteError::Stopping) => return,
            Err(error) => {
                tracing::warn!(%error, task = store.ids().text(id), "a task has to wait");
                worker.failed(error);
                running.push_back(id);
                rest = REST;
            }
        }
    }
}

/// What a task or a crash left to be overwritten.
fn finish_erasing(store: &Store) {
    if let Err(error) = store.erase() {
        tracing::error!(%error, "expunged bytes can't be overwritten yet; it is tried again");
    }
}
