//! The list of dead letters made whole: without those of deleted endpoints, with those that an
//! older version left, and as the deliveries say after records were given up.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::domain::dead_letter::DeadLetter;
use crate::domain::delivery::{Delivery, DeliveryId, State};
use crate::domain::id::{ApplicationId, DeadLetterId, Stamp};
use crate::domain::operational::HIDDEN;
use crate::store::dead_letters::DeadLettersRow;
use crate::store::keys::{self, Key, dead_letters as rows};
use crate::store::transaction::Transaction;
use crate::store::{Shared, Store, WriteError, records};

/// Rows looked at in one step.
const STEP: usize = 256;
/// Dead letters listed in one record.
const LISTED: usize = 64;

/// The mark of a deleted endpoint, and dead letters of it and of others that are.
struct Leavings {
    marker: Key,
    found: Vec<(Key, DeadLetterId)>,
    /// Behind which to go on; `None` when there are no more.
    next: Option<DeadLetterId>,
}

impl Store {
    /// Takes some dead letters of deleted endpoints out of the list; returns whether there may be
    /// more.
    pub(super) fn forget_dead_letters(&self) -> Result<bool, WriteError> {
        let Some(leavings) = self.shared.leavings() else { return Ok(false) };
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                let Leavings { marker, found, next } = leavings;
                for (key, id) in found {
                    if transaction.row(&key).is_some() {
                        transaction.drop_dead(key, id);
                    }
                }
                match next {
                    Some(next) => {
                        transaction.put_row(marker, records::encode(&next.stamp().0), false);
                    }
                    None => transaction.delete_row(marker),
                }
                Ok(())
            })
        })??;
        Ok(true)
    }

    /// Whether dead deliveries that an older version left may not be in the list yet.
    pub fn lacks_dead_letters(&self) -> bool {
        !self.shared.dead_letters().is_whole
    }

    /// Lists the next dead deliveries that an older version left; returns behind which to go on,
    /// `None` when all are listed.
    pub fn list_old_dead(
        &self,
        after: Option<DeliveryId>,
    ) -> Result<Option<DeliveryId>, WriteError> {
        if self.shared.overlay.bytes() > self.shared.overlay_limit {
            return Err(WriteError::Busy);
        }
        let (unlisted, next) = self.shared.unlisted(after);
        self.for_each(&unlisted, LISTED, |transaction, id| transaction.list_old(id))?;
        if next.is_none() {
            self.on_writer(|writer| {
                writer.transact(|transaction| {
                    let held: DeadLettersRow =
                        transaction.record(&rows::state()).unwrap_or_default();
                    let whole = DeadLettersRow { is_whole: true, ..held };
                    transaction.put_row(rows::state(), records::encode(&whole), false);
                    Ok(())
                })
            })??;
        }
        Ok(next)
    }

    /// Makes the list say what the deliveries do. For a store that nothing is sent from meanwhile.
    pub(super) fn mend_dead_letters(&self) -> Result<(), WriteError> {
        let (misfits, count) = self.shared.misfiled();
        let misfits: Vec<Key> = misfits.into_iter().collect();
        self.for_each(&misfits, STEP, |transaction, key| transaction.delete_row(key))?;
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                let row = DeadLettersRow { count, is_whole: false };
                transaction.put_row(rows::state(), records::encode(&row), false);
                Ok(())
            })
        })??;
        let mut after = None;
        // Bounded by the deliveries there are: each step begins behind the last one.
        loop {
            after = self.list_old_dead(after)?;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

impl Transaction<'_> {
    /// Lists a delivery that died unlisted, at the time of its last attempt, or else of its
    /// message.
    fn list_old(&mut self, id: DeliveryId) {
        let key = keys::delivery(id);
        let Some(mut held) = self.record::<Delivery>(&key) else { return };
        if !matches!(held.state, State::Dead(_)) {
            return;
        }
        if held.dead_letter.is_none() {
            let last = held.attempt_ids.last();
            let mut stamp = last.map_or(id.message.stamp(), |last| last.stamp());
            // Several deliveries of a message may have died untried.
            while self.row(&rows::place(DeadLetterId::new(stamp))).is_some() {
                stamp = Stamp(stamp.0 + 1);
            }
            held.dead_letter = Some(DeadLetterId::new(stamp));
        }
        self.list_dead(id, &mut held, None);
        self.put_row(key, records::encode(&held), false);
    }
}

