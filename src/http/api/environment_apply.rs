//! What an import does with each entry: creates, updates, leaves or refuses it, and says so.
//!
//! Nothing is deleted, and an import can be repeated: what an entry means here is in
//! [`environment_match`](super::environment_match).

use std::collections::BTreeMap;

use serde::Serialize;

use super::egress::{Changer, fits};
use super::endpoint;
use super::endpoint_secret::rotated;
use super::environment_import::{ApplicationEntry, EndpointEntry, Entries, Entry, problem};
use super::environment_match::{Taken, in_order, known_first, made_uid, meant, remember};
use super::event_type;
use super::limits::GRACE_DEFAULT;
use crate::config::Config;
use crate::domain::application::Application;
use crate::domain::egress;
use crate::domain::endpoint::{Disabled, Endpoint};
use crate::domain::event_type::EventType;
use crate::domain::headers::{find_header, set_header};
use crate::domain::id::{ApplicationId, EndpointId, Ids};
use crate::http::error::Problem;
use crate::store::{Author, Named, Reference, Refusal, Transaction};

/// What was done with an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Created,
    Updated,
    Left,
    Refused,
}

/// An entry and what became of it.
#[derive(Serialize)]
pub(super) struct Item {
    kind: &'static str,
    name: String,
    pub action: Action,
    /// Why it was refused, or what is to be done by hand.
    notes: Vec<String>,
    #[serde(skip)]
    pub problems: Vec<Problem>,
}

/// What was done and what people should know of it.
type Done = Result<(Action, Vec<String>), Refusal>;

/// Does what can be done. An entry that is refused leaves no trace, the others stay.
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    entries: Entries,
    ids: &Ids,
    config: &Config,
) -> Vec<Item> {
    let mut items = Vec::new();
    for entry in entries.event_types {
        items.push(take("event_type", entry, |(name, fields)| {
            put_event_type(transaction, name, fields)
        }));
    }
    let mut taken = Taken::default();
    let known = |(entry, _): &(Entry<ApplicationEntry>, _)| {
        let id = entry.read.as_ref().ok().and_then(|entry| entry.id.as_deref());
        id.is_some_and(|id| transaction.application(&Reference::read(ids, id)).is_ok())
    };
    let mut made = Vec::new();
    for (index, (entry, endpoints)) in known_first(entries.applications, known) {
        let mut owner = None;
        let owner_name = entry.name.clone();
        let mut items = vec![take("application", entry, |entry| {
            put_application(transaction, entry, ids, &mut owner, &mut taken)
        })];
        let owner = (owner, owner_name.as_str());
        items.extend(apply_endpoints(transaction, endpoints, owner, ids, config, &mut taken));
        made.push((index, items));
    }
    items.extend(in_order(made).flatten());
    let refused = entries.refused.into_iter();
    items.extend(
        refused.map(|(kind, entry)| take(kind, entry, |()| Ok((Action::Left, Vec::new())))),
    );
    items
}

fn apply_endpoints(
    transaction: &mut Transaction<'_>,
    endpoints: Vec<Entry<EndpointEntry>>,
    (owner, owner_name): (Option<ApplicationId>, &str),
    ids: &Ids,
    config: &Config,
    taken: &mut Taken,
) -> Vec<Item> {
    let known = |entry: &Entry<EndpointEntry>| {
        let id = entry.read.as_ref().ok().and_then(|entry| entry.id.as_deref());
        owner.zip(id).is_some_and(|(owner, id)| {
            transaction.endpoint(owner, &Reference::read(ids, id)).is_ok()
        })
    };
    let mut made = Vec::new();
    for (index, mut entry) in known_first(endpoints, known) {
        entry.name = format!("{owner_name}/{}", entry.name);
        let item = take("endpoint", entry, |entry| match owner {
            Some(owner) => put_endpoint(transaction, owner, entry, (ids, config), taken),
            None => Err(Refusal::Conflict("its application was refused".to_owned())),
        });
        made.push((index, item));
    }
    in_order(made).collect()
}

fn take<T>(kind: &'static str, entry: Entry<T>, put: impl FnOnce(T) -> Done) -> Item {
    let Entry { at, name, read } = entry;
    let done =
        read.and_then(|read| put(read).map_err(|refusal| vec![problem(&at, &refusal.to_string())]));
    match done {
        Ok((action, notes)) => Item { kind, name, action, notes, problems: Vec::new() },
        Err(problems) => {
            let notes = problems.iter().map(|found| words(found, 1 + at.len())).collect();
            Item { kind, name, action: Action::Refused, notes, problems }
        }
    }
}

