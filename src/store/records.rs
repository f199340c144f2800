//! The values of index rows: a version byte and bincode behind it.
//!
//! A change of any type named here makes a new version: the old struct stays as `…V1` with a
//! conversion, and the frozen bytes below keep reading.

use std::collections::BTreeMap;

use bincode::Options;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::application::{Application, Metadata};
use crate::domain::delivery::Attempt;
use crate::domain::endpoint::{Disabled, Endpoint, EndpointKey};
use crate::domain::event_type::EventType;
use crate::domain::id::{ApplicationId, EndpointId, MessageId, TaskId};
use crate::domain::message::Message;
use crate::domain::secret::Secret;
use crate::domain::signature::SigningKey;
use crate::domain::subscription::Subscription;
use crate::domain::time::Timestamp;
use crate::store::BodyLocation;
use crate::store::keys::{self, Key};
use crate::store::seal::{Sealer, UnsealError};

const VERSION: u8 = 1;
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
}

fn format() -> impl Options {
    bincode::DefaultOptions::new().with_limit(ROW_MAX)
}

/// The bytes of a row.
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = vec![VERSION];
    format().serialize_into(&mut bytes, value).expect("rows are far below the limit");
    Bytes::from(bytes)
}

/// The row in these bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(format().deserialize(rest)?),
        Some((&newer, _)) => Err(RecordError::Newer(newer)),
        None => Err(RecordError::Newer(0)),
    }
}

/// A message and where its body stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MessageRow {
    /// The message.
    pub message: Message,
    /// Its body.
    pub body: BodyLocation,
}

/// An attempt and where its headers and answer stand.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AttemptRow {
    /// The attempt.
    pub attempt: Attempt,
    /// Its content.
    pub content: BodyLocation,
}

/// An endpoint with its secrets sealed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EndpointRow {
    id: EndpointId,
    application: ApplicationId,
    uid: Option<String>,
    url: String,
    description: String,
    subscription: Subscription,
    disabled: Option<Disabled>,
    throttle_rate: Option<u16>,
    metadata: Metadata,
    managed: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Sealed: the headers, which may hold credentials, and the keys.
    sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct EndpointSecrets {
    headers: BTreeMap<String, String>,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    ed25519: bool,
    bytes: Vec<u8>,
    expires_at: Option<Timestamp>,
}

impl EndpointRow {
    /// Seals an endpoint for its row.
    pub fn seal(endpoint: &Endpoint, row: &Key, sealer: &Sealer) -> EndpointRow {
        let keys = endpoint.keys.iter().map(|key| {
            let (ed25519, secret) = match &key.key {
                SigningKey::Hmac(secret) => (false, secret),
                SigningKey::Ed25519(secret) => (true, secret),
            };
            StoredKey { ed25519, bytes: secret.expose().to_vec(), expires_at: key.expires_at }
        });
        let secrets = EndpointSecrets { headers: endpoint.headers.clone(), keys: keys.collect() };
        let endpoint = endpoint.clone();
        EndpointRow {
            id: endpoint.id,
            application: endpoint.application,
            uid: endpoint.uid,
            url: endpoint.url,
            description: endpoint.description,
            subscription: endpoint.subscription,
            disabled: endpoint.disabled,
            throttle_rate: endpoint.throttle_rate,
            metadata: endpoint.metadata,
            managed: endpoint.managed,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
            sealed: sealer.seal(row.as_bytes(), &encode(&secrets)),
        }
    }

    /// The key of its row.
    pub fn key(&self) -> Key {
        keys::endpoint(self.application, self.id)
    }

    /// The endpoint, opened.
    pub fn open(self, row: &Key, sealer: &Sealer) -> Result<Endpoint, RecordError> {
        let secrets = sealer.open(row.as_bytes(), &self.sealed)?;
        let secrets: EndpointSecrets = decode(secrets.expose())?;
        let keys = secrets.keys.into_iter().map(|key| {
            let secret = Secret::new(key.bytes);
            let signing =
                if key.ed25519 { SigningKey::Ed25519(secret) } else { SigningKey::Hmac(secret) };
            EndpointKey { key: signing, expires_at: key.expires_at }
        });
        Ok(Endpoint {
            id: self.id,
            application: self.application,
            uid: self.uid,
            url: self.url,
            description: self.description,
            subscription: self.subscription,
            disabled: self.disabled,
            throttle_rate: self.throttle_rate,
            metadata: self.metadata,
            headers: secrets.headers,
            keys: keys.collect(),
            managed: self.managed,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

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
    /// An endpoint as it stood.
    Endpoint {
        /// As it stood, sealed for its row.
        row: Box<EndpointRow>,
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
}
