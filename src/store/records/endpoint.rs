//! Endpoint rows: what is secret of an endpoint is sealed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Record, RecordError, decode, encode, one_version, parse};
use crate::domain::application::Metadata;
use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::endpoint::{Disabled, Endpoint, EndpointKey};
use crate::domain::filter::Filter;
use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::secret::Secret;
use crate::domain::signature::SigningKey;
use crate::domain::subscription::Subscription;
use crate::domain::time::Timestamp;
use crate::store::keys::{self, Key};
use crate::store::seal::{Sealer, UnsealError};

/// An endpoint with its secrets sealed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EndpointRow {
    second: EndpointRowV2,
    /// Sealed: how its deliveries are made, as JSON; may hold credentials.
    delivery: Option<Vec<u8>>,
}

/// Before deliveries to an endpoint had settings of their own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EndpointRowV2 {
    standing: EndpointRowV1,
    sources: Vec<String>,
    /// A filter, as JSON.
    filter: Option<String>,
    /// Sealed: a transformation, as JSON; its variables may hold credentials.
    transformation: Option<Vec<u8>>,
}

/// Before endpoints chose by source and content.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EndpointRowV1 {
    pub(super) id: EndpointId,
    pub(super) application: ApplicationId,
    pub(super) uid: Option<String>,
    pub(super) url: String,
    pub(super) description: String,
    pub(super) event_types: Vec<String>,
    pub(super) channels: Vec<String>,
    pub(super) disabled: Option<Disabled>,
    pub(super) throttle_rate: Option<u16>,
    pub(super) metadata: Metadata,
    pub(super) managed: bool,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// Sealed: the headers, which may hold credentials, and the keys.
    pub(super) sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct EndpointSecrets {
    headers: BTreeMap<String, String>,
    keys: Vec<StoredKey>,
}

one_version!(EndpointSecrets);

#[derive(Serialize, Deserialize)]
struct StoredKey {
    ed25519: bool,
    bytes: Vec<u8>,
    expires_at: Option<Timestamp>,
}

impl Record for EndpointRow {
    const VERSION: u8 = 3;

    fn read(version: u8, bytes: &[u8]) -> Result<EndpointRow, RecordError> {
        match version {
            1 => parse::<EndpointRowV1>(bytes).map(EndpointRow::from),
            2 => parse::<EndpointRowV2>(bytes).map(EndpointRow::from),
            3 => parse(bytes),
            newer => Err(RecordError::Newer(newer)),
        }
    }
}

impl From<EndpointRowV1> for EndpointRow {
    fn from(standing: EndpointRowV1) -> EndpointRow {
        let (sources, filter, transformation) = (Vec::new(), None, None);
        EndpointRow::from(EndpointRowV2 { standing, sources, filter, transformation })
    }
}

impl From<EndpointRowV2> for EndpointRow {
    fn from(second: EndpointRowV2) -> EndpointRow {
        EndpointRow { second, delivery: None }
    }
}

impl EndpointRowV2 {
    /// What of it is sealed.
    pub(super) fn sealed(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.standing.sealed.as_slice()).chain(self.transformation.as_deref())
    }
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
        let transformation = endpoint.transformation.as_deref();
        let transformation = transformation.map(|held| seal_json(held, row, sealer));
        let changed = endpoint.delivery != DeliverySettings::default();
        let delivery = changed.then(|| seal_json(&endpoint.delivery, row, sealer));
        let Subscription { event_types, channels, sources, filter } = endpoint.subscription;
        let second = EndpointRowV2 {
            standing: EndpointRowV1 {
                id: endpoint.id,
                application: endpoint.application,
                uid: endpoint.uid,
                url: endpoint.url,
                description: endpoint.description,
                event_types,
                channels,
                disabled: endpoint.disabled,
                throttle_rate: endpoint.throttle_rate,
                metadata: endpoint.metadata,
                managed: endpoint.managed,
                created_at: endpoint.created_at,
                updated_at: endpoint.updated_at,
                sealed: sealer.seal(row.as_bytes(), &encode(&secrets)),
            },
            sources,
            filter: filter.map(|filter| filter.as_json().to_string()),
            transformation,
        };
        EndpointRow { second, delivery }
    }

    /// The key of its row.
    pub fn key(&self) -> Key {
        let EndpointRowV1 { application, id, .. } = self.second.standing;
        keys::endpoint(application, id)
    }

    /// What of it is sealed.
    pub fn sealed(&self) -> impl Iterator<Item = &[u8]> {
        self.second.sealed().chain(self.delivery.as_deref())
    }

    /// Seals with the current key what another one had sealed; whether there was any.
    pub fn reseal(&mut self, row: &Key, sealer: &Sealer) -> Result<bool, UnsealError> {
        let EndpointRow { second, delivery } = self;
        let others = [&mut second.transformation, delivery].into_iter().flatten();
        let mut changed = false;
        for sealed in std::iter::once(&mut second.standing.sealed).chain(others) {
            changed |= sealer.reseal(row.as_bytes(), sealed)?;
        }
        Ok(changed)
    }

    /// The endpoint, opened.
    pub fn open(self, row: &Key, sealer: &Sealer) -> Result<Endpoint, RecordError> {
        let EndpointRow { second, delivery } = self;
        let EndpointRowV2 { standing, sources, filter, transformation } = second;
        let transformation = transformation
            .map(|sealed| open_json(&sealed, row, sealer, RecordError::Transformation))
            .transpose()?;
        let delivery = delivery
            .map(|sealed| open_json(&sealed, row, sealer, RecordError::DeliverySettings))
            .transpose()?;
        let filter = filter.map(|text| Filter::parse_text(&text)).transpose()?;
        let secrets = sealer.open(row.as_bytes(), &standing.sealed)?;
        let secrets: EndpointSecrets = decode(secrets.expose())?;
        let keys = secrets.keys.into_iter().map(|key| {
            let secret = Secret::new(key.bytes);
            let signing =
                if key.ed25519 { SigningKey::Ed25519(secret) } else { SigningKey::Hmac(secret) };
            EndpointKey { key: signing, expires_at: key.expires_at }
        });
        Ok(Endpoint {
            id: standing.id,
            application: standing.application,
            uid: standing.uid,
            url: standing.url,
            description: standing.description,
            subscription: Subscription {
                event_types: standing.event_types,
                channels: standing.channels,
                sources,
                filter: filter.map(Arc::new),
            },
            disabled: standing.disabled,
            throttle_rate: standing.throttle_rate,
            delivery: delivery.unwrap_or_default(),
            metadata: standing.metadata,
            headers: secrets.headers,
            transformation: transformation.map(Arc::new),
            keys: keys.collect(),
            managed: standing.managed,
            created_at: standing.created_at,
            updated_at: standing.updated_at,
        })
    }
}

fn seal_json<T: Serialize>(value: &T, row: &Key, sealer: &Sealer) -> Vec<u8> {
    let json = serde_json::to_vec(value).expect("invariant: its keys are text");
    sealer.seal(row.as_bytes(), &json)
}

fn open_json<T: DeserializeOwned>(
    sealed: &[u8],
    row: &Key,
    sealer: &Sealer,
    error: fn(serde_json::Error) -> RecordError,
) -> Result<T, RecordError> {
    let json = sealer.open(row.as_bytes(), sealed)?;
    serde_json::from_slice(json.expose()).map_err(error)
}
