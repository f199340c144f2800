//! What of the operator's troubles is there now, for who looks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::message::Message;
use crate::config::alert::DeclaredAlert;
use crate::domain::alert::{Condition, Stage, Subject, Trouble};
use crate::domain::time::Timestamp;
use crate::store::Store;

/// A trouble that is there.
#[derive(Clone, PartialEq, Debug)]
pub struct Firing {
    /// What is wrong.
    pub condition: Condition,
    /// Since when.
    pub since: Timestamp,
    /// What it is, and what to do.
    pub words: String,
    /// The ids of what it is about, as messages to destinations have them; null for the relay.
    pub subject: Value,
    /// The `[[alert]]`s that tell of it.
    pub alerts: Vec<String>,
}

/// Every trouble that one of these alerts tells of, the oldest first, `most` of them, and how many
/// there are; may wait for the disk.
pub fn firing(store: &Store, alerts: &[DeclaredAlert], most: usize) -> (Vec<Firing>, usize) {
    let mut by_what: BTreeMap<(Condition, Subject), Vec<Trouble>> = BTreeMap::new();
    let known = |trouble: &Trouble| {
        let mut named = alerts.iter().filter(|alert| alert.name == trouble.key.alert);
        named.any(|alert| alert.on.contains(&trouble.key.condition))
    };
    // Rows of alerts that the file does not have any more stay until one looks that it does.
    let there = store.troubles().into_iter().filter(|trouble| trouble.stage != Stage::Over);
    for trouble in there.filter(known) {
        let what = (trouble.key.condition, trouble.key.subject);
        by_what.entry(what).or_default().push(trouble);
    }
    let mut found: Vec<Vec<Trouble>> = by_what.into_values().collect();
    found.iter_mut().for_each(|same| same.sort_by_key(|trouble| trouble.since));
    found.sort_by_key(|same| same.first().map(|trouble| trouble.since));
    let count = found.len();
    let shown = found.into_iter().take(most).filter_map(|same| {
        let message = Message::of(store, "", same.get(..1)?, false);
        Some(Firing {
            condition: same.first()?.key.condition,
            since: message.since,
            words: message.text,
            subject: message.subjects.into_iter().next().unwrap_or_default(),
            alerts: same.into_iter().map(|trouble| trouble.key.alert).collect(),
        })
    });
    (shown.collect(), count)
}
