//! The cases of `providers/handshakes.json`: how providers ask, and what has to be answered.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Case {
    pub provider: String,
    pub what: String,
    pub origin: String,
    pub now: u64,
    pub setup: Given,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub expected: Expected,
}

#[derive(Deserialize)]
pub struct Given {
    pub secrets: Vec<String>,
    pub verify_token: Option<String>,
    pub public_key: Option<String>,
    pub set_up_mode: bool,
    #[serde(default)]
    pub cloud_events: bool,
    #[serde(default)]
    pub documents: Vec<(String, String)>,
}

#[derive(Deserialize, PartialEq, Debug, Default)]
#[serde(default)]
pub struct Expected {
    pub kind: String,
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub secret: String,
    pub url: String,
    pub reason: String,
}

/// All of them.
pub fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../providers/handshakes.json")).unwrap()
}
