//! What is shown of content that must not be seen: values of headers by name and of JSON bodies by
//! path are replaced by [`REDACTED`]. What is stored, signed and sent stays as it is.

mod body;
mod path;

use std::borrow::Cow;

use serde::de::IgnoredAny;

pub use path::{JsonPath, PATH_MAX, STEPS_MAX};

use crate::domain::headers::REDACTED;
use crate::domain::received::Head;

/// The most paths, and the most names of headers.
pub const RULES_MAX: usize = 100;

/// Some senders put it in front of their JSON, and some readers drop it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is not shown. By default everything is.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    /// In lower case.
    headers: Vec<String>,
    paths: Vec<JsonPath>,
    hides_others: bool,
}

impl Redaction {
    /// Hides the values of these headers, in whatever case, and what stands at these paths;
    /// `hides_others`: all text that no path looks into as well.
    pub fn new(headers: &[String], paths: &[JsonPath], hides_others: bool) -> Redaction {
        let headers = headers.iter().map(|name| name.to_ascii_lowercase()).collect();
        Redaction { headers, paths: paths.to_vec(), hides_others }
    }

    /// Whether everything is shown.
    pub fn is_off(&self) -> bool {
        self.headers.is_empty() && self.paths.is_empty() && !self.hides_others
    }

    /// Whether the value of a header is hidden.
    pub fn hides_header(&self, name: &str) -> bool {
        self.headers.iter().any(|hidden| hidden.eq_ignore_ascii_case(name))
    }

    /// Whether the value of a field of a JSON body is hidden, or a part of it is; or all of what
    /// stands around it. Numbers of items are steps like names.
    pub fn touches(&self, steps: &[String]) -> bool {
        self.paths.iter().any(|path| path.touches(steps))
    }

    /// A body as it is shown: objects and lists with what is hidden in them replaced, and not a
    /// byte of the rest changed; any other as it is, or not at all. JSON whose end was cut off is
    /// looked into as far as it goes, and is another body all the same.
    pub fn body<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.paths.is_empty() && !self.hides_others {
            return Cow::Borrowed(bytes);
        }
        let json = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let begins = json.trim_ascii_start().first();
        let has_fields = begins.is_some_and(|byte| matches!(byte, b'{' | b'['));
        let is_json = || has_fields && serde_json::from_slice::<IgnoredAny>(json).is_ok();
        if self.hides_others && !bytes.trim_ascii().is_empty() && !is_json() {
            return Cow::Borrowed(REDACTED.as_bytes());
        }
        let redacted = has_fields.then(|| body::redacted(json, &self.paths)).flatten();
        redacted.map_or(Cow::Borrowed(bytes), Cow::Owned)
    }

    /// Text that was made of content, or came with it, and that no path looks into.
    pub fn text(&self, text: String) -> String {
        match self.hides_others && !text.is_empty() {
            true => REDACTED.to_owned(),
            false => text,
        }
    }

    /// What stood in front of a body, as it is shown.
    pub fn head(&self, mut head: Head) -> Head {
        for (name, value) in &mut head.headers {
            if self.hides_header(name) {
                *value = REDACTED.to_owned();
            }
        }
        head.query = self.text(head.query);
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(paths: &[&str], hides_others: bool) -> Redaction {
        let path = |text: &&str| JsonPath::try_from((*text).to_owned()).unwrap();
        let paths: Vec<JsonPath> = paths.iter().map(path).collect();
        Redaction::new(&["X-Card".to_owned()], &paths, hides_others)
    }

    #[test]
    fn bodies() {
        let check = |hides_others: bool, body: &[u8], expected: &[u8]| {
            let shown = redaction(&["$..pin"], hides_others).body(body).into_owned();
            assert_eq!(shown, expected, "{}", String::from_utf8_lossy(&shown));
        };
        for hides in [false, true] {
            check(hides, br#"{ "pin" : 1.0 }"#, br#"{ "pin" : "(redacted)" }"#);
            check(hides, b"\xef\xbb\xbf[{\"pin\":1}]", br#"[{"pin":"(redacted)"}]"#);
            check(hides, b"{\"a\": 1.0}", b"{\"a\": 1.0}");
            check(hides, b"", b"");
            check(hides, b" \n", b" \n");
        }
        let others: [&[u8]; 4] = [b"pin=1", b"4111", b"\"text\"", b"\xff\x00"];
        for other in others {
            check(false, other, other);
            check(true, other, REDACTED.as_bytes());
        }
        for (cut, shown) in [
            (r#"{"pin":"41"#, r#"{"pin":"(redacted)""#),
            ("{\"pin\":1}\n{\"pin\":2}", "{\"pin\":\"(redacted)\"}\n{\"pin\":\"(redacted)\"}"),
        ] {
            check(false, cut.as_bytes(), shown.as_bytes());
            check(true, cut.as_bytes(), REDACTED.as_bytes());
        }
    }

    #[test]
    fn nothing_is_looked_at_unless_it_is_configured() {
        let off = Redaction::default();
        assert!(off.is_off());
        assert!(matches!(off.body(b"{\"pin\":1}"), Cow::Borrowed(_)));
        assert_eq!(off.text("text".to_owned()), "text");
        assert!(!off.hides_header("authorization"));
        assert!(!redaction(&[], false).is_off());
    }

    #[test]
    fn heads() {
        let head = Head {
            query: "card=4111".to_owned(),
            headers: vec![("x-card".to_owned(), "4111".to_owned())],
            ..Head::default()
        };
        let shown = redaction(&[], false).head(head.clone());
        assert_eq!((shown.headers[0].1.as_str(), shown.query.as_str()), (REDACTED, "card=4111"));
        assert_eq!(redaction(&[], true).head(head).query, REDACTED);
    }

    #[test]
    fn places() {
        let redaction = redaction(&["$.card.number", "$.items[*].iban", "$..pin"], false);
        let check = |place: &str, expected: bool| {
            let steps: Vec<String> = place.split('.').map(str::to_owned).collect();
            let steps = if place.is_empty() { Vec::new() } else { steps };
            assert_eq!(redaction.touches(&steps), expected, "{place}");
        };
        for hidden in ["", "card", "card.number", "card.number.x", "items.3", "items.3.iban"] {
            check(hidden, true);
        }
        // Whatever is deep in it may be hidden too.
        for hidden in ["a", "a.pin", "card.name"] {
            check(hidden, true);
        }
        let narrow = super::tests::redaction(&["$.card.number"], false);
        assert!(!narrow.touches(&["card".to_owned(), "name".to_owned()]));
        assert!(!narrow.touches(&["other".to_owned()]));
    }
}
