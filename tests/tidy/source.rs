//! Reads Rust source just well enough to judge it: no comments, no literals, where tests stand.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// One file of the repository.
pub struct File {
    /// Its path from the repository's root.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl File {
    /// Whether its name ends in one of `extensions`.
    pub fn is(&self, extensions: &[&str]) -> bool {
        let extension = self.path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    }

    /// Whether it lies below `folder`.
    pub fn below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// `path:line: what is wrong`, the way editors jump to it.
    pub fn at(&self, line: usize, problem: &str) -> String {
        format!("{}:{line}: {problem}", self.path.display())
    }
}

/// Every file below `folder`, leaving out what git ignores and what is not ours.
pub fn files(root: &Path, folder: &Path, found: &mut Vec<File>) {
    let entries = std::fs::read_dir(folder).expect("the repository can be read");
    for entry in entries {
        let path = entry.expect("the repository can be read").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if path.is_dir() {
            if !["target", "data", ".git", "node_modules", "__pycache__"].contains(&name.as_str()) {
                files(root, &path, found);
            }
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let path = path.strip_prefix(root).expect("it was found below the root").to_owned();
            found.push(File { path, text });
        }
    }
}

/// A Rust file with comments and literals blanked out, every other byte where it stood.
pub struct Code {
    bytes: Vec<u8>,
    tests: Vec<Range<usize>>,
}

impl Code {
    /// Reads a Rust file; all of it counts as test code when `all_tests`.
    pub fn read(text: &str, all_tests: bool) -> Code {
        let bytes = blank(text.as_bytes());
        let mut code = Code { bytes, tests: Vec::new() };
        if all_tests {
            code.tests.push(0..code.bytes.len());
        } else {
            code.tests = code
                .positions("#[cfg(test)]")
                .filter_map(|start| Some(start..code.block_after(start)?.end))
                .collect();
        }
        code
    }

    /// The line that `position` is on, from 1.
    pub fn line(&self, position: usize) -> usize {
        1 + self.bytes[..position].iter().filter(|byte| **byte == b'\n').count()
    }

    /// Whether `position` is inside test code.
    pub fn in_tests(&self, position: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&position))
    }

    /// What stands from `position` up to the first of `ends`.
    pub fn until(&self, position: usize, ends: &[u8]) -> String {
        let rest = &self.bytes[position..];
        let end = rest.iter().position(|byte| ends.contains(byte)).unwrap_or(rest.len());
        String::from_utf8_lossy(&rest[..end]).into_owned()
    }

    /// Every place where `needle` stands and is not part of a longer word.
    pub fn positions<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        let wordy =
            |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let needle = needle.as_bytes();
        let (first, last) = (needle.first(), needle.last());
        let windows = self.bytes.windows(needle.len()).enumerate();
        windows.filter(move |(_, window)| *window == needle).map(|(start, _)| start).filter(
            move |start| {
                let before = start.checked_sub(1).and_then(|at| self.bytes.get(at));
                let after = self.bytes.get(start + needle.len());
                !(wordy(first) && wordy(before) || wordy(last) && wordy(after))
            },
        )
    }

    /// The name and the lines of every function that has a body.
    pub fn functions(&self) -> Vec<(String, Range<usize>)> {
        let named = self.positions("fn").filter_map(|start| {
            let name = self.until(start + 2, b"(<").trim().to_owned();
            let block = self.block_after(start).filter(|_| !name.is_empty())?;
            Some((name, self.line(start)..self.line(block.end) + 1))
        });
        named.collect()
    }

    /// The first `{…}` after `start`, unless a `;` ends the item before it.
    fn block_after(&self, start: usize) -> Option<Range<usize>> {
        let (mut depth, mut nested, mut open) = (0_usize, 0_usize, None);
        for (position, byte) in self.bytes.iter().enumerate().skip(start) {
            match byte {
                b'(' | b'[' if open.is_none() => nested += 1,
                b')' | b']' if open.is_none() => nested = nested.checked_sub(1)?,
                b';' if open.is_none() && nested == 0 => return None,
                b'{' => {
                    open = open.or(Some(position));
                    depth += 1;
                }
                b'}' => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(open?..position);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// The same bytes with comments, strings and characters as spaces; lines stay where they are.
fn blank(source: &[u8]) -> Vec<u8> {
    let mut bytes = source.to_vec();
    let mut at = 0;
    while at < source.len() {
        let length = blank_length(source, at);
        for byte in bytes.iter_mut().skip(at).take(length).filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        at += length.max(1);
    }
    bytes
}

/// How many bytes from `at` are a comment or a literal, 0 for code.
fn blank_length(source: &[u8], at: usize) -> usize {
    let rest = &source[at..];
    let after = |from: usize, end: &[u8]| {
        let found = rest[from..].windows(end.len()).position(|window| window == end);
        found.map_or(rest.len(), |found| from + found + end.len())
    };
    let inside_word = at > 0 && (source[at - 1].is_ascii_alphanumeric() || source[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => rest.iter().take_while(|byte| **byte != b'\n').count(),
        [b'/', b'*', ..] => after(2, b"*/"),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !inside_word => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            match rest.get(1 + hashes) {
                Some(b'"') => after(2 + hashes, &[b"\"", &vec![b'#'; hashes][..]].concat()),
                _ => 0,
            }
        }
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        // a character, of one to four bytes; anything else after the quote is a lifetime
        [b'\'', first, ..] if *first != b'\'' => {
            match rest[1..].iter().take(5).position(|b| *b == b'\'') {
                Some(1) => 3,
                Some(end) if *first >= 0x80 => end + 2,
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// The length of a literal with escapes that starts and ends with `quote`.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

#[test]
fn literals_and_comments_are_blank() {
    let check = |source: &str, expected: &str| {
        let blanked = String::from_utf8(blank(source.as_bytes())).expect("ASCII in, ASCII out");
        assert_eq!(blanked, expected, "{source}");
    };
    check("a // b\nc", "a     \nc");
    check("a /* b\n */ c", "a     \n    c");
    check(r#"f("a\"{", 'x', '\'', b"y")"#, r"f(      ,    ,     , b   )");
    check(r###"f(r#"a"{"#, r"\")"###, "f(        ,     )");
    check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
}

#[test]
fn functions_and_tests_are_found() {
    let lines = [
        "type F = fn(u8);",
        "fn one(x: [u8; 2]) -> u8 {",
        "  2",
        "}",
        "#[cfg(test)]",
        "mod tests {",
        " fn two() {}",
        "}",
    ];
    let code = Code::read(&lines.join("\n"), false);
    let expected = vec![("one".to_owned(), 2..5), ("two".to_owned(), 7..8)];
    assert_eq!(code.functions(), expected);
    let inside: Vec<bool> = code.positions("fn").map(|at| code.in_tests(at)).collect();
    assert_eq!(inside, [false, false, true]);
}
