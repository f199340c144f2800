//! Expunging: the bytes of a body are gone for good, from the journal too.
//!
//! First the row that names the bytes is replaced by one that says they are gone, with a row that
//! says where they stand; both are synced. Another record behind them is synced as well, so that
//! recovery never takes the record with the bytes for a torn one. Then they are overwritten and
//! synced, and the row that names the place goes. A crash between any two steps is made up for by
//! the next start.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::domain::audit::Note;
use crate::domain::delivery::{Delivery, DeliveryId, State};
use crate::domain::id::{ApplicationId, AttemptId, EndpointId, MessageId};
use crate::domain::message::Message;
use crate::domain::time::Timestamp;
use crate::store::keys::{self, Key};
use crate::store::records::{self, AttemptRow, MessageRow};
use crate::store::retention::is_queued;
use crate::store::transaction::Transaction;
use crate::store::{
    BodyLocation, Notice, ReclaimError, Refusal, Reply, Shared, Store, StoredMessage, WriteError,
};

/// Places overwritten, or bodies whose time is up, in one step.
const STEP: usize = 256;
/// Deliveries whose attempts are expunged in one record.
const DELIVERIES: usize = 64;
/// No attempt takes longer: ten minutes are the most that a request may, its transformation and its
/// access token have seconds.
const UNDER_WAY: Duration = Duration::from_secs(3_600);

/// What was expunged whole while attempts may have been under way: what those sent and are
/// answered is not kept either.
#[derive(Default)]
pub struct JustExpunged {
    any: AtomicBool,
    what: Mutex<What>,
}

/// And when.
#[derive(Default)]
struct What {
    messages: HashMap<MessageId, Timestamp>,
    /// All messages of an application up to this one.
    applications: HashMap<ApplicationId, (MessageId, Timestamp)>,
}

impl JustExpunged {
    fn add(&self, message: MessageId, now: Timestamp) {
        let mut what = self.what.lock().expect("no holder panics");
        what.messages.retain(|_, at| now.since(*at) < UNDER_WAY);
        what.messages.insert(message, now);
        self.any.store(true, Ordering::Relaxed);
    }

    fn remove(&self, message: MessageId) {
        self.what.lock().expect("no holder panics").messages.remove(&message);
    }

    /// All contents of an application are being expunged, and that of this message is next.
    pub fn add_up_to(&self, message: &Message, now: Timestamp) {
        let mut what = self.what.lock().expect("no holder panics");
        what.applications.retain(|_, (_, at)| now.since(*at) < UNDER_WAY);
        let last = what.applications.entry(message.application).or_insert((message.id, now));
        *last = (last.0.max(message.id), now);
        self.any.store(true, Ordering::Relaxed);
    }

    /// Whether anything was expunged since the start.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether an attempt of this message has to be without content.
    pub fn holds(&self, message: MessageId, application: Option<ApplicationId>) -> bool {
        let what = self.what.lock().expect("no holder panics");
        let last = application.and_then(|application| what.applications.get(&application));
        what.messages.contains_key(&message) || last.is_some_and(|(last, _)| message <= *last)
    }
}

