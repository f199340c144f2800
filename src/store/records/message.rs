//! Message rows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Record, RecordError, parse};
use crate::domain::id::{ApplicationId, EndpointId, MessageId};
use crate::domain::message::Message;
use crate::domain::time::Timestamp;
use crate::store::{BodyLocation, StoredMessage};

/// A message and where its bytes stand.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessageRow {
    /// The message.
    pub message: Message,
    /// Its body.
    pub body: BodyLocation,
    /// The head of the request that brought it to a source, see
    /// [`Head`](crate::domain::received::Head).
    pub head: Option<BodyLocation>,
}

impl MessageRow {
    /// Bytes of its body and its head.
    pub fn length(&self) -> usize {
        (self.body.length() + self.head.map_or(0, |head| head.length())) as usize
    }
}

/// Before there were sources.
#[derive(Serialize, Deserialize)]
pub(super) struct MessageRowV1 {
    pub message: MessageV1,
    pub body: BodyLocation,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MessageV1 {
    pub id: MessageId,
    pub application: ApplicationId,
    pub event_type: String,
    pub event_id: Option<String>,
    pub channels: Vec<String>,
    pub tags: Vec<String>,
    pub content_type: String,
    pub deliver_at: Option<Timestamp>,
    pub endpoints: Vec<EndpointId>,
}

impl From<MessageRowV1> for MessageRow {
    fn from(row: MessageRowV1) -> MessageRow {
        let MessageRowV1 { message, body } = row;
        let message = Message {
            id: message.id,
            application: message.application,
            event_type: message.event_type,
            event_id: message.event_id,
            channels: message.channels,
            tags: message.tags,
            content_type: message.content_type,
            deliver_at: message.deliver_at,
            endpoints: message.endpoints,
            origin: None,
        };
        MessageRow { message, body, head: None }
    }
}

impl From<MessageRow> for StoredMessage {
    fn from(row: MessageRow) -> StoredMessage {
        StoredMessage { message: Arc::new(row.message), body: row.body, head: row.head }
    }
}

impl Record for MessageRow {
    const VERSION: u8 = 2;

    fn read(version: u8, bytes: &[u8]) -> Result<MessageRow, RecordError> {
        match version {
            1 => parse::<MessageRowV1>(bytes).map(MessageRow::from),
            2 => parse(bytes),
            newer => Err(RecordError::Newer(newer)),
        }
    }
}
