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
    let looks = !change.fresh && is_often_split(key);
    let looked = if looks { parts_of(tree, key)? } else { 0 };
    let (new, before) = match &change.value {
        Some(value) => put(tree, key, value)?,
        None => (0, tree.remove(key.as_bytes())?),
    };
    let old = looked.max(before.map_or(0, |before| parts_said(&before)));
    // From the last on: what a crash leaves is found by `parts_of` again.
    for part in (new..old).rev() {
        tree.remove(part_key(key, part))?;
    }
    Ok(())
}

/// Puts a value and returns in how many parts it goes on, and what stood there before.
fn put(tree: &sled::Tree, key: &Key, value: &[u8]) -> sled::Result<(u16, Option<sled::IVec>)> {
    if value.len() <= VALUE_MAX {
        return Ok((0, tree.insert(key.as_bytes(), value)?));
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
    Ok((count, tree.insert(key.as_bytes(), head)?))
}

/// In how many parts a value goes on.
fn parts_said(value: &[u8]) -> u16 {
    match value {
        [SPLIT, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn parts_of(tree: &sled::Tree, key: &Key) -> sled::Result<u16> {
    let mut parts = 0;
    while tree.contains_key(part_key(key, parts))? {
        parts += 1;
    }
    Ok(parts)
}

/// What of these goes on in parts is looked for, which finds what a crash left too. For the others
/// that would cost a read each, and what they replace says it.
fn is_often_split(key: &Key) -> bool {
    matches!(key.prefix(), b'c' | b'm' | b'd')
}

/// The key of a part.
pub fn part_key(key: &Key, part: u16) -> Vec<u8> {
    let mut bytes = vec![PART];
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(&part.to_be_bytes());
    bytes
}
