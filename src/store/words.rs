//! What goes into the store and what comes out, in the domain's words.

mod lists;

pub use lists::{AttemptFilter, MessageFilter, Page, PageRequest, PageStart};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::application::Application;
use crate::domain::delivery::{Attempt, AttemptContent, DeadReason, DeliveryId, Outcome, Trigger};
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::id::{ApplicationId, EndpointId, Id, Ids, Kind, TaskId};
use crate::domain::message::Message;
use crate::domain::operational::HIDDEN;
use crate::domain::received::{Head, Origin, ReceivedRequest};
use crate::domain::source::Source;
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::store::Filtered;

/// A path parameter: an id, or the caller's own `uid` or `eventId`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reference<K: Kind> {
    /// An id of ours.
    Id(Id<K>),
    /// The caller's own name.
    Name(String),
}

impl<K: Kind> Reference<K> {
    /// Reads a path parameter: what parses as an id is one, all else is a name. Nobody names the
    /// hidden application.
    pub fn read(ids: &Ids, text: &str) -> Reference<K> {
        match ids.parse(text) {
            Some(id) if id.stamp() != HIDDEN.stamp() => Reference::Id(id),
            _ => Reference::Name(text.to_owned()),
        }
    }
}

/// Who asks for a change of the catalog: what `relay.toml` declares only it may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Author {
    /// A caller of the API.
    Caller,
    /// The configuration file.
    Config,
    /// The relay itself, which disables endpoints that are gone or fail for days.
    Relay,
}

/// An `Idempotency-Key` in its scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// SHA-256 over token owner, method, path and key.
    pub scope: [u8; 32],
    /// SHA-256 over the request's body.
    pub request: [u8; 32],
    /// How long the reply is remembered.
    pub window: Duration,
}

/// What a write did, enough to answer it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// An application as it stood after the write.
    Application {
        /// The application.
        application: Arc<Application>,
        /// Whether the write made it.
        created: bool,
    },
    /// An endpoint as it stood after the write.
    Endpoint {
        /// The endpoint.
        endpoint: Arc<Endpoint>,
        /// Whether the write made it.
        created: bool,
    },
    /// An event type as it stood after the write.
    EventType {
        /// The event type.
        event_type: Arc<EventType>,
        /// Whether the write made it.
        created: bool,
    },
    /// A message that was accepted.
    Message(StoredMessage),
    /// A source as it stood after the write.
    Source {
        /// The source.
        source: Arc<Source>,
        /// Whether the write made it.
        created: bool,
    },
    /// A request that a source took in.
    Received(Box<ReceivedRequest>),
    /// A background task as it stood.
    Task(Box<Task>),
    /// A secret that is shown once: from what it was made, and its digest.
    Shown {
        /// Drawn for it; of no use without what the process alone knows.
        nonce: [u8; 32],
        /// SHA-256 of it.
        digest: [u8; 32],
    },
    /// Nothing to show.
    Done,
}

/// A write that is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// What it did.
    pub reply: Reply,
    /// Whether this is the remembered reply of an earlier request with the same key.
    pub replayed: bool,
}

/// Why a transaction changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// What it names is not there.
    #[error("not found")]
    NotFound,
    /// A name or event id is taken.
    #[error("{0}")]
    Conflict(String),
    /// As much as is allowed is there already.
    #[error("{0}")]
    Limit(String),
    /// `relay.toml` declares it.
    #[error("{0}")]
    Managed(String),
    /// The disk is full, or what waits fills the allowance.
    #[error("{0}")]
    Full(String),
    /// What is old can't go as fast as new comes; try again.
    #[error("the store is catching up")]
    Busy,
    /// A value does not fit what is stored beside it.
    #[error("{message}")]
    Invalid {
        /// Path in the request, `["body", "uid"]`.
        location: Vec<String>,
        /// What is wrong and what would be right.
        message: String,
    },
}

/// Why a write is not durable.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum WriteError {
    /// The transaction refused.
    #[error(transparent)]
    Refused(Refusal),
    /// The same `Idempotency-Key` came with another body.
    #[error("this Idempotency-Key was used with another request body")]
    KeyReused,
    /// Too much is waiting to be written or indexed; try again.
    #[error("the store is catching up")]
    Busy,
    /// The disk is full, or what waits fills the allowance.
    #[error("{0}")]
    Full(String),
    /// The relay is stopping.
    #[error("the relay is stopping")]
    Stopping,
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> WriteError {
        match refusal {
            Refusal::Full(reason) => WriteError::Full(reason),
            Refusal::Busy => WriteError::Busy,
            refusal => WriteError::Refused(refusal),
        }
    }
}

