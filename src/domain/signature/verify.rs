//! The receiver's half: whether a request was signed with a key, recently.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::Mac;
use thiserror::Error;

use super::sign::hmac;
use super::{HeaderFamily, VerifyingKey};
use crate::domain::time::Timestamp;

/// How far the timestamp may lie from the receiver's clock, either way, in seconds.
pub const TOLERANCE_SECONDS: u64 = 300;

/// How many signatures of the key's version are tried; a header with more is refused.
pub const MAX_CANDIDATES: usize = 8;

/// The three headers as they came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedHeaders<'a> {
    /// The message's id.
    pub id: &'a str,
    /// Unix seconds of the attempt, in digits.
    pub timestamp: &'a str,
    /// `version,signature` items with one space between.
    pub signature: &'a str,
}

/// Why a request does not verify.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum VerifyError {
    /// A header of the three is not there, or empty.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The id holds a dot, so that id, timestamp and body can't be told apart in what was signed.
    #[error("the message id holds a dot")]
    Id,
    /// The timestamp is not a number of seconds.
    #[error("the timestamp is not a whole number of Unix seconds")]
    Timestamp,
    /// It was signed longer ago than is tolerated.
    #[error("the timestamp is {seconds} s old, {TOLERANCE_SECONDS} s are allowed")]
    Stale {
        /// Its age.
        seconds: u64,
    },
    /// It was signed later than the receiver's clock plus the tolerance.
    #[error("the timestamp lies {seconds} s in the future, {TOLERANCE_SECONDS} s are allowed")]
    Early {
        /// How far ahead it lies.
        seconds: u64,
    },
    /// No item of the signature header has the key's version and a well-formed signature.
    #[error("the signature header holds no {version} signature in base64 with padding")]
    NoCandidate {
        /// `v1` or `v1a`.
        version: &'static str,
    },
    /// More signatures than are tried.
    #[error("the signature header holds more than {MAX_CANDIDATES} signatures")]
    TooManyCandidates,
    /// None of the signatures is that of the key over this id, timestamp and body.
    #[error("no signature matches")]
    Mismatch,
}

impl<'a> SignedHeaders<'a> {
    /// Finds the three by lower-case name, all of one family, the standard one first.
    pub fn find(
        header: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Result<SignedHeaders<'a>, VerifyError> {
        let present = |name| header(name).filter(|value| !value.is_empty());
        let read = |family: HeaderFamily| {
            let need = |name| present(name).ok_or(VerifyError::MissingHeader(name));
            Ok(SignedHeaders {
                id: need(family.id())?,
                timestamp: need(family.timestamp())?,
                signature: need(family.signature())?,
            })
        };
        if let Some(complete) = HeaderFamily::ALL.iter().find_map(|family| read(*family).ok()) {
            return Ok(complete);
        }
        // What is missing is missing in the family that the sender has begun.
        let begun = HeaderFamily::ALL.into_iter().find(|family| {
            [family.id(), family.timestamp(), family.signature()]
                .into_iter()
                .any(|name| present(name).is_some())
        });
        read(begun.unwrap_or(HeaderFamily::Standard))
    }
}

