//! Since when an endpoint fails: one row, written when it begins and removed by the first success,
//! so that an endpoint that is well, or stays ill, costs no writes.

use serde::{Deserialize, Serialize};

use crate::domain::delivery::Outcome;
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::store::catalog::CatalogChange;
use crate::store::transaction::Transaction;
use crate::store::{Store, keys, records};

/// An endpoint of which no attempt succeeded since.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailingRow {
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// When the first of its failures was recorded, in engine time.
    pub since: Timestamp,
}

records::one_version!(FailingRow);

impl Transaction<'_> {
    /// Takes note of how an attempt at an endpoint ended.
    pub(super) fn note_outcome(&mut self, endpoint: EndpointId, outcome: Outcome) {
        // Of the receiver they say nothing.
        if matches!(outcome, Outcome::Transform | Outcome::Dropped) {
            return;
        }
        let tables = &self.writer.tables;
        let failing = tables.failing_since(endpoint).is_some();
        if outcome == Outcome::Delivered {
            self.forgive(endpoint);
        } else if !failing && tables.endpoint_by_id(endpoint).is_some() {
            let since = self.now();
            let row = records::encode(&FailingRow { endpoint, since });
            self.put_row(keys::failing(endpoint), row, true);
            self.set(CatalogChange::Failing(endpoint, Some(since)));
        }
    }

    /// Forgets that an endpoint fails: it succeeded, or was changed, or is gone.
    pub(super) fn forgive(&mut self, endpoint: EndpointId) {
        if self.writer.tables.failing_since(endpoint).is_some() {
            self.delete_row(keys::failing(endpoint));
            self.set(CatalogChange::Failing(endpoint, None));
        }
    }
}

impl Store {
    /// Every endpoint of which the last attempt failed, and since when none succeeded. Changing an
    /// endpoint, or the throttle of its application, begins anew.
    pub fn failing(&self) -> Vec<(EndpointId, Timestamp)> {
        self.shared.read_catalog().failing().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let row = FailingRow {
            endpoint: EndpointId::new(Stamp(0x0102_0304_0506_0708)),
            since: Timestamp::from_millis(1_795_219_200_000),
        };
        let bytes = records::encode(&row);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01fd0807060504030201fd001867fba1010000");
        assert_eq!(records::decode::<FailingRow>(&bytes).expect("a row"), row);
    }
}
