//! Values longer than one row of the index: the first part stands with the row and says how many
//! more there are, the others follow under their own prefix.

use crate::store::keys::Key;

/// Longer values are cut into parts: sled's leaves hold up to 16 items and spill to files that it
/// never syncs when they grow past a quarter of `segment_size`.
const VALUE_MAX: usize = 4 << 10;
/// First byte of a value that goes on in parts; record versions stay below it.
pub const SPLIT: u8 = u8::MAX;
/// First byte of the keys of such parts.
pub const PART: u8 = b'p';

/// Puts a value, in parts when it is long.
pub fn put(key: &Key, value: &[u8], batch: &mut sled::Batch) {
    if value.len() <= VALUE_MAX {
        batch.insert(key.as_bytes(), value);
        return;
    }
    let (first, rest) = value.split_at(VALUE_MAX);
    let parts = rest.chunks(VALUE_MAX);
    let mut head = vec![SPLIT];
    head.extend_from_slice(&(parts.len() as u16).to_be_bytes());
    head.extend_from_slice(first);
    batch.insert(key.as_bytes(), head);
    for (number, part) in parts.enumerate() {
        batch.insert(part_key(key, number as u16), part);
    }
}

/// Only these can grow past one row; to look for the parts of the others would cost a read each.
pub fn may_be_split(key: &Key) -> bool {
    matches!(key.prefix(), b'c' | b'm' | b'd')
}

/// The key of a part.
pub fn part_key(key: &Key, part: u16) -> Vec<u8> {
    let mut bytes = vec![PART];
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&part.to_be_bytes());
    bytes
}
