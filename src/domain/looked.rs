//! A message as filters look at it.

use std::cell::OnceCell;

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::domain::filter::{Filter, Mismatch, Selector, Subject};
use crate::domain::received::Head;

/// What a filter may ask of a message, read only when one asks.
pub struct Looked<'a> {
    event_type: &'a str,
    channels: &'a [String],
    content_type: &'a str,
    body: &'a [u8],
    /// The source's name, what stood in front of the body, and whether it was verified.
    received: Option<(&'a str, &'a Head, bool)>,
    parsed: OnceCell<Option<Value>>,
    query: OnceCell<Vec<(String, String)>>,
}

impl<'a> Looked<'a> {
    /// A message that the application sent.
    pub fn sent(
        event_type: &'a str,
        channels: &'a [String],
        content_type: &'a str,
        body: &'a [u8],
    ) -> Looked<'a> {
        Looked {
            event_type,
            channels,
            content_type,
            body,
            received: None,
            parsed: OnceCell::new(),
            query: OnceCell::new(),
        }
    }

    /// The same, which came to a source of this name.
    pub fn received(self, source: &'a str, head: &'a Head, verified: bool) -> Looked<'a> {
        Looked { received: Some((source, head, verified)), ..self }
    }

    /// Whether the filter lets it pass.
    pub fn passes(&self, filter: &Filter) -> bool {
        filter.matches(&self.subject())
    }

    /// What does not fit, when the filter does not let it pass.
    pub fn explain(&self, filter: &Filter) -> Option<Mismatch> {
        filter.explain(&self.subject())
    }

    /// The key of the value at a place of it.
    pub fn key(&self, selector: &Selector) -> Option<u64> {
        selector.key(&self.subject())
    }

    fn subject(&self) -> Subject<'_> {
        let body = self.parsed.get_or_init(|| parsed(self.content_type, self.body));
        let subject = Subject {
            body: body.as_ref(),
            event_type: self.event_type,
            channels: self.channels,
            ..Subject::default()
        };
        let Some((source, head, verified)) = self.received else {
            return Subject { method: "POST", ..subject };
        };
        let query = self.query.get_or_init(|| {
            let pairs = form_urlencoded::parse(head.query.as_bytes());
            pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
        });
        Subject {
            headers: &head.headers,
            query,
            path: &head.path,
            method: &head.method,
            source: Some(source),
            verified,
            ip: head.peer,
            ..subject
        }
    }
}

/// A JSON body, or a form as an object of texts, in which a name that stands twice has a list.
fn parsed(content_type: &str, body: &[u8]) -> Option<Value> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return serde_json::from_slice(body).ok();
    }
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::String(value.into_owned());
        match fields.get_mut(&*name) {
            None => drop(fields.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(held) => *held = Value::Array(vec![held.take(), value]),
        }
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let check = |content_type: &str, body: &str, expected: &str| {
            let found = parsed(content_type, body.as_bytes()).map(|value| value.to_string());
            assert_eq!(found.unwrap_or_default(), expected, "{body}");
        };
        check("application/json", r#"{"a":1}"#, r#"{"a":1}"#);
        check("text/plain", "[1]", "[1]");
        check("text/plain", "hello", "");
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        check(form, "a=1&b=x+y&a=2&a=3", r#"{"a":["1","2","3"],"b":"x y"}"#);
    }

    #[test]
    fn what_is_seen() {
        let channels = ["eu".to_owned()];
        let sent = || Looked::sent("a.b", &channels, "application/json", br#"{"n":1}"#);
        let check = |looked: &Looked<'_>, filter: &str, expected: bool| {
            let filter = Filter::parse_text(filter).unwrap();
            assert_eq!(looked.passes(&filter), expected, "{filter:?}");
            assert_eq!(looked.explain(&filter).is_none(), expected, "{filter:?}");
        };
        check(&sent(), r#"{"body":{"n":1},"event_type":"a.b","channels":"eu"}"#, true);
        check(&sent(), r#"{"source":"shop"}"#, false);
        let head = Head {
            method: "PUT".to_owned(),
            path: "/x".to_owned(),
            query: "q=%31".to_owned(),
            headers: vec![("x-a".to_owned(), "b".to_owned())],
            peer: Some([192, 0, 2, 1].into()),
        };
        let received = sent().received("shop", &head, true);
        check(&received, r#"{"source":"shop","verified":true,"ip":"192.0.2.1"}"#, true);
        check(&received, r#"{"headers":{"X-A":"b"},"query":{"q":"1"},"path":"/x"}"#, true);
        check(&received, r#"{"method":"POST"}"#, false);
    }
}
