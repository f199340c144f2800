//! Why a request is refused.

use std::fmt;

use thiserror::Error;

use super::encoding::Encoding;
use super::verify::CANDIDATES_MAX;

/// Why a request is refused. For the operator: a sender learns no part of it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Reason {
    /// A header or field is not there, or empty.
    #[error("{place} is missing")]
    Missing {
        /// `the header x-signature`.
        place: String,
    },
    /// A header or field that may stand once: programs differ in which of two they take.
    #[error("{place} is there twice")]
    Twice {
        /// `the header x-signature`.
        place: String,
    },
    /// The place holds no signature of the version that counts.
    #[error("{place} holds no signature of the version that counts")]
    NoSignature {
        /// `the header x-signature`.
        place: String,
    },
    /// No signature is written as it should be.
    #[error("the signature is not written in {0}")]
    Encoding(EncodingName),
    /// More than [`CANDIDATES_MAX`] signatures.
    #[error("there are more than {CANDIDATES_MAX} signatures")]
    TooMany,
    /// More than one timestamp.
    #[error("the signature has two timestamps")]
    TwoTimes,
    /// The timestamp is none.
    #[error("the timestamp can't be read")]
    NoTime,
    /// It was signed too long ago.
    #[error("the timestamp is {seconds} s old, {tolerance} s are allowed")]
    Stale {
        /// Its age.
        seconds: u64,
        /// What is allowed.
        tolerance: u64,
    },
    /// It lies ahead.
    #[error("the timestamp lies {seconds} s in the future, {tolerance} s are allowed")]
    Early {
        /// How far.
        seconds: u64,
        /// What is allowed.
        tolerance: u64,
    },
    /// There is no secret, or none that can be read as the row says.
    #[error("secret {number} can't be used: it is empty or not written as this provider's are")]
    Secret {
        /// Which one, from 1; 0 when there are none.
        number: usize,
    },
    /// A header that has another value than this provider's requests have.
    #[error("the header {header} is not {value}")]
    Required {
        /// Which one.
        header: String,
        /// What it has to be.
        value: String,
    },
    /// A field that is longer or shorter than it can be.
    #[error("{place} has not the {length} characters that it has")]
    Length {
        /// `the body's signature.token`.
        place: String,
        /// How many it has.
        length: usize,
    },
    /// What looks like the challenge of a handshake, whose answer anybody may have asked for.
    #[error("the payload looks like the challenge of a handshake")]
    Challenge,
    /// The digest that the URL carries is not that of the body.
    #[error("the body is not the one whose digest stands in the URL")]
    BodyDigest,
    /// A challenge whose answer could be used as a signature, or that no answer can hold.
    #[error("what stands at {place} is no challenge that may be answered")]
    Unanswerable {
        /// `query.crc_token`.
        place: String,
    },
    /// A handshake with another verify token than was agreed on.
    #[error("the verify token is another")]
    VerifyToken,
    /// A handshake that needs a verify token, where none was agreed on.
    #[error("no verify token is set up for this source")]
    NoVerifyToken,
    /// A handshake whose answer begins with a public key, where none is known.
    #[error("no public key is set up for this source")]
    NoPublicKey,
    /// A handshake that hands out a secret, where there is one.
    #[error("the source has a secret, and is not being set up")]
    Settled,
    /// A key or certificate that has to be fetched first, from a host that the row allows.
    #[error("the key at {url} is not fetched yet")]
    KeyWanted {
        /// What to fetch with GET; the answer is handed in under the same URL.
        url: String,
    },
    /// A URL of a key that is not one of the provider's.
    #[error("{url} is no place where this provider has its keys")]
    KeyUrl {
        /// What the request named, cut at 200 characters.
        url: String,
    },
    /// A certificate that can't be read, has ended, is for another name or is nobody's.
    #[error("the certificate at {url} can't be used: {why}")]
    Certificate {
        /// Where it was fetched.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// What was fetched for a key and is none that can be used.
    #[error("what {url} answered with is no key of this provider's")]
    Key {
        /// Where it was fetched.
        url: String,
    },
    /// An algorithm that this provider's signatures are not made with.
    #[error("{place} names another algorithm than this provider's")]
    Algorithm {
        /// `the body's SignatureVersion`.
        place: String,
    },
    /// What a token was made for.
    #[error("the token's {0} is that of another request")]
    Claim(&'static str),
    /// A field that would let the end of one be read as the start of the next.
    #[error("{place} has a colon, which stands between fields")]
    Separator {
        /// `the item's pspReference`.
        place: String,
    },
    /// All of it is there, and it was not made with any of the secrets over these bytes.
    #[error("the signature is of another secret or of other bytes")]
    Mismatch,
}

impl Reason {
    /// A word for scripts and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Missing { .. } => "missing",
            Reason::Twice { .. } | Reason::TwoTimes | Reason::TooMany => "ambiguous",
            Reason::NoSignature { .. }
            | Reason::Encoding(_)
            | Reason::NoTime
            | Reason::Required { .. }
            | Reason::Length { .. }
            | Reason::Challenge
            | Reason::Algorithm { .. }
            | Reason::Separator { .. }
            | Reason::Unanswerable { .. } => "malformed",
            Reason::Stale { .. } => "stale",
            Reason::Early { .. } => "early",
            Reason::Secret { .. } | Reason::NoVerifyToken | Reason::NoPublicKey => "secret",
            Reason::Settled => "settled",
            Reason::KeyWanted { .. } => "key-wanted",
            Reason::KeyUrl { .. } => "key-url",
            Reason::Certificate { .. } | Reason::Key { .. } => "key-unusable",
            Reason::VerifyToken | Reason::Claim(_) | Reason::BodyDigest | Reason::Mismatch => {
                "mismatch"
            }
        }
    }
}

/// An encoding in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncodingName(pub Encoding);

impl fmt::Display for EncodingName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Encoding::Hex => "hexadecimal",
            Encoding::Base64 => "base64 with padding",
            Encoding::Base64Url => "base64 for URLs",
        })
    }
}
