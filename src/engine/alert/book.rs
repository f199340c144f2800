//! The troubles that are there and what of them is still to be told, in memory and in the store.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use crate::config::alert::DeclaredAlert;
use crate::domain::alert::{
    Condition, DETAIL_MAX, Seen, Stage, Subject, Trouble, TroubleKey, after_look, after_telling,
};
use crate::store::{Store, WriteError};

/// Every trouble; what the store does not have yet is written again until it has.
pub(super) struct Book {
    held: BTreeMap<TroubleKey, Trouble>,
    unwritten: BTreeSet<TroubleKey>,
}

impl Book {
    /// What the store holds; what no alert tells of any more is forgotten.
    pub fn open(store: &Store, alerts: &[DeclaredAlert]) -> Book {
        let known = |key: &TroubleKey| {
            let mut named = alerts.iter().filter(|alert| alert.name == key.alert);
            named.any(|alert| alert.on.contains(&key.condition))
        };
        let troubles = store.troubles().into_iter();
        let (held, gone): (Vec<Trouble>, Vec<Trouble>) =
            troubles.partition(|trouble| known(&trouble.key));
        Book {
            held: held.into_iter().map(|trouble| (trouble.key.clone(), trouble)).collect(),
            unwritten: gone.into_iter().map(|trouble| trouble.key).collect(),
        }
    }

    /// Takes in what one alert sees.
    pub fn look(&mut self, alert: &DeclaredAlert, facts: &Facts) {
        let mut found = BTreeSet::new();
        for wrong in facts.wrong(alert) {
            let key = name(alert, wrong.condition, wrong.subject);
            found.insert(key.clone());
            let detail = cut(wrong.detail, DETAIL_MAX);
            let begun = Trouble { key, stage: Stage::Begun, since: wrong.since, detail };
            self.step(begun, Seen::Wrong);
        }
        let others = self.held.values().filter(|trouble| trouble.key.alert == alert.name);
        let others: Vec<Trouble> =
            others.filter(|trouble| !found.contains(&trouble.key)).cloned().collect();
        for trouble in others {
            let seen = facts.seen(alert, trouble.key.condition, trouble.key.subject);
            self.step(trouble, seen);
        }
    }

    /// What an alert has to tell: troubles of one condition that began, or that are over.
    pub fn untold(&self, alert: &str) -> BTreeMap<(Condition, bool), Vec<Trouble>> {
        let mut groups: BTreeMap<_, Vec<Trouble>> = BTreeMap::new();
        let held = self.held.values().filter(|trouble| trouble.key.alert == alert);
        for trouble in held.filter(|trouble| trouble.stage != Stage::Told) {
            let over = trouble.stage == Stage::Over;
            groups.entry((trouble.key.condition, over)).or_default().push(trouble.clone());
        }
        groups
    }

    /// These were told.
    pub fn told(&mut self, troubles: &[Trouble]) {
        for trouble in troubles {
            self.set(trouble.key.clone(), trouble, after_telling(trouble.stage));
        }
    }

    /// How many are there.
    pub fn firing(&self) -> usize {
        self.held.values().filter(|trouble| trouble.stage != Stage::Over).count()
    }

    /// Has the store keep what it does not have yet.
    pub fn write(&mut self, store: &Store) -> Result<(), WriteError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let change = |key: &TroubleKey| (key.clone(), self.held.get(key).cloned());
        store.keep_troubles(self.unwritten.iter().map(change).collect())?;
        self.unwritten.clear();
        Ok(())
    }

    fn step(&mut self, trouble: Trouble, seen: Seen) {
        let held = self.held.get(&trouble.key).map(|held| held.stage);
        let next = after_look(held, seen);
        if next != held {
            // One that came back is the one that was told.
            let known = self.held.get(&trouble.key).cloned().unwrap_or(trouble);
            self.set(known.key.clone(), &known, next);
        }
    }

    fn set(&mut self, key: TroubleKey, trouble: &Trouble, stage: Option<Stage>) {
        match stage {
            Some(stage) => self.held.insert(key.clone(), Trouble { stage, ..trouble.clone() }),
            None => self.held.remove(&key),
        };
        self.unwritten.insert(key);
    }
}

fn name(alert: &DeclaredAlert, condition: Condition, subject: Subject) -> TroubleKey {
    TroubleKey { alert: alert.name.clone(), condition, subject }
}

/// The text, so many bytes of it at most.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
