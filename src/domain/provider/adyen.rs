//! Adyen's payments: each item of a batch has a signature of its own over some of its fields.

use serde_json::Value;

use super::encoding::{self, Encoding};
use super::json::{self, Fault};
use super::reason::{EncodingName, Reason};
use super::request::Request;
use super::row::Provider;
use super::verify::{By, CANDIDATES_MAX, Verified, mac, same, secret_keys};

/// The fields that are signed, a colon between two; one that is not there is empty.
const FIELDS: [&str; 8] = [
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
];

/// The only field that may have a colon: with one in another, the end of a field could be read as
/// the start of the next.
const MERCHANT_REFERENCE: &str = "merchantReference";

/// Verifies every item: one that is signed says nothing of the next.
pub fn verify(
    provider: &Provider,
    secrets: &[&str],
    request: &Request<'_>,
) -> Result<Verified, Reason> {
    let keys = secret_keys(provider, secrets)?;
    let place = "the body's notificationItems";
    let items = request.items("notificationItems")?.filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Reason::Missing { place: place.to_owned() })?;
    if items.len() > CANDIDATES_MAX {
        return Err(Reason::TooMany);
    }
    let mut by = None;
    for item in items {
        let item = item.get().as_bytes();
        let given = field(item, "additionalData.hmacSignature")?;
        let given = given.ok_or_else(|| Reason::Missing {
            place: "an item's additionalData.hmacSignature".to_owned(),
        })?;
        let given = encoding::decode(Encoding::Base64, &given)
            .ok_or(Reason::Encoding(EncodingName(Encoding::Base64)))?;
        let message = signed(item)?;
        let made = |key: &Vec<u8>| mac(provider.digest, key, message.as_bytes());
        let fits = keys.iter().position(|key| same(&made(key), &given));
        by = by.or(fits);
        fits.ok_or(Reason::Mismatch)?;
    }
    by.map(|number| Verified { by: By::Secret(number), signed_at: None }).ok_or(Reason::Mismatch)
}

/// The same body with a signature in each item; nothing when it is none of Adyen's.
pub fn signed_body(provider: &Provider, key: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let mut whole: Value = serde_json::from_slice(body).ok()?;
    for item in whole.get_mut("notificationItems")?.as_array_mut()? {
        let message = signed(item.to_string().as_bytes()).ok()?;
        let made = mac(provider.digest, key, message.as_bytes());
        let made = Value::from(encoding::encode(Encoding::Base64, &made));
        json::set(item, "NotificationRequestItem.additionalData.hmacSignature", made)?;
    }
    Some(whole.to_string().into_bytes())
}

fn signed(item: &[u8]) -> Result<String, Reason> {
    let mut values = Vec::with_capacity(FIELDS.len());
    for name in FIELDS {
        let value = field(item, name)?.unwrap_or_default();
        if value.contains(':') && name != MERCHANT_REFERENCE {
            return Err(Reason::Separator { place: format!("an item's {name}") });
        }
        values.push(value);
    }
    Ok(values.join(":"))
}

fn field(item: &[u8], name: &str) -> Result<Option<String>, Reason> {
    let path = format!("NotificationRequestItem.{name}");
    match json::text(item, &path) {
        Ok(found) => Ok(found),
        Err(Fault::NotJson) => Ok(None),
        Err(Fault::Twice) => Err(Reason::Twice { place: format!("an item's {name}") }),
    }
}
