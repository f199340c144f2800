//! Dead letters as lists show them, and which of them are meant.

use serde::{Deserialize, Serialize};

use crate::domain::delivery::{DeadReason, DeliveryId};
use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::message::Message;
use crate::domain::task::Window;

/// A dead delivery in the list. Its id holds when it died.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What is dead.
    pub delivery: DeliveryId,
    /// Why it is not tried again by itself.
    pub reason: DeadReason,
    /// The event type of its message.
    pub event_type: String,
    /// Attempts made, manual ones too.
    pub attempts: u32,
    /// The status of the last of them, 0 when there was no answer.
    pub status_code: u16,
}

/// Which dead letters are meant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeadLetterFilter {
    /// Of this endpoint.
    pub endpoint: Option<EndpointId>,
    /// For one of these reasons; empty means any.
    pub reasons: Vec<DeadReason>,
    /// Of one of these event types; empty means any.
    pub event_types: Vec<String>,
    /// Whose last attempt was answered with a status of this class, 200 for 200 to 299; 0: those
    /// without an answer.
    pub status_code_class: Option<u16>,
    /// In this channel.
    pub channel: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// When they died.
    pub died: Window,
}

impl DeadLetterFilter {
    /// Whether a dead letter is meant, as far as its own row tells.
    pub fn passes(&self, letter: &DeadLetter) -> bool {
        self.endpoint.is_none_or(|endpoint| endpoint == letter.delivery.endpoint)
            && (self.reasons.is_empty() || self.reasons.contains(&letter.reason))
            && (self.event_types.is_empty() || self.event_types.contains(&letter.event_type))
            && self.status_code_class.is_none_or(|class| letter.status_code / 100 == class / 100)
    }

    /// Whether its message has to be looked at too.
    pub fn is_by_message(&self) -> bool {
        self.channel.is_some() || self.tag.is_some()
    }

    /// Whether those of a message are meant.
    pub fn passes_message(&self, message: &Message) -> bool {
        self.channel.as_ref().is_none_or(|channel| message.channels.contains(channel))
            && self.tag.as_ref().is_none_or(|tag| message.tags.contains(tag))
    }
}

/// What is done with dead letters of an application.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeadLetterWork {
    /// The tenant.
    pub application: ApplicationId,
    /// Which of them.
    pub filter: DeadLetterFilter,
    /// What.
    pub action: DeadLetterAction,
}

/// What becomes of a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DeadLetterAction {
    /// It becomes due again, with its whole schedule before it.
    Resend,
    /// It is given up: cancelled, and in no list any more.
    Purge,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{MessageId, Stamp};
    use crate::domain::time::Timestamp;

    #[test]
    fn every_part_of_a_filter() {
        let endpoint = EndpointId::new(Stamp(2));
        let letter = DeadLetter {
            delivery: DeliveryId { message: MessageId::new(Stamp(1)), endpoint, replay: 0 },
            reason: DeadReason::Gone,
            event_type: "a.b".to_owned(),
            attempts: 1,
            status_code: 410,
        };
        let all = DeadLetterFilter {
            endpoint: None,
            reasons: Vec::new(),
            event_types: Vec::new(),
            status_code_class: None,
            channel: None,
            tag: None,
            died: Window { since: Timestamp::default(), until: Timestamp::MAX },
        };
        let check = |change: &dyn Fn(&mut DeadLetterFilter), expected: bool| {
            let mut filter = all.clone();
            change(&mut filter);
            assert_eq!(filter.passes(&letter), expected, "{filter:?}");
        };
        check(&|_| (), true);
        check(&|filter| filter.endpoint = Some(endpoint), true);
        check(&|filter| filter.endpoint = Some(EndpointId::new(Stamp(3))), false);
        check(&|filter| filter.reasons = vec![DeadReason::Blocked, DeadReason::Gone], true);
        check(&|filter| filter.reasons = vec![DeadReason::Exhausted], false);
        check(&|filter| filter.event_types = vec!["a.b".to_owned()], true);
        check(&|filter| filter.event_types = vec!["a".to_owned()], false);
        check(&|filter| filter.status_code_class = Some(400), true);
        check(&|filter| filter.status_code_class = Some(0), false);
    }
}
