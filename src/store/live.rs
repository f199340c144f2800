//! Following what is accepted, over one application or all of them, in the order of acceptance.
//!
//! A position is a stamp, and it means the same over every application. Every id is minted by the
//! one writer, each larger than all before ([`Writer::mint`](crate::store::writer::Writer::mint)),
//! within a transaction; what a group of transactions wrote is shown by
//! [`Overlay::publish`](crate::store::overlay::Overlay::publish), under one lock, group after
//! group. So when a group is shown, each stamp that was minted up to then is in it, or in one
//! before it, or was minted by a transaction that was refused and is never shown. Whatever is
//! shown later, of whichever application, has a larger stamp: all up to [`Store::shown`] is there,
//! and nothing comes later that belongs before it. After a start stamps go on behind the newest
//! record of the journal, and a position is never ahead of that.

use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::domain::id::{ApplicationId, Id, MessageId, Stamp};
use crate::domain::time::Timestamp;
use crate::store::journal::record::Change;
use crate::store::journal::segment::SegmentHeader;
use crate::store::keys::{self, Key};
use crate::store::requests::StoredRequest;
use crate::store::{Reference, Shared, Store, StoredMessage};

/// Accepted messages that are remembered while somebody follows; who is further behind reads
/// the index.
const RECENT_MAX: usize = 16_384;
/// Messages that one step of following looks at.
const STEP: usize = 256;
/// Applications looked at in one go while the catalog is held.
const APPLICATIONS: usize = 256;

/// What the writer tells those who follow.
pub struct Live {
    followers: AtomicUsize,
    recent: Mutex<Recent>,
    /// The stamp of the newest message or request.
    newest: watch::Sender<u64>,
}

/// The newest messages: all that were accepted behind `from`, up to `shown`.
#[derive(Default)]
struct Recent {
    from: Stamp,
    shown: Stamp,
    messages: VecDeque<(MessageId, ApplicationId)>,
}

/// What of a group concerns those who follow.
pub struct Noted {
    messages: Vec<(MessageId, ApplicationId)>,
    newest: Option<u64>,
}

impl Default for Live {
    fn default() -> Live {
        let (newest, _) = watch::channel(0);
        Live { followers: AtomicUsize::new(0), recent: Mutex::default(), newest }
    }
}

impl Live {
    /// What of a group's changes is new; nothing is looked at while nobody follows.
    pub fn note(&self, changes: &[(u64, Change)]) -> Option<Noted> {
        if self.followers.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut noted = Noted { messages: Vec::new(), newest: None };
        for (_, change) in changes {
            // What is carried forward or expunged is put again, and is not new.
            let Change::PutNew(key, _) = change else { continue };
            if let Some((application, message)) = keys::message_of(key) {
                noted.messages.push((message, application));
                noted.newest = noted.newest.max(Some(message.stamp().0));
            } else if let Some((_, request)) =
                keys::received::is_request(key).then(|| keys::received::request_of(key)).flatten()
            {
                noted.newest = noted.newest.max(Some(request.stamp().0));
            }
        }
        Some(noted)
    }

    /// All up to `shown` can be read now.
    pub fn tell(&self, noted: Option<Noted>, shown: Stamp) {
        let mut recent = self.recent.lock().expect("no holder panics");
        recent.shown = shown;
        let Some(noted) = noted else {
            // Nobody looked at what was in between.
            recent.from = shown;
            recent.messages.clear();
            drop(recent);
            // Who came while the group was made durable has not seen it, and waits already.
            if self.followers.load(Ordering::Relaxed) > 0 {
                self.newest.send_modify(|_| ());
            }
            return;
        };
        for (message, application) in noted.messages {
            if recent.messages.len() == RECENT_MAX
                && let Some((oldest, _)) = recent.messages.pop_front()
            {
                recent.from = oldest.stamp();
            }
            recent.messages.push_back((message, application));
        }
        drop(recent);
        if let Some(newest) = noted.newest {
            self.newest.send_replace(newest);
        }
    }

    fn shown(&self) -> Stamp {
        self.recent.lock().expect("no holder panics").shown
    }

