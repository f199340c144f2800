//! Remembered replies: what of them is secret is sealed.

use serde::{Deserialize, Serialize};

use super::endpoint::{EndpointRow, EndpointRowV1, EndpointRowV2};
use super::source::SourceRow;
use crate::domain::application::Application;
use crate::domain::event_type::EventType;
use crate::domain::id::{ApplicationId, MessageId, RequestId, TaskId};
use crate::domain::time::Timestamp;
use crate::store::seal::{Sealer, UnsealError};

/// A remembered reply: whose request it answered, until when, and what it was.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReplyRow {
    /// SHA-256 of the request's body.
    pub request: [u8; 32],
    /// The scope's whole hash; the key of the row holds half of it.
    pub scope: [u8; 32],
    /// Not remembered after this.
    pub expires_at: Timestamp,
    /// What is answered again.
    pub reply: StoredReply,
}

/// A reply as it is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum StoredReply {
    /// An application as it stood.
    Application {
        /// As it stood.
        application: Application,
        /// Whether the request made it.
        created: bool,
    },
    /// An endpoint as version 1 of its row had it.
    EndpointV1 {
        /// As it stood, sealed for its row.
        row: Box<EndpointRowV1>,
        /// Whether the request made it.
        created: bool,
    },
    /// An event type as it stood.
    EventType {
        /// As it stood.
        event_type: EventType,
        /// Whether the request made it.
        created: bool,
    },
    /// A message, which does not change.
    Message {
        /// Its application.
        application: ApplicationId,
        /// Its id.
        id: MessageId,
    },
    /// Nothing to show.
    Done,
    /// A background task, as it stands when it is shown again.
    Task(TaskId),
    /// A secret, which is not kept.
    Shown {
        /// Drawn for it.
        nonce: [u8; 32],
        /// SHA-256 of it.
        digest: [u8; 32],
    },
    /// An endpoint as version 2 of its row had it.
    EndpointV2 {
        /// As it stood, sealed for its row.
        row: Box<EndpointRowV2>,
        /// Whether the request made it.
        created: bool,
    },
    /// A source as it stood.
    Source {
        /// As it stood, sealed for its row.
        row: Box<SourceRow>,
        /// Whether the request made it.
        created: bool,
    },
    /// An event that a source took in: the ledger's entry for its id.
    Received {
        /// The first request that brought it.
        request: RequestId,
    },
    /// An endpoint as it stood.
    Endpoint {
        /// As it stood, sealed for its row.
        row: Box<EndpointRow>,
        /// Whether the request made it.
        created: bool,
    },
}

impl StoredReply {
    /// What of it is sealed.
    pub fn sealed(&self) -> Vec<&[u8]> {
        match self {
            StoredReply::EndpointV1 { row, .. } => vec![&row.sealed],
            StoredReply::EndpointV2 { row, .. } => row.sealed().collect(),
            StoredReply::Endpoint { row, .. } => row.sealed().collect(),
            StoredReply::Source { row, .. } => row.sealed().collect(),
            StoredReply::Application { .. }
            | StoredReply::EventType { .. }
            | StoredReply::Message { .. }
            | StoredReply::Done
            | StoredReply::Task(_)
            | StoredReply::Shown { .. }
            | StoredReply::Received { .. } => Vec::new(),
        }
    }

    /// Seals with the current key what another one had sealed; whether there was any.
    pub fn reseal(&mut self, sealer: &Sealer) -> Result<bool, UnsealError> {
        if let StoredReply::EndpointV1 { row, created } = self {
            let row = Box::new(EndpointRow::from(row.as_ref().clone()));
            *self = StoredReply::Endpoint { row, created: *created };
        }
        if let StoredReply::EndpointV2 { row, created } = self {
            let row = Box::new(EndpointRow::from(row.as_ref().clone()));
            *self = StoredReply::Endpoint { row, created: *created };
        }
        match self {
            StoredReply::Endpoint { row, .. } => row.reseal(&row.key(), sealer),
            StoredReply::Source { row, .. } => row.reseal(&row.key(), sealer),
            _ => Ok(false),
        }
    }
}
