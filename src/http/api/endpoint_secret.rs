//! `/app/{app}/endpoint/{endpoint}/secret`: the key that deliveries are signed with.

use std::time::Duration;

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::application::unexpected;
use super::call::Call;
use super::limits::{GRACE_DEFAULT, GRACE_MAX, KEY_TEXT_MAX, OLD_KEYS_MAX, Problems};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::signature::SigningKey;
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::{Author, EndpointReference, Refusal, Reply};

/// Bytes of an HMAC key the relay makes.
const KEY_BYTES: usize = 24;
/// Bytes that an Ed25519 key is made of.
const SEED_BYTES: usize = 32;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RotateIn {
    key: Option<String>,
    grace_period_seconds: Option<u64>,
}

/// A fresh HMAC key.
pub(super) fn draw_key() -> Result<SigningKey, ApiError> {
    Ok(SigningKey::hmac(&random::<KEY_BYTES>()?))
}

/// A fresh key of the same kind as the present one: the receiver verifies with the same code.
fn draw_like(present: Option<&EndpointKey>) -> Result<SigningKey, ApiError> {
    match present.map(|present| &present.key) {
        Some(SigningKey::Ed25519(_)) => Ok(SigningKey::ed25519_of(&random::<SEED_BYTES>()?)),
        Some(SigningKey::Hmac(_)) | None => draw_key(),
    }
}

fn random<const COUNT: usize>() -> Result<[u8; COUNT], ApiError> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes)
        .map_err(|error| ApiError::Internal(format!("no randomness for a key: {error}")))?;
    Ok(bytes)
}

/// A key that a caller brings.
pub(super) fn read_key(text: &str, at: &[&str], problems: &mut Problems) -> Option<SigningKey> {
    if text.len() > KEY_TEXT_MAX {
        problems.add(at, format!("must have at most {KEY_TEXT_MAX} characters"));
        return None;
    }
    // The Svix API takes the base64 of an HMAC key without its prefix too.
    let bare = !text.contains('_');
    match SigningKey::parse(&if bare { format!("whsec_{text}") } else { text.to_owned() }) {
        Ok(key) => Some(key),
        Err(error) => {
            problems.add(at, error.to_string());
            None
        }
    }
}

/// Row 13: the current key, of an asymmetric one the public half.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = call.endpoint(&*call.owner()?)?;
    show(&endpoint)
}

/// Row 14: a new key signs from now on; the old one beside it until its grace period is over.
pub(super) async fn rotate(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let reference: EndpointReference = call.reference("endpoint")?;
    let body = call.body().await?;
    let input: RotateIn = body.json_or_empty()?;
    let mut problems = Problems::default();
    let grace = input.grace_period_seconds.map_or(GRACE_DEFAULT, Duration::from_secs);
    if grace > GRACE_MAX {
        let most = GRACE_MAX.as_secs();
        problems.add(&["gracePeriodSeconds"], format!("must be at most {most} (7 days)"));
    }
    let given = input.key.and_then(|text| read_key(&text, &["key"], &mut problems));
    problems.finish()?;
    let key = match given {
        Some(key) => key,
        None => draw_like(call.endpoint(&application)?.keys.first())?,
    };
    let written = call
        .write_once(&body, move |transaction| {
            let now = transaction.now();
            let mut endpoint = Endpoint::clone(&*transaction.endpoint(application.id, &reference)?);
            endpoint.keys = rotated(&endpoint.keys, key, grace, now)?;
            endpoint.updated_at = now;
            let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created: false })
        })
        .await?;
    match written.reply {
        Reply::Endpoint { endpoint, .. } => show(&endpoint),
        other => Err(unexpected(&other)),
    }
}

fn show(endpoint: &Endpoint) -> Result<HttpResponse, ApiError> {
    let current = endpoint.keys.first();
    let current = current.ok_or_else(|| ApiError::Internal("an endpoint has no key".to_owned()))?;
    Ok(HttpResponse::Ok().json(json!({"key": current.key.shown()})))
}

/// The keys after a rotation: the new one, then the old ones that still sign.
pub(super) fn rotated(
    keys: &[EndpointKey],
    key: SigningKey,
    grace: Duration,
    now: Timestamp,
) -> Result<Vec<EndpointKey>, Refusal> {
    let mut after = vec![EndpointKey { key, expires_at: None }];
    for old in keys {
        let end = old.expires_at.unwrap_or(now + grace);
        if now < end && after.iter().all(|kept| kept.key != old.key) {
            after.push(EndpointKey { key: old.key.clone(), expires_at: Some(end) });
        }
    }
    if after.len() > 1 + OLD_KEYS_MAX {
        let first = after.iter().filter_map(|key| key.expires_at).min().unwrap_or(now);
        return Err(Refusal::Conflict(format!(
            "{OLD_KEYS_MAX} old keys still sign; the next of them expires at {first}"
        )));
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_callers() {
        let check = |text: &str| read_key(text, &["key"], &mut Problems::default());
        let whole = check("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert!(whole.is_some());
        assert_eq!(check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), whole);
        for wrong in ["", "whsec_", "whsec_AAAA", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "?"] {
            assert_eq!(check(wrong), None, "{wrong}");
        }
        assert_eq!(check(&format!("whsec_{}", "A".repeat(KEY_TEXT_MAX))), None);
    }

    #[test]
    fn rotations() {
        let key = |number: u8| SigningKey::hmac(&[number; KEY_BYTES]);
        let now = Timestamp::from_millis(1_000_000);
        let grace = Duration::from_secs(10);
        let mut keys = vec![EndpointKey { key: key(0), expires_at: None }];
        for number in 1..=OLD_KEYS_MAX as u8 {
            keys = rotated(&keys, key(number), grace, now).unwrap();
        }
        assert_eq!(keys.len(), 1 + OLD_KEYS_MAX);
        assert_eq!(keys[0], EndpointKey { key: key(OLD_KEYS_MAX as u8), expires_at: None });
        assert!(keys[1..].iter().all(|old| old.expires_at == Some(now + grace)));
        assert!(matches!(rotated(&keys, key(9), grace, now), Err(Refusal::Conflict(_))));
        let later = rotated(&keys, key(9), grace, now + grace).unwrap();
        assert_eq!(later.len(), 2, "the expired ones are gone, the last current one stays");
        let at_once = rotated(&keys[..1], key(9), Duration::ZERO, now).unwrap();
        assert_eq!(at_once.len(), 1, "no grace, no old key");
        let same = rotated(&keys[..1], keys[0].key.clone(), grace, now).unwrap();
        assert_eq!(same.len(), 1, "a key rotated to itself stands once");
    }
}
