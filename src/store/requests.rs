//! Requests that came to sources: what was decided of each becomes durable with its bytes, its
//! message and the ledger's entries for its event, in one record.

mod reads;
mod waiting;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::domain::id::{RequestId, SourceId};
use crate::domain::received::{Head, Origin, ReceivedRequest, Verdict};
use crate::domain::secret::Secret;
use crate::domain::source::{Expiring, Source};
use crate::domain::time::Timestamp;
use crate::store::keys::received as rows;
use crate::store::keys::{self, Key};
use crate::store::ledger::bucket;
use crate::store::records::{self, ReplyRow, RequestRow, StoredReply};
use crate::store::transaction::Transaction;
use crate::store::{Author, BodyLocation, Filtered, NewMessage, NewOrigin, Reference, Refusal};

pub(super) use waiting::HeldRow;
pub use waiting::{Amount, Waiting};

const HOUR: Duration = Duration::from_secs(3_600);
/// Events are remembered in one of these classes, the first that is as long as the window, so that
/// a window that is changed goes on seeing what was remembered under the old one.
pub(super) const CLASSES: [Duration; 3] = [HOUR, Duration::from_secs(24 * 3_600), DEDUP_WINDOW_MAX];
/// The longest that an event is remembered.
pub const DEDUP_WINDOW_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What names an event, and for how long it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventKeys {
    /// SHA-256 of each of its ids with its source; a request is a duplicate when all of them came
    /// before.
    pub keys: Vec<[u8; 32]>,
    /// At most [`DEDUP_WINDOW_MAX`].
    pub window: Duration,
}

/// What is to become of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// A message, unless its event came before; without keys, in any case.
    Take(Option<EventKeys>),
    /// It is held until its source is active again, unless its event came before.
    Hold(Option<EventKeys>),
    /// It is kept, with this verdict.
    Keep(Verdict),
}

/// A request to take in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRequest {
    /// Where it came to.
    pub source: SourceId,
    /// What is to become of it.
    pub decision: Decision,
    /// Whether its signature was verified.
    pub verified: bool,
    /// What stood in front of the body.
    pub head: Head,
    /// The body.
    pub body: Bytes,
    /// The type of its message.
    pub event_type: String,
    /// The provider's id of its event.
    pub event_id: Option<String>,
    /// The content type of its message.
    pub content_type: String,
    /// What filters said of its message, [`filter_request`](crate::store::Store::filter_request).
    pub filtered: Filtered,
    /// A secret that a handshake hands over: the source has it from then on.
    pub adopt: Option<Secret>,
}

impl NewRequest {
    /// Bytes of its head and its body.
    pub fn length(&self) -> u64 {
        let head = &self.head;
        let headers = head.headers.iter().map(|(name, value)| name.len() + value.len());
        let head = head.path.len() + head.query.len() + headers.sum::<usize>();
        (head + self.body.len()) as u64
    }

    /// The message that it becomes.
    fn message(self, source: &Source, name: String, id: RequestId) -> NewMessage {
        NewMessage {
            event_type: self.event_type,
            channels: source.channels.clone(),
            content_type: self.content_type,
            received: Some(NewOrigin {
                origin: Origin { source: source.id, name, request: id, verified: self.verified },
                head: self.head,
            }),
            filtered: self.filtered,
            ..NewMessage::plain(source.application, String::new(), self.body)
        }
    }
}

/// A request and where its bytes stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredRequest {
    /// The request.
    pub request: ReceivedRequest,
    /// Its head, read with [`head`](crate::store::Store::head).
    pub head: BodyLocation,
    /// Its body.
    pub body: BodyLocation,
}

/// Which requests a list shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestFilter {
    /// With this verdict, [`Verdict::word`].
    pub verdict: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// Of this event.
    pub event_id: Option<String>,
}

impl RequestFilter {
    fn passes(&self, request: &ReceivedRequest) -> bool {
        self.verdict.as_ref().is_none_or(|wanted| request.verdict.word() == wanted)
            && self.event_type.as_ref().is_none_or(|wanted| request.event_type == *wanted)
            && (self.event_id.is_none() || request.event_id == self.event_id)
    }
}

