//! Whether the list of dead letters says what the deliveries do.

use std::collections::{HashMap, HashSet};

use super::rows::{Origin, decode};
use super::{Findings, Remedy};
use crate::domain::dead_letter::DeadLetter;
use crate::domain::delivery::{Delivery, DeliveryId, State};
use crate::domain::id::{ApplicationId, DeadLetterId, EndpointId, Id, Ids, Stamp};
use crate::store::dead_letters::DeadLettersRow;
use crate::store::keys::{Key, dead_letters as rows};

struct Listed {
    owner: ApplicationId,
    delivery: DeliveryId,
    origin: Origin,
}

/// The list, and the deliveries that should be in it, as the records so far leave them.
#[derive(Default)]
pub struct DeadLetters {
    listed: HashMap<DeadLetterId, Listed>,
    places: HashMap<DeadLetterId, ApplicationId>,
    dead: HashMap<DeliveryId, (DeadLetterId, Origin)>,
    count: u64,
}

impl DeadLetters {
    /// A delivery was written, or taken away.
    pub fn take(&mut self, id: DeliveryId, held: Option<&Delivery>, origin: Origin) {
        let listed = held.filter(|held| matches!(held.state, State::Dead(_)));
        match listed.and_then(|held| held.dead_letter) {
            Some(listed) => _ = self.dead.insert(id, (listed, origin)),
            None => _ = self.dead.remove(&id),
        }
    }

    /// A row of the list; `None` when it does not decode.
    pub fn put(&mut self, key: &Key, value: &[u8], origin: Origin) -> Option<()> {
        match rows::kind(key)? {
            b'a' => {
                let (owner, id) = rows::parts(key)?;
                let letter: DeadLetter = decode(value)?;
                self.listed.insert(id, Listed { owner, delivery: letter.delivery, origin });
            }
            b't' => {
                let owner = Id::new(Stamp(decode(value)?));
                self.places.insert(rows::placed(key)?, owner);
            }
            b'e' => {
                rows::leavings_of(key)?;
                decode::<u64>(value)?;
            }
            _ => self.count = decode::<DeadLettersRow>(value)?.count,
        }
        Some(())
    }

    /// A row of the list is gone.
    pub fn delete(&mut self, key: &Key) {
        if let Some((_, id)) = rows::parts(key) {
            self.listed.remove(&id);
        } else if rows::kind(key) == Some(b't')
            && let Some(id) = rows::placed(key)
        {
            self.places.remove(&id);
        }
    }

    /// Tells of dead letters that are none, and of those that no list has. Those of endpoints that
    /// are gone are taken away by and by.
    pub fn judge(&self, endpoints: &HashSet<EndpointId>, ids: &Ids, findings: &mut Findings) {
        let mut tell = |origin: Origin, id: DeliveryId, what: &str| {
            let what = format!("{} {what}", ids.text(id.message));
            findings.in_record(Remedy::AcceptLoss, origin, what);
        };
        for (id, Listed { owner, delivery, origin }) in &self.listed {
            let own = self.dead.get(delivery).is_some_and(|(own, _)| own == id);
            if endpoints.contains(&delivery.endpoint) && !own {
                tell(*origin, *delivery, "is among the dead letters and is not dead");
            }
            if self.places.get(id) != Some(owner) {
                tell(*origin, *delivery, "is among the dead letters of its application alone");
            }
        }
        for (id, (listed, origin)) in &self.dead {
            if endpoints.contains(&id.endpoint) && !self.listed.contains_key(listed) {
                tell(*origin, *id, "is dead and not among the dead letters");
            }
        }
        let (there, count) = (self.listed.len() as u64, self.count);
        if there != count || self.places.len() as u64 != count {
            let what = format!("{there} dead letters are listed and {count} are counted");
            findings.add(Remedy::AcceptLoss, "journal".to_owned(), None, what);
        }
    }
}
