//! What a consumer of a polling endpoint has been handed and not committed yet.
//!
//! Messages are counted as they are handed out: the first has the offset 1. A commit names an
//! offset and takes everything up to it as done. What is not committed while its lease lasts is
//! handed out again, under the same offsets, and nothing of it before.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::id::{MessageId, Stamp};
use crate::domain::time::Timestamp;

/// Messages handed out to one consumer and not committed at most.
pub const LEASED_MAX: usize = 1_000;

/// An offset that was never handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("was not handed out: the last one was {last}")]
pub struct NotHandedOut {
    /// The last one that was.
    pub last: u64,
}

/// The leases of one consumer, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leases {
    committed: u64,
    looked_at: MessageId,
    batches: Vec<Batch>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Batch {
    messages: Vec<MessageId>,
    until: Timestamp,
}

/// What a consumer is to be handed next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// These once more: their lease is over.
    Again {
        /// The offset of the first.
        offset: u64,
        /// The messages, each under the offset after the one before.
        messages: Vec<MessageId>,
    },
    /// What comes behind this message.
    Fresh {
        /// Everything up to it was looked at.
        after: MessageId,
        /// So many at most.
        limit: usize,
    },
    /// Nothing: [`LEASED_MAX`] are handed out.
    Full {
        /// When the first of them would be handed out again.
        until: Timestamp,
    },
}

impl Default for Leases {
    fn default() -> Leases {
        Leases { committed: 0, looked_at: MessageId::new(Stamp(0)), batches: Vec::new() }
    }
}

impl Leases {
    /// What is next for a consumer that has committed everything up to `position`.
    pub fn next(&self, now: Timestamp, position: MessageId, limit: usize) -> Next {
        let mut offset = self.committed + 1;
        for batch in &self.batches {
            if batch.until <= now {
                let messages = batch.messages.iter().copied().take(limit).collect();
                return Next::Again { offset, messages };
            }
            offset += batch.messages.len() as u64;
        }
        let room = LEASED_MAX.saturating_sub(self.handed_out());
        let first = self.batches.iter().map(|batch| batch.until).min();
        match first.filter(|_| room == 0) {
            Some(until) => Next::Full { until },
            None => {
                let after = self.looked_at.max(position);
                Next::Fresh { after, limit: limit.min(room) }
            }
        }
    }

    /// Hands out what [`next`](Leases::next) said is to be handed out again.
    pub fn renew(&mut self, offset: u64, count: usize, until: Timestamp) {
        let mut first = self.committed + 1;
        for at in 0..self.batches.len() {
            if first == offset {
                let rest = self.batches[at].messages.split_off(count);
                let ended = std::mem::replace(&mut self.batches[at].until, until);
                if !rest.is_empty() {
                    self.batches.insert(at + 1, Batch { messages: rest, until: ended });
                }
                return;
            }
            first += self.batches[at].messages.len() as u64;
        }
    }

    /// Hands out messages that were not before; everything up to `looked_at` was looked at.
    /// Returns the offset of the first.
    pub fn hand_out(
        &mut self,
        messages: Vec<MessageId>,
        looked_at: MessageId,
        until: Timestamp,
    ) -> u64 {
        let offset = self.committed + self.handed_out() as u64 + 1;
        self.looked_at = looked_at;
        if !messages.is_empty() {
            self.batches.push(Batch { messages, until });
        }
        offset
    }

    /// Everything up to an offset is done; returns the message it stands for, `None` when it was
    /// done before.
    pub fn commit(&mut self, offset: u64) -> Result<Option<MessageId>, NotHandedOut> {
        let last = self.committed + self.handed_out() as u64;
        if offset > last {
            return Err(NotHandedOut { last });
        }
        let count = usize::try_from(offset.saturating_sub(self.committed)).unwrap_or(usize::MAX);
        Ok(self.take(count))
    }

    /// Everything up to a message is done, however the consumer came there.
    pub fn commit_to(&mut self, position: MessageId) {
        let handed = self.batches.iter().flat_map(|batch| &batch.messages);
        let count = handed.take_while(|message| **message <= position).count();
        self.take(count);
    }

    /// The consumer goes on somewhere else: nothing is handed out any more.
    pub fn restart(&mut self) {
        self.committed += self.handed_out() as u64;
        self.batches.clear();
        self.looked_at = MessageId::new(Stamp(0));
    }

    fn handed_out(&self) -> usize {
        self.batches.iter().map(|batch| batch.messages.len()).sum()
    }