impl Shared {
    fn leavings(&self) -> Option<Leavings> {
        let all = rows::all_leavings();
        let mut first = None;
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            first = Some((key, value));
            ControlFlow::Break(())
        });
        let (marker, value) = first?;
        let (application, _) = rows::leavings_of(&marker)?;
        let after = DeadLetterId::new(Stamp(self.decode(&marker, &value)));
        let from = rows::one(application, after).successor();
        let end = rows::of_application(application).after_prefix();
        let (mut found, mut looked_at, mut last, mut more) = (Vec::new(), 0, None, false);
        self.overlay.scan(&from, &end, false, &mut |key, value| {
            if looked_at == STEP {
                more = true;
                return ControlFlow::Break(());
            }
            looked_at += 1;
            last = rows::parts(&key).map(|(_, id)| id);
            let letter: DeadLetter = self.decode(&key, &value);
            // Those of all that are deleted: with an application go many at once.
            if self.read_catalog().endpoint_by_id(letter.delivery.endpoint).is_none() {
                found.extend(last.map(|id| (key, id)));
            }
            ControlFlow::Continue(())
        });
        Some(Leavings { marker, found, next: last.filter(|_| more) })
    }

    /// Dead deliveries among the next ones that should be in the list and are not, and behind
    /// which to go on.
    fn unlisted(&self, after: Option<DeliveryId>) -> (Vec<DeliveryId>, Option<DeliveryId>) {
        let all = keys::all_deliveries();
        let from = after.map_or(all, |after| keys::delivery(after).successor());
        let (mut found, mut looked_at, mut last, mut more) = (Vec::new(), 0, None, false);
        self.overlay.scan(&from, &all.after_prefix(), false, &mut |key, value| {
            if looked_at == STEP {
                more = true;
                return ControlFlow::Break(());
            }
            looked_at += 1;
            last = keys::delivery_of(&key);
            let held: Delivery = self.decode(&key, &value);
            if matches!(held.state, State::Dead(_)) {
                found.extend(last.map(|id| (id, held.dead_letter)));
            }
            ControlFlow::Continue(())
        });
        let listed = |id: DeadLetterId| self.overlay.get(&rows::place(id)).is_some();
        let unlisted = found.into_iter().filter(|(id, letter)| {
            let owner = self.read_catalog().endpoint_by_id(id.endpoint).map(|(owner, _)| owner.id);
            let owner = owner.filter(|owner| *owner != HIDDEN);
            owner.is_some_and(|owner| self.message_by_id(owner, id.message).is_some())
                && !letter.is_some_and(listed)
        });
        (unlisted.map(|(id, _)| id).collect(), last.filter(|_| more))
    }

    /// Rows of the list that no delivery has, and how many are right.
    fn misfiled(&self) -> (BTreeSet<Key>, u64) {
        let (mut misfits, mut right) = (BTreeSet::new(), 0);
        let all = rows::whole();
        let mut listed = Vec::new();
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            if let Some((application, id)) = rows::parts(&key) {
                let letter: DeadLetter = self.decode(&key, &value);
                listed.push((key, application, id, letter.delivery));
            }
            ControlFlow::Continue(())
        });
        for (key, application, id, delivery) in listed {
            let place = rows::place(id);
            let owner = self.overlay.get(&place).map(|row| self.decode(&place, &row));
            if owner == Some(application.stamp().0) && self.is_listed(application, id, delivery) {
                right += 1;
            } else {
                misfits.insert(key);
            }
        }
        let all = rows::by_time();
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            let owner = ApplicationId::new(Stamp(self.decode(&key, &value)));
            let one = rows::placed(&key).map(|id| rows::one(owner, id));
            let gone = |one: &Key| misfits.contains(one) || self.overlay.get(one).is_none();
            if one.is_none_or(|one| gone(&one)) {
                misfits.insert(key);
            }
            ControlFlow::Continue(())
        });
        (misfits, right)
    }

    /// Whether a delivery has this place in the list, and should.
    fn is_listed(&self, owner: ApplicationId, listed: DeadLetterId, id: DeliveryId) -> bool {
        let key = keys::delivery(id);
        let held: Option<Delivery> = self.overlay.get(&key).map(|row| self.decode(&key, &row));
        held.is_some_and(|held| {
            matches!(held.state, State::Dead(_)) && held.dead_letter == Some(listed)
        }) && self.read_catalog().endpoint_by_id(id.endpoint).is_some()
            && self.message_by_id(owner, id.message).is_some()
    }
}

#[cfg(test)]
mod tests;
