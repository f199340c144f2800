//! Text found in a body, whatever its case, and the part of the body around it.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

/// Bytes of a text to be found at most.
pub const TEXT_MAX: usize = 200;
/// Characters of an excerpt at most.
pub const EXCERPT_MAX: usize = 200;
/// Characters of it that stand before what was found.
const BEFORE: usize = 60;
/// Stands where an excerpt leaves something out.
const CUT: char = '…';

/// Finds one text.
#[derive(Clone, Debug)]
pub struct Finder {
    pattern: Regex,
}

impl Finder {
    /// For this text as it stands, without regard to case; `None` for an empty one, and for one
    /// that is longer than [`TEXT_MAX`].
    pub fn new(text: &str) -> Option<Finder> {
        if text.is_empty() || text.len() > TEXT_MAX {
            return None;
        }
        let pattern = RegexBuilder::new(&regex::escape(text)).case_insensitive(true).build();
        Some(Finder { pattern: pattern.ok()? })
    }

    /// What stands around the first place where a body has the text; `None` where it has none. In
    /// JSON it is found however it is escaped: many libraries write `ü` as `\u00fc`.
    pub fn excerpt(&self, body: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(body);
        if let Some(found) = self.pattern.find(&text) {
            return Some(around(&text, found.start()));
        }
        let Cow::Owned(text) = unescaped(&text) else { return None };
        let found = self.pattern.find(&text)?;
        Some(around(&text, found.start()))
    }
}

/// The part of a text in which a place stands, with a mark where it is cut.
fn around(text: &str, place: usize) -> String {
    let (head, tail) = text.split_at(place);
    let begin = head.char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
    let mut excerpt = String::new();
    excerpt.extend((begin > 0).then_some(CUT));
    excerpt.push_str(&head[begin..]);
    let left = EXCERPT_MAX - excerpt.chars().count();
    match tail.char_indices().nth(left) {
        None => excerpt.push_str(tail),
        Some(_) => {
            let end = tail.char_indices().nth(left - 1).map_or(0, |(at, _)| at);
            excerpt.push_str(&tail[..end]);
            excerpt.push(CUT);
        }
    }
    excerpt
}

/// The text with what JSON escapes in its place; as it is where nothing is escaped.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let (letter, length) = escape(&rest[at..]);
        plain.push(letter);
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// What the escape at the beginning of a text means, and how many bytes it is.
fn escape(text: &str) -> (char, usize) {
    let short = match text.as_bytes().get(1) {
        Some(b'"') => '"',
        Some(b'/') => '/',
        Some(b'\\') => '\\',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode(text),
        _ => return ('\\', 1),
    };
    (short, 2)
}

/// The same of `\uXXXX`, and of two of them that are one letter.
fn unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(0) else { return ('\\', 1) };
    let pair = unit(6).and_then(|second| char::decode_utf16([first, second]).next()?.ok());
    match (char::from_u32(u32::from(first)), pair) {
        (Some(letter), _) => (letter, 6),
        (None, Some(letter)) => (letter, 12),
        (None, None) => (char::REPLACEMENT_CHARACTER, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_found() {
        let check = |text: &str, body: &str, expected: Option<&str>| {
            let found = Finder::new(text).unwrap().excerpt(body.as_bytes());
            assert_eq!(found.as_deref(), expected, "{text} in {body}");
        };
        check("paid", r#"{"a":"PAID"}"#, Some(r#"{"a":"PAID"}"#));
        check("a.c", "abc", None);
        check("MÜLLER", "Frau Müller", Some("Frau Müller"));
        check("Müller", r#"{"n":"M\u00fcller"}"#, Some(r#"{"n":"Müller"}"#));
        check("\u{1f600}", r#""\ud83d\ude00""#, Some("\"\u{1f600}\""));
        check("a/b", r#""a\/b""#, Some("\"a/b\""));
        check("\\u00fc", r#""\u00fc""#, Some(r#""\u00fc""#));
        check("x", "", None);
    }

    #[test]
    fn what_can_be_no_text() {
        assert!(Finder::new("").is_none() && Finder::new(&"a".repeat(TEXT_MAX + 1)).is_none());
        assert!(Finder::new(&"(".repeat(TEXT_MAX)).is_some());
    }

    #[test]
    fn what_is_left_out_is_marked() {
        let body = format!("{}needle{}", "ä".repeat(500), "ö".repeat(500));
        let excerpt = Finder::new("NEEDLE").unwrap().excerpt(body.as_bytes()).unwrap();
        assert_eq!(excerpt.chars().count(), EXCERPT_MAX);
        assert!(excerpt.starts_with("…ä") && excerpt.ends_with("ö…"), "{excerpt}");
        assert!(excerpt.contains("äneedleö"));
        assert_eq!(Finder::new("ne").unwrap().excerpt(b"\xffne").unwrap(), "\u{fffd}ne");
    }

    proptest! {
        #[test]
        fn an_excerpt_is_short_and_holds_it(
            before in ".{0,300}", after in ".{0,300}", word in "[a-z]{1,20}",
        ) {
            let body = format!("{before}{word}{after}");
            let excerpt = Finder::new(&word).unwrap().excerpt(body.as_bytes()).unwrap();
            prop_assert!(excerpt.chars().count() <= EXCERPT_MAX);
            prop_assert!(Finder::new(&word).unwrap().excerpt(excerpt.as_bytes()).is_some());
        }

        #[test]
        fn json_is_read_as_it_is_meant(text in ".{0,60}") {
            let written = serde_json::to_string(&text).unwrap();
            let ascii: String = written
                .chars()
                .map(|letter| match letter {
                    ' '..='~' => letter.to_string(),
                    letter => {
                        let mut units = [0; 2];
                        let units = letter.encode_utf16(&mut units).iter();
                        units.map(|unit| format!("\\u{unit:04x}")).collect()
                    }
                })
                .collect();
            prop_assert_eq!(unescaped(&ascii), format!("\"{text}\""));
        }
    }
}
