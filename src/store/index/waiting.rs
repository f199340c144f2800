//! How many deliveries wait in the index.

use std::ops::ControlFlow;

use super::{Index, IndexChange};
use crate::store::keys::{self, Key};

/// Rows counted in one step.
const STEP: u64 = 500;

/// A count of the due index that goes on while rows come and go.
pub struct WaitingCount {
    count: u64,
    /// What lies before it is counted.
    counted_to: Key,
}

impl Default for WaitingCount {
    /// Nothing is counted yet.
    fn default() -> WaitingCount {
        WaitingCount { count: 0, counted_to: keys::all_due() }
    }
}

impl WaitingCount {
    /// How many there are, once all are counted; before, how many were found.
    pub fn get(&self) -> u64 {
        self.count
    }

    /// Whether all are counted.
    pub fn is_whole(&self) -> bool {
        self.counted_to == keys::all_due().after_prefix()
    }

    /// Counts some more. Nothing goes into the index meanwhile.
    pub fn go_on(&mut self, index: &Index) {
        let end = keys::all_due().after_prefix();
        let (from, mut seen, mut last) = (self.counted_to, 0, end);
        index.scan(&from, &end, false, &mut |key, _| {
            if seen == STEP {
                last = key;
                return ControlFlow::Break(());
            }
            seen += 1;
            ControlFlow::Continue(())
        });
        self.count += seen;
        self.counted_to = last;
    }

    /// Takes account of rows that are about to go into the index.
    pub fn change(&mut self, index: &Index, changes: &[IndexChange]) {
        let counted = |key: &Key| key.is_due() && *key < self.counted_to;
        for change in changes.iter().filter(|change| counted(&change.key)) {
            // Asked even where it is fresh: a crash may have left what the journal has again.
            let was = index.get(&change.key).is_some();
            match (was, change.value.is_some()) {
                (false, true) => self.count += 1,
                (true, false) => self.count -= 1,
                (true, true) | (false, false) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::delivery::DeliveryId;
    use crate::domain::id::{Id, Stamp};
    use crate::domain::time::Timestamp;

    fn change(number: u64, there: bool, fresh: bool) -> IndexChange {
        let id =
            DeliveryId { message: Id::new(Stamp(number)), endpoint: Id::new(Stamp(1)), replay: 0 };
        let key = keys::due(id, Timestamp::from_millis(5));
        IndexChange { key, value: there.then(Bytes::new), fresh }
    }

    #[test]
    fn rows_are_counted_once_while_they_come_and_go() {
        let index = Index::memory(Default::default());
        let all: Vec<_> = (0..1_200).map(|number| change(number, true, true)).collect();
        let other = IndexChange { key: keys::salt(), value: Some(Bytes::new()), fresh: true };
        all.chunks(100).for_each(|some| index.apply(some, 1));
        let mut count = WaitingCount::default();
        let apply = |count: &mut WaitingCount, changes: &[IndexChange]| {
            count.change(&index, changes);
            index.apply(changes, 2);
        };
        count.go_on(&index);
        assert_eq!((count.get(), count.is_whole()), (500, false));
        // Before the place and behind it; one that is there already, one that is not.
        let before = [change(3, false, false), change(4, true, true), change(3, false, false)];
        apply(&mut count, &before[..2]);
        apply(&mut count, &before[2..]);
        apply(&mut count, &[change(1_100, false, false), change(2_000, true, true), other]);
        while !count.is_whole() {
            count.go_on(&index);
        }
        assert_eq!(count.get(), 1_199);
        apply(&mut count, &[change(3, true, true), change(2_000, false, false)]);
        assert_eq!(count.get(), 1_199);
    }
}
