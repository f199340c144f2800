//! What was sent and what came back.

use serde::{Deserialize, Serialize};

use super::{Record, RecordError, parse};
use crate::domain::delivery::AttemptContent;

/// Before there were transformations.
#[derive(Serialize, Deserialize)]
struct AttemptContentV1 {
    url: String,
    request_headers: Vec<(String, String)>,
    response_headers: Vec<(String, String)>,
    response_body: Vec<u8>,
}

impl Record for AttemptContent {
    const VERSION: u8 = 2;

    fn read(version: u8, bytes: &[u8]) -> Result<AttemptContent, RecordError> {
        match version {
            1 => parse::<AttemptContentV1>(bytes).map(|old| AttemptContent {
                url: old.url,
                request_headers: old.request_headers,
                response_headers: old.response_headers,
                response_body: old.response_body,
                console: Vec::new(),
            }),
            2 => parse(bytes),
            newer => Err(RecordError::Newer(newer)),
        }
    }
}
