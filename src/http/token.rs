//! HS256 tokens as servers of the Svix API issue them, so that a migrating user keeps theirs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// Seconds by which the clock of the issuer may be ahead of ours.
const LEEWAY_SECONDS: u64 = 60;

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: f64,
    nbf: Option<f64>,
    sub: String,
}

/// Whom the token is for and when it ends, when it was signed with `secret`, by HS256 and nothing
/// else, and is valid at `wall`. One without an end is refused.
pub(super) fn subject(
    secret: &Secret,
    token: &str,
    wall: Timestamp,
) -> Option<(String, Timestamp)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).ok()?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature).ok()?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    if header.alg != "HS256" {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let now = wall.seconds() as f64;
    let begun = claims.nbf.is_none_or(|begin| begin <= now + LEEWAY_SECONDS as f64);
    // A number that is out of range ends as late as there is a time.
    let end = Timestamp::from_millis((claims.exp * 1_000.0) as u64);
    (begun && now < claims.exp).then_some((claims.sub, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_000);

    fn token(secret: &[u8], header: &str, claims: &str) -> String {
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    #[test]
    fn what_is_believed() {
        let secret = Secret::new(b"x".to_vec());
        let check = |token: &str| subject(&secret, token, NOW).map(|(name, _)| name);
        let hs256 = r#"{"alg":"HS256","typ":"JWT"}"#;
        let now = NOW.seconds();
        let good = format!(r#"{{"iat":1,"nbf":1,"exp":{},"sub":"org_1"}}"#, now + 1);
        assert_eq!(check(&token(b"x", hs256, &good)), Some("org_1".to_owned()));
        assert_eq!(check(&token(b"y", hs256, &good)), None, "another secret");
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"hs256"}"#, "{}", ""] {
            assert_eq!(check(&token(b"x", header, &good)), None, "{header}");
        }
        for claims in [
            format!(r#"{{"exp":{now},"sub":"org_1"}}"#),
            r#"{"sub":"org_1"}"#.to_owned(),
            format!(r#"{{"exp":{},"nbf":{},"sub":"org_1"}}"#, now + 999, now + 61),
            format!(r#"{{"exp":{}}}"#, now + 9),
            format!(r#"{{"exp":"{}","sub":"org_1"}}"#, now + 9),
            "[]".to_owned(),
        ] {
            assert_eq!(check(&token(b"x", hs256, &claims)), None, "{claims}");
        }
        let whole = token(b"x", hs256, &good);
        let (signed, _) = whole.rsplit_once('.').unwrap();
        for wrong in ["", ".", "..", "a.b.c", signed, &format!("{signed}."), &format!("{whole}A")] {
            assert_eq!(check(wrong), None, "{wrong}");
        }
    }
}