impl Transaction<'_> {
    /// Takes a request in as was decided of it.
    pub fn receive(&mut self, new: NewRequest, most: &Waiting) -> Result<ReceivedRequest, Refusal> {
        let source = self.source(&Reference::Id(new.source))?;
        let id = RequestId::new(self.mint());
        match &new.decision {
            Decision::Take(keys) => {
                let keys = keys.clone();
                self.take_request(&source, id, new, keys.as_ref())
            }
            Decision::Hold(keys) => {
                let first = self.seen(keys.as_ref());
                self.may_take_in()?;
                if first.is_none() {
                    self.hold(&source, id, &new, &most.held)?;
                }
                Ok(self.keep_request(id, new, first.map_or(Verdict::Held, Verdict::Duplicate)))
            }
            Decision::Keep(verdict) => {
                let verdict = verdict.clone();
                self.may_take_in()?;
                if let Some(secret) = &new.adopt {
                    self.adopt(&source, secret)?;
                }
                if let Verdict::Refused { .. } = &verdict {
                    self.quarantine(source.id, id, new.length(), &most.refused);
                }
                Ok(self.keep_request(id, new, verdict))
            }
        }
    }

    /// Gives a source the secret that its provider chose; no other is taken after that.
    fn adopt(&mut self, source: &Source, secret: &Secret) -> Result<(), Refusal> {
        if !source.set_up && !source.secrets.is_empty() {
            return Err(Refusal::Conflict("the source has its secret already".to_owned()));
        }
        let current = Expiring { text: secret.clone(), expires_at: None };
        let updated_at = self.now();
        let adopted =
            Source { secrets: vec![current], set_up: false, updated_at, ..source.clone() };
        self.put_source(adopted, Author::Relay).map(|_| ())
    }

    /// Makes a message of a request that was kept. `new` has its bytes, and how it is decided now.
    pub fn release(&mut self, id: RequestId, new: NewRequest) -> Result<ReceivedRequest, Refusal> {
        let source = self.source(&Reference::Id(new.source))?;
        let key = rows::request(source.id, id);
        let row: RequestRow = self.record(&key).ok_or(Refusal::NotFound)?;
        if row.request.message.is_some() {
            return Err(Refusal::Conflict("this request is a message already".to_owned()));
        }
        if row.head.is_gone() || row.body.is_gone() {
            return Err(Refusal::Conflict("the bytes of this request are gone".to_owned()));
        }
        let Decision::Take(keys) = &new.decision else {
            return Err(Refusal::Conflict("this request is not to become a message".to_owned()));
        };
        let keys = keys.clone();
        self.forget_waiting(source.id, id);
        let released = self.take_request(&source, id, new, keys.as_ref())?;
        // The message, or the duplicate, has a copy of its own, that expunging finds.
        self.erase_request(&row);
        Ok(released)
    }

    /// Takes away what came, where it is no message. [`Store::erase`](crate::store::Store::erase)
    /// overwrites it.
    pub fn expunge_request(&mut self, source: SourceId, id: RequestId) -> Result<(), Refusal> {
        let key = rows::request(source, id);
        let row: RequestRow = self.record(&key).ok_or(Refusal::NotFound)?;
        self.forget_waiting(source, id);
        self.erase_request(&row);
        let (head, body) = (BodyLocation::GONE, BodyLocation::GONE);
        self.put_row(key, records::encode(&RequestRow { head, body, ..row }), false);
        Ok(())
    }

    fn erase_request(&mut self, row: &RequestRow) {
        for location in [row.head, row.body] {
            if location != BodyLocation::GONE {
                self.erase_later(location);
            }
        }
    }

    fn take_request(
        &mut self,
        source: &Source,
        id: RequestId,
        new: NewRequest,
        keys: Option<&EventKeys>,
    ) -> Result<ReceivedRequest, Refusal> {
        if let Some(first) = self.seen(keys) {
            self.may_take_in()?;
            return Ok(self.keep_request(id, new, Verdict::Duplicate(first)));
        }
        let (event_type, event_id) = (new.event_type.clone(), new.event_id.clone());
        let name = self.writer.shared.name_of(source);
        let message = self.accept(new.message(source, name, id))?;
        self.remember_event(keys, id);
        let request = ReceivedRequest {
            id,
            source: source.id,
            verdict: Verdict::Accepted,
            message: Some((source.application, message.message.id)),
            event_type,
            event_id,
        };
        // The message has the bytes.
        let (head, body) = (BodyLocation::GONE, BodyLocation::GONE);
        let row = RequestRow { request: request.clone(), head, body };
        self.put_row(rows::request(source.id, id), records::encode(&row), false);
        Ok(request)
    }

    fn keep_request(
        &mut self,
        id: RequestId,
        new: NewRequest,
        verdict: Verdict,
    ) -> ReceivedRequest {
        let request = ReceivedRequest {
            id,
            source: new.source,
            verdict,
            message: None,
            event_type: new.event_type,
            event_id: new.event_id,
        };
        let head = self.body(&records::encode(&new.head));
        let body = self.body(&new.body);
        let row = RequestRow { request: request.clone(), head, body };
        let key = rows::request(new.source, id);
        let is_new = self.row(&key).is_none();
        self.put_row(key, records::encode(&row), is_new);
        request
    }

    /// The request that brought the event first, when every key of it is remembered.
    fn seen(&self, keys: Option<&EventKeys>) -> Option<RequestId> {
        let EventKeys { keys, window } = keys?;
        let mut first = None;
        for key in keys {
            let request = self.remembered_event(key, *window)?;
            first.get_or_insert(request);
        }
        first
    }

    fn remembered_event(&self, scope: &[u8; 32], window: Duration) -> Option<RequestId> {
        let now = self.now();
        let used =
            (0..CLASSES.len()).filter(|number| self.class_used(*number).load(Ordering::Relaxed));
        used.map(|number| CLASSES[number]).find_map(|class| {
            event_keys(scope, class, now).into_iter().find_map(|key| {
                let row: ReplyRow = self.record(&key)?;
                let made = row.expires_at - class;
                match row.reply {
                    StoredReply::Received { request }
                        if row.scope == *scope && now < made + window =>
                    {
                        Some(request)
                    }
                    _ => None,
                }
            })
        })
    }

    /// Whether anything was ever remembered in a class: a look at one that was never used would
    /// cost two reads an event.
    fn class_used(&self, class: usize) -> &AtomicBool {
        let shared = &self.writer.shared;
        shared.event_classes[class].get_or_init(|| {
            let all = rows::events_of(seconds(CLASSES[class]));
            let mut found = false;
            shared.overlay.scan(&all, &all.after_prefix(), false, &mut |_, _| {
                found = true;
                ControlFlow::Break(())
            });
            AtomicBool::new(found)
        })
    }

    fn remember_event(&mut self, keys: Option<&EventKeys>, request: RequestId) {
        let Some(EventKeys { keys, window }) = keys else { return };
        let now = self.now();
        let number = CLASSES.iter().position(|class| class >= window).unwrap_or(CLASSES.len() - 1);
        let class = CLASSES[number];
        self.class_used(number).store(true, Ordering::Relaxed);
        for scope in keys {
            let row = ReplyRow {
                request: [0; 32],
                scope: *scope,
                expires_at: now + class,
                reply: StoredReply::Received { request },
            };
            let [current, _] = event_keys(scope, class, now);
            self.put_row(current, records::encode(&row), false);
        }
    }
}

fn seconds(class: Duration) -> u32 {
    u32::try_from(class.as_secs()).unwrap_or(u32::MAX)
}

/// Where an event remembered now stands, and where one remembered up to a window ago may.
fn event_keys(scope: &[u8; 32], class: Duration, now: Timestamp) -> [Key; 2] {
    let window = seconds(class);
    let bucket = bucket(now, window);
    let mut hash = [0; 16];
    hash.copy_from_slice(&scope[..16]);
    [bucket, bucket.saturating_sub(1)].map(|bucket| keys::reply(window, bucket, hash))
}
