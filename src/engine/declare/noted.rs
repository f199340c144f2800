//! What the audit log is told of what `relay.toml` changes.

use crate::domain::audit::{Actor, Deed, Note};

/// Bytes of the lines that stand in one entry.
const DETAIL_MAX: usize = 1_000;

/// The entry for these changes, a line each.
pub(super) fn note(changes: &[String]) -> Note {
    let detail = Some(told(changes));
    Note { actor: Actor::Configuration, deed: Deed::Change, asked: None, detail }
}

/// The first of the lines, and how many more there were.
fn told(changes: &[String]) -> String {
    let mut text = String::new();
    for (index, change) in changes.iter().enumerate() {
        if text.len() + change.len() > DETAIL_MAX {
            let (between, more) = (if index > 0 { "; " } else { "" }, changes.len() - index);
            return format!("{text}{between}{more} more");
        }
        text.push_str(if index > 0 { "; " } else { "" });
        text.push_str(change);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let lines =
            |count: usize| (0..count).map(|line| format!("line {line}")).collect::<Vec<_>>();
        assert_eq!(told(&lines(2)), "line 0; line 1");
        let many = told(&lines(1_000));
        let more = format!("; {} more", 1_000 - many.matches("line").count());
        assert!(many.len() < 1_100 && many.ends_with(&more), "{many}");
        assert_eq!(told(&["x".repeat(2_000)]), "1 more");
    }
}
