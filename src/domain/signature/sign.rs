//! The sender's half: the value of the signature header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::SigningKey;

/// One `v1,…` or `v1a,…` for every key, in their order, with a space between: while a secret is
/// rotated the current key and each older one sign. `id` must hold no dot.
pub fn sign<'k>(
    keys: impl IntoIterator<Item = &'k SigningKey>,
    id: &str,
    timestamp_seconds: u64,
    body: &[u8],
) -> String {
    debug_assert!(!id.contains('.'), "a dot in the id makes the signed content ambiguous");
    let head = format!("{id}.{timestamp_seconds}.");
    let mut value = String::new();
    for key in keys {
        if !value.is_empty() {
            value.push(' ');
        }
        match key {
            SigningKey::Hmac(secret) => {
                let tag = hmac(secret.expose(), head.as_bytes(), body).finalize().into_bytes();
                value.push_str("v1,");
                BASE64.encode_string(tag, &mut value);
            }
            SigningKey::Ed25519(_) => {
                let content = [head.as_bytes(), body].concat();
                let signature = key.ed25519().sign(&content).to_bytes();
                value.push_str("v1a,");
                BASE64.encode_string(signature, &mut value);
            }
        }
    }
    value
}

/// The code over head and body, ready to be finished or compared.
pub(super) fn hmac(key: &[u8], head: &[u8], body: &[u8]) -> Hmac<Sha256> {
    let mut code = Hmac::<Sha256>::new_from_slice(key).expect("invariant: any length is a key");
    code.update(head);
    code.update(body);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published vectors: the first two and the last from the test suites of client libraries.
    #[test]
    fn published_vectors() {
        let check = |key: &SigningKey, id: &str, timestamp: u64, body: &str, expected: &str| {
            assert_eq!(sign([key], id, timestamp, body.as_bytes()), expected, "{id}");
        };
        let hmac_key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        check(
            &hmac_key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
        check(
            &SigningKey::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap(),
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        );
        // 18 bytes: shorter than parse allows, as its author published it.
        let short = BASE64.decode("plJ3nmyCDGBKInavdOK15jsl").unwrap();
        check(
            &SigningKey::hmac(&short),
            "msg_loFOjxBNrRLzqYUf",
            1_731_705_121,
            r#"{"event_type":"ping","data":{"success":true}}"#,
            "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        );
        let pair = SigningKey::parse(concat!(
            "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfV",
            "KIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
        ))
        .unwrap();
        let pair_signature = concat!(
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZ",
            "dpXwVLPo3mNl8EM+m7TBAg=="
        );
        let (id, time, body) =
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        check(&pair, id, time, body, pair_signature);
        // Rotation over both kinds: every key signs, in order.
        let both = sign([&pair, &hmac_key], id, time, body.as_bytes());
        let expected = format!("{pair_signature} v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(both, expected);
        assert_eq!(sign([], id, time, body.as_bytes()), "");
    }
}
