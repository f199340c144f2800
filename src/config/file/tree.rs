//! A TOML document as a tree: every value with its path and place, and changes at a path.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A value of the file: how to come to it, and where it stands.
pub(super) struct Node {
    pub path: Vec<Step>,
    pub key: Range<usize>,
    pub value: Range<usize>,
}

pub(super) fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Every value of the table, those that hold others before what they hold.
pub(super) fn nodes(table: &DeTable<'_>) -> Vec<Node> {
    let mut found = Vec::new();
    walk_table(&[], table, &mut found);
    found
}

fn walk_table(path: &[Step], table: &DeTable<'_>, found: &mut Vec<Node>) {
    for (key, value) in table {
        let path = [path, &[Step::Key(key.get_ref().to_string())]].concat();
        walk_value(path, key.span(), value, found);
    }
}

fn walk_value(
    path: Vec<Step>,
    key: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    found: &mut Vec<Node>,
) {
    found.push(Node { path: path.clone(), key, value: value.span() });
    match value.get_ref() {
        DeValue::Table(table) => walk_table(&path, table, found),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = [path.as_slice(), &[Step::Index(index)]].concat();
                walk_value(path, item.span(), item, found);
            }
        }
        _ => {}
    }
}

/// Puts a text where nothing stands; `false` when something does, or there is no such place.
pub(super) fn put(
    table: &mut DeTable<'_>,
    path: &[Step],
    place: &Range<usize>,
    text: String,
) -> bool {
    let [Step::Key(key), rest @ ..] = path else { return false };
    let found = table.keys().find(|name| name.get_ref() == key).cloned();
    match (found, rest) {
        (None, []) => {
            let key = Spanned::new(place.clone(), key.clone().into());
            table.insert(key, Spanned::new(place.clone(), DeValue::String(text.into())));
            true
        }
        (Some(name), [_, ..]) => {
            table.get_mut(&name).is_some_and(|value| put_inside(value.get_mut(), rest, place, text))
        }
        _ => false,
    }
}

fn put_inside(value: &mut DeValue<'_>, path: &[Step], place: &Range<usize>, text: String) -> bool {
    match (value, path) {
        (DeValue::Table(table), path) => put(table, path, place, text),
        (DeValue::Array(items), [Step::Index(index), rest @ ..]) if *index < items.len() => {
            let mut all: Vec<Spanned<DeValue<'_>>> = items.iter().cloned().collect();
            let done = put_inside(all[*index].get_mut(), rest, place, text);
            *items = all.into_iter().collect();
            done
        }
        _ => false,
    }
}

pub(super) fn remove(table: &mut DeTable<'_>, path: &[Step]) -> bool {
    let [Step::Key(key), rest @ ..] = path else { return false };
    let Some(name) = table.keys().find(|name| name.get_ref() == key).cloned() else { return false };
    if rest.is_empty() {
        return table.remove(&name).is_some();
    }
    table.get_mut(&name).is_some_and(|value| remove_inside(value.get_mut(), rest))
}

fn remove_inside<'i>(value: &mut DeValue<'i>, path: &[Step]) -> bool {
    match (value, path) {
        (DeValue::Table(table), path) => remove(table, path),
        (DeValue::Array(items), [Step::Index(index), rest @ ..]) if *index < items.len() => {
            // This type of array can be read and built, but not changed.
            let mut all: Vec<Spanned<DeValue<'i>>> = items.iter().cloned().collect();
            let removed = if rest.is_empty() {
                all.remove(*index);
                true
            } else {
                remove_inside(all[*index].get_mut(), rest)
            };
            *items = all.into_iter().collect();
            removed
        }
        _ => false,
    }
}
