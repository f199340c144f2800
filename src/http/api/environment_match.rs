//! Which thing of this relay an entry of a document means.
//!
//! It is found again by its id where the document comes from, or else by its uid. What is made for
//! it has that id as its uid, or as a further name beside the uid that it has: so ids of another
//! server go on naming what they named there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::limits;
use crate::domain::id::{ApplicationId, EndpointId, Id, Kind};
use crate::store::{Named, Reference, Refusal, Transaction};

/// What entries before have done, of which no two may mean the same.
#[derive(Default)]
pub(super) struct Taken {
    pub applications: BTreeSet<ApplicationId>,
    pub endpoints: BTreeSet<EndpointId>,
}

/// Entries with their places, those first whose id is known here: one that was renamed where it
/// comes from gives up its uid before another takes it.
pub(super) fn known_first<T>(entries: Vec<T>, known: impl Fn(&T) -> bool) -> Vec<(usize, T)> {
    let (mut first, rest): (Vec<_>, Vec<_>) =
        entries.into_iter().enumerate().partition(|(_, entry)| known(entry));
    first.extend(rest);
    first
}

pub(super) fn in_order<T>(mut made: Vec<(usize, T)>) -> impl Iterator<Item = T> {
    made.sort_by_key(|(index, _)| *index);
    made.into_iter().map(|(_, item)| item)
}

/// What an entry means here: what has its uid or its id. When the two are of different things,
/// or another entry has meant it before, nobody knows which one it is.
pub(super) fn meant<K: Kind, T>(
    by_uid: Option<&Reference<K>>,
    by_id: Option<&Reference<K>>,
    find: impl Fn(&Reference<K>) -> Option<Arc<T>>,
    id_of: impl Fn(&T) -> Id<K>,
    taken: &mut BTreeSet<Id<K>>,
) -> Result<Option<Arc<T>>, Refusal> {
    let (by_uid, by_id) = (by_uid.and_then(&find), by_id.and_then(&find));
    if let (Some(one), Some(other)) = (&by_uid, &by_id)
        && id_of(one) != id_of(other)
    {
        let words = "has the uid of one and the id of another that are here: rename one of them";
        return Err(Refusal::Conflict(words.to_owned()));
    }
    let found = by_id.or(by_uid);
    if found.as_ref().is_some_and(|found| !taken.insert(id_of(found))) {
        let words = "is what another entry of this document is already: give it an id or uid of \
                     its own";
        return Err(Refusal::Conflict(words.to_owned()));
    }
    Ok(found)
}

/// The uid of what is made for an entry: its own, or its id where it has none.
pub(super) fn made_uid(
    uid: Option<String>,
    id: Option<String>,
    is_ours: bool,
) -> Result<String, Refusal> {
    let refuse = |words: &str| Err(Refusal::Conflict(words.to_owned()));
    match (uid, id) {
        (Some(uid), _) => Ok(uid),
        (None, Some(_)) if is_ours => refuse(
            "has an id of this relay and is not there any more; give it a uid to make it anew",
        ),
        (None, Some(id)) => match limits::name(&id) {
            Ok(()) => Ok(id),
            Err(words) => refuse(&format!("id: {words}")),
        },
        (None, None) => refuse(
            "has neither uid nor id, so that each import would make it once more; give it a uid",
        ),
    }
}

/// Keeps the id that something has where the document comes from as a further name of it; says
/// whether that changed anything, and why it could not be.
pub(super) fn remember<K: Kind>(
    transaction: &mut Transaction<'_>,
    id: Option<Reference<K>>,
    named: Named,
) -> (bool, Vec<String>) {
    let Some(Reference::Name(id)) = id else { return (false, Vec::new()) };
    let kept = match limits::name(&id) {
        Ok(()) => transaction.put_alias(&id, named),
        Err(words) => Err(Refusal::Conflict(words)),
    };
    match kept {
        Ok(changed) => (changed, Vec::new()),
        Err(refusal) => (false, vec![format!("its old id is not kept: {refusal}")]),
    }
}