/// Whether `body` was signed with `key` within the tolerance of `now`, the wall clock. Any matching
/// signature of the header will do, versions that are not the key's are skipped, and comparing
/// takes the same time wherever the first difference lies.
pub fn verify(
    key: &VerifyingKey,
    headers: SignedHeaders<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerifyError> {
    let family = HeaderFamily::Standard;
    let named = [
        (family.id(), headers.id),
        (family.timestamp(), headers.timestamp),
        (family.signature(), headers.signature),
    ];
    if let Some((name, _)) = named.iter().find(|(_, value)| value.is_empty()) {
        return Err(VerifyError::MissingHeader(name));
    }
    if headers.id.contains('.') {
        return Err(VerifyError::Id);
    }
    check_timestamp(headers.timestamp, now)?;
    let head = format!("{}.{}.", headers.id, headers.timestamp);
    let version = match key {
        VerifyingKey::Hmac(_) => "v1",
        VerifyingKey::Ed25519(_) => "v1a",
    };
    let length = match key {
        VerifyingKey::Hmac(_) => 32,
        VerifyingKey::Ed25519(_) => 64,
    };
    let mut tried = 0;
    for item in headers.signature.split(' ') {
        let Some((found, encoded)) = item.split_once(',') else { continue };
        if found != version {
            continue;
        }
        let Ok(candidate) = BASE64.decode(encoded) else { continue };
        if candidate.len() != length {
            continue;
        }
        tried += 1;
        if tried > MAX_CANDIDATES {
            return Err(VerifyError::TooManyCandidates);
        }
        if matches(key, head.as_bytes(), body, &candidate) {
            return Ok(());
        }
    }
    Err(if tried == 0 { VerifyError::NoCandidate { version } } else { VerifyError::Mismatch })
}

fn check_timestamp(text: &str, now: Timestamp) -> Result<(), VerifyError> {
    // Digits alone: a sign or a space would be signed as written and read as another number.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VerifyError::Timestamp);
    }
    let sent: u64 = text.parse().map_err(|_| VerifyError::Timestamp)?;
    let age = now.seconds().saturating_sub(sent);
    let ahead = sent.saturating_sub(now.seconds());
    if age > TOLERANCE_SECONDS {
        Err(VerifyError::Stale { seconds: age })
    } else if ahead > TOLERANCE_SECONDS {
        Err(VerifyError::Early { seconds: ahead })
    } else {
        Ok(())
    }
}

