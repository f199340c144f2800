//! Microsoft Graph: nothing is signed, and each item carries what was agreed on.

use super::json::{self, Fault};
use super::reason::Reason;
use super::request::Request;
use super::row::Provider;
use super::verify::{By, CANDIDATES_MAX, Verified, same_text, secret_keys};

/// Compares every item's `clientState`: one of them says nothing of the next.
pub fn verify(
    provider: &Provider,
    secrets: &[&str],
    request: &Request<'_>,
) -> Result<Verified, Reason> {
    let keys = secret_keys(provider, secrets)?;
    let items = request.items("value")?.filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Reason::Missing { place: "the body's value".to_owned() })?;
    if items.len() > CANDIDATES_MAX {
        return Err(Reason::TooMany);
    }
    let place = || "an item's clientState".to_owned();
    let mut by = None;
    for item in items {
        let given = match json::text(item.get().as_bytes(), "clientState") {
            Err(Fault::Twice) => return Err(Reason::Twice { place: place() }),
            Ok(Some(given)) => given,
            Ok(None) | Err(Fault::NotJson) => return Err(Reason::Missing { place: place() }),
        };
        let fits = keys.iter().position(|key| same_text(key, given.as_bytes()));
        by = by.or(fits);
        fits.ok_or(Reason::Mismatch)?;
    }
    by.map(|number| Verified { by: By::Secret(number), signed_at: None }).ok_or(Reason::Mismatch)
}
