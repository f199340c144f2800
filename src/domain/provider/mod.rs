//! How providers sign what they send: a table of rows, and one engine that verifies by a row.
//!
//! Start with [`Provider`] (a row), [`Request`] (what came), [`handshake`] (whether it is a
//! question and no event) and [`verify`]. The rows of the known providers are in `table.toml`; a
//! row of the same form describes any other.

mod adyen;
mod certificate;
mod client_state;
mod content;
mod covers;
mod ebay;
mod encoding;
mod explain;
mod fetched;
mod handshake;
mod json;
mod jwt;
mod public;
mod reason;
mod reply;
mod request;
mod row;
mod sample;
mod sign;
mod sns;
mod verify;

pub use encoding::{Digest, Encoding, KeyForm};
pub use explain::explain;
pub use fetched::{FetchRow, Fetched};
pub use handshake::{
    Answer, Computed, ECHO_MAX, Handshake, HandshakeRow, Setup, Signed, handshake,
};
pub use jwt::JwtRow;
pub use reason::Reason;
pub use reply::Reply;
pub use request::Request;
pub use row::{
    Format, Provider, RowError, Scheme, SignatureRow, TimestampRow, TimestampUnit, find, is_place,
    known,
};
pub use sample::{Sample, sample, samples};
pub use sign::{NotSignable, Outgoing, sign};
pub use verify::{By, CANDIDATES_MAX, Verified, verify, verify_with};