fn matches(key: &VerifyingKey, head: &[u8], body: &[u8], candidate: &[u8]) -> bool {
    match key {
        VerifyingKey::Hmac(secret) => {
            hmac(secret.expose(), head, body).verify_slice(candidate).is_ok()
        }
        VerifyingKey::Ed25519(public) => {
            let Ok(signature) = ed25519_dalek::Signature::from_slice(candidate) else {
                return false;
            };
            let content = [head, body].concat();
            ed25519_dalek::VerifyingKey::from_bytes(public)
                .is_ok_and(|key| key.verify_strict(&content, &signature).is_ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signature::{SigningKey, sign};
    use proptest::prelude::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const OTHER: &str = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn check(id: &str, timestamp: &str, signature: &str, expected: Result<(), VerifyError>) {
        let key = VerifyingKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers = SignedHeaders { id, timestamp, signature };
        assert_eq!(verify(&key, headers, BODY, at(SENT)), expected, "{headers:?}");
    }

    #[test]
    fn the_vector_and_what_is_not_it() {
        use VerifyError::{Early, Id, Mismatch, MissingHeader, NoCandidate, Stale};
        let sent = SENT.to_string();
        let none = Err(NoCandidate { version: "v1" });
        check(ID, &sent, GOOD, Ok(()));
        check(ID, &sent, &GOOD.replace("1OE=", "1OA="), Err(Mismatch));
        check(ID, &sent, "v1,", none);
        check(ID, &sent, "v1,g0hM9SsE", none);
        check(ID, &sent, GOOD.trim_end_matches('='), none);
        check(ID, &sent, GOOD.strip_prefix("v1,").unwrap(), none);
        check(ID, &sent, &GOOD.replace("v1,", "v1a,"), none);
        check(ID, &sent, "", Err(MissingHeader("webhook-signature")));
        check("", &sent, GOOD, Err(MissingHeader("webhook-id")));
        check(ID, "", GOOD, Err(MissingHeader("webhook-timestamp")));
        check("msg_other", &sent, GOOD, Err(Mismatch));
        check("msg.p5", &sent, GOOD, Err(Id));
        for wrong in ["hello", "+1614265330", "1614265330.0", " 1614265330", "-1"] {
            check(ID, wrong, GOOD, Err(VerifyError::Timestamp));
        }
        check(ID, "99999999999999999999999", GOOD, Err(VerifyError::Timestamp));
        check(ID, &(SENT - 301).to_string(), GOOD, Err(Stale { seconds: 301 }));
        check(ID, &(SENT + 301).to_string(), GOOD, Err(Early { seconds: 301 }));
        check(ID, &(SENT - 299).to_string(), GOOD, Err(Mismatch));
    }

    #[test]
    fn any_match_of_a_bounded_list_will_do() {
        let sent = SENT.to_string();
        let unknown = OTHER.replace("v1,", "v2,");
        check(ID, &sent, &format!("{OTHER} {unknown} {GOOD} {OTHER}"), Ok(()));
        let seven = [OTHER; 7].join(" ");
        check(ID, &sent, &format!("{seven} {GOOD}"), Ok(()));
        check(ID, &sent, &format!("{seven} {OTHER} {GOOD}"), Err(VerifyError::TooManyCandidates));
        check(ID, &sent, &format!("{} {GOOD}", vec![unknown; 100].join(" ")), Ok(()));
    }

    #[test]
    fn an_empty_or_other_key_does_not_verify() {
        let headers = SignedHeaders { id: ID, timestamp: "1614265330", signature: GOOD };
        let other = VerifyingKey::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        assert_eq!(verify(&other, headers, BODY, at(SENT)), Err(VerifyError::Mismatch));
        let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        let public = VerifyingKey::parse(public).unwrap();
        let none = Err(VerifyError::NoCandidate { version: "v1a" });
        assert_eq!(verify(&public, headers, BODY, at(SENT)), none);
    }

    #[test]
    fn headers_are_taken_from_one_family() {
        let find = |present: &'static [(&'static str, &'static str)]| {
            SignedHeaders::find(|name| {
                present.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
            })
        };
        let found = Ok(SignedHeaders { id: "i", timestamp: "1", signature: "s" });
        let missing = |name| Err(VerifyError::MissingHeader(name));
        let standard =
            &[("webhook-id", "i"), ("webhook-timestamp", "1"), ("webhook-signature", "s")];
        assert_eq!(find(standard), found);
        let svix = &[("svix-id", "i"), ("svix-timestamp", "1"), ("svix-signature", "s")];
        assert_eq!(find(svix), found);
        assert_eq!(find(&[]), missing("webhook-id"));
        assert_eq!(find(&[("webhook-id", "i")]), missing("webhook-timestamp"));
        assert_eq!(find(&[("svix-id", "i"), ("svix-timestamp", "1")]), missing("svix-signature"));
        let mixed = &[("webhook-id", "i"), ("svix-timestamp", "1"), ("webhook-signature", "s")];
        assert_eq!(find(mixed), missing("webhook-timestamp"));
    }

    proptest! {
        // Ed25519 takes its time in a debug build.
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Raw bytes of any kind verify with every key that signed, and with no changed bit.
        #[test]
        fn signed_by_many_verified_by_each(
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 24..=75), 1..4),
            mut body in prop::collection::vec(any::<u8>(), 1..200),
            seed: [u8; 32],
            flip: prop::sample::Index,
        ) {
            let mut keys: Vec<_> = keys.iter().map(|bytes| SigningKey::hmac(bytes)).collect();
            keys.push(SigningKey::Ed25519(crate::domain::secret::Secret::new(seed.to_vec())));
            let signature = sign(&keys, "msg_1", SENT, &body);
            let timestamp = SENT.to_string();
            let headers =
                SignedHeaders { id: "msg_1", timestamp: &timestamp, signature: &signature };
            for key in &keys {
                prop_assert_eq!(verify(&key.verifying(), headers, &body, at(SENT + 300)), Ok(()));
            }
            let position = flip.index(body.len());
            body[position] ^= 1;
            for key in &keys {
                let result = verify(&key.verifying(), headers, &body, at(SENT));
                prop_assert_eq!(result, Err(VerifyError::Mismatch));
            }
        }
    }
}
