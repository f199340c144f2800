//! A page out of a table that is in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::{Page, PageRequest, PageStart};

/// The rows of a page for which `show` has something.
pub(super) fn page_of<K: Ord + Clone, V, T>(
    map: &BTreeMap<K, V>,
    page: &PageRequest<K>,
    show: impl Fn(&V) -> Option<T>,
) -> Page<T, K> {
    // Towards higher keys when the list ascends and is read forward, or neither.
    let (backward, bound) = match &page.start {
        PageStart::First => (false, None),
        PageStart::After(key) => (false, Some(key)),
        PageStart::Before(key) => (true, Some(key)),
    };
    let upward = page.descending == backward;
    let range: Box<dyn Iterator<Item = (&K, &V)>> = match (bound, upward) {
        (None, true) => Box::new(map.iter()),
        (None, false) => Box::new(map.iter().rev()),
        (Some(key), true) => Box::new(map.range((Bound::Excluded(key), Bound::Unbounded))),
        (Some(key), false) => Box::new(map.range(..key).rev()),
    };
    let mut shown = range.filter_map(|(_, value)| show(value));
    let mut items: Vec<T> = shown.by_ref().take(page.limit).collect();
    let done = shown.next().is_none();
    if backward {
        items.reverse();
    }
    Page { items, done, scanned_to: None }
}
