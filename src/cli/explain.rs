//! Why a signature does not verify, in words: tries what people get wrong, and says what fits.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::output::plain;
use super::signed_request::SignedRequest;
use crate::domain::secret::Secret;
use crate::domain::signature::{SignedHeaders, VerifyError, VerifyingKey, verify};
use crate::domain::time::Timestamp;

/// What may have happened, most certain first; never empty.
pub(super) fn explain(
    key: &VerifyingKey,
    key_text: &str,
    request: &SignedRequest,
    now: Timestamp,
    error: VerifyError,
) -> Vec<String> {
    let Ok(headers) = SignedHeaders::find(|name| request.header(name)) else {
        return missing(request);
    };
    match error {
        VerifyError::MissingHeader(_) => missing(request),
        VerifyError::Id => vec![
            "an id with a dot would let body and timestamp change places; the sender has to \
             choose another"
                .to_owned(),
        ],
        VerifyError::Timestamp => {
            vec![format!(
                "it is `{}`, and should be like {}",
                short(headers.timestamp),
                now.seconds()
            )]
        }
        VerifyError::Stale { .. } | VerifyError::Early { .. } => untimely(key, headers, request),
        VerifyError::NoCandidate { version } => unreadable(version, headers.signature),
        VerifyError::TooManyCandidates => {
            vec!["a sender needs one for each secret, two while a secret is changed".to_owned()]
        }
        VerifyError::Mismatch => mismatch(key, key_text, headers, &request.body),
    }
}

fn missing(request: &SignedRequest) -> Vec<String> {
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    vec![
        format!("these came: {}", plain(&names.join(", "))),
        "needed are webhook-id, webhook-timestamp and webhook-signature (or all three with svix-)"
            .to_owned(),
        "a proxy or a framework in between may drop headers it does not know".to_owned(),
    ]
}

/// Whether it would verify at the time of sending.
fn untimely(
    key: &VerifyingKey,
    headers: SignedHeaders<'_>,
    request: &SignedRequest,
) -> Vec<String> {
    let sent = headers.timestamp.parse::<u64>().unwrap_or_default();
    if sent > 100_000_000_000 {
        return vec!["the timestamp looks like milliseconds: it has to be seconds".to_owned()];
    }
    let then = Timestamp::from_millis(sent.saturating_mul(1_000));
    match verify(key, headers, &request.body, then) {
        Ok(()) => vec![
            "the signature itself is right: the request was held up, sent again by somebody who \
             recorded it, or one of the two clocks is wrong"
                .to_owned(),
            "--at sent verifies it as of the time it was sent".to_owned(),
        ],
        Err(error) => vec![format!("and as of the time it was sent: {error}")],
    }
}

/// Signatures that are there, but not as they should be written.
fn unreadable(version: &str, signature: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    for item in signature.split(' ').filter(|item| !item.is_empty()) {
        let (found, value) = item.split_once(',').unwrap_or(("", item));
        let value = value
            .split_once('=')
            .filter(|(head, _)| *head == "sha256")
            .map_or(value, |(_, rest)| rest);
        let is_hex = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        reasons.push(if is_hex {
            "it is written in hex, it should be base64".to_owned()
        } else if found.is_empty() {
            format!("`{}` has no version before it, `{version},` is missing", short(item))
        } else if found != version && ["v1", "v1a"].contains(&found) {
            let right = if found == "v1" { "whsec_…" } else { "whpk_…" };
            format!("it has a {found} signature, which needs the secret that begins with {right}")
        } else if found != version {
            format!("`{}` is an unknown version", short(found))
        } else if value.contains(['-', '_']) {
            "it is written in base64 for URLs (with - and _), it should be the plain one".to_owned()
        } else if BASE64.decode(value).is_err() {
            format!("`{}` is not base64 with padding (=)", short(value))
        } else {
            format!("`{}` is too short or too long: it was cut", short(value))
        });
    }
    reasons.dedup();
    reasons
}

