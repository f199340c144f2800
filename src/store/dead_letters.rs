//! The list of dead letters: a row for each dead delivery, written and taken away in the record
//! that changes its state.
//!
//! Dead letters of an endpoint that is gone are hidden at once and taken away by the janitor, in
//! bounded steps; those of the hidden application are in no list.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::domain::dead_letter::{DeadLetter, DeadLetterAction, DeadLetterFilter};
use crate::domain::delivery::{Delivery, DeliveryId, Input, State, transition};
use crate::domain::id::{ApplicationId, DeadLetterId, EndpointId, Stamp};
use crate::domain::operational::HIDDEN;
use crate::store::keys::{self, Key, dead_letters as rows};
use crate::store::records::{self, AttemptRow, MessageRow};
use crate::store::transaction::Transaction;
use crate::store::{Page, PageRequest, Shared, Store, StoredMessage};

/// How many dead letters are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct DeadLettersRow {
    pub count: u64,
    /// Those that older versions left are among them.
    pub is_whole: bool,
}

records::one_version!(DeadLetter, DeadLettersRow);

/// A dead letter, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredDeadLetter {
    /// Names it; its time is when the delivery died.
    pub id: DeadLetterId,
    /// The tenant.
    pub application: ApplicationId,
    /// What is dead, and why.
    pub letter: DeadLetter,
    /// Its message.
    pub message: StoredMessage,
}

impl Transaction<'_> {
    /// Brings the list in line with a delivery that is about to be written. `status_code` is that
    /// of an attempt which this transaction has yet to write.
    pub(super) fn list_dead(
        &mut self,
        id: DeliveryId,
        delivery: &mut Delivery,
        status_code: Option<u16>,
    ) {
        let State::Dead(reason) = delivery.state else {
            if let Some(listed) = delivery.dead_letter.take() {
                self.unlist_dead(id, listed);
            }
            return;
        };
        let owner = self.writer.tables.endpoint_by_id(id.endpoint).map(|(owner, _)| owner.id);
        let Some(owner) = owner.filter(|owner| *owner != HIDDEN) else { return };
        // What was under way while its message went leaves nothing that could be sent again.
        let Some(row) = self.record::<MessageRow>(&keys::message(owner, id.message)) else {
            return;
        };
        let letter = DeadLetter {
            delivery: id,
            reason,
            event_type: row.message.event_type,
            attempts: u32::try_from(delivery.attempt_ids.len()).unwrap_or(u32::MAX),
            status_code: status_code.unwrap_or_else(|| self.last_status(id, delivery)),
        };
        let listed = match delivery.dead_letter {
            Some(listed) => listed,
            None => DeadLetterId::new(self.mint()),
        };
        let is_new = delivery.dead_letter.replace(listed).is_none();
        self.put_row(rows::one(owner, listed), records::encode(&letter), is_new);
        if self.row(&rows::place(listed)).is_none() {
            self.put_row(rows::place(listed), records::encode(&owner.stamp().0), is_new);
            self.count_dead(1);
        }
    }

    fn last_status(&self, id: DeliveryId, delivery: &Delivery) -> u16 {
        let last = delivery.attempt_ids.last();
        let row = last.and_then(|last| self.record(&keys::attempt(id.endpoint, *last)));
        row.map_or(0, |row: AttemptRow| row.attempt.status_code)
    }

    /// Takes a delivery out of the list, if that place is still its own.
    pub(super) fn unlist_dead(&mut self, id: DeliveryId, listed: DeadLetterId) {
        let Some(owner) = self.record::<u64>(&rows::place(listed)) else { return };
        let key = rows::one(ApplicationId::new(Stamp(owner)), listed);
        let letter: Option<DeadLetter> = self.record(&key);
        if letter.is_some_and(|letter| letter.delivery == id) {
            self.drop_dead(key, listed);
        }
    }

    pub(super) fn drop_dead(&mut self, key: Key, listed: DeadLetterId) {
        self.delete_row(key);
        self.delete_row(rows::place(listed));
        self.count_dead(-1);
    }

    fn count_dead(&mut self, change: i64) {
        let held: DeadLettersRow = self.record(&rows::state()).unwrap_or_default();
        let count = held.count.saturating_add_signed(change);
        self.put_row(rows::state(), records::encode(&DeadLettersRow { count, ..held }), false);
    }

    /// A new folder has none of older versions.
    pub(super) fn begin_dead_letters(&mut self) {
        let row = DeadLettersRow { count: 0, is_whole: true };
        self.put_row(rows::state(), records::encode(&row), true);
    }

    /// The janitor takes the dead letters of an endpoint that is deleted out of the list.
    pub(super) fn leave_dead_letters(&mut self, application: ApplicationId, endpoint: EndpointId) {
        if application != HIDDEN {
            let from = records::encode(&0u64);
            self.put_row(rows::leavings(application, endpoint), from, false);
        }
    }

    /// Puts a dead letter back or gives it up; returns whether that was done, which it is not when
    /// it is in the list no more, or can't be sent.
    pub fn take_dead_letter(
        &mut self,
        application: ApplicationId,
        id: DeadLetterId,
        action: DeadLetterAction,
    ) -> bool {
        let Some(letter) = self.record::<DeadLetter>(&rows::one(application, id)) else {
            return false;
        };
        let delivery = letter.delivery;
        let Some(held) = self.record::<Delivery>(&keys::delivery(delivery)) else { return false };
        if held.dead_letter != Some(id) {
            return false;
        }
        match action {
            DeadLetterAction::Resend => {
                let enabled = self.writer.tables.endpoint_by_id(delivery.endpoint);
                let enabled = enabled.is_some_and(|(_, endpoint)| endpoint.disabled.is_none());
                let key = keys::message(application, delivery.message);
                let row: Option<MessageRow> = self.record(&key);
                let row = row.filter(|row| enabled && !row.body.is_gone());
                row.is_some_and(|row| self.put_back(&row.into(), delivery, held))
            }
            DeadLetterAction::Purge => self.purge(delivery, held),
        }
    }

    /// A dead delivery becomes due, with its whole schedule before it.
    pub(super) fn put_back(
        &mut self,
        stored: &StoredMessage,
        id: DeliveryId,
        held: Delivery,
    ) -> bool {
        let Ok(state) = transition(held.state, Input::Requeue) else { return false };
        let due = self.now();
        let mut delivery = Delivery { state, attempts: 0, due, held_until: None, ..held };
        self.list_dead(id, &mut delivery, None);
        self.queue(stored, id, &delivery, false);
        true
    }

    fn purge(&mut self, id: DeliveryId, held: Delivery) -> bool {
        let Ok(state) = transition(held.state, Input::Purge) else { return false };
        let mut delivery = Delivery { state, ..held };
        self.list_dead(id, &mut delivery, None);
        self.put_row(keys::delivery(id), records::encode(&delivery), false);
        true
    }

    /// Keeps or takes away a row of the list that stands in a segment that goes; returns the bytes
    /// kept.
    pub(super) fn carry_dead_letter(&mut self, key: Key, value: Bytes) -> usize {
        match rows::kind(&key) {
            Some(b'a') => {
                let letter: DeadLetter = self.writer.shared.decode(&key, &value);
                let held: Option<Delivery> = self.record(&keys::delivery(letter.delivery));
                let listed = held.and_then(|held| held.dead_letter);
                // A message to very many leaves deliveries behind.
                let DeliveryId { message, endpoint, .. } = letter.delivery;
                let owner = self.writer.tables.endpoint_by_id(endpoint).map(|(owner, _)| owner.id);
                let is_left =
                    owner.is_some_and(|owner| self.row(&keys::message(owner, message)).is_none());
                match rows::parts(&key) {
                    Some((_, id)) if listed != Some(id) || is_left => {
                        self.drop_dead(key, id);
                        0
                    }
                    _ => self.again(key, value),
                }
            }
            _ => self.again(key, value),
        }
    }
}