    /// The first messages behind a position, and whether those are all; `None` when it is too far
    /// back to know.
    fn after(&self, whose: Option<ApplicationId>, after: MessageId) -> Option<Step> {
        let recent = self.recent.lock().expect("no holder panics");
        if after.stamp() < recent.from {
            return None;
        }
        let start = recent.messages.partition_point(|(message, _)| *message <= after);
        let mut own = recent
            .messages
            .range(start..)
            .filter(|(_, application)| whose.is_none_or(|whose| whose == *application));
        let found: Vec<_> = own.by_ref().take(STEP).copied().collect();
        let done = own.next().is_none();
        Some(Step::new(found, done, recent.shown))
    }
}

/// The messages of one step.
struct Step {
    found: Vec<(MessageId, ApplicationId)>,
    /// All up to there has been looked at when they have been.
    end: MessageId,
    done: bool,
}

impl Step {
    fn new(found: Vec<(MessageId, ApplicationId)>, done: bool, shown: Stamp) -> Step {
        let last = found.last().map(|(message, _)| *message).filter(|_| !done);
        Step { found, end: last.unwrap_or(MessageId::new(shown)), done }
    }
}

/// Somebody who follows: while there is one, it can be waited for what is accepted.
pub struct Follower {
    shared: Arc<Shared>,
    newest: watch::Receiver<u64>,
}

