//! How providers sign what they send: a table of rows, and one engine that verifies by a row.
//!
//! Start with [`Provider`] (a row), [`Request`] (what came) and [`verify`]. The rows of the known
//! providers are in `table.toml`; a row of the same form describes any other.

mod content;
mod encoding;
mod explain;
mod json;
mod request;
mod row;
mod verify;

pub use encoding::{Digest, Encoding, KeyForm};
pub use explain::explain;
pub use request::Request;
pub use row::{
    Challenge, Format, Provider, RowError, Scheme, SignatureRow, TimestampRow, TimestampUnit, find,
    is_place, known,
};
pub use verify::{CANDIDATES_MAX, Reason, Verified, verify};
