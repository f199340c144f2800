//! One field of a JSON document that nobody vouches for yet: read in one pass, without a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Value};

/// Why a field can't be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The document is no JSON.
    NotJson,
    /// A name stands twice on the way to the field: programs differ in which of two they take, so
    /// that one may be verified and another used.
    Twice,
}

/// What stands at a path, `a.b` or `0.id`, as it was written; nothing when there is no such place.
/// The whole document is read, names are compared as they are meant (`"\u0061"` is `"a"`), and what
/// is not on the way is passed over whatever its depth.
pub fn at<'a>(document: &'a [u8], path: &str) -> Result<Option<&'a RawValue>, Fault> {
    let mut twice = false;
    let mut reader = Deserializer::from_slice(document);
    let step = Step { path: Some(path).filter(|path| !path.is_empty()), twice: &mut twice };
    let found = step.deserialize(&mut reader).and_then(|found| reader.end().map(|()| found));
    found.map_err(|_| if twice { Fault::Twice } else { Fault::NotJson })
}

/// What stands there as text: a string without its quotes, a number or truth value as written.
pub fn text(document: &[u8], path: &str) -> Result<Option<String>, Fault> {
    Ok(at(document, path)?.and_then(plain))
}

/// The text of a value; nothing for `null`, a list or an object.
pub fn plain(value: &RawValue) -> Option<String> {
    let written = value.get();
    match written.as_bytes().first()? {
        b'"' => serde_json::from_str(written).ok(),
        b'[' | b'{' | b'n' => None,
        _ => Some(written.to_owned()),
    }
}

/// The items of a list as they were written; nothing when there is no list.
pub fn items<'a>(document: &'a [u8], path: &str) -> Result<Option<Vec<&'a RawValue>>, Fault> {
    let Some(list) = at(document, path)? else { return Ok(None) };
    Ok(serde_json::from_str(list.get()).ok())
}

/// Writes a value to a path, and the objects and lists on the way that are not there. Nothing when
/// something else stands on it.
pub fn set(whole: &mut Value, path: &str, value: Value) -> Option<()> {
    let mut at = whole;
    for step in path.split('.') {
        let index = step.parse::<usize>().ok();
        if at.is_null() {
            *at =
                if index.is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        at = match at {
            Value::Object(fields) => fields.entry(step).or_insert(Value::Null),
            Value::Array(items) => {
                let index = index.filter(|index| *index <= items.len())?;
                if index == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    *at = value;
    Some(())
}

/// One step down the path. It goes as deep as the path is long, which rows say and senders don't.
struct Step<'a> {
    path: Option<&'a str>,
    twice: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        match self.path {
            None => serde::Deserialize::deserialize(reader).map(Some),
            Some(_) => reader.deserialize_any(self),
        }
    }
}

impl<'a> Step<'a> {
    /// The step's name, and the path behind it.
    fn split(&self) -> (&'a str, Option<&'a str>) {
        match self.path.map(|path| (path, path.split_once('.'))) {
            Some((_, Some((name, rest)))) => (name, Some(rest)),
            Some((name, None)) => (name, None),
            None => ("", None),
        }
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (wanted, path) = self.split();
        let (mut found, mut seen) = (None, false);
        while let Some(Name(name)) = map.next_key()? {
            if name != wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if seen {
                *self.twice = true;
                return Err(A::Error::custom("a name stands twice"));
            }
            seen = true;
            found = map.next_value_seed(Step { path, twice: self.twice })?;
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (wanted, path) = self.split();
        let wanted = wanted.parse::<usize>().ok();
        let mut found = None;
        for index in 0.. {
            if Some(index) == wanted {
                let Some(item) = list.next_element_seed(Step { path, twice: self.twice })? else {
                    break;
                };
                found = item;
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A name, borrowed from the document where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, path: &str, expected: Result<Option<&str>, Fault>) {
        let found = text(document.as_bytes(), path);
        let expected = expected.map(|text| text.map(str::to_owned));
        assert_eq!(found, expected, "{path} of {document}");
    }

    #[test]
    fn fields() {
        let document =
            r#"{"a":{"b":[{"id":"x"},{"id":5}]},"t":true,"n":null,"s":"\u00eb","f":1e2}"#;
        check(document, "a.b.0.id", Ok(Some("x")));
        check(document, "a.b.1.id", Ok(Some("5")));
        check(document, "t", Ok(Some("true")));
        check(document, "s", Ok(Some("ë")));
        check(document, "f", Ok(Some("1e2")));
        for nothing in ["n", "a", "a.b", "a.c", "a.b.2.id", "a.b.x", "t.x", "s.0", "f.a", "n.a"] {
            check(document, nothing, Ok(None));
        }
        check("[7]", "0", Ok(Some("7")));
        check("7", "a", Ok(None));
        check("123456789012345678901234567890", "", Ok(Some("123456789012345678901234567890")));
    }

    #[test]
    fn names_that_stand_twice() {
        let document = r#"{"a":1,"b":{"c":2,"c":3},"b2":{"c":4},"\u0061":5}"#;
        check(document, "a", Err(Fault::Twice));
        check(document, "b.c", Err(Fault::Twice));
        check(document, "b2.c", Ok(Some("4")));
        check(r#"{"b":{"c":1},"b":{"c":1}}"#, "b.c", Err(Fault::Twice));
        check(r#"{"b":{"c":1},"b":null}"#, "b.c", Err(Fault::Twice));
    }

    #[test]
    fn documents_that_are_none() {
        for document in ["", "{", "{\"a\":1", "{\"a\":1}}", "{\"a\":1} x", "{a:1}", "{\"a\":01}"] {
            check(document, "a", Err(Fault::NotJson));
        }
        assert_eq!(text(b"{\"a\":\"\xff\"}", "a"), Err(Fault::NotJson));
        assert_eq!(text(b"{\"a\":\"\\ud800\"}", "a"), Ok(None), "half a letter is no text");
    }

    /// What an attacker nests costs a byte for each level and no stack, on the way and off it.
    #[test]
    fn depth() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        check(&format!("{{\"x\":{deep},\"a\":1}}"), "a", Ok(Some("1")));
        check(&format!("{{\"a\":{deep}}}"), "a", Ok(None));
        check(&deep, "0.0.a", Ok(None));
        check(&"{\"a\":".repeat(1_000_000), "a.a.a", Err(Fault::NotJson));
    }

    #[test]
    fn lists() {
        let found = items(br#"{"a":[{"b":1}, 2]}"#, "a").unwrap().unwrap();
        let written: Vec<&str> = found.iter().map(|item| item.get()).collect();
        assert_eq!(written, ["{\"b\":1}", "2"]);
        assert!(items(b"{\"a\":1}", "a").unwrap().is_none());
    }

    #[test]
    fn writing() {
        let check = |document: &str, path: &str, expected: Option<&str>| {
            let mut whole = serde_json::from_str(document).unwrap();
            let done = set(&mut whole, path, Value::from("x"));
            assert_eq!(done.map(|()| whole.to_string()).as_deref(), expected, "{path}");
        };
        check("{}", "a.b", Some(r#"{"a":{"b":"x"}}"#));
        check(r#"{"a":{"b":1,"c":2}}"#, "a.b", Some(r#"{"a":{"b":"x","c":2}}"#));
        check("null", "0.a", Some(r#"[{"a":"x"}]"#));
        check("[1]", "1", Some(r#"[1,"x"]"#));
        check("[1]", "2", None);
        check(r#"{"a":1}"#, "a.b", None);
        check("[1]", "a", None);
    }
}