fn short(text: &str) -> String {
    let mut short: String = plain(text).chars().take(20).collect();
    if text.chars().nth(20).is_some() {
        short.push('…');
    }
    short
}

/// Tries the body and the key as they are often mistaken.
fn mismatch(
    key: &VerifyingKey,
    key_text: &str,
    headers: SignedHeaders<'_>,
    body: &[u8],
) -> Vec<String> {
    let sent = headers.timestamp.parse::<u64>().unwrap_or_default();
    let then = Timestamp::from_millis(sent.saturating_mul(1_000));
    let fits = |key: &VerifyingKey, body: &[u8]| verify(key, headers, body, then).is_ok();
    for (changed, what) in changed_bodies(body) {
        if changed != body && fits(key, &changed) {
            return vec![
                format!("the signature is that of the same body {what}"),
                "sign and verify the bytes exactly as they are sent, before anything parses them"
                    .to_owned(),
            ];
        }
    }
    if let VerifyingKey::Hmac(bytes) = key {
        let encoded = key_text.strip_prefix("whsec_").unwrap_or(key_text);
        let raw = [
            (key_text, "the secret's text with its prefix"),
            (encoded, "the secret's text without its prefix"),
        ];
        for (text, what) in raw {
            let other = VerifyingKey::Hmac(Secret::new(text.as_bytes().to_vec()));
            if fits(&other, body) {
                return vec![
                    format!("the sender used {what} as the key"),
                    "the key is what follows whsec_, decoded from base64".to_owned(),
                ];
            }
        }
        let contents = [
            (vec![body], "the body alone"),
            (vec![headers.timestamp.as_bytes(), b".", body], "timestamp and body"),
            (vec![headers.id.as_bytes(), b".", body], "id and body"),
        ];
        for (parts, what) in contents {
            if matches_raw(bytes.expose(), &parts, headers.signature) {
                return vec![
                    format!("the sender signed {what}"),
                    "signed is id, timestamp and body with dots between".to_owned(),
                ];
            }
        }
    }
    vec![
        "the secret is that of another endpoint, or an old one".to_owned(),
        format!("or the body ({} bytes), the id or the timestamp was changed since", body.len()),
    ]
}

/// The body as it may have been before something touched it.
fn changed_bodies(body: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let text = String::from_utf8_lossy(body);
    let trimmed = text.trim_end_matches(['\n', '\r']);
    vec![
        (trimmed.as_bytes().to_vec(), "without the line end after it"),
        ([body, b"\n"].concat(), "with a line end after it"),
        (text.replace("\r\n", "\n").into_bytes(), "with \\n as line ends, not \\r\\n"),
        (text.trim_start_matches('\u{feff}').as_bytes().to_vec(), "without a byte order mark"),
        (compact(body), "without the spaces in its JSON"),
        (body.strip_prefix(b"\"").unwrap_or(body).to_vec(), "without quotes around it"),
    ]
}

/// JSON without the white space between its parts.
fn compact(body: &[u8]) -> Vec<u8> {
    let mut compact = Vec::with_capacity(body.len());
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        if in_text || !byte.is_ascii_whitespace() {
            compact.push(*byte);
        }
        if escaped {
            escaped = false;
        } else if in_text && *byte == b'\\' {
            escaped = true;
        } else if *byte == b'"' {
            in_text = !in_text;
        }
    }
    compact
}

