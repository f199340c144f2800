//! Results that nobody waits for and that must not get lost: they are held until there is room.

use super::{Fatal, GROUP_WRITES, Writer};
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

/// So many are recorded in one turn, some 20 µs each: what somebody waits for then goes first.
const AT_ONCE: usize = 64;
/// Or this share of what is held, so that it does not grow without end.
const SHARE: usize = 4;

impl Writer {
    /// Whether anything is held that may find room.
    pub(super) fn has_recordable(&self) -> bool {
        !self.stuck && !self.held.is_empty()
    }

    /// Says that a turn begins.
    pub(super) fn allow_held(&mut self) {
        self.stuck = false;
        self.allowance = AT_ONCE.max(self.held.len() / SHARE).min(GROUP_WRITES);
    }

    /// Records what is held, oldest first, as far as there is room and the turn allows.
    pub(super) fn record_held(&mut self) -> Result<(), Fatal> {
        while self.allowance > 0 && !self.stuck {
            let Some(ended) = self.held.pop_front() else { return Ok(()) };
            self.allowance -= 1;
            self.make_room()?;
            if let Err(WriteError::Full(_)) = self.record(&ended) {
                self.held.push_front(ended);
                self.stuck = true;
                return Ok(());
            }
            self.group.add(self.shared.clock.now());
        }
        Ok(())
    }

    /// Records all that is held and finds room, and syncs: the last thing that is done.
    pub fn finish(&mut self) -> Result<(), Fatal> {
        loop {
            self.allow_held();
            self.record_held()?;
            self.finish_group()?;
            if !self.has_recordable() {
                return Ok(());
            }
        }
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
            Err(WriteError::Full(_)) if told => self.transact(|transaction| {
                ended.record(transaction, false);
                transaction.counted().untold += 1;
                Ok(())
            }),
            recorded => recorded,
        }
    }
}