impl Transaction<'_> {
    /// Takes the body of a message away; what waits to be sent is cancelled. Returns `false` when
    /// it was gone already. [`Store::erase`] overwrites the bytes.
    pub fn expunge_message(&mut self, stored: &StoredMessage) -> bool {
        let message = &stored.message;
        let key = keys::message(message.application, message.id);
        let Some(mut row) = self.record::<MessageRow>(&key).filter(|row| !row.body.is_gone())
        else {
            return false;
        };
        self.erase_later(row.body);
        row.body = BodyLocation::GONE;
        if let Some(head) = row.head.take() {
            self.erase_later(head);
        }
        self.put_row(key, records::encode(&row), false);
        for (id, delivery) in self.queued_deliveries(message) {
            self.delete_row(keys::due(id, delivery.due));
            let cancelled = Delivery { state: State::Cancelled, ..delivery };
            self.put_row(keys::delivery(id), records::encode(&cancelled), false);
            self.notify(Notice::Settled { delivery: id, due: None });
            self.counted().finished += 1;
        }
        true
    }

    /// Takes away what was sent and answered in the attempts of a delivery.
    fn expunge_attempts(&mut self, endpoint: EndpointId, attempts: Vec<AttemptId>) {
        for attempt in attempts {
            let key = keys::attempt(endpoint, attempt);
            let Some(mut row) = self.record::<AttemptRow>(&key) else { continue };
            if !row.content.is_gone() {
                self.erase_later(row.content);
                row.content = BodyLocation::GONE;
                self.put_row(key, records::encode(&row), false);
            }
        }
    }

    /// Takes away what was sent and answered in an attempt; its outcome stays.
    pub fn expunge_attempt(&mut self, attempt: AttemptId, of: &Message) -> Result<(), Refusal> {
        let owner = self
            .delivery_rows(of)
            .into_iter()
            .find(|(_, held)| held.attempt_ids.contains(&attempt));
        let (id, _) = owner.ok_or(Refusal::NotFound)?;
        self.row(&keys::attempt(id.endpoint, attempt)).ok_or(Refusal::NotFound)?;
        self.expunge_attempts(id.endpoint, vec![attempt]);
        Ok(())
    }

    /// The body of a message is expunged at `at`.
    pub(super) fn expunge_later(&mut self, message: &Message, at: Timestamp) {
        let key = keys::erasures::expiry(at, message.application, message.id);
        self.put_row(key, bytes::Bytes::new(), true);
    }

    pub(super) fn erase_later(&mut self, location: BodyLocation) {
        let key = keys::erasures::erasure(location.segment, location.offset);
        self.put_row(key, records::encode(&location), true);
    }

    fn queued_deliveries(&self, message: &Message) -> Vec<(DeliveryId, Delivery)> {
        let first = message.endpoints.iter().map(|endpoint| DeliveryId {
            message: message.id,
            endpoint: *endpoint,
            replay: 0,
        });
        let first = first.filter_map(|id| {
            let held: Option<Delivery> = self.record(&keys::delivery(id));
            let delivery = match held {
                Some(held) => held,
                None if self.row(&keys::due(id, message.first_due())).is_some() => {
                    Delivery::waiting(message.first_due())
                }
                None => return None,
            };
            Some((id, delivery))
        });
        let replayed = self.replay_rows(message.id);
        first.chain(replayed).filter(|(_, held)| is_queued(held.state)).collect()
    }
}

impl Store {
    /// Overwrites what was expunged; returns when the bytes are gone from the disk. One call at a
    /// time does the work, others wait for it.
    pub fn erase(&self) -> Result<(), ReclaimError> {
        let _one = self.shared.erasing.lock().expect("no holder panics");
        loop {
            let places = self.shared.places_to_erase();
            if places.is_empty() {
                return Ok(());
            }
            let again = places.clone();
            // Behind this record those with the bytes are known to be synced.
            self.on_writer(move |writer| {
                writer.transact(|transaction| {
                    for (key, location) in again {
                        transaction.put_row(key, records::encode(&location), false);
                    }
                    Ok(())
                })
            })??;
            for (_, location) in &places {
                self.shared.overwrite(location)?;
            }
            self.on_writer(move |writer| {
                writer.transact(|transaction| {
                    places.iter().for_each(|(key, _)| transaction.delete_row(*key));
                    Ok(())
                })
            })??;
        }
    }