/// Whether one of the `v1` items is the code over these parts.
fn matches_raw(key: &[u8], parts: &[&[u8]], signature: &str) -> bool {
    let mut code = Hmac::<Sha256>::new_from_slice(key).expect("invariant: any length is a key");
    parts.iter().for_each(|part| code.update(part));
    signature.split(' ').filter_map(|item| item.strip_prefix("v1,")).any(|encoded| {
        BASE64.decode(encoded).is_ok_and(|candidate| code.clone().verify_slice(&candidate).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signature::{SigningKey, sign};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NOW: u64 = 1_614_265_330;

    fn request(signature: &str, timestamp: u64, body: &[u8]) -> SignedRequest {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            header("webhook-id", "msg_1"),
            header("webhook-timestamp", &timestamp.to_string()),
            header("webhook-signature", signature),
        ];
        SignedRequest { headers, body: body.to_vec() }
    }

    fn check(request: &SignedRequest, expected: &str) {
        let key = VerifyingKey::parse(SECRET).unwrap();
        let now = Timestamp::from_millis(NOW * 1_000);
        let headers = SignedHeaders::find(|name| request.header(name));
        let result = headers.and_then(|headers| verify(&key, headers, &request.body, now));
        let reasons = explain(&key, SECRET, request, now, result.unwrap_err());
        assert!(reasons[0].contains(expected), "{expected}: {reasons:?}");
    }

    #[test]
    fn what_happened_to_the_body() {
        let key = SigningKey::parse(SECRET).unwrap();
        let check_body = |signed: &str, came: &str, expected: &str| {
            let signature = sign([&key], "msg_1", NOW, signed.as_bytes());
            check(&request(&signature, NOW, came.as_bytes()), expected);
        };
        check_body("{\"a\":1}", "{\"a\":1}\n", "without the line end");
        check_body("{\"a\":1}\n", "{\"a\":1}", "with a line end");
        check_body("{\n}", "{\r\n}", "\\n as line ends");
        check_body("{\"a\":\" \\\" \"}", "{ \"a\": \" \\\" \" }", "without the spaces");
        check_body("{\"a\":1}", "{\"a\":2}", "another endpoint");
    }

    #[test]
    fn what_the_sender_did() {
        let raw = |key: &[u8], content: &str| {
            let mut code = Hmac::<Sha256>::new_from_slice(key).unwrap();
            code.update(content.as_bytes());
            format!("v1,{}", BASE64.encode(code.finalize().into_bytes()))
        };
        let content = format!("msg_1.{NOW}.{{}}");
        check(&request(&raw(SECRET.as_bytes(), &content), NOW, b"{}"), "with its prefix");
        check(&request(&raw(&SECRET.as_bytes()[6..], &content), NOW, b"{}"), "without its prefix");
        let key = BASE64.decode(&SECRET[6..]).unwrap();
        check(&request(&raw(&key, "{}"), NOW, b"{}"), "the body alone");
        check(&request(&raw(&key, &format!("{NOW}.{{}}")), NOW, b"{}"), "timestamp and body");
    }

    #[test]
    fn how_it_is_written() {
        let good = sign([&SigningKey::parse(SECRET).unwrap()], "msg_1", NOW, b"{}");
        let bare = good.strip_prefix("v1,").unwrap();
        check(&request(bare, NOW, b"{}"), "no version before it");
        check(&request(&"ab".repeat(32), NOW, b"{}"), "hex");
        check(&request(&format!("v1,{}", "ab".repeat(32)), NOW, b"{}"), "hex");
        check(&request(&format!("v1a,{bare}"), NOW, b"{}"), "begins with whpk_");
        check(&request(&format!("v9,{bare}"), NOW, b"{}"), "unknown version");
        check(&request("v1,ab-_", NOW, b"{}"), "for URLs");
        check(&request(good.trim_end_matches('='), NOW, b"{}"), "padding");
        check(&request("v1,AAAA", NOW, b"{}"), "cut");
    }

    #[test]
    fn when_it_was_sent() {
        let key = SigningKey::parse(SECRET).unwrap();
        let old = sign([&key], "msg_1", NOW - 301, b"{}");
        check(&request(&old, NOW - 301, b"{}"), "itself is right");
        check(&request(&old, NOW - 302, b"{}"), "as of the time it was sent: no signature matches");
        let millis = sign([&key], "msg_1", NOW * 1_000, b"{}");
        check(&request(&millis, NOW * 1_000, b"{}"), "milliseconds");
    }

    #[test]
    fn what_is_not_there() {
        let mut request = request("v1,x", NOW, b"{}");
        request.headers.remove(0);
        check(&request, "these came: webhook-timestamp, webhook-signature");
    }
}
