//! One subscription of a listener: what comes is forwarded, one after the other, and done when the
//! target has answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cursor::Cursor;
use super::show::{Last, Line, Show};
use super::target::{Answered, Original, Target};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::stream::{Asked, Event, News, Stream};

/// The first wait before a target is tried again, and the longest; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LAST_WAIT: Duration = Duration::from_secs(10);

/// How often a target that does not answer is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// So often, then it is given up and the next message comes.
    Times(u32),
    /// Until it answers.
    Forever,
}

impl std::str::FromStr for Retry {
    type Err = String;

    fn from_str(text: &str) -> Result<Retry, String> {
        match text {
            "forever" => Ok(Retry::Forever),
            number => number
                .parse()
                .map(Retry::Times)
                .map_err(|_| format!("`{number}` is neither a number nor `forever`")),
        }
    }
}

/// What a subscription is about.
pub struct Subscription {
    /// What it is called where more than one is shown.
    pub name: String,
    /// Of all of them, for what was forwarded last.
    pub number: usize,
    /// What is asked of the relay.
    pub asked: Asked,
    /// Where what comes goes; nowhere when it is only shown.
    pub target: Option<Target>,
    /// Where it goes on; kept nowhere when `None`.
    pub cursor: Option<Cursor>,
    /// Every request is shown in full.
    pub whole: bool,
}

/// What all of them share.
pub struct Shared {
    pub client: Client,
    /// The same for places: with little time, so that a stream that is lost is not told late. A
    /// place that was not written is made good by the next.
    pub places: Client,
    pub show: Show,
    pub retry: Retry,
    pub stopping: AtomicBool,
    /// Held by each while a message is between its coming and its being done.
    pub busy: Vec<Mutex<()>>,
}

impl Shared {
    /// Whether nothing new is to be begun.
    pub fn stops(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Works until it is told to stop, or until it is of no use any more.
pub fn run(mut own: Subscription, shared: &Arc<Shared>) -> Result<(), Failure> {
    let mut stream = Stream::new(&shared.client, own.asked.clone());
    while !shared.stops() {
        let news = stream.next()?;
        let _busy = shared.busy[own.number].lock().unwrap_or_else(PoisonError::into_inner);
        if shared.stops() {
            return Ok(());
        }
        match news {
            News::Connected => {
                shared.show.connected(&own.name, stream.position())?;
                // Who is cut off before anything has come goes on from here all the same.
                own.passed(shared, stream.position());
            }
            News::Lost(why, wait) => shared.show.lost(&own.name, &why, wait)?,
            News::Event(event) if event.kind == "gap" => {
                shared.show.gap(&own.name, &event.data)?;
            }
            News::Event(event) => own.handle(shared, &event)?,
            News::Alive => own.passed(shared, stream.position()),
            News::Done => return Ok(()),
        }
    }
    Ok(())
}

impl Subscription {
    fn handle(&mut self, shared: &Arc<Shared>, event: &Event) -> Result<(), Failure> {
        let text = |field: &str| event.data[field].as_str().unwrap_or_default();
        let original = Original::read(&event.data);
        if self.whole {
            shared.show.request(&event.data, original.as_ref())?;
        }
        match (original, &self.target) {
            (Some(original), target) => {
                shared.show.set_last(Last {
                    label: self.number,
                    id: text("id").to_owned(),
                    event_type: text("eventType").to_owned(),
                    original: original.clone(),
                });
                if let Some(target) = target {
                    let line = Line {
                        from: &self.name,
                        event_type: text("eventType"),
                        id: text("id"),
                        target: target.url(),
                    };
                    if !forward(shared, target, &original, &line)? {
                        return Ok(());
                    }
                }
            }
            (None, _) => {
                let words = format!("{} can't be forwarded: {}", text("id"), text("problem"));
                shared.show.problem(&self.name, &words)?;
            }
        }
        self.done(shared, &event.position);
        Ok(())
    }

    /// A relay that can't be told now is told of a later place: the stream is cut then too.
    fn done(&mut self, shared: &Arc<Shared>, position: &str) {
        if let Some(cursor) = &mut self.cursor
            && let Err(failure) = cursor.done(&shared.places, position)
        {
            self.untold(shared, &failure);
        }
    }

    fn passed(&mut self, shared: &Arc<Shared>, position: Option<&str>) {
        if let (Some(cursor), Some(position)) = (&mut self.cursor, position)
            && let Err(failure) = cursor.passed(&shared.places, position)
        {
            self.untold(shared, &failure);
        }
    }

    fn untold(&self, shared: &Arc<Shared>, failure: &Failure) {
        let words = match failure {
            Failure::Told { error, .. } => format!("the place is not kept yet: {error}"),
            Failure::OutputClosed => return,
        };
        // Output that is gone is found out with the next line.
        let _ = shared.show.problem(&self.name, &words);
    }
}

/// Sends a message on until the target answers, or as often as is wanted; whether it is done.
fn forward(
    shared: &Arc<Shared>,
    target: &Target,
    original: &Original,
    line: &Line<'_>,
) -> Result<bool, Failure> {
    let (mut tries, mut wait) = (0, FIRST_WAIT);
    loop {
        let Answered { status, took } = target.send(original);
        let why = match status {
            Ok(status) => {
                shared.show.answered(line, status, took)?;
                return Ok(true);
            }
            Err(why) => why,
        };
        let more = shared.retry == Retry::Forever
            || matches!(shared.retry, Retry::Times(times) if tries < times);
        shared.show.failed(line, &why, more.then_some(wait))?;
        if !more {
            return Ok(true);
        }
        std::thread::sleep(wait);
        if shared.stops() {
            return Ok(false);
        }
        tries += 1;
        wait = (wait * 2).min(LAST_WAIT);
    }
}

/// Sends once more what was forwarded last.
pub fn again(shared: &Shared, target: &Target, name: &str, last: &Last) -> Result<(), Failure> {
    let line =
        Line { from: name, event_type: &last.event_type, id: &last.id, target: target.url() };
    let Answered { status, took } = target.send(&last.original);
    match status {
        Ok(status) => shared.show.answered(&line, status, took),
        Err(why) => shared.show.failed(&line, &why, None),
    }
}
