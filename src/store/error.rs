//! Why stored bytes can't be read.

use crate::store::journal::segment::file_name;

/// Stored bytes that can't be given back as they were written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bytes were expunged.
    #[error("the content was expunged")]
    Expunged,
    /// The file could not be read.
    #[error("journal/{}: {source}", file_name(*.segment))]
    Io {
        /// Which one.
        segment: u32,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes do not have the checksum they were written with.
    #[error("journal/{}, record {}: the body at byte {offset} is damaged",
        file_name(*.segment), number(*.record))]
    Damaged {
        /// Which one.
        segment: u32,
        /// Where.
        offset: u32,
        /// The number of its record, if it could be found.
        record: Option<u64>,
    },
}

fn number(record: Option<u64>) -> String {
    record.map_or_else(|| "unknown".to_owned(), |record| record.to_string())
}
