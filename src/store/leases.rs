//! Messages handed out to the consumers of polling endpoints, each to one caller until its lease
//! is over.

use std::sync::mpsc;
use std::time::Duration;

use crate::domain::endpoint::Endpoint;
use crate::domain::id::{EndpointId, MessageId};
use crate::domain::lease::{LEASED_MAX, Leases, Next};
use crate::store::shared::LEASING;
use crate::store::transaction::{Transaction, short_hash};
use crate::store::{
    PollFilter, Polled, Refusal, Reply, START, Store, StoredMessage, WriteError, keys, position_at,
    records,
};

/// How often a poll is tried while commits and seeks by the same name go before it.
const TRIES: usize = 16;

/// Where a consumer begins that has read nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StartingPosition {
    /// With the first message that is kept.
    #[default]
    Earliest,
    /// With the next message that is accepted.
    Latest,
}

/// What a consumer was handed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leased {
    /// Each with its offset, in the order in which they were accepted.
    pub messages: Vec<(u64, StoredMessage)>,
    /// Whether nothing more was there.
    pub done: bool,
}

/// What one try came to.
enum Try {
    Handed(Leased),
    /// Another poll came before, or none of these is kept: the consumer stands so now.
    Again(Standing),
}

/// How a consumer stands.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Standing {
    leases: Option<Leases>,
    position: Option<MessageId>,
}

impl Store {
    /// Hands out the next messages to a consumer, for as long as `lease`; blocks until that is
    /// durable. Refuses with 409 while [`LEASED_MAX`] are handed out.
    pub fn lease(
        &self,
        endpoint: &Endpoint,
        consumer: &str,
        limit: usize,
        lease: Duration,
        start: StartingPosition,
    ) -> Result<Leased, WriteError> {
        // Callers by one name take turns: what one is handed the next has to know.
        let place = usize::from(short_hash(consumer.as_bytes())[0]) % LEASING;
        let _turn = self.shared.leasing[place].lock().expect("no holder panics");
        let mut standing = Standing {
            leases: self.leases(endpoint.id, consumer),
            position: self.poller_position(endpoint.id, consumer),
        };
        for _ in 0..TRIES {
            if standing.position.is_none() && start == StartingPosition::Latest {
                standing = self.begin_at_the_end(endpoint, consumer)?;
            }
            match self.try_lease(endpoint, consumer, limit, lease, standing)? {
                Try::Handed(leased) => return Ok(leased),
                Try::Again(now) => standing = now,
            }
        }
        Err(WriteError::Busy)
    }

    fn begin_at_the_end(
        &self,
        endpoint: &Endpoint,
        consumer: &str,
    ) -> Result<Standing, WriteError> {
        let (endpoint, consumer, now) = (endpoint.clone(), consumer.to_owned(), self.now());
        let (sender, standing) = mpsc::channel();
        self.write_blocking(None, move |transaction| {
            if transaction.standing(&endpoint, &consumer)?.position.is_none() {
                transaction.seek_poller(&endpoint, &consumer, position_at(now, now))?;
            }
            // The receiver waits below.
            let _ = sender.send(transaction.standing(&endpoint, &consumer)?);
            Ok(Reply::Done)
        })?;
        standing.try_recv().map_err(|_| WriteError::Stopping)
    }

    fn try_lease(
        &self,
        endpoint: &Endpoint,
        consumer: &str,
        limit: usize,
        lease: Duration,
        before: Standing,
    ) -> Result<Try, WriteError> {
        let now = self.now();
        let until = now + lease;
        let mut after = before.leases.clone().unwrap_or_default();
        let handed = match after.next(now, before.position.unwrap_or(START), limit) {
            Next::Full { until } => {
                let words = format!(
                    "{LEASED_MAX} messages are handed out and not committed: commit some of them, \
                     or wait until {until}"
                );
                return Err(Refusal::Conflict(words).into());
            }
            Next::Again { offset, messages } => {
                after.renew(offset, messages.len(), until);
                self.handed_again(endpoint, offset, &messages)
            }
            Next::Fresh { after: from, limit } => {
                let polled = self.poll(endpoint, &PollFilter::default(), from, limit);
                let Polled { messages, position, done } = polled;
                if messages.is_empty() && done {
                    return Ok(Try::Handed(Leased { messages: Vec::new(), done }));
                }
                let ids = messages.iter().map(|stored| stored.message.id).collect();
                let offset = after.hand_out(ids, position, until);
                Leased { messages: (offset..).zip(messages).collect(), done }
            }
        };
        let standing = self.put_leases(endpoint, consumer, before, after)?;
        // Of those that come again none may be kept any more: the next are looked for.
        let nothing = handed.messages.is_empty() && handed.done;
        Ok(match standing {
            Ok(_) if !nothing => Try::Handed(handed),
            Ok(now) | Err(now) => Try::Again(now),
        })
    }

