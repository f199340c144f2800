//! Why a signature may not fit: what people get wrong, tried one by one.

use super::content;
use super::encoding::{Digest, Encoding, KeyForm};
use super::reason::Reason;
use super::request::Request;
use super::row::{Provider, Scheme};
use super::verify::verify;
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
        let words = format!("it fits in {}", super::reason::EncodingName(encoding));
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
    // The first that fits: one without its line end is one that was written again, too.
    let fitting = bodies(request.body).into_iter().find(|(body, _)| {
        let other = Request { body, ..*request };
        fits(provider, secrets, &other)
    });
    if let Some((_, words)) = fitting {
        add(true, format!("it fits with the body {words}"));
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
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if let Ok(text) = std::str::from_utf8(body).map(str::trim)
        && is_json
    {
        for (text, words) in [
            (written(text, ""), "written again without spaces: it was parsed on its way"),
            (written(text, " "), "written again with spaces: it was parsed on its way"),
        ] {
            bodies.extend((text.as_bytes() != body).then(|| (text.into_bytes(), words)));
        }
    }
    bodies
}

/// JSON with this behind each comma and colon, and no other space between; the order of its fields
/// stays.
fn written(json: &str, space: &str) -> String {
    let (mut text, mut in_string, mut escaped) = (String::with_capacity(json.len()), false, false);
    for letter in json.chars() {
        if in_string {
            in_string = letter != '"' || escaped;
            escaped = letter == '\\' && !escaped;
            text.push(letter);
            continue;
        }
        match letter {
            ' ' | '\t' | '\r' | '\n' => {}
            ',' | ':' => text.extend([letter.to_string().as_str(), space]),
            letter => {
                in_string = letter == '"';
                text.push(letter);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_as_others_write_it() {
        let json = "{ \"b\" : [1, 2],\n \"a\":\"x, \\\": y\" }";
        assert_eq!(written(json, ""), "{\"b\":[1,2],\"a\":\"x, \\\": y\"}");
        assert_eq!(written(json, " "), "{\"b\": [1, 2], \"a\": \"x, \\\": y\"}");
    }
}
