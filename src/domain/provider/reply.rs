//! What a provider wants to hear when an event was taken.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The answer to an event: any 2xx for most, a certain body for some.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// The status, one of 2xx.
    pub status: u16,
    /// Its headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

impl Default for Reply {
    fn default() -> Self {
        let kind = ("content-type".to_owned(), "application/json".to_owned());
        Reply { status: 200, headers: BTreeMap::from([kind]), body: "{}".to_owned() }
    }
}