    /// Those of them that are still kept. More may follow: what is handed out again is not all.
    fn handed_again(&self, endpoint: &Endpoint, offset: u64, messages: &[MessageId]) -> Leased {
        let kept = (offset..).zip(messages).filter_map(|(offset, id)| {
            Some((offset, self.shared.message_by_id(endpoint.application, *id)?))
        });
        let messages: Vec<_> = kept.collect();
        Leased { done: messages.is_empty(), messages }
    }

    /// Everything up to an offset is done; blocks until that is durable.
    pub fn commit_lease(
        &self,
        endpoint: &Endpoint,
        consumer: &str,
        offset: u64,
    ) -> Result<(), WriteError> {
        let (endpoint, consumer) = (endpoint.clone(), consumer.to_owned());
        self.write_blocking(None, move |transaction| {
            let mut leases = transaction.leases(endpoint.id, &consumer).unwrap_or_default();
            let done = leases.commit(offset).map_err(|error| Refusal::Invalid {
                location: vec!["body".to_owned(), "offset".to_owned()],
                message: error.to_string(),
            })?;
            if let Some(position) = done {
                transaction.put_leases(&endpoint, &consumer, &leases)?;
                transaction.set_poller(&endpoint, &consumer, position)?;
            }
            Ok(Reply::Done)
        })
        .map(|_| ())
    }

    fn leases(&self, endpoint: EndpointId, consumer: &str) -> Option<Leases> {
        let key = key(endpoint, consumer);
        self.shared.overlay.get(&key).map(|row| self.shared.decode(&key, &row))
    }

    /// Writes them unless another poll by the same name came between; returns how the consumer
    /// stands then, as an error when nothing was written. Others need not wait for the disk to
    /// know: what comes out of it is handed out only when it is durable.
    fn put_leases(
        &self,
        endpoint: &Endpoint,
        consumer: &str,
        before: Standing,
        after: Leases,
    ) -> Result<Result<Standing, Standing>, WriteError> {
        let (endpoint, consumer) = (endpoint.clone(), consumer.to_owned());
        let (sender, standing) = mpsc::channel();
        let written = self.write_blocking(None, move |transaction| {
            let now = transaction.standing(&endpoint, &consumer)?;
            if now != before {
                // The receiver waits below.
                let _ = sender.send(Err(now));
                return Err(Refusal::Busy);
            }
            transaction.put_leases(&endpoint, &consumer, &after)?;
            let _ = sender.send(Ok(transaction.standing(&endpoint, &consumer)?));
            Ok(Reply::Done)
        });
        match (written, standing.try_recv()) {
            (Ok(_), Ok(standing)) => Ok(standing),
            (Err(WriteError::Refused(Refusal::Busy)), Ok(standing)) => Ok(standing),
            (Err(error), _) => Err(error),
            (Ok(_), Err(_)) => Err(WriteError::Stopping),
        }
    }
}

impl Transaction<'_> {
    fn standing(&self, endpoint: &Endpoint, consumer: &str) -> Result<Standing, Refusal> {
        Ok(Standing {
            leases: self.leases(endpoint.id, consumer),
            position: self.position(endpoint, consumer)?,
        })
    }

    fn leases(&self, endpoint: EndpointId, consumer: &str) -> Option<Leases> {
        self.record(&key(endpoint, consumer))
    }

    /// Writes them; a consumer with leases has a position too, by which they are found again.
    fn put_leases(
        &mut self,
        endpoint: &Endpoint,
        consumer: &str,
        leases: &Leases,
    ) -> Result<(), Refusal> {
        if self.position(endpoint, consumer)?.is_none() {
            self.set_poller(endpoint, consumer, START)?;
        }
        self.put_row(key(endpoint.id, consumer), records::encode(leases), false);
        Ok(())
    }

    /// Changes the leases of a consumer that has any.
    pub(super) fn change_leases(
        &mut self,
        endpoint: EndpointId,
        consumer: &str,
        change: impl FnOnce(&mut Leases),
    ) {
        let Some(before) = self.leases(endpoint, consumer) else { return };
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            self.put_row(key(endpoint, consumer), records::encode(&after), false);
        }
    }

    /// Forgets the leases of a consumer that goes.
    pub(super) fn forget_leases(&mut self, endpoint: EndpointId, consumer: &str) {
        let key = key(endpoint, consumer);
        if self.row(&key).is_some() {
            self.delete_row(key);
        }
    }
}

fn key(endpoint: EndpointId, consumer: &str) -> keys::Key {
    keys::pollers::leases(endpoint, short_hash(consumer.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;
    use crate::domain::time::Timestamp;

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let mut leases = Leases::default();
        let message = MessageId::new(Stamp(9));
        leases.hand_out(
            vec![message, MessageId::new(Stamp(11))],
            message,
            Timestamp::from_millis(7),
        );
        leases.commit(1).expect("handed out");
        let bytes = records::encode(&leases);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01010901010b07");
        assert_eq!(records::decode::<Leases>(&bytes).expect("a row"), leases);
    }
}
