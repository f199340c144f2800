//! Source rows: its secrets and the tokens of its URL are sealed.

use serde::{Deserialize, Serialize};

use super::{Record, RecordError, decode, encode, one_version, parse};
use crate::domain::application::Metadata;
use crate::domain::id::{ApplicationId, SourceId};
use crate::domain::secret::Secret;
use crate::domain::source::{Dedup, Expiring, Mode, Source, SourceReply, Verification};
use crate::domain::time::Timestamp;
use crate::store::keys::{self, Key};
use crate::store::seal::{Sealer, UnsealError};

/// A source with its secrets sealed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SourceRow {
    id: SourceId,
    uid: Option<String>,
    name: String,
    application: ApplicationId,
    verification: StoredVerification,
    methods: Vec<String>,
    max_body: Option<u64>,
    reply: Option<SourceReply>,
    refusal_status: Option<u16>,
    dedup: Dedup,
    channels: Vec<String>,
    event_type: Option<String>,
    mode: Mode,
    set_up: bool,
    cloud_events: bool,
    public_key: Option<String>,
    metadata: Metadata,
    managed: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Sealed: secrets, tokens, and what a handshake has to name.
    sealed: Vec<u8>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum StoredVerification {
    Nothing,
    Known(String),
    Own(String),
}

#[derive(Serialize, Deserialize)]
struct SourceSecrets {
    secrets: Vec<StoredSecret>,
    tokens: Vec<StoredSecret>,
    verify_token: Option<Vec<u8>>,
    /// When it is deleted. No secret: it stands here because the row itself is a part of remembered
    /// replies and has no version of its own there.
    expires_at: Option<Timestamp>,
}

/// Before sources could expire.
#[derive(Serialize, Deserialize)]
struct SourceSecretsV1 {
    secrets: Vec<StoredSecret>,
    tokens: Vec<StoredSecret>,
    verify_token: Option<Vec<u8>>,
}

impl From<SourceSecretsV1> for SourceSecrets {
    fn from(held: SourceSecretsV1) -> SourceSecrets {
        let SourceSecretsV1 { secrets, tokens, verify_token } = held;
        SourceSecrets { secrets, tokens, verify_token, expires_at: None }
    }
}

impl Record for SourceSecrets {
    const VERSION: u8 = 2;

    fn read(version: u8, bytes: &[u8]) -> Result<SourceSecrets, RecordError> {
        match version {
            1 => parse::<SourceSecretsV1>(bytes).map(SourceSecrets::from),
            2 => parse(bytes),
            newer => Err(RecordError::Newer(newer)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredSecret {
    text: Vec<u8>,
    expires_at: Option<Timestamp>,
}

one_version!(SourceRow);

impl From<&Expiring> for StoredSecret {
    fn from(held: &Expiring) -> StoredSecret {
        StoredSecret { text: held.text.expose().to_vec(), expires_at: held.expires_at }
    }
}

impl From<StoredSecret> for Expiring {
    fn from(held: StoredSecret) -> Expiring {
        Expiring { text: Secret::new(held.text), expires_at: held.expires_at }
    }
}

impl SourceRow {
    /// Seals a source for its row.
    pub fn seal(source: &Source, row: &Key, sealer: &Sealer) -> SourceRow {
        let secrets = SourceSecrets {
            secrets: source.secrets.iter().map(StoredSecret::from).collect(),
            tokens: source.tokens.iter().map(StoredSecret::from).collect(),
            verify_token: source.verify_token.as_ref().map(|token| token.expose().to_vec()),
            expires_at: source.expires_at,
        };
        let source = source.clone();
        SourceRow {
            id: source.id,
            uid: source.uid,
            name: source.name,
            application: source.application,
            verification: match source.verification {
                Verification::Nothing => StoredVerification::Nothing,
                Verification::Provider(row) => StoredVerification::Known(row.name.clone()),
                Verification::Row { text, .. } => StoredVerification::Own(text),
            },
            methods: source.methods,
            max_body: source.max_body,
            reply: source.reply,
            refusal_status: source.refusal_status,
            dedup: source.dedup,
            channels: source.channels,
            event_type: source.event_type,
            mode: source.mode,
            set_up: source.set_up,
            cloud_events: source.cloud_events,
            public_key: source.public_key,
            metadata: source.metadata,
            managed: source.managed,
            created_at: source.created_at,
            updated_at: source.updated_at,
            sealed: sealer.seal(row.as_bytes(), &encode(&secrets)),
        }
    }

    /// The key of its row.
    pub fn key(&self) -> Key {
        keys::received::source(self.id)
    }

    /// What of it is sealed.
    pub fn sealed(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.sealed.as_slice())
    }

    /// Seals it with the current key if another one had; whether it had.
    pub fn reseal(&mut self, row: &Key, sealer: &Sealer) -> Result<bool, UnsealError> {
        sealer.reseal(row.as_bytes(), &mut self.sealed)
    }

    /// The source, opened. A provider that this build does not know is an error: without it
    /// anything would pass.
    pub fn open(self, row: &Key, sealer: &Sealer) -> Result<Source, RecordError> {
        let secrets = sealer.open(row.as_bytes(), &self.sealed)?;
        let secrets: SourceSecrets = decode(secrets.expose())?;
        let verification = match self.verification {
            StoredVerification::Nothing => Some(Verification::Nothing),
            StoredVerification::Known(name) => Verification::known(&name),
            StoredVerification::Own(text) => Verification::own(text).ok(),
        };
        Ok(Source {
            id: self.id,
            uid: self.uid,
            name: self.name,
            application: self.application,
            verification: verification.ok_or(RecordError::Provider)?,
            secrets: secrets.secrets.into_iter().map(Expiring::from).collect(),
            verify_token: secrets.verify_token.map(Secret::new),
            tokens: secrets.tokens.into_iter().map(Expiring::from).collect(),
            methods: self.methods,
            max_body: self.max_body,
            reply: self.reply,
            refusal_status: self.refusal_status,
            dedup: self.dedup,
            channels: self.channels,
            event_type: self.event_type,
            mode: self.mode,
            set_up: self.set_up,
            cloud_events: self.cloud_events,
            public_key: self.public_key,
            metadata: self.metadata,
            expires_at: secrets.expires_at,
            managed: self.managed,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of each version, for ever.
    #[test]
    fn frozen_bytes() {
        let secret = |text: &[u8]| StoredSecret { text: text.to_vec(), expires_at: None };
        let held = SourceSecretsV1 {
            secrets: vec![secret(b"s")],
            tokens: vec![secret(b"t")],
            verify_token: None,
        };
        let moment = Timestamp::from_millis(1_795_219_200_000);
        let held = SourceSecrets { expires_at: Some(moment), ..held.into() };
        let bytes = encode(&held);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0201017300010174000001fd001867fba1010000");
        let older: Vec<u8> = vec![1, 1, 1, b's', 0, 1, 1, b't', 0, 0];
        let read = decode::<SourceSecrets>(&older).expect("a record");
        assert_eq!(encode(&SourceSecrets { expires_at: Some(moment), ..read }), bytes);
    }
}