impl Follower {
    /// Waits until something was accepted, or a request came to a source, since this was last
    /// called.
    pub async fn changed(&mut self) {
        // The sender lives as long as the store that this holds.
        let _ = self.newest.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.live.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How far a step of following came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Followed {
    /// Everything up to there has been visited, or is not wanted.
    pub position: MessageId,
    /// Whether nothing more was there.
    pub done: bool,
    /// Some of what was accepted behind the position that was asked for may have gone for its age
    /// or size: what was accepted from this time on has not.
    pub gap: Option<Timestamp>,
}

impl Store {
    /// Has the writer tell what is accepted from now on.
    pub fn follower(&self) -> Follower {
        self.shared.live.followers.fetch_add(1, Ordering::Relaxed);
        let newest = self.shared.live.newest.subscribe();
        Follower { shared: Arc::clone(&self.shared), newest }
    }

    /// Where one who follows stands who has seen everything up to `after`, if it is known without a
    /// look at the index that nothing came since; `None` when there may be something.
    pub fn nothing_behind(
        &self,
        whose: Option<ApplicationId>,
        after: MessageId,
    ) -> Option<MessageId> {
        let step = self.shared.live.after(whose, after)?;
        (step.done && step.found.is_empty()).then(|| step.end.max(after))
    }

    /// The end of what is accepted: all that comes comes behind it.
    pub fn shown(&self) -> MessageId {
        MessageId::new(self.shared.live.shown())
    }

    /// Shows the next messages behind a position, of one application or of all that there are, in
    /// the order in which they were accepted. Looks at a bounded number of them and ends early
    /// where it is told to: behind the message at which it was.
    pub fn follow(
        &self,
        whose: Option<ApplicationId>,
        after: MessageId,
        visit: &mut dyn FnMut(StoredMessage) -> ControlFlow<()>,
    ) -> Followed {
        let recent = self.shared.live.after(whose, after);
        let mut incomplete = recent.is_none();
        let step = recent.unwrap_or_else(|| self.shared.behind(whose, after));
        let mut reached = Followed { position: step.end.max(after), done: step.done, gap: None };
        for (id, application) in step.found {
            let known = self.shared.read_catalog().application(&Reference::Id(application));
            if known.is_none() {
                continue;
            }
            let Some(stored) = self.shared.message_by_id(application, id) else {
                incomplete = true;
                continue;
            };
            if visit(stored).is_break() {
                reached.position = id;
                reached.done = false;
                break;
            }
        }
        if incomplete {
            reached.gap =
                self.complete_from().filter(|from| after.stamp() < Stamp::first_at(*from));
        }
        reached
    }

    /// The same with the requests that came to a source, whatever was made of them.
    pub fn follow_requests(
        &self,
        source: Id<crate::domain::id::SourceKind>,
        after: MessageId,
        visit: &mut dyn FnMut(StoredRequest) -> ControlFlow<()>,
    ) -> Followed {
        use keys::received as rows;
        let shown = self.shared.live.shown();
        let from = rows::request_at(source, after.stamp()).successor();
        let end = rows::request_at(source, shown).successor();
        let mut found = Vec::new();
        self.shared.overlay.scan(&from, &end.max(from), false, &mut |key, _| {
            found.extend(rows::request_of(&key).map(|(_, request)| request));
            if found.len() > STEP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let done = found.len() <= STEP;
        found.truncate(STEP);
        let end = found.last().filter(|_| !done).map_or(shown, |request| request.stamp());
        let position = MessageId::new(end).max(after);
        let mut reached = Followed { position, done, gap: None };
        for id in found {
            let Some(stored) = self.request(source, id) else { continue };
            if visit(stored).is_break() {
                reached.position = MessageId::new(id.stamp());
                reached.done = false;
                break;
            }
        }
        reached.gap = self.complete_from().filter(|from| after.stamp() < Stamp::first_at(*from));
        reached
    }

    /// From when on everything that was accepted is kept; `None` while nothing has ever gone.
    fn complete_from(&self) -> Option<Timestamp> {
        let segments = &self.shared.segments;
        let oldest = segments.numbers().first().copied().filter(|oldest| *oldest > 1)?;
        match segments.header(oldest) {
            Ok(SegmentHeader::Used { time_ms, .. }) => Some(Timestamp::from_millis(time_ms)),
            _ => None,
        }
    }
}

impl Shared {
    /// The first messages behind a position, from the rows.
    fn behind(&self, whose: Option<ApplicationId>, after: MessageId) -> Step {
        // What is shown while this reads comes behind it.
        let shown = self.live.shown();
        let mut first = First::default();
        match whose {
            Some(application) => self.collect(application, after, shown, &mut first),
            None => {
                let mut last = None;
                loop {
                    let next: Vec<ApplicationId> = {
                        let tables = self.read_catalog();
                        let some = tables.applications_after(last).take(APPLICATIONS);
                        some.map(|application| application.id).collect()
                    };
                    for application in &next {
                        self.collect(*application, after, shown, &mut first);
                    }
                    last = next.last().copied();
                    if next.len() < APPLICATIONS {
                        break;
                    }
                }
            }
        }
        let (found, done) = first.sorted();
        Step::new(found, done, shown)
    }

    fn collect(&self, whose: ApplicationId, after: MessageId, shown: Stamp, first: &mut First) {
        let from = keys::message(whose, after).successor();
        let last = first.worst().unwrap_or(MessageId::new(shown));
        let end = keys::message(whose, last).successor();
        self.overlay.scan(&from, &end.max(from), false, &mut |key: Key, _| {
            let Some((application, message)) = keys::message_of(&key) else {
                return ControlFlow::Continue(());
            };
            first.take(message, application)
        });
    }
}

/// The first of many messages, one more than a step of them.
#[derive(Default)]
struct First(BinaryHeap<(Stamp, Stamp)>);

impl First {
    /// The last of them once there are as many as are wanted.
    fn worst(&self) -> Option<MessageId> {
        let full = self.0.len() > STEP;
        self.0.peek().filter(|_| full).map(|(message, _)| MessageId::new(*message))
    }

    fn take(&mut self, message: MessageId, application: ApplicationId) -> ControlFlow<()> {
        if self.worst().is_some_and(|worst| worst < message) {
            // Those that come behind it in its application are later still.
            return ControlFlow::Break(());
        }
        self.0.push((message.stamp(), application.stamp()));
        if self.0.len() > STEP + 1 {
            self.0.pop();
        }
        ControlFlow::Continue(())
    }

    /// In their order, and whether those are all.
    fn sorted(self) -> (Vec<(MessageId, ApplicationId)>, bool) {
        let mut found = self.0.into_sorted_vec();
        let done = found.len() <= STEP;
        found.truncate(STEP);
        let named = |(message, application)| (MessageId::new(message), Id::new(application));
        (found.into_iter().map(named).collect(), done)
    }
}
