//! Values longer than one row of the index: the first part stands with the row and says how many
//! more there are, the others follow under their own prefix.

use crate::store::index::IndexChange;
use crate::store::keys::Key;

/// Longer values are cut into parts: sled's leaves hold up to 16 items and spill to files that it
/// never syncs when they grow past a quarter of `segment_size`.
const VALUE_MAX: usize = 4 << 10;
/// First byte of a value that goes on in parts; record versions stay below it.
pub const SPLIT: u8 = u8::MAX;
/// First byte of the keys of such parts.
pub const PART: u8 = b'p';

/// Writes a row. A value that goes on in parts stands there only with all of them.
pub fn write(tree: &sled::Tree, change: &IndexChange) -> sled::Result<()> {
    let key = &change.key;
    let old = if change.fresh || !may_be_split(key) { 0 } else { parts_of(tree, key)? };
    let new = match &change.value {
        Some(value) => put(tree, key, value)?,
        None => {
            tree.remove(key.as_bytes())?;
            0
        }
    };
    // From the last on: what a crash leaves is found by `parts_of` again.
    for part in (new..old).rev() {
        tree.remove(part_key(key, part))?;
    }
    Ok(())
}

/// Puts a value and returns in how many parts it goes on.
fn put(tree: &sled::Tree, key: &Key, value: &[u8]) -> sled::Result<u16> {
    if value.len() <= VALUE_MAX {
        tree.insert(key.as_bytes(), value)?;
        return Ok(0);
    }
    let (first, rest) = value.split_at(VALUE_MAX);
    let parts = rest.chunks(VALUE_MAX);
    let count = parts.len() as u16;
    let mut head = vec![SPLIT];
    head.extend_from_slice(&count.to_be_bytes());
    head.extend_from_slice(first);
    for (number, part) in (0..count).zip(parts) {
        tree.insert(part_key(key, number), part)?;
    }
    tree.insert(key.as_bytes(), head)?;
    Ok(count)
}

fn parts_of(tree: &sled::Tree, key: &Key) -> sled::Result<u16> {
    let mut parts = 0;
    while tree.contains_key(part_key(key, parts))? {
        parts += 1;
    }
    Ok(parts)
}

/// Only these can grow past one row; to look for the parts of the others would cost a read each.
fn may_be_split(key: &Key) -> bool {
    matches!(key.prefix(), b'c' | b'm' | b'd')
}

/// The key of a part.
pub fn part_key(key: &Key, part: u16) -> Vec<u8> {
    let mut bytes = vec![PART];
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&part.to_be_bytes());
    bytes
}
