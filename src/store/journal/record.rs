//! One record of the journal: the rows that a commit changed, and its bodies.
//!
//! ```text
//! magic u32 | checksum u32 | sequence u64 | previous u64 | synced_through u64 | time ms u64
//! | bodies length u32 | rows length u32 | bodies | rows | zeros to a multiple of 8
//! ```
//!
//! Little-endian. The checksum is CRC32C over the header behind it and the rows; every body has
//! one of its own, in front of it with its length, so that a body can be read and checked alone
//! and a replay may skip it. `previous` chains records although numbers may jump over a torn tail;
//! `synced_through` names the last record known to be on disk when this one was written.

use bytes::Bytes;

use crate::store::keys::Key;

/// Bytes before the bodies.
pub const HEADER: usize = 48;
/// Bytes before each body: its length and its checksum.
pub const BODY_HEADER: usize = 8;
/// Records begin at multiples of it.
pub const ALIGN: usize = 8;
const MAGIC: u32 = u32::from_le_bytes(*b"rly1");

/// What becomes of one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A key that was never in the index before.
    PutNew(Key, Bytes),
    /// A key that may be there.
    Put(Key, Bytes),
    /// A key that goes.
    Delete(Key),
}

impl Change {
    /// The key it changes.
    pub fn key(&self) -> &Key {
        match self {
            Change::PutNew(key, _) | Change::Put(key, _) | Change::Delete(key) => key,
        }
    }
}

/// The fixed part of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Its number; numbers grow and are never used twice.
    pub sequence: u64,
    /// The number of the record before it.
    pub previous: u64,
    /// Every record up to this number was on disk when this one was written.
    pub synced_through: u64,
    /// Engine time in ms.
    pub time_ms: u64,
    /// Bytes of all bodies with their headers.
    pub bodies_length: u32,
    /// Bytes of the rows.
    pub rows_length: u32,
}

impl Header {
    /// Bytes from this record's begin to the next one's.
    pub fn length(&self) -> usize {
        record_length(self.bodies_length as usize, self.rows_length as usize)
    }
}

/// Bytes that a record with so many bytes of bodies and rows takes.
pub fn record_length(bodies: usize, rows: usize) -> usize {
    (HEADER + bodies + rows).next_multiple_of(ALIGN)
}

/// Appends a record to `out`.
pub fn encode(header: &Header, bodies: &[u8], rows: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    for field in [header.sequence, header.previous, header.synced_through, header.time_ms] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(&header.bodies_length.to_le_bytes());
    out.extend_from_slice(&header.rows_length.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&out[start + 8..]), rows);
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(bodies);
    out.extend_from_slice(rows);
    out.resize(start + header.length(), 0);
}

/// Appends a body with its length and checksum to `bodies`; returns the checksum.
pub fn encode_body(body: &[u8], bodies: &mut Vec<u8>) -> u32 {
    let checksum = crc32c::crc32c(body);
    bodies.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bodies.extend_from_slice(&checksum.to_le_bytes());
    bodies.extend_from_slice(body);
    checksum
}

/// Appends one change to `rows`.
pub fn encode_change(change: &Change, rows: &mut Vec<u8>) {
    let (operation, key, value) = match change {
        Change::PutNew(key, value) => (0u8, key, Some(value)),
        Change::Put(key, value) => (1, key, Some(value)),
        Change::Delete(key) => (2, key, None),
    };
    rows.push(operation);
    rows.push(key.as_bytes().len() as u8);
    rows.extend_from_slice(key.as_bytes());
    if let Some(value) = value {
        rows.extend_from_slice(&(value.len() as u32).to_le_bytes());
        rows.extend_from_slice(value);
    }
}

/// Reads a header at the begin of `bytes`; `None` when the magic is not there. Nothing is checked.
pub fn decode_header(bytes: &[u8]) -> Option<(Header, u32)> {
    let bytes = bytes.get(..HEADER)?;
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    if u32_at(0)? != MAGIC {
        return None;
    }
    let header = Header {
        sequence: u64_at(8)?,
        previous: u64_at(16)?,
        synced_through: u64_at(24)?,
        time_ms: u64_at(32)?,
        bodies_length: u32_at(40)?,
        rows_length: u32_at(44)?,
    };
    Some((header, u32_at(4)?))
}