/// A message to accept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMessage {
    /// The tenant.
    pub application: ApplicationId,
    /// What happened.
    pub event_type: String,
    /// The caller's own id.
    pub event_id: Option<String>,
    /// Narrow it to endpoints that listen to one of these.
    pub channels: Vec<String>,
    /// Free words to find it by.
    pub tags: Vec<String>,
    /// Sent as `content-type`.
    pub content_type: String,
    /// Not sent before this.
    pub deliver_at: Option<Timestamp>,
    /// Its body is expunged so long after it was accepted.
    pub content_kept: Option<Duration>,
    /// The bytes that are signed and sent.
    pub body: Bytes,
    /// The request that brought it to a source.
    pub received: Option<NewOrigin>,
    /// What filters said of it, [`Store::filter`](crate::store::Store::filter).
    pub filtered: Filtered,
}

/// What came to a source, for the message that it becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewOrigin {
    /// The source and the request.
    pub origin: Origin,
    /// What stood in front of the body.
    pub head: Head,
}

/// Where bytes stand in the journal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct BodyLocation {
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) checksum: u32,
}

impl BodyLocation {
    /// How many bytes.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Where bytes stand that were expunged: nowhere. Segments are counted from 1.
    pub(super) const GONE: BodyLocation =
        BodyLocation { segment: 0, offset: 0, length: 0, checksum: 0 };

    /// Whether the bytes were expunged.
    pub fn is_gone(&self) -> bool {
        self.segment == 0
    }
}

/// A message and where its bytes stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredMessage {
    /// The message.
    pub message: Arc<Message>,
    /// Its body.
    pub body: BodyLocation,
    /// The head of the request that brought it to a source.
    pub head: Option<BodyLocation>,
}

/// An attempt and where its headers and answer stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// Read with [`crate::store::Store::attempt_content`].
    pub content: BodyLocation,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A 2xx head was read.
    Delivered,
    /// Due again at this time.
    RetryAt(Timestamp),
    /// Not tried again by itself.
    Dead(DeadReason),
    /// A manual attempt failed: the delivery stands as it stood.
    Unchanged,
    /// Its transformation dropped it: it is taken back.
    Dropped,
}

/// The result of one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// Whose attempt.
    pub delivery: DeliveryId,
    /// When the delivery was due as it was leased; for a manual attempt, when it was asked for.
    pub due: Timestamp,
    /// When the first attempt was due: a delivery that was never tried has no row that says so.
    pub first_due: Timestamp,
    /// Who started it.
    pub trigger: Trigger,
    /// When the request began.
    pub started_at: Timestamp,
    /// Milliseconds it took.
    pub duration_ms: u32,
    /// The status read, 0 when none was.
    pub status_code: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// What becomes of the delivery.
    pub verdict: Verdict,
    /// What was sent and what came back.
    pub content: AttemptContent,
}

/// A delivery that waits to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    /// The message and its body.
    pub message: StoredMessage,
    /// Where to.
    pub endpoint: EndpointId,
    /// 0 at acceptance, one more for every replay.
    pub replay: u16,
    /// When it is due.
    pub due: Timestamp,
    /// Scheduled attempts made so far.
    pub attempts: u16,
    /// Who starts its next attempt.
    pub trigger: Trigger,
    /// Deliveries of the same group are made one after the other; `None` where the endpoint keeps
    /// no order.
    pub group: Option<u64>,
}

impl Ready {
    /// The delivery's name.
    pub fn delivery(&self) -> DeliveryId {
        DeliveryId {
            message: self.message.message.id,
            endpoint: self.endpoint,
            replay: self.replay,
        }
    }
}

/// Deliveries of one endpoint in due order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DuePage {
    /// Due by the time asked for, earliest first.
    pub ready: Vec<Ready>,
    /// When the one after the last of `ready` is due.
    pub next_due: Option<Timestamp>,
    /// Groups whose first delivery failed, and until when they stand still: none of theirs is in
    /// `ready`.
    pub held: BTreeMap<u64, Timestamp>,
    /// Nothing more is to be had before one of the groups goes on.
    pub stuck: bool,
}

/// What the scheduler is told once a group of writes is durable, in the order of the writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A delivery was accepted, put back or asked for by a person.
    Ready(Ready),
    /// An attempt's settlement is durable; the delivery is due again at `due`, if at all.
    Settled {
        /// The delivery.
        delivery: DeliveryId,
        /// Its next due time.
        due: Option<Timestamp>,
    },
    /// An endpoint was made or changed, or its application was: look at it afresh.
    EndpointChanged(EndpointId),
    /// An endpoint is gone with all that waited for it.
    EndpointDeleted(EndpointId),
    /// A background task was begun.
    TaskStarted(TaskId),
    /// A delivery to this endpoint became a dead letter.
    Died(EndpointId),
}

/// What a message is named by in a path.
pub type MessageReference = Reference<crate::domain::id::MessageKind>;
/// What an application is named by in a path.
pub type ApplicationReference = Reference<crate::domain::id::ApplicationKind>;
/// What a source is named by in a path.
pub type SourceReference = Reference<crate::domain::id::SourceKind>;
/// What an endpoint is named by in a path.
pub type EndpointReference = Reference<crate::domain::id::EndpointKind>;
