//! Results that nobody waits for and that must not get lost: they are held until there is room.

use super::{Fatal, Writer};
use crate::domain::delivery::DeliveryId;
use crate::store::transaction::Transaction;
use crate::store::{Settlement, WriteError};

/// What became of a delivery that the scheduler had in hand; a `Settled` notice says when it is
/// durable.
#[derive(Debug)]
pub enum Ended {
    /// An attempt was made.
    Attempt(Settlement),
    /// Its time ran out.
    Expired(DeliveryId),
}

impl Ended {
    /// Records it; whether the operator was told of it too, if `tell` asks for that.
    fn record(&self, transaction: &mut Transaction<'_>, tell: bool) -> bool {
        match self {
            Ended::Attempt(settlement) => {
                let settled = transaction.settle(settlement);
                let told = settled.filter(|_| tell);
                told.is_some_and(|(event, attempt)| transaction.tell_of_attempt(event, &attempt))
            }
            Ended::Expired(delivery) => {
                transaction.expire(*delivery) && tell && transaction.tell_of_expiry(*delivery)
            }
        }
    }
}

impl Writer {
    /// Records what is held, oldest first, as far as there is room.
    pub(super) fn record_held(&mut self) -> Result<(), Fatal> {
        while let Some(ended) = self.held.pop_front() {
            self.make_room()?;
            if let Err(WriteError::Full(_)) = self.record(&ended) {
                self.held.push_front(ended);
                return Ok(());
            }
            self.group.add(self.shared.clock.now());
        }
        Ok(())
    }

    /// Records one, and tells the operator of it, if there is room for that too.
    fn record(&mut self, ended: &Ended) -> Result<(), WriteError> {
        let mut told = false;
        let recorded = self.transact(|transaction| {
            told = ended.record(transaction, true);
            Ok(())
        });
        match recorded {
            // What is told of it must not keep it from being recorded.
            Err(WriteError::Full(_)) if told => {
                self.shared.count_untold();
                self.transact(|transaction| {
                    ended.record(transaction, false);
                    Ok(())
                })
            }
            recorded => recorded,
        }
    }
}