/// `url: is no URL`.
fn words(found: &Problem, skipped: usize) -> String {
    match found.loc.get(skipped..) {
        Some(inside) if !inside.is_empty() => format!("{}: {}", inside.join("."), found.msg),
        _ => found.msg.clone(),
    }
}

fn put_event_type(
    transaction: &mut Transaction<'_>,
    name: String,
    fields: event_type::Fields,
) -> Done {
    let now = transaction.now();
    let old = transaction.event_type(&name).ok();
    let mut new = fields.make(name, now);
    let Some(old) = old else {
        transaction.put_event_type(new, Author::Caller)?;
        return Ok((Action::Created, Vec::new()));
    };
    (new.created_at, new.updated_at, new.managed) = (old.created_at, old.updated_at, old.managed);
    if *old == new {
        return Ok((Action::Left, Vec::new()));
    }
    transaction.put_event_type(EventType { updated_at: now, ..new }, Author::Caller)?;
    Ok((Action::Updated, Vec::new()))
}

fn put_application(
    transaction: &mut Transaction<'_>,
    entry: ApplicationEntry,
    ids: &Ids,
    owner: &mut Option<ApplicationId>,
    taken: &mut Taken,
) -> Done {
    let ApplicationEntry { id, mut fields } = entry;
    let now = transaction.now();
    let by_uid = fields.uid.as_deref().map(|uid| Reference::read(ids, uid));
    let by_id = id.as_deref().map(|id| Reference::read(ids, id));
    let find = |reference: &Reference<_>| transaction.application(reference).ok();
    let held = &mut taken.applications;
    let old = meant(by_uid.as_ref(), by_id.as_ref(), find, |held| held.id, held)?;
    // Elsewhere its id here became its uid.
    if old.is_some() && matches!(by_uid, Some(Reference::Id(_))) {
        fields.uid = None;
    }
    let Some(old) = old else {
        let uid = made_uid(fields.uid.clone(), id, matches!(by_id, Some(Reference::Id(_))))?;
        let made = fields.make(ApplicationId::new(transaction.mint()), now);
        let made = Application { uid: Some(uid), ..made };
        let made = transaction.put_application(made, Author::Caller)?.id;
        *owner = Some(made);
        taken.applications.insert(made);
        let notes = remember(transaction, by_id, Named { application: made, endpoint: None }).1;
        return Ok((Action::Created, notes));
    };
    // Its endpoints have their place, whatever becomes of itself.
    *owner = Some(old.id);
    let named = Named { application: old.id, endpoint: None };
    let (remembered, notes) = remember(transaction, by_id, named);
    let uid = fields.uid.clone().or_else(|| old.uid.clone());
    let new = Application {
        uid,
        managed: old.managed,
        created_at: old.created_at,
        updated_at: old.updated_at,
        ..fields.make(old.id, now)
    };
    if *old == new {
        return Ok((if remembered { Action::Updated } else { Action::Left }, notes));
    }
    transaction.put_application(Application { updated_at: now, ..new }, Author::Caller)?;
    Ok((Action::Updated, notes))
}

