//! The values of index rows: a version byte and bincode behind it.
//!
//! Every type that is a row is a [`Record`]. A change of one makes a new version of it: the old
//! struct stays as `…V1` with a conversion, and the frozen bytes in `tests` keep reading.

mod content;
mod delivery;
mod endpoint;
mod message;
mod reply;
mod source;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;

use bincode::Options;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::application::Application;
use crate::domain::delivery::Attempt;
use crate::domain::event_type::EventType;
use crate::domain::filter::FilterError;
use crate::domain::id::{EndpointId, MessageId};
use crate::domain::lease::Leases;
use crate::domain::received::{Head, ReceivedRequest};
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::domain::token::ApplicationToken;
use crate::store::BodyLocation;
use crate::store::seal::UnsealError;

#[cfg(test)]
pub(super) use delivery::DeliveryV1;
pub use endpoint::EndpointRow;
pub use message::MessageRow;
pub use reply::{ReplyRow, StoredReply};
pub use source::SourceRow;

/// The longest row that is written; a longer one read is damage.
const ROW_MAX: u64 = 64 << 20;

/// A value that is not what this build or an older one wrote.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Made by a newer build.
    #[error("a row has version {0}, newer than this build reads")]
    Newer(u8),
    /// Not the bytes of such a row.
    #[error("a row does not decode: {0}")]
    Undecodable(#[from] bincode::Error),
    /// A secret that can't be opened.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// A filter that this build does not read.
    #[error("the filter of an endpoint can't be read by this build: {0}")]
    Filter(#[from] FilterError),
    /// A transformation that this build does not read.
    #[error("the transformation of an endpoint can't be read by this build: {0}")]
    Transformation(serde_json::Error),
    /// Settings of an endpoint's deliveries that this build does not read.
    #[error("how deliveries to an endpoint are made can't be read by this build: {0}")]
    DeliverySettings(serde_json::Error),
    /// A source of a provider that is not in this build's table.
    #[error("a source is verified as by a provider that this build does not know: use a newer one")]
    Provider,
}

fn format() -> impl Options {
    bincode::DefaultOptions::new().with_limit(ROW_MAX)
}

/// What a row may hold.
pub trait Record: Serialize + Sized {
    /// The version that is written.
    const VERSION: u8 = 1;

    /// Reads bytes of this version or an older one, without the byte that says which.
    fn read(version: u8, bytes: &[u8]) -> Result<Self, RecordError>;
}

/// Types of which there was one version ever.
macro_rules! one_version {
    ($($record:ty),* $(,)?) => {$(
        impl $crate::store::records::Record for $record {
            fn read(
                version: u8,
                bytes: &[u8],
            ) -> Result<Self, $crate::store::records::RecordError> {
                match version {
                    1 => $crate::store::records::parse(bytes),
                    newer => Err($crate::store::records::RecordError::Newer(newer)),
                }
            }
        }
    )*};
}
pub(super) use one_version;

one_version!(
    [u8; 16],
    u64,
    Option<String>,
    BTreeMap<EndpointId, u16>,
    Application,
    ApplicationToken,
    AttemptRow,
    BodyLocation,
    EventType,
    Head,
    Leases,
    MessageId,
    ReplyRow,
    RequestRow,
    Task,
    Timestamp,
);

/// The bytes of a row.
pub fn encode<T: Record>(value: &T) -> Bytes {
    let mut bytes = vec![T::VERSION];
    format().serialize_into(&mut bytes, value).expect("rows are far below the limit");
    Bytes::from(bytes)
}

/// The row in these bytes.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T, RecordError> {
    match bytes.split_first() {
        Some((version, rest)) => T::read(*version, rest),
        None => Err(RecordError::Newer(0)),
    }
}

/// One version of a record.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    Ok(format().deserialize(bytes)?)
}

/// An attempt and where its headers and answer stand.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AttemptRow {
    /// The attempt.
    pub attempt: Attempt,
    /// Its content.
    pub content: BodyLocation,
}

/// A request that came to a source, and where its bytes stand.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RequestRow {
    /// The request.
    pub request: ReceivedRequest,
    /// Its [`Head`]; gone where the message that it became has it.
    pub head: BodyLocation,
    /// Its body, likewise.
    pub body: BodyLocation,
}
