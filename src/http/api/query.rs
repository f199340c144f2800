//! Query parameters: unknown ones are ignored, wrong ones are not.

use url::form_urlencoded;

use crate::domain::time::Timestamp;
use crate::http::error::ApiError;

/// Parameters of a request at most.
const PAIRS_MAX: usize = 200;

/// The parameters in their order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark.
    pub fn parse(text: &str) -> Result<Query, ApiError> {
        let pairs = form_urlencoded::parse(text.as_bytes()).take(PAIRS_MAX + 1);
        let pairs = pairs.map(|(name, value)| (name.into_owned(), value.into_owned()));
        let pairs: Vec<_> = pairs.collect();
        if pairs.len() > PAIRS_MAX {
            let words = format!("must have at most {PAIRS_MAX} parameters");
            return Err(ApiError::invalid(&["query"], words));
        }
        Ok(Query(pairs))
    }

    /// The last value given; an empty one is none.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.text(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(wrong(name, "is true or false")),
        }
    }

    /// A number that is not negative.
    pub fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let read = |text: &str| text.parse().map_err(|_| wrong(name, "is a number, 0 or more"));
        self.text(name).map(read).transpose()
    }

    /// A point in time.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let read = |text: &str| {
            // A plus sign that nobody encoded arrives as a space.
            Timestamp::parse_rfc3339(&text.replace(' ', "+"))
                .ok_or_else(|| wrong(name, "is a time such as 2026-11-21T00:00:00Z"))
        };
        self.text(name).map(read).transpose()
    }

    /// A list: joined by commas, given more than once, or both.
    pub fn list(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("{name}["), "]");
        let named = |key: &str| key == name || key.starts_with(&open) && key.ends_with(close);
        let values = self.0.iter().filter(|(key, _)| named(key));
        let parts = values.flat_map(|(_, value)| value.split(','));
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

/// The answer to a parameter that breaks its rule.
pub fn wrong(name: &str, rule: &str) -> ApiError {
    ApiError::invalid(&["query", name], format!("{name} {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let query = Query::parse(
            "a=1&b=true&event_types=x,y&event_types[]=z&event_types[3]=w&e=\
             &t=2026-11-21T01:00:00+01:00",
        )
        .unwrap();
        assert_eq!(query.number("a").unwrap(), Some(1));
        assert!(query.flag("b", false).unwrap() && query.flag("c", true).unwrap());
        assert_eq!(query.list("event_types"), ["x", "y", "z", "w"]);
        assert_eq!((query.text("e"), query.text("nothing")), (None, None));
        assert_eq!(query.time("t").unwrap().unwrap().to_string(), "2026-11-21T00:00:00Z");
        assert!(query.number("b").is_err() && query.flag("a", true).is_err());
        assert!(query.time("a").is_err());
        assert!(Query::parse(&"a=1&".repeat(PAIRS_MAX)).is_ok());
        assert!(Query::parse(&"a=1&".repeat(PAIRS_MAX + 1)).is_err());
    }
}
