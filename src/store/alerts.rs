//! The troubles that the operator is alerted to: a row for each, so that a restart neither repeats
//! nor forgets one.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::domain::alert::{Trouble, TroubleKey};
use crate::domain::application::Application;
use crate::domain::endpoint::{Disabled, Endpoint};
use crate::domain::id::EndpointId;
use crate::store::keys::{Key, troubles};
use crate::store::records;
use crate::store::transaction::{Transaction, short_hash};
use crate::store::{Reply, Store, WriteError};

/// Whether relay disabled it by itself.
fn is_stopped(endpoint: &Endpoint) -> bool {
    matches!(endpoint.disabled, Some(Disabled::Gone | Disabled::Failing))
}

/// Rows written in one transaction; others' writes go between two.
const STEP: usize = 256;

records::one_version!(Trouble, TroubleKey);

fn row_key(key: &TroubleKey) -> Key {
    troubles::one(short_hash(&records::encode(key)))
}

impl Transaction<'_> {
    fn change_trouble(&mut self, key: &TroubleKey, trouble: Option<&Trouble>) {
        let row = row_key(key);
        match trouble {
            Some(trouble) => self.put_row(row, records::encode(trouble), false),
            None => self.delete_row(row),
        }
    }
}

impl Store {
    /// Every trouble that is kept.
    pub fn troubles(&self) -> Vec<Trouble> {
        let all = troubles::all();
        let mut found = Vec::new();
        self.shared.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            found.push(self.shared.decode(&key, &value));
            ControlFlow::Continue(())
        });
        found
    }

    /// Keeps these troubles as they stand, and forgets those that are `None`. Blocks until that is
    /// durable; a step that was written stays so when a later one fails.
    pub fn keep_troubles(
        &self,
        changes: Vec<(TroubleKey, Option<Trouble>)>,
    ) -> Result<(), WriteError> {
        for step in changes.chunks(STEP) {
            let step = step.to_vec();
            self.write_blocking(None, move |transaction| {
                for (key, trouble) in &step {
                    transaction.change_trouble(key, trouble.as_ref());
                }
                Ok(Reply::Done)
            })?;
        }
        Ok(())
    }

    /// Every endpoint that relay disabled by itself.
    pub fn stopped_endpoints(&self) -> Vec<(Arc<Application>, Arc<Endpoint>)> {
        let tables = self.shared.read_catalog();
        let disabled = tables.disabled.iter();
        let named = disabled.filter_map(|id: &EndpointId| tables.endpoint_by_id(*id));
        named.filter(|(_, endpoint)| is_stopped(endpoint)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{Condition, Stage, Subject};
    use crate::domain::id::Stamp;
    use crate::domain::time::Timestamp;

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let trouble = Trouble {
            key: TroubleKey {
                alert: "ops".to_owned(),
                condition: Condition::BacklogAge,
                subject: Subject::Endpoint(EndpointId::new(Stamp(9))),
            },
            stage: Stage::Told,
            since: Timestamp::from_millis(1_795_219_200_000),
            detail: "d".to_owned(),
        };
        let bytes = records::encode(&trouble);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01036f707304010901fd001867fba10100000164");
        assert_eq!(records::decode::<Trouble>(&bytes).expect("a row"), trouble);
        let name = row_key(&trouble.key);
        assert_eq!(format!("{name:?}"), "f788d1aa2675ee7fc15b39e798f51c100");
    }
}