impl Store {
    /// How many dead letters are in the list at this moment.
    pub fn dead_letter_count(&self) -> u64 {
        self.shared.dead_letters().count
    }

    /// Dead letters that pass, of one application or of all, by the time of death.
    pub fn list_dead_letters(
        &self,
        application: Option<ApplicationId>,
        filter: &DeadLetterFilter,
        page: &PageRequest<DeadLetterId>,
    ) -> Page<StoredDeadLetter, DeadLetterId> {
        let shared = &self.shared;
        let (since, until) = (filter.died.since, filter.died.until);
        let (since, until) = (Stamp::first_at(since), Stamp::first_at(until));
        match application {
            Some(application) => {
                let at = |stamp| rows::one(application, DeadLetterId::new(stamp));
                let id_of = |key: &Key| rows::parts(key).map(|(_, id)| id);
                let all = rows::of_application(application);
                let within = at(since)..at(until);
                shared.list_between(all, within, page, at, id_of, |key, value| {
                    let (application, id) = rows::parts(key)?;
                    let letter: DeadLetter = shared.decode(key, value);
                    shared.shown_dead(application, id, letter, filter)
                })
            }
            None => {
                let at = |stamp| rows::place(DeadLetterId::new(stamp));
                let within = at(since)..at(until);
                let all = rows::by_time();
                shared.list_between(all, within, page, at, rows::placed, |key, value| {
                    let owner = ApplicationId::new(Stamp(shared.decode(key, value)));
                    let id = rows::placed(key)?;
                    let key = rows::one(owner, id);
                    let letter = shared.overlay.get(&key).map(|row| shared.decode(&key, &row))?;
                    shared.shown_dead(owner, id, letter, filter)
                })
            }
        }
    }
}

impl Shared {
    fn shown_dead(
        &self,
        application: ApplicationId,
        id: DeadLetterId,
        letter: DeadLetter,
        filter: &DeadLetterFilter,
    ) -> Option<StoredDeadLetter> {
        if !filter.passes(&letter) {
            return None;
        }
        // Those of an endpoint that is gone are taken away by and by.
        self.read_catalog().endpoint_by_id(letter.delivery.endpoint)?;
        let message = self.message_by_id(application, letter.delivery.message)?;
        let meant = filter.passes_message(&message.message);
        meant.then_some(StoredDeadLetter { id, application, letter, message })
    }

    /// How many there are, and whether that is all of them.
    pub(super) fn dead_letters(&self) -> DeadLettersRow {
        let key = rows::state();
        self.overlay.get(&key).map(|row| self.decode(&key, &row)).unwrap_or_default()
    }
}
