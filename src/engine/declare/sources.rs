//! Applying `[[source]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{changed, invalid};
use crate::config::secrets::SourceSecrets;
use crate::config::source::DeclaredSource;
use crate::domain::id::{ApplicationId, SourceId};
use crate::domain::secret::Secret;
use crate::domain::source::{Expiring, Mode, SECRETS_MAX, Source, SourceError, TOKENS_MAX};
use crate::domain::time::Timestamp;
use crate::store::{Author, Reference, Refusal, Transaction};

/// Characters of a token that is drawn.
const TOKEN: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The end of a URL that nobody guesses: 43 letters and digits, 256 bits.
pub fn draw_token() -> Secret {
    let mut text = Vec::with_capacity(TOKEN);
    while text.len() < TOKEN {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
        // Those above would make some letters likelier than others.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.take(TOKEN - text.len()).map(|byte| ALPHABET[usize::from(byte % 62)]));
    }
    Secret::new(text)
}

/// Puts a new one in front; the one that was current counts until `until`.
pub fn rotate(held: &mut Vec<Expiring>, new: Secret, until: Timestamp, most: usize) {
    held.retain(|one| one.text != new);
    for one in held.iter_mut() {
        one.expires_at = Some(sooner(one.expires_at, until));
    }
    held.insert(0, Expiring { text: new, expires_at: None });
    held.truncate(most);
}

/// What was rotated away before counts no longer than what is rotated away now: with no overlap
/// nothing old does.
fn sooner(end: Option<Timestamp>, until: Timestamp) -> Timestamp {
    end.map_or(until, |end| end.min(until))
}

/// Makes these the current ones, in their order; those that were and are not any more count until
/// `until`.
pub fn replace(held: &mut Vec<Expiring>, new: &[Secret], now: Timestamp, until: Timestamp) {
    let mut kept: Vec<Expiring> =
        new.iter().map(|text| Expiring { text: text.clone(), expires_at: None }).collect();
    for old in held.drain(..).filter(|old| old.is_live(now) && !new.contains(&old.text)) {
        kept.push(Expiring { expires_at: Some(sooner(old.expires_at, until)), ..old });
    }
    kept.truncate(SECRETS_MAX);
    *held = kept;
}

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    declared: &[(DeclaredSource, SourceSecrets)],
    owners: &BTreeMap<String, ApplicationId>,
    overlap: Duration,
    changes: &mut Vec<String>,
) -> Result<(), Refusal> {
    let mut kept = BTreeSet::new();
    for (source, secrets) in declared {
        let application = owners.get(&source.application).copied().ok_or(Refusal::NotFound)?;
        kept.insert(put(transaction, application, source, secrets, overlap, changes)?);
    }
    let now = transaction.now();
    for source in transaction.sources() {
        if !source.managed || kept.contains(&source.id) {
            continue;
        }
        let uid = source.uid.clone().unwrap_or_default();
        changes.push(format!("source {uid}: left the file, paused"));
        let paused = Source {
            managed: false,
            mode: Mode::Paused,
            updated_at: now,
            ..source.as_ref().clone()
        };
        transaction.put_source(paused, Author::Config)?;
    }
    Ok(())
}

fn put(
    transaction: &mut Transaction<'_>,
    application: ApplicationId,
    declared: &DeclaredSource,
    given: &SourceSecrets,
    overlap: Duration,
    changes: &mut Vec<String>,
) -> Result<SourceId, Refusal> {
    let now = transaction.now();
    let verification = declared
        .verified_by()
        .map_err(|(field, message)| invalid(field, &SourceError { field: "source", message }))?;
    let old = transaction.source(&Reference::Name(declared.uid.clone())).ok();
    let fresh = declared.source(verification);
    let mut new = Source { application, created_at: now, updated_at: now, ..fresh };
    match &old {
        Some(old) => {
            (new.id, new.created_at, new.updated_at) = (old.id, old.created_at, old.updated_at);
            new.secrets.clone_from(&old.secrets);
            new.tokens.clone_from(&old.tokens);
            // A handshake has been: reading the file again opens the door to no other.
            new.set_up &= !old.managed || old.set_up || old.secrets.is_empty();
        }
        None => new.id = SourceId::new(transaction.mint()),
    }
    new.verify_token.clone_from(&given.verify_token);
    // A secret that a handshake brought is not in the file.
    if !given.secrets.is_empty() {
        replace(&mut new.secrets, &given.secrets, now, now + overlap);
    }
    let current = new.tokens.first().map(|token| token.text.clone());
    match (&given.token, current) {
        (Some(token), current) if current.as_ref() != Some(token) => {
            rotate(&mut new.tokens, token.clone(), now + overlap, TOKENS_MAX);
        }
        (None, None) => rotate(&mut new.tokens, draw_token(), now, TOKENS_MAX),
        _ => {}
    }
    let id = new.id;
    match old {
        Some(old) if *old == new => return Ok(id),
        Some(old) => changes.push(format!("source {}: {}", declared.uid, changed(old.managed))),
        None => changes.push(format!("source {}: new", declared.uid)),
    }
    new.updated_at = now;
    transaction.put_source(new, Author::Config)?;
    Ok(id)
}
