//! One value of an event, told by where it stands: `body.customer.id`, `headers.x-shop`.

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Subject;
use super::node::Node;
use super::reference::Reference;

/// Bytes of a selector's text at most.
pub const SELECTOR_MAX: usize = 256;

/// Where a value stands, in the words of a filter's `$ref`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector(Reference);

impl PartialEq for Selector {
    fn eq(&self, other: &Selector) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Selector {}

impl Selector {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// A number that is the same for equal values, in every version of this program; `None` when
    /// nothing stands there. Different values have different ones but for a chance of 2⁻⁶⁴.
    pub fn key(&self, subject: &Subject<'_>) -> Option<u64> {
        let ip = OnceCell::new();
        let text = match self.0.resolve(Node::Root(subject, &ip), &[])? {
            Node::Json(Value::Null) => return None,
            Node::Json(value) => value.to_string(),
            Node::Text(text) => Value::from(text).to_string(),
            Node::Flag(flag) => flag.to_string(),
            node => {
                let items = node.items()?.filter_map(|item| match item {
                    Node::Text(text) => Some(text),
                    _ => None,
                });
                Value::from(items.collect::<Vec<_>>()).to_string()
            }
        };
        let digest = Sha256::digest(text.as_bytes());
        digest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Selector, String> {
        if text.len() > SELECTOR_MAX {
            return Err(format!("must have at most {SELECTOR_MAX} bytes"));
        }
        let reference = Reference::parse(&text).map_err(|problem| problem.to_string())?;
        if reference.is_relative() {
            return Err("[$index] has no meaning here: name the place with a number".to_owned());
        }
        Ok(Selector(reference))
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> String {
        selector.0.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_values_have_equal_keys() {
        let body = json!({"id": 7, "text": "7", "none": null, "shops": ["a", "b"]});
        let headers = [("X-Shop".to_owned(), "7".to_owned())];
        let subject = Subject { body: Some(&body), headers: &headers, ..Subject::default() };
        let key = |text: &str| Selector::try_from(text.to_owned()).unwrap().key(&subject);
        assert_eq!(key("body.text"), key("headers.x-shop"));
        assert_ne!(key("body.id"), key("body.text"));
        assert_ne!(key("body.shops[0]"), key("body.shops[1]"));
        assert!(key("body.shops").is_some());
        assert_eq!((key("body.none"), key("body.nobody.at")), (None, None));
        // Stored with deliveries: what it is now it stays.
        assert_eq!(key("body.id"), Some(0x7902_699b_e42c_8a8e));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "customer.id", "body.", "body[$index].id", "body[x]"] {
            assert!(Selector::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(Selector::try_from(format!("body.{}", "x".repeat(252))).is_err());
    }
}
