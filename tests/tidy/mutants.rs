//! What the simulation is proved with: a patch that no longer applies proves nothing.

use super::source::File;

/// A part of a patch: where it begins, and the lines that it wants to find, one after the other.
struct Hunk<'a> {
    line: usize,
    wanted: Vec<&'a str>,
}

/// The file that a patch changes stands among `files`, with the lines that it changes.
pub fn applies(patch: &File, files: &[File]) -> Vec<String> {
    let path = patch.text.lines().find_map(|line| line.strip_prefix("--- a/"));
    let target = path.and_then(|path| files.iter().find(|file| file.path.as_os_str() == path));
    let Some(target) = target else {
        return vec![patch.at(1, "changes a file that is not there: write the patch anew")];
    };
    let lines: Vec<&str> = target.text.lines().collect();
    let missing = |hunk: &Hunk| !lines.windows(hunk.wanted.len()).any(|seen| seen == hunk.wanted);
    let hunks = hunks(&patch.text);
    if hunks.is_empty() {
        return vec![patch.at(1, "changes nothing: write the patch anew")];
    }
    let missing = hunks.iter().filter(|hunk| hunk.wanted.is_empty() || missing(hunk));
    missing.map(|hunk| patch.at(hunk.line, "no longer applies: write the patch anew")).collect()
}

fn hunks(patch: &str) -> Vec<Hunk<'_>> {
    let mut hunks: Vec<Hunk<'_>> = Vec::new();
    for (number, line) in (1..).zip(patch.lines()) {
        if line.starts_with("@@ ") {
            hunks.push(Hunk { line: number, wanted: Vec::new() });
        } else if let Some(hunk) = hunks.last_mut() {
            // An empty line of context may have lost the space before it.
            let kept = line.strip_prefix([' ', '-']).or(line.is_empty().then_some(""));
            hunk.wanted.extend(kept);
        }
    }
    hunks
}
