//! Further names of applications and endpoints: the ids that they had on the server they come
//! from. What was stored elsewhere by such an id goes on naming the same thing here.
//!
//! A name of a thing of this relay, its id or uid, goes before an alias.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::id::{ApplicationId, EndpointId};
use crate::store::catalog::CatalogChange;
use crate::store::transaction::{Transaction, short_hash};
use crate::store::{Reference, Refusal, keys, records};

/// Aliases of one application or endpoint at most: it may have moved more than once.
pub const ALIASES_MAX: usize = 8;

/// What an alias names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Named {
    /// The application, or the one that the endpoint belongs to.
    pub application: ApplicationId,
    /// The endpoint.
    pub endpoint: Option<EndpointId>,
}

impl Named {
    /// Where the name is looked for: that of an endpoint in its application.
    fn owner(self) -> Option<ApplicationId> {
        self.endpoint.map(|_| self.application)
    }

    fn key(self, name: &str) -> keys::Key {
        let owner = self.owner().map_or(0, |owner| owner.stamp().0);
        keys::alias(short_hash(&[&owner.to_be_bytes(), name.as_bytes()].concat()))
    }
}

/// An alias as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct AliasRow {
    pub name: String,
    pub named: Named,
}

records::one_version!(AliasRow);

/// Every alias, by where it is looked for.
#[derive(Default)]
pub(super) struct Aliases(HashMap<(Option<ApplicationId>, String), Named>);

impl Aliases {
    /// Sets or removes one; returns what stood there.
    pub fn set(
        &mut self,
        owner: Option<ApplicationId>,
        name: &str,
        new: Option<Named>,
    ) -> Option<Named> {
        let key = (owner, name.to_owned());
        match new {
            Some(named) => self.0.insert(key, named),
            None => self.0.remove(&key),
        }
    }

    /// The application of this name.
    pub fn application(&self, name: &str) -> Option<ApplicationId> {
        self.0.get(&(None, name.to_owned())).map(|named| named.application)
    }

    /// The endpoint of this name.
    pub fn endpoint(&self, owner: ApplicationId, name: &str) -> Option<EndpointId> {
        self.0.get(&(Some(owner), name.to_owned())).and_then(|named| named.endpoint)
    }

    /// The names of one thing, in order.
    pub fn of(&self, wanted: Named) -> Vec<String> {
        let held = self.0.iter().filter(|(_, named)| **named == wanted);
        let mut names: Vec<String> = held.map(|((_, name), _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}

impl Transaction<'_> {
    /// Gives an application or endpoint a further name. A name that another has already is refused;
    /// says whether it is new.
    pub fn put_alias(&mut self, name: &str, named: Named) -> Result<bool, Refusal> {
        let reference = || name.to_owned();
        let held = match named.endpoint {
            None => self
                .application(&Reference::Name(reference()))
                .map(|held| Named { application: held.id, endpoint: None }),
            Some(_) => {
                let held = self.endpoint(named.application, &Reference::Name(reference()));
                held.map(|held| Named { endpoint: Some(held.id), ..named })
            }
        };
        match held {
            Ok(held) if held == named => return Ok(false),
            Ok(_) => {
                return Err(Refusal::Conflict(format!("{name} names another one here already")));
            }
            Err(_) => {}
        }
        if self.writer.tables.aliases(named).len() >= ALIASES_MAX {
            return Err(Refusal::Limit(format!("has {ALIASES_MAX} further names already")));
        }
        let row = AliasRow { name: name.to_owned(), named };
        self.put_row(named.key(name), records::encode(&row), false);
        self.set(CatalogChange::Alias(named.owner(), row.name, Some(named)));
        Ok(true)
    }

    /// Forgets the further names of one that goes.
    pub(super) fn forget_aliases(&mut self, named: Named) {
        for name in self.writer.tables.aliases(named) {
            self.delete_row(named.key(&name));
            self.set(CatalogChange::Alias(named.owner(), name, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let named = Named {
            application: ApplicationId::new(Stamp(9)),
            endpoint: Some(EndpointId::new(Stamp(10))),
        };
        let row = AliasRow { name: "ep_old".to_owned(), named };
        let bytes = records::encode(&row);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "010665705f6f6c6409010a");
        assert_eq!(records::decode::<AliasRow>(&bytes).expect("a row"), row);
    }
}
