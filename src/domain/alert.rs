//! What the operator is alerted to, and when: each trouble once when it begins and once when it is
//! over.
//!
//! ```text
//! (well) --wrong--> begun --told--> told --well--> over --told--> (well)
//!        <--well---                      <--wrong-
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::id::{EndpointId, SourceId};
use crate::domain::time::Timestamp;

/// Bytes of what was seen at most.
pub const DETAIL_MAX: usize = 300;

/// What may be wrong. Rows hold its place in this order: new ones go to the end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// An endpoint has failed for too long.
    EndpointFailing,
    /// An endpoint has been parked for too long.
    EndpointParked,
    /// Relay disabled an endpoint: it is gone, or failed for days.
    EndpointDisabled,
    /// Many deliveries died within a while.
    DeadLetters,
    /// Deliveries of an endpoint that takes them have been due for too long.
    BacklogAge,
    /// Nothing is accepted for want of space, or soon will not be.
    DiskLow,
    /// A source refused many requests, or most of them.
    SourceRefusing,
}

impl Condition {
    /// All of them.
    pub const ALL: [Condition; 7] = [
        Condition::EndpointFailing,
        Condition::EndpointParked,
        Condition::EndpointDisabled,
        Condition::DeadLetters,
        Condition::BacklogAge,
        Condition::DiskLow,
        Condition::SourceRefusing,
    ];

    /// Its word in `relay.toml` and in what is sent.
    pub fn name(self) -> &'static str {
        match self {
            Condition::EndpointFailing => "endpoint_failing",
            Condition::EndpointParked => "endpoint_parked",
            Condition::EndpointDisabled => "endpoint_disabled",
            Condition::DeadLetters => "dead_letters",
            Condition::BacklogAge => "backlog_age",
            Condition::DiskLow => "disk_low",
            Condition::SourceRefusing => "source_refusing",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a condition is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Subject {
    /// The relay as a whole.
    Relay,
    /// An endpoint.
    Endpoint(EndpointId),
    /// A source.
    Source(SourceId),
}

/// Names one trouble of one `[[alert]]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TroubleKey {
    /// The name of the `[[alert]]`.
    pub alert: String,
    /// What is wrong.
    pub condition: Condition,
    /// With what.
    pub subject: Subject,
}

/// How far a trouble is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// It is there, and nobody was told.
    Begun,
    /// It is there, and was told.
    Told,
    /// It was told, is over, and that was not told.
    Over,
}

/// A trouble that is there, or of whose end nobody was told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trouble {
    /// Which one.
    pub key: TroubleKey,
    /// How far it is.
    pub stage: Stage,
    /// Since when it is there.
    pub since: Timestamp,
    /// What was seen when it began, [`DETAIL_MAX`] bytes at most.
    pub detail: String,
}

/// What a look says of a trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// It is there.
    Wrong,
    /// It is not.
    Well,
    /// Too little is known, or it is better and not yet well: all stays as it is.
    Open,
}

/// How far a trouble is after a look; `None`: there is none, and nothing to tell.
pub fn after_look(held: Option<Stage>, seen: Seen) -> Option<Stage> {
    match (held, seen) {
        (None, Seen::Wrong) => Some(Stage::Begun),
        (None | Some(Stage::Begun), Seen::Well) => None,
        (Some(Stage::Told), Seen::Well) => Some(Stage::Over),
        // Whoever was told that it is there was not told otherwise.
        (Some(Stage::Over), Seen::Wrong) => Some(Stage::Told),
        (held, _) => held,
    }
}

/// How far it is once it was told.
pub fn after_telling(stage: Stage) -> Option<Stage> {
    match stage {
        Stage::Begun | Stage::Told => Some(Stage::Told),
        Stage::Over => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once() {
        use Seen::{Open, Well, Wrong};
        use Stage::{Begun, Over, Told};
        let check = |held, seen, expected| {
            assert_eq!(after_look(held, seen), expected, "{held:?} {seen:?}");
        };
        check(None, Wrong, Some(Begun));
        check(None, Well, None);
        check(None, Open, None);
        check(Some(Begun), Wrong, Some(Begun));
        check(Some(Begun), Well, None);
        check(Some(Begun), Open, Some(Begun));
        check(Some(Told), Wrong, Some(Told));
        check(Some(Told), Well, Some(Over));
        check(Some(Told), Open, Some(Told));
        check(Some(Over), Wrong, Some(Told));
        check(Some(Over), Well, Some(Over));
        check(Some(Over), Open, Some(Over));
        assert_eq!(after_telling(Begun), Some(Told));
        assert_eq!(after_telling(Over), None);
    }

    #[test]
    fn names_are_those_of_the_configuration() {
        for condition in Condition::ALL {
            let name = serde_json::to_value(condition).expect("a word");
            assert_eq!(name, condition.name());
        }
    }
}
