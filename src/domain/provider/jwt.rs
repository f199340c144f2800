//! JSON Web Tokens with HMAC and SHA-256 (RFC 7519), as Atlassian and monday.com send them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::content;
use super::encoding::{self, Digest, Encoding};
use super::json::{self, Fault};
use super::reason::{EncodingName, Reason};
use super::request::Request;
use super::row::Provider;
use super::verify::{By, Verified, mac, recent, same, secret_keys};
use crate::domain::time::Timestamp;

/// Seconds that clocks may differ by.
const LEEWAY: u64 = 60;

/// What a token has to say of the request beside its own end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtRow {
    /// `aud` is the URL that the provider was given.
    pub audience: bool,
    /// `qsh` is Atlassian's digest of method, path and query.
    pub qsh: bool,
}

/// Verifies the token, and then reads what it says.
pub fn verify(
    provider: &Provider,
    secrets: &[&str],
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Verified, Reason> {
    let keys = secret_keys(provider, secrets)?;
    let found = content::signatures(&provider.signature, request)?;
    let token = found.signatures.first().map(String::as_str).unwrap_or_default();
    let written = || Reason::Encoding(EncodingName(Encoding::Base64Url));
    let decode = |text: &str| encoding::decode(Encoding::Base64Url, text).ok_or_else(written);
    let (signed, signature) = token.rsplit_once('.').ok_or_else(written)?;
    let (head, claims) = signed.split_once('.').ok_or_else(written)?;
    let (head, claims, signature) = (decode(head)?, decode(claims)?, decode(signature)?);
    // Whoever may name the algorithm may name none.
    let named = json::text(&head, "alg").ok().flatten();
    if named.as_deref() != Some("HS256") || !matches!(json::at(&head, "crit"), Ok(None)) {
        return Err(Reason::Algorithm { place: "the token's head".to_owned() });
    }
    let fits = |key: &Vec<u8>| same(&mac(Digest::Sha256, key, signed.as_bytes()), &signature);
    let number = keys.iter().position(fits).ok_or(Reason::Mismatch)?;
    let signed_at = check_times(&claims, now)?;
    if provider.jwt.audience {
        let audience = claim(&claims, "aud")?;
        let bare = request.url.split(['?', '#']).next().unwrap_or_default();
        if audience != request.url && audience != bare {
            return Err(Reason::Claim("aud"));
        }
    }
    if provider.jwt.qsh {
        let given = claim(&claims, "qsh")?;
        if !canonical(request).iter().any(|made| same(made.as_bytes(), given.as_bytes())) {
            return Err(Reason::Claim("qsh"));
        }
    }
    Ok(Verified { by: By::Secret(number), signed_at })
}

/// Seconds for which a token that is made here holds.
const LIFETIME: u64 = 180;

/// A token for this request, for tests of a source.
pub fn make(provider: &Provider, key: &[u8], request: &Request<'_>, now: Timestamp) -> String {
    let mut claims = json!({
        "iss": "relay", "iat": now.seconds(), "exp": now.seconds() + LIFETIME, "aud": request.url,
    });
    if provider.jwt.qsh {
        claims["qsh"] = canonical(request).into_iter().next().unwrap_or_default().into();
    }
    let encode = |bytes: &[u8]| encoding::encode(Encoding::Base64Url, bytes);
    let head = encode(json!({ "typ": "JWT", "alg": "HS256" }).to_string().as_bytes());
    let signed = format!("{head}.{}", encode(claims.to_string().as_bytes()));
    let signature = encode(&mac(Digest::Sha256, key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn claim(claims: &[u8], name: &str) -> Result<String, Reason> {
    let place = || format!("the token's {name}");
    match json::text(claims, name) {
        Err(Fault::Twice) => Err(Reason::Twice { place: place() }),
        Ok(Some(text)) => Ok(text),
        Ok(None) | Err(Fault::NotJson) => Err(Reason::Missing { place: place() }),
    }
}

/// It has an end, which lies ahead, and was not made later than now.
fn check_times(claims: &[u8], now: Timestamp) -> Result<Option<Timestamp>, Reason> {
    let seconds = |text: String| {
        let seconds = text.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
        seconds.map(Timestamp::from_millis).ok_or(Reason::NoTime)
    };
    let end = seconds(claim(claims, "exp")?)?;
    if end < now {
        recent(end, now, LEEWAY)?;
    }
    let made = match claim(claims, "iat") {
        Err(Reason::Missing { .. }) => return Ok(None),
        made => seconds(made?)?,
    };
    if made > now {
        recent(made, now, LEEWAY)?;
    }
    Ok(Some(made))
}

/// What RFC 3986 has no need to encode.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The digests that a request may have: method, path and sorted query with `&` between. The path is
/// counted from the URL that an app was installed at, which may be any part of it.
fn canonical(request: &Request<'_>) -> Vec<String> {
    let Ok(url) = Url::parse(request.url) else { return Vec::new() };
    let encode = |text: &str| utf8_percent_encode(text, &KEPT).to_string();
    let mut names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    names.sort();
    names.dedup();
    let pairs = names.iter().filter(|name| *name != "jwt").map(|name| {
        let values = url.query_pairs().filter(|(held, _)| held == name);
        let mut values: Vec<String> = values.map(|(_, value)| encode(&value)).collect();
        values.sort();
        format!("{}={}", encode(name), values.join(","))
    });
    let mut pairs: Vec<String> = pairs.collect();
    pairs.sort();
    let query = pairs.join("&");
    let path = url.path();
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let starts = path.match_indices('/').map(|(start, _)| &path[start..]);
    let digest = |path: &str| {
        let path = path.replace('&', "%26");
        let text = format!("{}&{path}&{query}", request.method.to_ascii_uppercase());
        encoding::encode(Encoding::Hex, &encoding::digest(Digest::Sha256, text.as_bytes()))
    };
    starts.chain(["/"]).map(digest).collect()
}
