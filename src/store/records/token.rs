//! Rows of operator keys.

use serde::{Deserialize, Serialize};

use super::{Record, RecordError, parse};
use crate::domain::id::KeyId;
use crate::domain::time::Timestamp;
use crate::domain::token::{OperatorKey, Role};

/// Before there were roles: every key opened everything.
#[derive(Serialize, Deserialize)]
struct OperatorKeyV1 {
    id: KeyId,
    name: Option<String>,
    digest: [u8; 32],
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl Record for OperatorKey {
    const VERSION: u8 = 2;

    fn read(version: u8, bytes: &[u8]) -> Result<OperatorKey, RecordError> {
        match version {
            1 => parse::<OperatorKeyV1>(bytes).map(|old| OperatorKey {
                id: old.id,
                name: old.name,
                digest: old.digest,
                created_at: old.created_at,
                expires_at: old.expires_at,
                role: Role::Operator,
            }),
            2 => parse(bytes),
            newer => Err(RecordError::Newer(newer)),
        }
    }
}
