//! Making the due index fit again after records were given up: what was lost may have put a due
//! time, taken one away, or accepted the message that another record still holds a time for.

use std::ops::ControlFlow;

use crate::domain::delivery::{Delivery, DeliveryId, State};
use crate::domain::time::Timestamp;
use crate::store::account::Place;
use crate::store::keys::{self, Key};
use crate::store::transaction::Transaction;
use crate::store::{Shared, Store, WriteError};

/// Rows changed in one record.
const STEP: usize = 256;

/// What was made to fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mended {
    /// Due times, and resends asked for, taken away: of a message that is lost, or left behind by a
    /// lost record.
    pub dropped: u64,
    /// Deliveries that waited and had no due time: they are due again.
    pub restored: u64,
}

impl Store {
    /// Takes away every due time that no delivery has, gives one to each that waits without, and
    /// takes back those that wait without for an endpoint that is gone. Counts anew what waits of
    /// each source, and lists the dead letters that there are. For a store that nothing is sent
    /// from meanwhile.
    pub fn mend(&self) -> Result<Mended, WriteError> {
        let dropped = self.shared.misfits();
        let (restored, orphans) = self.shared.forgotten();
        self.for_each(&dropped, STEP, |transaction, key| transaction.delete_row(key))?;
        self.for_each(&restored, STEP, |transaction, key| {
            transaction.put_row(key, bytes::Bytes::new(), true);
        })?;
        self.for_each(&orphans, STEP, |transaction, (id, due)| transaction.cancel(id, due))?;
        for source in self.sources() {
            let waiting = self.shared.count_waiting(source.id);
            self.on_writer(move |writer| {
                writer.transact(|transaction| {
                    transaction.mend_waiting(source.id, waiting);
                    Ok(())
                })
            })??;
        }
        self.mend_dead_letters()?;
        Ok(Mended { dropped: dropped.len() as u64, restored: restored.len() as u64 })
    }

    /// Does `work` for each of `all`, `most` of them in a record; other writes go between two. What
    /// was written stays so when a later record fails.
    pub(super) fn for_each<T: Clone + Send + 'static>(
        &self,
        all: &[T],
        most: usize,
        work: impl Fn(&mut Transaction<'_>, T) + Copy + Send + 'static,
    ) -> Result<(), WriteError> {
        for some in all.chunks(most) {
            let some = some.to_vec();
            self.on_writer(move |writer| {
                writer.transact(|transaction| {
                    some.into_iter().for_each(|one| work(transaction, one));
                    Ok(())
                })
            })??;
        }
        Ok(())
    }
}

impl Shared {
    /// Due times that their delivery does not have, and what was asked for again and is not there.
    fn misfits(&self) -> Vec<Key> {
        let mut found = Vec::new();
        let all = keys::all_due();
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, _| {
            let fits = keys::due_parts(&key).is_some_and(|(id, due)| self.is_due(id, due));
            if !fits {
                found.push(key);
            }
            ControlFlow::Continue(())
        });
        let all = keys::all_resends();
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, _| {
            if keys::resend_of(&key).is_none_or(|id| !self.can_be_resent(id)) {
                found.push(key);
            }
            ControlFlow::Continue(())
        });
        found
    }

    /// Whether there is a delivery that was asked for again. The first to an endpoint has no row
    /// while it waits.
    fn can_be_resent(&self, id: DeliveryId) -> bool {
        let owner = self.read_catalog().endpoint_by_id(id.endpoint).map(|(owner, _)| owner.id);
        let Some(owner) = owner else { return true };
        self.message_by_id(owner, id.message).is_some()
            && (id.replay == 0 || self.overlay.get(&keys::delivery(id)).is_some())
    }

    fn is_due(&self, id: DeliveryId, due: Timestamp) -> bool {
        // What waits for an endpoint that is gone is cancelled by and by.
        let owner = self.read_catalog().endpoint_by_id(id.endpoint).map(|(owner, _)| owner.id);
        let Some(owner) = owner else { return true };
        let Some(stored) = self.message_by_id(owner, id.message) else { return false };
        let held: Option<Delivery> = {
            let key = keys::delivery(id);
            self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes))
        };
        match held {
            None => due == stored.message.first_due(),
            Some(held) => matches!(held.state, State::Waiting | State::Retrying) && held.due == due,
        }
    }

    /// The due times that deliveries should have and have not, and the deliveries that have none
    /// because their endpoint is gone.
    fn forgotten(&self) -> (Vec<Key>, Vec<(DeliveryId, Timestamp)>) {
        let (mut found, mut orphans) = (Vec::new(), Vec::new());
        self.each_message(&mut |message, places| {
            let nowhere = places.iter().filter(|(_, place)| *place == Place::Nowhere);
            for (endpoint, _) in nowhere {
                let id = DeliveryId { message: message.id, endpoint: *endpoint, replay: 0 };
                let due = self.delivery(message, id).due;
                match self.read_catalog().endpoint_by_id(*endpoint) {
                    Some(_) => found.push(keys::due(id, due)),
                    None => orphans.push((id, due)),
                }
            }
        });
        (found, orphans)
    }
}
