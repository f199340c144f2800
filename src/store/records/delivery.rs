//! Rows of deliveries.

use serde::{Deserialize, Serialize};

use super::{Record, RecordError, parse};
use crate::domain::delivery::{Delivery, State};
use crate::domain::id::AttemptId;
use crate::domain::time::Timestamp;

/// Before there was a list of dead letters, and before any endpoint kept an order.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct DeliveryV1 {
    pub state: State,
    pub attempts: u16,
    pub due: Timestamp,
    pub attempt_ids: Vec<AttemptId>,
}

impl From<DeliveryV1> for Delivery {
    fn from(row: DeliveryV1) -> Delivery {
        let DeliveryV1 { state, attempts, due, attempt_ids } = row;
        Delivery { state, attempts, attempt_ids, ..Delivery::waiting(due) }
    }
}

impl Record for Delivery {
    const VERSION: u8 = 2;

    fn read(version: u8, bytes: &[u8]) -> Result<Delivery, RecordError> {
        match version {
            1 => parse::<DeliveryV1>(bytes).map(Delivery::from),
            2 => parse(bytes),
            newer => Err(RecordError::Newer(newer)),
        }
    }
}

/// What older versions wrote, for tests that read it again.
#[cfg(test)]
impl Record for DeliveryV1 {
    fn read(_: u8, bytes: &[u8]) -> Result<DeliveryV1, RecordError> {
        parse(bytes)
    }
}