/// Whether every body is as it was written.
pub fn bodies_check(mut bodies: &[u8]) -> bool {
    while !bodies.is_empty() {
        let Some((header, rest)) = bodies.split_first_chunk::<BODY_HEADER>() else { return false };
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let checksum = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let Some((body, rest)) = rest.split_at_checked(length) else { return false };
        if crc32c::crc32c(body) != checksum {
            return false;
        }
        bodies = rest;
    }
    true
}

/// The changes in `rows`; `None` when they do not read as changes.
pub fn decode_changes(mut rows: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while let Some((operation, rest)) = rows.split_first() {
        let (length, rest) = rest.split_first()?;
        let (key, rest) = rest.split_at_checked(usize::from(*length))?;
        let key = Key::from_bytes(key)?;
        if *operation == 2 {
            changes.push(Change::Delete(key));
            rows = rest;
            continue;
        }
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let value = Bytes::copy_from_slice(value);
        changes.push(match operation {
            0 => Change::PutNew(key, value),
            1 => Change::Put(key, value),
            _ => return None,
        });
        rows = rest;
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether header and rows are as they were written. `record` holds the whole record.
    fn checks(record: &[u8], header: &Header, checksum: u32) -> bool {
        let rows = HEADER + header.bodies_length as usize;
        let Some(rows) = record.get(rows..rows + header.rows_length as usize) else { return false };
        crc32c::crc32c_append(crc32c::crc32c(&record[8..HEADER]), rows) == checksum
    }

    fn any_body() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..200)
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let key = proptest::collection::vec(any::<u8>(), 1..=31)
            .prop_map(|bytes| Key::from_bytes(&bytes).unwrap());
        let value = proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        (0..3, key, value).prop_map(|(operation, key, value)| match operation {
            0 => Change::PutNew(key, value),
            1 => Change::Put(key, value),
            _ => Change::Delete(key),
        })
    }

    fn written(changes: &[Change], bodies: &[Vec<u8>]) -> Vec<u8> {
        let (mut rows, mut body_bytes, mut record) = (Vec::new(), Vec::new(), Vec::new());
        changes.iter().for_each(|change| encode_change(change, &mut rows));
        bodies.iter().for_each(|body| {
            encode_body(body, &mut body_bytes);
        });
        let header = Header {
            sequence: 7,
            previous: 5,
            synced_through: 4,
            time_ms: 1_795_219_200_000,
            bodies_length: body_bytes.len() as u32,
            rows_length: rows.len() as u32,
        };
        encode(&header, &body_bytes, &rows, &mut record);
        record
    }

    proptest! {
        #[test]
        fn a_record_reads_back(
            changes in proptest::collection::vec(any_change(), 0..8),
            bodies in proptest::collection::vec(any_body(), 0..3),
        ) {
            let record = written(&changes, &bodies);
            let (header, checksum) = decode_header(&record).unwrap();
            prop_assert_eq!(header.length(), record.len());
            prop_assert!(checks(&record, &header, checksum));
            let rows = HEADER + header.bodies_length as usize;
            prop_assert!(bodies_check(&record[HEADER..rows]));
            let rows = &record[rows..rows + header.rows_length as usize];
            prop_assert_eq!(decode_changes(rows).unwrap(), changes);
        }

        #[test]
        fn a_flipped_bit_is_seen(
            changes in proptest::collection::vec(any_change(), 1..4),
            body in proptest::collection::vec(any::<u8>(), 1..100),
            at: proptest::sample::Index, bit in 0..8u8,
        ) {
            let mut record = written(&changes, &[body]);
            let (before, _) = decode_header(&record).unwrap();
            let used = HEADER + (before.bodies_length + before.rows_length) as usize;
            record[at.index(used)] ^= 1u8 << bit;
            let good = decode_header(&record).is_some_and(|(header, checksum)| {
                let rows = HEADER + header.bodies_length as usize;
                checks(&record, &header, checksum)
                    && record.get(HEADER..rows).is_some_and(bodies_check)
            });
            prop_assert!(!good);
        }

        #[test]
        fn any_rows_are_read_or_refused(rows in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_changes(&rows);
        }
    }

    /// The bytes of format 1, for ever.
    #[test]
    fn frozen_bytes() {
        let change = Change::Put(Key::from_bytes(b"mx").unwrap(), Bytes::from_static(b"v"));
        let record = written(&[change], &[b"hi".to_vec()]);
        let hex: String = record.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "726c7931fa2c72ca0700000000000000050000000000000004000000000000000018\
             67fba10100000a0000000900000002000000c2d99df5686901026d78010000007600\
             00000000"
        );
    }
}