    /// Expunges bodies whose own time is up, a step of them, and overwrites them; returns whether
    /// there may be more.
    pub fn expire_contents(&self) -> Result<bool, ReclaimError> {
        let due = self.shared.expired_contents(self.now());
        if due.is_empty() {
            return Ok(false);
        }
        let whole = due.len() < STEP;
        let done = self.on_writer(move |writer| {
            writer.transact(|transaction| {
                let most = transaction.record_max() / 2;
                for (key, application, message) in due {
                    // A message may have thousands of deliveries: the rest is for the next step.
                    if transaction.record_length() > most {
                        return Ok(false);
                    }
                    let row_key = keys::message(application, message);
                    if let Some(row) = transaction.record::<MessageRow>(&row_key) {
                        let stored = StoredMessage::from(row);
                        transaction.expunge_message(&stored);
                    }
                    transaction.delete_row(key);
                }
                Ok(whole)
            })
        })??;
        self.erase()?;
        Ok(!done)
    }

    /// Expunges a message: its payload, what stood in front of it, and what its attempts sent and
    /// were answered, where parts of both stand. Blocks until the bytes are gone. The audit log is
    /// told in the first step, when there is a note.
    pub fn expunge_whole(
        &self,
        stored: StoredMessage,
        note: Option<Note>,
    ) -> Result<(), ReclaimError> {
        let message = stored.message.clone();
        self.on_writer(move |writer| {
            let done = writer.transact(|transaction| {
                note.into_iter().for_each(|note| transaction.note(note));
                let now = transaction.now();
                transaction.writer.shared.expunged.add(stored.message.id, now);
                transaction.expunge_message(&stored);
                Ok(())
            });
            if done.is_err() {
                writer.shared.expunged.remove(stored.message.id);
            }
            done
        })??;
        self.expunge_attempts_of(&message)?;
        self.erase()
    }

    /// Takes away what all attempts of a message sent and were answered, some of them in a record.
    pub(super) fn expunge_attempts_of(&self, message: &Message) -> Result<(), WriteError> {
        let mut tried = self.shared.deliveries(message);
        for (id, held) in &mut tried {
            held.attempt_ids.retain(|attempt| self.shared.has_content(id.endpoint, *attempt));
        }
        tried.retain(|(_, held)| !held.attempt_ids.is_empty());
        for step in tried.chunks(DELIVERIES) {
            let step = step.to_vec();
            self.on_writer(move |writer| {
                writer.transact(|transaction| {
                    for (id, held) in step {
                        transaction.expunge_attempts(id.endpoint, held.attempt_ids);
                    }
                    Ok(())
                })
            })??;
        }
        Ok(())
    }

    /// Expunges and overwrites on the caller's thread; blocks until the bytes are gone.
    pub fn expunge<W>(&self, work: W) -> Result<Reply, ReclaimError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        let written = self.write_blocking(None, work)?;
        self.erase()?;
        Ok(written.reply)
    }
}

impl Shared {
    fn has_content(&self, endpoint: EndpointId, attempt: AttemptId) -> bool {
        let key = keys::attempt(endpoint, attempt);
        let row = self.overlay.get(&key).map(|bytes| self.decode::<AttemptRow>(&key, &bytes));
        row.is_some_and(|row| !row.content.is_gone())
    }

    fn places_to_erase(&self) -> Vec<(Key, BodyLocation)> {
        let all = keys::erasures::all_erasures();
        let mut found = Vec::new();
        self.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            found.push((key, self.decode(&key, &value)));
            if found.len() == STEP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }

    /// Zeros in the place of a body, with their checksum, so that the record reads as a whole one.
    fn overwrite(&self, location: &BodyLocation) -> io::Result<()> {
        self.write_body(location, &vec![0; location.length as usize])
    }

    fn expired_contents(&self, now: Timestamp) -> Vec<(Key, ApplicationId, MessageId)> {
        let mut found = Vec::new();
        let (from, to) =
            (keys::erasures::all_expiries(), keys::erasures::expiry_at(now).successor());
        self.overlay.scan(&from, &to, false, &mut |key, _| {
            if let Some((application, message)) = keys::erasures::expiry_parts(&key) {
                found.push((key, application, message));
            }
            if found.len() == STEP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }
}
