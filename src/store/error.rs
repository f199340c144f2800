//! Why stored bytes can't be read.

/// Stored bytes that can't be given back as they were written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bytes were expunged.
    #[error("the content was expunged")]
    Expunged,
    /// The file could not be read.
    #[error("journal segment {segment}: {source}")]
    Io {
        /// Which one.
        segment: u32,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes do not have the checksum they were written with.
    #[error("journal segment {segment}: bytes at {offset} are damaged")]
    Damaged {
        /// Which one.
        segment: u32,
        /// Where.
        offset: u32,
    },
}
