//! Values of a JSON text replaced where they stand: one pass, no tree, not a byte of the rest
//! changed.

use std::borrow::Cow;

use super::path::{Child, JsonPath};
use crate::domain::headers::REDACTED;

/// Levels that are followed; what lies deeper and could be meant is hidden whole.
const DEPTH_MAX: usize = 512;

/// How far each path has come: its number, and how many of its steps are done.
type Reached = Vec<(usize, usize)>;

enum Frame {
    Object(Reached),
    List(Reached, usize),
}

/// The text with what the paths mean replaced; `None` when they mean nothing in it. It is JSON, or
/// the beginning of it; in anything else there may be more than is found.
pub(super) fn redacted(text: &[u8], paths: &[JsonPath]) -> Option<Vec<u8>> {
    let mut walk = Walk { text, paths, at: 0, copied: 0, shown: Vec::new() };
    walk.run();
    if walk.copied == 0 {
        return None;
    }
    walk.shown.extend_from_slice(&text[walk.copied..]);
    Some(walk.shown)
}

struct Walk<'a> {
    text: &'a [u8],
    paths: &'a [JsonPath],
    at: usize,
    /// Up to here the text is shown, or was replaced.
    copied: usize,
    shown: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        let mut stack: Vec<Frame> = Vec::new();
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => self.at += 1,
                b'}' | b']' => {
                    stack.pop();
                    self.at += 1;
                }
                _ => {
                    let child = match stack.last_mut() {
                        None => Some((0..self.paths.len()).map(|path| (path, 0)).collect()),
                        Some(Frame::Object(reached)) => {
                            let name = self.name();
                            step(self.paths, reached, Child::Field(&name))
                        }
                        Some(Frame::List(reached, index)) => {
                            *index += 1;
                            step(self.paths, reached, Child::Item(*index - 1))
                        }
                    };
                    self.value(child, &mut stack);
                }
            }
        }
    }

    /// The name of a field; goes on to its value.
    fn name(&mut self) -> Cow<'a, str> {
        let begin = self.at;
        self.skip_text();
        let quoted = &self.text[begin..self.at];
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b':');
        self.at += self.text[self.at..].iter().take_while(|byte| between(byte)).count();
        let raw = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        match raw.contains(&b'\\') {
            true => serde_json::from_slice::<String>(quoted)
                .map_or_else(|_| String::from_utf8_lossy(raw), Cow::Owned),
            false => String::from_utf8_lossy(raw),
        }
    }

    /// A value, `child` being how far the paths come with it; `None` when one means it.
    fn value(&mut self, child: Option<Reached>, stack: &mut Vec<Frame>) {
        let opens = matches!(self.text.get(self.at), Some(b'{' | b'['));
        match child {
            Some(reached) if opens && !reached.is_empty() && stack.len() < DEPTH_MAX => {
                let is_object = self.text[self.at] == b'{';
                self.at += 1;
                stack.push(match is_object {
                    true => Frame::Object(reached),
                    false => Frame::List(reached, 0),
                });
            }
            Some(reached) if !opens || reached.is_empty() => self.skip_value(),
            // Meant, or too deep to be told from what is.
            None | Some(_) => {
                self.shown.extend_from_slice(&self.text[self.copied..self.at]);
                self.shown.extend_from_slice(format!("\"{REDACTED}\"").as_bytes());
                self.skip_value();
                self.copied = self.at;
            }
        }
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'"' => self.skip_text(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => return,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// A text in quotes.
    fn skip_text(&mut self) {
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        self.at = self.at.min(self.text.len());
    }
}

/// How far the paths come with a child; `None` when one of them means it.
fn step(paths: &[JsonPath], reached: &Reached, child: Child<'_>) -> Option<Reached> {
    let mut next = Vec::new();
    for (path, done) in reached {
        let steps = &paths[*path].steps;
        let step = &steps[*done];
        if step.select.fits(child) {
            if done + 1 == steps.len() {
                return None;
            }
            next.push((*path, done + 1));
        }
        if step.descends {
            next.push((*path, *done));
        }
    }
    next.sort_unstable();
    next.dedup();
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::path::Select;

    fn paths(texts: &[&str]) -> Vec<JsonPath> {
        texts.iter().map(|text| JsonPath::try_from((*text).to_owned()).unwrap()).collect()
    }

    #[test]
    fn what_is_replaced() {
        let check = |path: &str, text: &str, expected: &str| {
            let shown = redacted(text.as_bytes(), &paths(&[path]));
            let shown =
                shown.map_or_else(|| text.to_owned(), |bytes| String::from_utf8(bytes).unwrap());
            let expected = expected.replace('#', "\"(redacted)\"");
            assert_eq!(shown, expected, "{path} in {text}");
        };
        check(
            "$.card.number",
            r#"{"card": {"number":"4111", "n": 1.0}}"#,
            r#"{"card": {"number":#, "n": 1.0}}"#,
        );
        check("$.card.number", r#"{"number":"4111","card":[]}"#, r#"{"number":"4111","card":[]}"#);
        check(
            "$..ssn",
            r#"{"ssn":1,"a":[{"ssn":{"b":[2]} } ,3]}"#,
            r#"{"ssn":#,"a":[{"ssn":# } ,3]}"#,
        );
        check(
            "$.items[*].iban",
            r#"{"items":[{"iban":null},{"iban":"x"}]}"#,
            r#"{"items":[{"iban":#},{"iban":#}]}"#,
        );
        check("$[1]", "[1,2,3]", "[1,#,3]");
        check("$[1]", r#"{"1":2}"#, r#"{"1":2}"#);
        check("$.*", r#"{"a":1,"b":[true]}"#, r#"{"a":#,"b":#}"#);
        check("$..a..b", r#"{"a":{"x":{"b":1}},"b":2}"#, r#"{"a":{"x":{"b":#}},"b":2}"#);
        // However it is written, and how often.
        check(
            "$.ssn",
            r#"{"\u0073sn":1,"ssn":2,"s\"sn":3}"#,
            r#"{"\u0073sn":#,"ssn":#,"s\"sn":3}"#,
        );
        check("$.a", r#"{"x":"} ] \" { a","a":"\\\"}"}"#, r#"{"x":"} ] \" { a","a":#}"#);
        check("$.a", "{}", "{}");
        check("$..a", "[[],{},[[{}]]]", "[[],{},[[{}]]]");
    }

    #[test]
    fn what_is_too_deep_is_hidden_whole() {
        let deep =
            |levels: usize| format!("{}{{\"a\":1}}{}", "[".repeat(levels), "]".repeat(levels));
        let shown = |text: &str, path: &str| redacted(text.as_bytes(), &paths(&[path]));
        let near = shown(&deep(DEPTH_MAX - 1), "$..a").unwrap();
        assert!(String::from_utf8(near).unwrap().contains("{\"a\":\"(redacted)\"}"));
        let far = shown(&deep(100_000), "$..a").unwrap();
        assert!(!far.windows(3).any(|window| window == b"\"a\""));
        assert_eq!(shown(&deep(100_000), "$.a"), None);
    }

    /// The same over a tree.
    fn reference(value: &mut Value, steps: &[(usize, usize)], paths: &[JsonPath]) {
        let visit = |child: Child<'_>, value: &mut Value| {
            let mut next = Vec::new();
            for (path, done) in steps {
                let step = &paths[*path].steps[*done];
                let fits = match (&step.select, child) {
                    (Select::All, _) => true,
                    (Select::Name(name), Child::Field(field)) => name == field,
                    (Select::Item(item), Child::Item(index)) => *item == index,
                    _ => false,
                };
                if fits && done + 1 == paths[*path].steps.len() {
                    *value = json!(REDACTED);
                    return;
                }
                next.extend(fits.then_some((*path, done + 1)));
                next.extend(step.descends.then_some((*path, *done)));
            }
            reference(value, &next, paths);
        };
        match value {
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(name, value)| visit(Child::Field(name), value));
            }
            Value::Array(items) => {
                (0..).zip(items).for_each(|(index, value)| visit(Child::Item(index), value));
            }
            _ => {}
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~\\n\"\\\\é]{0,8}".prop_map(Value::from),
        ];
        let name = prop_oneof!["[a-c]", "[\"\\\\é]{0,2}"];
        leaf.prop_recursive(6, 60, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(name.clone(), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_cut_shows_no_more(value in values(), cut: prop::sample::Index, before: bool) {
            let inner = json!({"x": value, "pin": ["4111222233334444", {"y": "4111"}]});
            let whole = if before { json!([inner, 1]) } else { json!({"b": inner}) };
            let text = serde_json::to_vec(&whole).unwrap();
            let text = &text[..cut.index(text.len())];
            let shown = redacted(text, &paths(&["$..pin"])).unwrap_or_else(|| text.to_vec());
            prop_assert!(!String::from_utf8_lossy(&shown).contains("4111"));
        }

        #[test]
        fn any_bytes_come_to_an_end(text in "[\\[\\]{}\",:a\\\\ ]{0,40}") {
            redacted(text.as_bytes(), &paths(&["$..a", "$.a.a", "$[0]"]));
        }

        #[test]
        fn as_over_a_tree(
            value in values(),
            texts in prop::collection::vec("\\$((\\.|\\.\\.)[a-c*]|\\[[0-2*]\\]){1,3}", 1..4),
            pretty: bool,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let paths = paths(&texts);
            let write = if pretty { serde_json::to_vec_pretty } else { serde_json::to_vec };
            let text = write(&value).unwrap();
            let shown = redacted(&text, &paths).unwrap_or(text);
            let mut expected = value;
            let all: Vec<_> = (0..paths.len()).map(|path| (path, 0)).collect();
            reference(&mut expected, &all, &paths);
            prop_assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap(), expected);
        }
    }
}
