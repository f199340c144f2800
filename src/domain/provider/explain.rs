//! Why a signature may not fit: what people get wrong, tried one by one.

use super::content;
use super::request::Request;
use super::row::{Digest, Encoding, KeyForm, Provider, Scheme};
use super::verify::{Reason, verify};
use crate::domain::time::Timestamp;

/// What would have made it fit, in words; nothing when none of it would. Costs some dozens of
/// verifications: for a person who looks, not for every request.
pub fn explain(
    provider: &Provider,
    secrets: &[&str],
    request: &Request<'_>,
    now: Timestamp,
) -> Vec<String> {
    let fits = |provider: &Provider, secrets: &[&str], request: &Request<'_>| {
        verify(provider, secrets, request, now).is_ok()
    };
    let reason = verify(provider, secrets, request, now).err();
    let unclear = matches!(reason, Some(Reason::Mismatch | Reason::Encoding(_)))
        || matches!(reason, Some(Reason::Secret { number }) if number > 0);
    if !unclear {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut add = |fits: bool, words: String| {
        if fits {
            found.push(words);
        }
    };
    for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url] {
        let other = Provider { encoding, ..provider.clone() };
        let differs = encoding != provider.encoding;
        let words = format!("it fits in {}", super::verify::EncodingName(encoding));
        add(differs && fits(&other, secrets, request), words);
    }
    for (key, words) in [
        (KeyForm::Utf8, "it fits with the secret taken as it is, not decoded"),
        (KeyForm::Hex, "it fits with the secret decoded as hexadecimal"),
        (KeyForm::Base64, "it fits with the secret decoded as base64"),
        (KeyForm::Whsec, "it fits with the secret decoded as base64 behind whsec_"),
    ] {
        let other = Provider { key, ..provider.clone() };
        let hmac = provider.scheme == Scheme::Hmac;
        add(hmac && key != provider.key && fits(&other, secrets, request), words.to_owned());
    }
    for (digest, name) in
        [(Digest::Sha1, "SHA-1"), (Digest::Sha256, "SHA-256"), (Digest::Sha512, "SHA-512")]
    {
        let other = Provider { digest, ..provider.clone() };
        let differs = digest != provider.digest;
        add(differs && fits(&other, secrets, request), format!("it fits with {name}"));
    }
    let trimmed: Vec<&str> = secrets.iter().map(|secret| secret.trim()).collect();
    add(
        trimmed != secrets && fits(provider, &trimmed, request),
        "it fits with the secret without the spaces around it".to_owned(),
    );
    for (body, words) in bodies(request.body) {
        let other = Request { body: &body, ..*request };
        add(fits(provider, secrets, &other), format!("it fits with the body {words}"));
    }
    for url in content::urls(&Provider { ports: true, ..provider.clone() }, request) {
        let other = Request { url: &url, ..*request };
        let differs = url != request.url;
        add(differs && fits(provider, secrets, &other), format!("it fits with the URL {url}"));
    }
    found
}

/// The body as programs change it on its way.
fn bodies(body: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let mut bodies = vec![
        ([body, b"\n"].concat(), "with a line end behind it"),
        ([body, b"\r\n"].concat(), "with CRLF behind it"),
    ];
    if let Some(shorter) = body.strip_suffix(b"\n") {
        let shorter = shorter.strip_suffix(b"\r").unwrap_or(shorter);
        bodies.push((shorter.to_vec(), "without the line end behind it"));
    }
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        for (text, words) in [
            (serde_json::to_vec(&value), "written again without spaces: it was parsed on its way"),
            (serde_json::to_vec_pretty(&value), "written again with spaces: it was parsed"),
        ] {
            bodies.extend(text.ok().filter(|text| text != body).map(|text| (text, words)));
        }
    }
    bodies
}