    /// Takes the first `count` messages as done; returns the last of them.
    fn take(&mut self, count: usize) -> Option<MessageId> {
        let (mut left, mut last) = (count, None);
        for batch in &mut self.batches {
            let mut done = batch.messages.drain(..left.min(batch.messages.len()));
            left -= done.len();
            last = done.next_back().or(last);
        }
        self.committed += (count - left) as u64;
        self.batches.retain(|batch| !batch.messages.is_empty());
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: MessageId = MessageId::new(Stamp(0));

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn ids(range: std::ops::RangeInclusive<u64>) -> Vec<MessageId> {
        range.map(|stamp| MessageId::new(Stamp(stamp))).collect()
    }

    #[test]
    fn what_is_not_committed_comes_again() {
        let mut leases = Leases::default();
        assert_eq!(leases.next(at(0), START, 5), Next::Fresh { after: START, limit: 5 });
        assert_eq!(leases.hand_out(ids(1..=5), ids(1..=5)[4], at(10)), 1);
        assert_eq!(leases.hand_out(ids(7..=8), ids(9..=9)[0], at(20)), 6);
        let fresh = Next::Fresh { after: ids(9..=9)[0], limit: 5 };
        assert_eq!(leases.next(at(9), START, 5), fresh);
        // Three of the five come again; the other two are next.
        let again = |offset, messages| Next::Again { offset, messages };
        assert_eq!(leases.next(at(10), START, 3), again(1, ids(1..=3)));
        leases.renew(1, 3, at(30));
        assert_eq!(leases.next(at(10), START, 3), again(4, ids(4..=5)));
        leases.renew(4, 2, at(30));
        assert_eq!(leases.next(at(19), START, 5), fresh);
        assert_eq!(leases.next(at(20), START, 5), again(6, ids(7..=8)));
        // A commit takes everything up to it, whoever was handed it.
        assert_eq!(leases.commit(6), Ok(Some(ids(7..=7)[0])));
        assert_eq!(leases.commit(2), Ok(None));
        assert_eq!(leases.next(at(30), START, 5), again(7, ids(8..=8)));
        assert_eq!(leases.commit(8), Err(NotHandedOut { last: 7 }));
        assert_eq!(leases.commit(7), Ok(Some(ids(8..=8)[0])));
        assert_eq!(leases.next(at(99), START, 5), fresh);
    }

    #[test]
    fn other_ways_to_go_on() {
        let mut leases = Leases::default();
        leases.hand_out(ids(1..=4), ids(4..=4)[0], at(10));
        leases.commit_to(ids(2..=2)[0]);
        let again = Next::Again { offset: 3, messages: ids(3..=4) };
        assert_eq!(leases.next(at(10), START, 9), again);
        leases.restart();
        assert_eq!(leases.next(at(10), START, 9), Next::Fresh { after: START, limit: 9 });
        assert_eq!(leases.hand_out(ids(1..=1), ids(1..=1)[0], at(20)), 5, "no offset comes twice");
    }

    #[test]
    fn full() {
        let mut leases = Leases::default();
        let all = ids(1..=LEASED_MAX as u64 - 1);
        leases.hand_out(all, START, at(10));
        assert_eq!(leases.next(at(0), START, 9), Next::Fresh { after: START, limit: 1 });
        leases.hand_out(ids(5_000..=5_000), START, at(20));
        assert_eq!(leases.next(at(0), START, 9), Next::Full { until: at(10) });
    }

    proptest! {
        /// However leases end and commits come, what is not committed comes again until it is, in
        /// order and under one offset, and nothing that is committed does.
        #[test]
        fn nothing_is_lost(
            steps in proptest::collection::vec((0..3u8, 1..9usize, 0..40u64), 1..80),
        ) {
            let (mut leases, mut now, mut newest, mut done) = (Leases::default(), 0, 0, 0);
            for (step, count, time) in steps {
                now += time;
                match step {
                    0 | 1 => match leases.next(at(now), START, count) {
                        Next::Again { offset, messages } => {
                            prop_assert!(offset > done);
                            let expected = ids(offset..=offset + messages.len() as u64 - 1);
                            prop_assert_eq!(&messages, &expected);
                            leases.renew(offset, messages.len(), at(now + 20));
                        }
                        Next::Fresh { after, limit } => {
                            prop_assert_eq!(after.stamp().0, newest);
                            let fresh = ids(newest + 1..=newest + limit as u64);
                            newest += limit as u64;
                            let last = MessageId::new(Stamp(newest));
                            let offset = leases.hand_out(fresh, last, at(now + 20));
                            prop_assert_eq!(offset, newest - limit as u64 + 1);
                        }
                        Next::Full { .. } => {}
                    },
                    _ => {
                        let offset = (done + count as u64).min(newest);
                        let last = leases.commit(offset).unwrap();
                        let last = last.map(|last| last.stamp().0);
                        prop_assert_eq!(last, (offset > done).then_some(offset));
                        done = done.max(offset);
                    }
                }
            }
            // All that is left comes again, from the first one on.
            now += 100;
            while done < newest {
                let Next::Again { offset, messages } = leases.next(at(now), START, 7) else {
                    return Err(TestCaseError::fail("something is lost"));
                };
                prop_assert_eq!(offset, done + 1);
                done += messages.len() as u64;
                leases.commit(done).unwrap();
            }
        }
    }
}
