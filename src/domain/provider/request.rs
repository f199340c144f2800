//! A request as it came, and the parts of it that rows name.

use std::borrow::Cow;

use serde_json::value::RawValue;
use url::Url;
use url::form_urlencoded;

use super::json::{self, Fault};
use super::reason::Reason;

/// Items of a batch that are told apart; a longer one has no ids.
pub const BATCH_MAX: usize = 1_000;

/// What came, untouched.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// The URL that the provider was given: scheme, host, path and query.
    pub url: &'a str,
    /// Names in any case, and values, in their order.
    pub headers: &'a [(String, String)],
    /// The body's bytes.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Every value of a header, spaces around it left out.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let found = self.headers.iter().filter(move |(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// The only value of a header: of two nobody knows which one was signed.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut values = self.headers(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The only value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let url = Url::parse(self.url).ok()?;
        let mut found = url.query_pairs().filter(|(held, _)| held == name);
        let value = found.next().map(|(_, value)| value.into_owned());
        value.filter(|_| found.next().is_none())
    }

    /// The only value of a field of a form, decoded: programs differ in which of two they take.
    pub fn form(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut found = self.fields().filter(|(held, _)| held == name);
        let value = found.next().map(|(_, value)| value);
        value.filter(|_| found.next().is_none())
    }

    /// Every field of a form.
    pub fn fields(&self) -> form_urlencoded::Parse<'a> {
        form_urlencoded::parse(self.body)
    }

    /// Whether the body is said to be a form.
    pub fn is_form(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    /// A field of a JSON body as text: `a.b`, `0.id` for the first of a list. Nothing where a name
    /// stands twice on the way to it.
    pub fn json(&self, path: &str) -> Option<String> {
        json::text(self.body, path).ok().flatten()
    }

    /// The same, where what stands twice is a reason to refuse.
    pub(super) fn field(&self, path: &str) -> Result<Option<String>, Reason> {
        match json::text(self.body, path) {
            Ok(found) => Ok(found),
            Err(Fault::NotJson) => Ok(None),
            Err(Fault::Twice) => Err(Reason::Twice { place: format!("the body's {path}") }),
        }
    }

    /// The items of a list in a JSON body.
    pub(super) fn items(&self, path: &str) -> Result<Option<Vec<&'a RawValue>>, Reason> {
        match json::items(self.body, path) {
            Ok(found) => Ok(found),
            Err(Fault::NotJson) => Ok(None),
            Err(Fault::Twice) => Err(Reason::Twice { place: format!("the body's {path}") }),
        }
    }

    /// What stands at a place: `header.x-id`, `query.id`, `body.id`.
    pub fn at(&self, place: &str) -> Option<String> {
        match place.split_once('.')? {
            ("header", name) => self.header(name).map(str::to_owned),
            ("query", name) => self.query(name),
            (_, path) => self.json(path),
        }
    }

    /// What stands at the first of these places; `body.a+body.b` is both with a colon between.
    pub fn first_of(&self, places: &[String]) -> Option<String> {
        places.iter().find_map(|place| {
            let parts: Option<Vec<String>> = place.split('+').map(|place| self.at(place)).collect();
            Some(parts?.join(":"))
        })
    }

    /// What stands at the first of these places that has anything: one id, or of a batch one for
    /// each of its items, `body[].id`, when every item has one and there are `BATCH_MAX` at most.
    pub fn ids(&self, places: &[String]) -> Vec<String> {
        let found = places.iter().find_map(|place| match place.split_once("[].") {
            None => self.first_of(std::slice::from_ref(place)).map(|id| vec![id]),
            Some((list, _)) => self.batch_ids(place, list),
        });
        found.unwrap_or_default()
    }

    fn batch_ids(&self, place: &str, list: &str) -> Option<Vec<String>> {
        let path = list.strip_prefix("body")?.trim_start_matches('.');
        let items = self.items(path).ok()??;
        let paths: Option<Vec<&str>> =
            place.split('+').map(|part| part.strip_prefix(list)?.strip_prefix("[].")).collect();
        let paths = paths?;
        let id = |item: &&RawValue| {
            let parts: Option<Vec<String>> = paths
                .iter()
                .map(|path| json::text(item.get().as_bytes(), path).ok().flatten())
                .collect();
            Some(parts?.join(":"))
        };
        if (1..=BATCH_MAX).contains(&items.len()) { items.iter().map(id).collect() } else { None }
    }

    /// What must stand at a place.
    pub(super) fn needed(&self, place: &str) -> Result<String, Reason> {
        let found = match place.split_once('.') {
            Some(("header", name)) if self.headers(name).nth(1).is_some() => {
                return Err(Reason::Twice { place: format!("the header {name}") });
            }
            Some(("body", path)) => self.field(path)?,
            _ => self.at(place),
        };
        let name = || match place.split_once('.') {
            Some(("header", name)) => format!("the header {name}"),
            Some(("query", name)) => format!("the query's {name}"),
            _ => format!("the body's {}", place.strip_prefix("body.").unwrap_or(place)),
        };
        found.ok_or_else(|| Reason::Missing { place: name() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers =
            [header("X-Id", " 7 "), header("x-two", "a"), header("X-Two", "b"), header("e", "")];
        let request = Request {
            method: "POST",
            url: "https://h.example/in?a=1&a=2&b=%20&c=3",
            headers: &headers,
            body: br#"{"a":{"b":[{"id":"x"},{"id":5}]},"t":true,"n":null}"#,
        };
        assert_eq!(request.header("x-id"), Some("7"));
        assert_eq!(request.header("x-two"), None, "two of them");
        assert_eq!(request.query("a"), None, "two of them");
        assert_eq!(request.query("c").as_deref(), Some("3"));
        assert_eq!(request.query("b").as_deref(), Some(" "));
        assert_eq!(request.json("a.b.1.id").as_deref(), Some("5"));
        assert_eq!(request.json("t").as_deref(), Some("true"));
        assert_eq!((request.json("n"), request.json("a.c"), request.json("a")), (None, None, None));
        let batch = Request { body: br#"{"e":[{"i":1,"j":"a"},{"i":2,"j":"b"}]}"#, ..request };
        let ids = |place: &str| batch.ids(&[place.to_owned()]);
        assert_eq!(ids("body.e[].i+body.e[].j"), ["1:a", "2:b"]);
        assert!(ids("body.e[].k").is_empty() && ids("body[].i").is_empty());
        let list = Request { body: br#"[{"i":1},{"i":2}]"#, ..request };
        assert_eq!(list.ids(&["header.none".to_owned(), "body[].i".to_owned()]), ["1", "2"]);
        let places = ["header.none", "body.a.b.0.id", "query.c"].map(str::to_owned);
        assert_eq!(request.first_of(&places).as_deref(), Some("x"));
    }
}
