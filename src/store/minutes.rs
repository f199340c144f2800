//! What was counted by the minute: a row for each in which anything happened, kept for eight days.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::domain::figures::Counted;
use crate::domain::time::Timestamp;
use crate::store::keys::minutes as rows;
use crate::store::records;
use crate::store::{Reply, Store, WriteError};

/// How long a minute is kept: a week is shown, and the day in which it begins.
const KEPT_FOR: Duration = Duration::from_secs(8 * 24 * 3_600);
/// Rows written or deleted in one transaction; others' writes go between two.
const STEP: usize = 256;

records::one_version!(Counted);

impl Store {
    /// What was counted in the minute that begins at this time, if it was written.
    pub fn minute(&self, begin: Timestamp) -> Option<Counted> {
        let key = rows::one(begin);
        self.shared.overlay.get(&key).map(|bytes| self.shared.decode(&key, &bytes))
    }

    /// Every minute that was written from `since` on, oldest first; may wait for the disk.
    pub fn minutes(&self, since: Timestamp) -> Vec<(Timestamp, Counted)> {
        let mut found = Vec::new();
        let end = rows::all().after_prefix();
        self.shared.overlay.scan(&rows::one(since), &end, false, &mut |key, value| {
            let begin = rows::begin_of(&key);
            found.extend(begin.map(|begin| (begin, self.shared.decode(&key, &value))));
            ControlFlow::Continue(())
        });
        found
    }

    /// Keeps these minutes, each in the place of what was written of it before. Blocks until that
    /// is durable; a step that was written stays so when a later one fails.
    pub fn keep_minutes(&self, minutes: Vec<(Timestamp, Counted)>) -> Result<(), WriteError> {
        for step in minutes.chunks(STEP) {
            let step = step.to_vec();
            self.write_blocking(None, move |transaction| {
                for (begin, counted) in &step {
                    transaction.put_row(rows::one(*begin), records::encode(counted), false);
                }
                Ok(Reply::Done)
            })?;
        }
        Ok(())
    }

    /// Forgets minutes that were kept long enough, a step of them; whether there may be more.
    pub fn sweep_minutes(&self) -> Result<bool, WriteError> {
        if !self.trusts_ages() {
            return Ok(false);
        }
        let mut old = Vec::new();
        let end = rows::one(self.now() - KEPT_FOR);
        self.shared.overlay.scan(&rows::all(), &end, false, &mut |key, _| {
            old.push(key);
            if old.len() == STEP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let more = old.len() == STEP;
        if !old.is_empty() {
            self.write_blocking(None, move |transaction| {
                old.iter().for_each(|key| transaction.delete_row(*key));
                Ok(Reply::Done)
            })?;
        }
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::figures::Latencies;

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let mut latency = Latencies::default();
        latency.add_to(5, 3);
        latency.add_to(239, 300);
        let row = Counted { accepted: 1, received: 2, delivered: 303, failed: 4, dead: 5, latency };
        let bytes = records::encode(&row);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "010102fb2f010405020503effb2c01");
        assert_eq!(records::decode::<Counted>(&bytes).expect("a row"), row);
        let key = rows::one(Timestamp::from_millis(1_795_219_200_000));
        assert_eq!(format!("{key:?}"), "g000001a1fb671800");
        assert_eq!(rows::begin_of(&key), Some(Timestamp::from_millis(1_795_219_200_000)));
    }
}
