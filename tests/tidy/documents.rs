//! What holds for every Markdown file, and for the changelog.

use std::path::Path;

use super::source::File;

const CHANGES: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

/// Lines outside fenced code, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let outside = (1..).zip(text.lines()).filter(|(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    outside.collect()
}

/// Exactly one `# …`, and first.
pub fn headings(file: &File) -> Vec<String> {
    let lines = prose(&file.text);
    let titles: Vec<usize> = lines
        .iter()
        .filter(|(_, line)| line.starts_with("# "))
        .map(|(number, _)| *number)
        .collect();
    match titles[..] {
        [1] => Vec::new(),
        [] => vec![file.at(1, "no title: begin with one `# …`")],
        [line] => vec![file.at(line, "the title stands first, on line 1")],
        [_, second, ..] => vec![file.at(second, "a second title: make it a `## …`")],
    }
}

/// Every link inside the repository leads somewhere, to the heading too.
pub fn links(file: &File, root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in prose(&file.text) {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = match path {
                "" => root.join(&file.path),
                path => root.join(&file.path).with_file_name("").join(path),
            };
            if !linked.exists() {
                let problem = format!("{target} does not exist: correct the link");
                problems.push(file.at(number, &problem));
            } else if !anchor.is_empty() && !anchors(&linked).contains(&anchor.to_owned()) {
                let problem = format!("{target} names no heading there: correct the link");
                problems.push(file.at(number, &problem));
            }
        }
    }
    problems
}

/// The anchors of a Markdown file's headings, as forges make them.
fn anchors(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = prose(&text);
    let headings = lines.iter().filter(|(_, line)| line.starts_with('#'));
    headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Every code that the API answers with stands in the operator's table and in the document.
pub fn codes(errors: &File, operations: &File, document: &File) -> Vec<String> {
    let lines = (1..).zip(errors.text.lines());
    let body = lines.skip_while(|(_, line)| !line.contains("fn code(")).skip(1);
    let body = body.take_while(|(_, line)| !line.contains("fn "));
    let codes = body.filter_map(|(number, line)| Some((number, line.split('"').nth(1)?)));
    let codes: Vec<(usize, &str)> = codes.collect();
    assert!(codes.len() > 10, "the codes are read from fn code of {}", errors.path.display());
    let mut problems = Vec::new();
    // a list of problems has no code of its own
    for (number, code) in codes.into_iter().filter(|(_, code)| *code != "validation") {
        for (file, shown) in
            [(operations, format!("| `{code}` |")), (document, format!("\"{code}\""))]
        {
            if !file.text.contains(&shown) {
                let problem = format!("{code} is not in {}: add it", file.path.display());
                problems.push(errors.at(number, &problem));
            }
        }
    }
    problems
}

/// Keep a Changelog: unreleased first, versions with their day, the six kinds of change.
pub fn changelog(file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    let mut sections = 0;
    for (number, line) in prose(&file.text) {
        if let Some(section) = line.strip_prefix("## ") {
            sections += 1;
            if sections == 1 && section != "[Unreleased]" {
                problems.push(file.at(number, "the first section is `## [Unreleased]`"));
            } else if sections > 1 && !is_release(section) {
                problems.push(file.at(number, "write a release as `## [1.2.3] - 2026-11-21`"));
            }
        } else if let Some(kind) = line.strip_prefix("### ")
            && !CHANGES.contains(&kind)
        {
            problems.push(file.at(number, &format!("{kind}: one of {}", CHANGES.join(", "))));
        }
    }
    if sections == 0 {
        problems.push(file.at(1, "no section: add `## [Unreleased]`"));
    }
    problems
}

fn is_release(section: &str) -> bool {
    let Some((version, day)) = section.split_once("] - ") else { return false };
    let numbers = |text: &str, between: char| -> Option<Vec<u32>> {
        text.split(between).map(|part| part.parse().ok()).collect()
    };
    let version = version.strip_prefix('[').and_then(|version| numbers(version, '.'));
    let day = Some(day).filter(|day| day.len() == 10).and_then(|day| numbers(day, '-'));
    version.is_some_and(|parts| parts.len() == 3) && day.is_some_and(|parts| parts.len() == 3)
}

#[test]
fn releases_and_anchors() {
    assert!(is_release("[1.2.3] - 2026-11-21"));
    for wrong in ["1.2.3 - 2026-11-21", "[1.2] - 2026-11-21", "[1.2.3]", "[1.2.3] - 21.11.2026"] {
        assert!(!is_release(wrong), "{wrong}");
    }
    assert_eq!(anchor("Disk full: what `relay` does"), "disk-full-what-relay-does");
}