fn put_endpoint(
    transaction: &mut Transaction<'_>,
    owner: ApplicationId,
    entry: EndpointEntry,
    (ids, config): (&Ids, &Config),
    taken: &mut Taken,
) -> Done {
    let EndpointEntry { id, mut fields, sensitive, key } = entry;
    let now = transaction.now();
    let by_uid = fields.uid.as_deref().map(|uid| Reference::read(ids, uid));
    let by_id = id.as_deref().map(|id| Reference::read(ids, id));
    let find = |reference: &Reference<_>| transaction.endpoint(owner, reference).ok();
    let held = &mut taken.endpoints;
    let old = meant(by_uid.as_ref(), by_id.as_ref(), find, |held| held.id, held)?;
    if old.is_some() && matches!(by_uid, Some(Reference::Id(_))) {
        fields.uid = None;
    }
    let given = fields.key.clone();
    let mut notes = Vec::new();
    let Some(old) = old else {
        let uid = made_uid(fields.uid.clone(), id, matches!(by_id, Some(Reference::Id(_))))?;
        if given.is_none() {
            notes.push("has a new secret: give it to the receiver".to_owned());
        }
        let mut made = fields.make(owner, EndpointId::new(transaction.mint()), key, now);
        settle_imported(&mut made, None, true, config, &mut notes)?;
        let unknown = sensitive.iter().filter(|name| find_header(&made.headers, name).is_none());
        notes.extend(unknown.map(|name| unknown_header(name)));
        let made = Endpoint { uid: Some(uid), ..made };
        let made = transaction.put_endpoint(made, Author::Caller)?.id;
        taken.endpoints.insert(made);
        let named = Named { application: owner, endpoint: Some(made) };
        notes.extend(remember(transaction, by_id, named).1);
        return Ok((Action::Created, notes));
    };
    let named = Named { application: owner, endpoint: Some(old.id) };
    let (remembered, told) = remember(transaction, by_id, named);
    notes.extend(told);
    let headers = merged_headers(&fields, &sensitive, &old, &mut notes);
    let current = old.keys.first().map(|held| &held.key);
    let mut keys = old.keys.clone();
    if let Some(given) = given.filter(|given| Some(given) != current) {
        keys = rotated(&keys, given, GRACE_DEFAULT, now)?;
        notes.push("has another secret now; the old one signs beside it for a day".to_owned());
    }
    let has_delivery = fields.delivery.is_some();
    let mut new = Endpoint {
        uid: fields.uid.or_else(|| old.uid.clone()),
        url: fields.url,
        description: fields.description,
        subscription: fields.subscription,
        disabled: disabled(fields.disabled, old.disabled),
        throttle_rate: fields.throttle_rate,
        // A document of another server's has none.
        delivery: fields.delivery.unwrap_or_else(|| old.delivery.clone()),
        metadata: fields.metadata,
        headers,
        keys,
        ..old.as_ref().clone()
    };
    settle_imported(&mut new, Some(&old), has_delivery, config, &mut notes)?;
    if *old == new {
        return Ok((if remembered { Action::Updated } else { Action::Left }, notes));
    }
    transaction.put_endpoint(Endpoint { updated_at: now, ..new }, Author::Caller)?;
    Ok((Action::Updated, notes))
}

/// Credentials that the document does not have stay as they are; what lacks them altogether is left
/// out, to be set by hand.
fn settle_imported(
    new: &mut Endpoint,
    old: Option<&Endpoint>,
    given: bool,
    config: &Config,
    notes: &mut Vec<String>,
) -> Result<(), Refusal> {
    let same = old.filter(|old| egress::same_place(&old.url, &new.url));
    if let Some(old) = same {
        egress::keep_credentials(&mut new.delivery, &old.delivery);
    }
    let lacks = egress::left_out(&new.delivery);
    let moved = old.is_some() && same.is_none() && !given;
    if new.delivery.auth.is_some() && (moved || lacks.iter().any(|name| name.starts_with("auth"))) {
        new.delivery.auth = None;
        notes.push(unknown_credential("auth"));
    }
    if new.delivery.tls.is_some() && (moved || lacks.iter().any(|name| name.starts_with("tls"))) {
        new.delivery.tls = None;
        notes.push(unknown_credential("tls"));
    }
    fits(new, old, &Changer { config, operator: true })
}

fn unknown_credential(setting: &str) -> String {
    format!("lacks delivery.{setting}, whose credentials are not in the document: set it by hand")
}

fn disabled(wanted: bool, before: Option<Disabled>) -> Option<Disabled> {
    match (wanted, before) {
        (true, before) => Some(before.unwrap_or(Disabled::ByCaller)),
        // Disabled because it was gone or failing: a person looks at that, not a document.
        (false, Some(why @ (Disabled::Gone | Disabled::Failing))) => Some(why),
        (false, _) => None,
    }
}

/// The document's headers with those that it has by name alone, as they stand.
fn merged_headers(
    fields: &endpoint::Fields,
    sensitive: &[String],
    old: &Endpoint,
    notes: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut headers = fields.headers_or(&old.headers);
    for name in sensitive {
        match find_header(&old.headers, name) {
            Some((name, value)) => set_header(&mut headers, name.clone(), value.clone()),
            None if find_header(&headers, name).is_none() => notes.push(unknown_header(name)),
            None => {}
        }
    }
    headers
}

fn unknown_header(name: &str) -> String {
    format!("lacks the header {name}, whose value is not in the document: set it by hand")
}
