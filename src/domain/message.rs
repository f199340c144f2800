//! An event that was accepted: immutable, and the same bytes for every endpoint.

use serde::{Deserialize, Serialize};

use crate::domain::id::{ApplicationId, EndpointId, MessageId};
use crate::domain::received::Origin;
use crate::domain::time::Timestamp;

/// What came with a message, without its body bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Names it for ever; sent as `webhook-id`.
    pub id: MessageId,
    /// The tenant it belongs to.
    pub application: ApplicationId,
    /// What happened, `invoice.paid`.
    pub event_type: String,
    /// The caller's own id, unique in the application while the message is kept.
    pub event_id: Option<String>,
    /// Narrow it to endpoints that listen to one of these.
    pub channels: Vec<String>,
    /// Free words to find it by, at most 5.
    pub tags: Vec<String>,
    /// Sent as `content-type`.
    pub content_type: String,
    /// Not sent before this.
    pub deliver_at: Option<Timestamp>,
    /// The endpoints matched at acceptance: one delivery each, no more and no fewer.
    pub endpoints: Vec<EndpointId>,
    /// The source that it came to; `None` when the application sent it.
    pub origin: Option<Origin>,
}

impl Message {
    /// When its first attempts are due.
    pub fn first_due(&self) -> Timestamp {
        self.deliver_at.unwrap_or_default().max(self.id.time())
    }
}
