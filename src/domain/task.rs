//! Work over many messages that goes on by itself: begun with one call, done in bounded steps,
//! resumed after a crash, and watched by its id.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::dead_letter::DeadLetterWork;
use crate::domain::delivery::State;
use crate::domain::id::{ApplicationId, DeadLetterId, EndpointId, MessageId, TaskId};
use crate::domain::message::Message;
use crate::domain::time::Timestamp;

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Work {
    /// Deliveries of an endpoint that are dead become due again.
    Recover(EndpointWork),
    /// Messages that an endpoint wants and never had become new deliveries.
    ReplayMissing(EndpointWork),
    /// Messages that an endpoint had, delivered or not, become new deliveries.
    BulkReplay(EndpointWork, ReplayFilter),
    /// Messages are counted by application.
    CountByApplication {
        /// Of these; empty means all.
        applications: Vec<ApplicationId>,
        /// When they were accepted.
        window: Window,
    },
    /// Messages are counted by event type.
    CountByEventType,
    /// The content of every message of an application is expunged.
    PurgeContent {
        /// Whose messages.
        application: ApplicationId,
    },
    /// A message is accepted into every application that there was when it came.
    Broadcast {
        /// The message as it was accepted, once.
        message: MessageId,
        /// The bodies of its copies are expunged so long after they were made.
        content_kept: Option<Duration>,
    },
    /// What older sealing keys have sealed is sealed with the current one.
    Reseal,
    /// Dead letters of an application are put back or given up.
    DeadLetters(DeadLetterWork),
    /// The same as `Recover`, and deliveries that wait for a later attempt become due too.
    RecoverWaiting(EndpointWork),
}

/// Messages accepted from `since` on and before `until`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Window {
    /// The first millisecond.
    pub since: Timestamp,
    /// The first one that is not meant any more.
    pub until: Timestamp,
}

/// For which endpoint, over which messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndpointWork {
    /// The tenant.
    pub application: ApplicationId,
    /// The endpoint that messages go to.
    pub endpoint: EndpointId,
    /// When they were accepted.
    pub window: Window,
}

/// Which messages a bulk replay sends again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReplayFilter {
    /// Of one of these types; empty means any.
    pub event_types: Vec<String>,
    /// In this channel.
    pub channel: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Whose last delivery stands so.
    pub standing: Option<Standing>,
    /// Whose last attempt was answered with a status of this class, 200 for 200 to 299;
    /// 0: was not answered.
    pub status_code_class: Option<u16>,
}

/// How a delivery stands, as the API tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Standing {
    /// Delivered.
    Success,
    /// Waiting or retrying.
    Pending,
    /// Dead.
    Fail,
    /// Leased to a sender.
    Sending,
    /// Taken back.
    Cancelled,
}

impl Standing {
    /// Of a delivery in this state.
    pub fn of(state: State) -> Standing {
        match state {
            State::Delivered => Standing::Success,
            State::Waiting | State::Retrying => Standing::Pending,
            State::Sending => Standing::Sending,
            State::Dead(_) => Standing::Fail,
            State::Cancelled => Standing::Cancelled,
        }
    }
}

impl ReplayFilter {
    /// Whether the message itself is meant.
    pub fn passes(&self, message: &Message) -> bool {
        self.channel.as_ref().is_none_or(|channel| message.channels.contains(channel))
            && self.tag.as_ref().is_none_or(|tag| message.tags.contains(tag))
            && (self.event_types.is_empty() || self.event_types.contains(&message.event_type))
    }
}

impl Work {
    /// The application that it is about; `None` when it is about several.
    pub fn application(&self) -> Option<ApplicationId> {
        match self {
            Work::Recover(work)
            | Work::RecoverWaiting(work)
            | Work::ReplayMissing(work)
            | Work::BulkReplay(work, _) => Some(work.application),
            Work::PurgeContent { application } => Some(*application),
            Work::DeadLetters(work) => Some(work.application),
            Work::CountByApplication { .. }
            | Work::CountByEventType
            | Work::Broadcast { .. }
            | Work::Reseal => None,
        }
    }

    /// When the messages that it looks at were accepted.
    pub fn window(&self) -> Option<Window> {
        match self {
            Work::Recover(work)
            | Work::RecoverWaiting(work)
            | Work::ReplayMissing(work)
            | Work::BulkReplay(work, _) => Some(work.window),
            Work::CountByApplication { window, .. } => Some(*window),
            Work::CountByEventType
            | Work::PurgeContent { .. }
            | Work::Broadcast { .. }
            | Work::Reseal
            | Work::DeadLetters(_) => None,
        }
    }
}

/// How far a task is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Progress {
    /// It goes on behind this message, or from the start; a broadcast behind this application.
    Running(Option<(ApplicationId, MessageId)>),
    /// All is done.
    Finished,
    /// It can't go on, and why.
    Failed(String),
    /// It goes on behind this dead letter.
    Behind(DeadLetterId),
    /// A person ended it; what it had done stays.
    Cancelled,
}

/// A piece of work and how far it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Names it, `qtask_…`.
    pub id: TaskId,
    /// What is done.
    pub work: Work,
    /// How far it is.
    pub progress: Progress,
    /// Messages, or rows, looked at.
    pub looked_at: u64,
    /// Messages, or rows, that something was done for.
    pub done: u64,
    /// What was counted, by name.
    pub counts: BTreeMap<String, u64>,
    /// When it was last gone on with.
    pub updated_at: Timestamp,
}

impl Task {
    /// One that begins.
    pub fn new(id: TaskId, work: Work, now: Timestamp) -> Task {
        Task {
            id,
            work,
            progress: Progress::Running(None),
            looked_at: 0,
            done: 0,
            counts: BTreeMap::new(),
            updated_at: now,
        }
    }

    /// Whether there is something left to do.
    pub fn is_running(&self) -> bool {
        matches!(self.progress, Progress::Running(_) | Progress::Behind(_))
    }
}
