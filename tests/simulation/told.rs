//! What the store says, judged against the model, and what follows from it.

use std::collections::BTreeMap;

use relay::domain::delivery::{DeliveryId, State};
use relay::domain::id::{EndpointId, MessageId};
use relay::domain::time::Timestamp;
use relay::engine::scheduler::Input;
use relay::store::{Notice, Reference, Refusal, Reply, StoredMessage, WriteError, Written};

use crate::machine::Told;
use crate::model::{Kept, Remembered, Write};
use crate::reference::{Broken, hold};
use crate::world::{Event, World};

/// What the store refused to disable is disabled later, as the driver does it; in milliseconds.
const DISABLE_AGAIN: u64 = 1_000;

impl World {
    /// The writer has its turn.
    pub fn let_write(&mut self) -> Result<(), Broken> {
        self.write_at = None;
        match self.process.stepped.write() {
            Ok(patience) => {
                self.write_at = patience.map(|patience| self.now + patience);
                Ok(())
            }
            Err(fatal) => {
                self.note(|| format!("the process ends: {fatal}"));
                Ok(())
            }
        }
    }

    /// Takes in what the store said since, and has the scheduler know; finds out if the process
    /// ended.
    pub fn listen(&mut self) -> Result<(), Broken> {
        if self.over {
            return Ok(());
        }
        let notices = self.take_in()?;
        if self.process.stepped.has_ended() || self.machine.disk.is_dead() {
            return self.restart();
        }
        self.in_time()?;
        for notice in &notices {
            if let Notice::EndpointChanged(endpoint) = notice {
                self.reference.changing(*endpoint);
            }
        }
        for notice in notices {
            if let Notice::EndpointChanged(endpoint) | Notice::EndpointDeleted(endpoint) = &notice {
                self.disturbed = self.now;
                self.reference.changed(*endpoint);
            }
            if self.step_may_crash(Input::Notice(notice))? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Judges what the store said, in the order in which it was written.
    pub fn take_in(&mut self) -> Result<Vec<Notice>, Broken> {
        let told = std::mem::take(&mut *self.machine.inbox.lock().expect("no holder panics"));
        let (mut notices, mut durable) = (Vec::new(), BTreeMap::new());
        for told in told {
            match told {
                Told::Done(number, reply) => self.done(number, &reply),
                Told::Answered(number, result) => _ = durable.insert(number, Ok(result)),
                Told::Noticed(group) => {
                    for notice in group {
                        if let Notice::Settled { delivery, .. } = &notice
                            && let Some(number) = self.model.settling(*delivery)
                        {
                            durable.insert(number, Err(notice.clone()));
                        }
                        notices.push(notice);
                    }
                }
            }
        }
        let mut deaths = Vec::new();
        for (number, what) in durable {
            match what {
                Ok(result) => self.answered(number, result)?,
                Err(Notice::Settled { delivery, due }) => {
                    let was_dead = self.is_dead(delivery);
                    self.model.done(number);
                    let died = !was_dead && self.is_dead(delivery);
                    deaths.extend(died.then_some(delivery.endpoint));
                    self.settled(delivery, due)?;
                }
                Err(_) => {}
            }
        }
        self.died(&notices, deaths)?;
        Ok(notices)
    }

    fn is_dead(&self, id: DeliveryId) -> bool {
        let row = self.model.durable.rows.get(&id);
        row.is_some_and(|row| matches!(row.state, State::Dead(_)))
    }

    /// Of every death whoever alerts the operator is told once.
    fn died(&self, notices: &[Notice], mut deaths: Vec<EndpointId>) -> Result<(), Broken> {
        let of = |notice: &Notice| match notice {
            Notice::Died(endpoint) => Some(*endpoint),
            _ => None,
        };
        let mut told: Vec<EndpointId> = notices.iter().filter_map(of).collect();
        for all in [&mut told, &mut deaths] {
            all.retain(|endpoint| self.model.durable.endpoints.contains_key(endpoint));
            all.sort_unstable();
        }
        hold(told == deaths, || format!("deaths of {deaths:?}, told of {told:?}"))
    }

    fn settled(&self, id: DeliveryId, said: Option<Timestamp>) -> Result<(), Broken> {
        let row = self.model.durable.rows.get(&id);
        let due = row.filter(|row| row.waits()).map(|row| row.place);
        hold(row.is_none() || said == due, || format!("{id:?} is due {said:?}, not {due:?}"))
    }

    /// What nobody waits for is on disk in time.
    fn in_time(&self) -> Result<(), Broken> {
        let now = self.now;
        let late = self.model.pending.values().find(|pending| pending.by < now && !pending.loose);
        hold(late.is_none(), || format!("{now}: it is not synced: {late:?}"))
    }

    /// The writer did something that is not durable yet.
    fn done(&mut self, number: u64, reply: &Reply) {
        let Some(pending) = self.model.pending.get_mut(&number) else { return };
        match (&mut pending.write, reply) {
            (Write::Accept { accepted, body, .. }, Reply::Message(stored)) => {
                let body = Some(body.clone());
                *accepted = Some(Kept { message: stored.message.clone(), body });
            }
            (Write::Endpoint { id: id @ None, .. }, Reply::Endpoint { endpoint, .. }) => {
                *id = Some(endpoint.id);
                self.settle_in(endpoint.id);
            }
            _ => {}
        }
    }

    fn answered(&mut self, number: u64, result: Result<Written, WriteError>) -> Result<(), Broken> {
        let Some(pending) = self.model.pending.get(&number) else { return Ok(()) };
        let write = pending.write.clone();
        self.note(|| format!("durable: {}", in_short(&write, &result)));
        if let Write::Accept { accepted, event_id, key, .. } = &write {
            let application = accepted.as_ref().map(|kept| kept.message.application);
            let known = key.and_then(|key| self.model.durable.keys.get(&key.number)).copied();
            match &result {
                Ok(Written { reply: Reply::Message(stored), replayed }) => {
                    let request = key.map(|key| key.request);
                    if *replayed {
                        self.replayed(stored, known, request)?;
                        self.model.pending.remove(&number);
                        return Ok(());
                    }
                    self.accepted(stored, known)?;
                    let name = application.zip(event_id.clone());
                    let twin = name.and_then(|name| self.model.durable.event_ids.get(&name));
                    if let Some(twin) = twin.copied() {
                        self.gone(twin, "I8: an event id was accepted twice")?;
                    }
                }
                Err(error) => self.refused(error, event_id.is_some(), known)?,
                Ok(other) => return Err(format!("a message was answered by {other:?}")),
            }
        } else if let Err(error) = &result {
            self.tolerable(error)?;
        }
        match result {
            Ok(_) => self.model.done(number),
            Err(_) => {
                if let Write::Disable(endpoint, why) = write {
                    self.after(DISABLE_AGAIN, Event::Disable { endpoint, why });
                }
                self.model.pending.remove(&number);
            }
        }
        Ok(())
    }

    fn replayed(
        &mut self,
        stored: &StoredMessage,
        known: Option<Remembered>,
        request: Option<u8>,
    ) -> Result<(), Broken> {
        self.count("replayed");
        let right = known.is_some_and(|known| {
            known.message == stored.message.id && Some(known.request) == request
        });
        hold(right, || format!("I8: {stored:?} is given again for {known:?}"))
    }

    /// A message is new, and durable: it is larger than all before, and no twin of one.
    fn accepted(
        &mut self,
        stored: &StoredMessage,
        known: Option<Remembered>,
    ) -> Result<(), Broken> {
        let (id, newest) = (stored.message.id, self.newest);
        hold(id > newest, || format!("{id:?} comes after {newest:?}"))?;
        self.newest = id;
        if let Some(known) = known.filter(|known| id.time() < known.until) {
            self.gone(known.message, "I8: a key was accepted twice")?;
        }
        let mut matched = stored.message.endpoints.clone();
        matched.sort_unstable();
        let application = stored.message.application;
        let endpoints = self.model.durable.endpoints.iter();
        let wanted: Vec<_> = endpoints
            .filter(|(_, row)| row.facts.application == application && row.disabled.is_none())
            .map(|(id, _)| *id)
            .collect();
        // Answers come in the order of the writes.
        hold(matched == wanted, || format!("{id:?} goes to {matched:?} instead of {wanted:?}"))
    }

    fn refused(
        &mut self,
        error: &WriteError,
        named: bool,
        known: Option<Remembered>,
    ) -> Result<(), Broken> {
        match error {
            WriteError::Refused(Refusal::Conflict(_)) if named => {
                self.count("conflict");
                Ok(())
            }
            WriteError::KeyReused if known.is_some() => Ok(()),
            other => self.tolerable(other),
        }
    }

    /// What may be refused for reasons that lie elsewhere.
    fn tolerable(&mut self, error: &WriteError) -> Result<(), Broken> {
        match error {
            WriteError::Full(_) if self.lately_full() => {
                self.count("refused");
                Ok(())
            }
            WriteError::Refused(Refusal::NotFound) => Ok(()),
            other => Err(format!("it refuses: {other:?}")),
        }
    }

    /// A message must be gone, with a segment.
    fn gone(&mut self, id: MessageId, otherwise: &str) -> Result<(), Broken> {
        let Some(kept) = self.model.durable.messages.get(&id) else { return Ok(()) };
        let application = kept.message.application;
        let there = self.process.store.message(application, &Reference::Id(id));
        hold(there.is_none(), || format!("{otherwise}: {id:?}"))?;
        self.model.durable.may_go(id, self.model.reclaimed)?;
        self.model.durable.forget(id);
        Ok(())
    }

    /// Whether a wall clock of these days may delete by age.
    pub fn is_past(&self, ended: Timestamp) -> bool {
        self.process.store.trusts_ages() && self.now.since(ended).as_secs() > 86_400
    }
}

fn in_short(write: &Write, result: &Result<Written, WriteError>) -> String {
    match (write, result) {
        (Write::Accept { accepted: Some(kept), .. }, Ok(_)) => {
            format!("{:?} for {:?}", kept.message.id, kept.message.endpoints)
        }
        (write, Ok(_)) => format!("{write:?}"),
        (_, Err(error)) => format!("refused, {error}"),
    }
}
