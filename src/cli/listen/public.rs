//! A source that is there for as long as somebody looks at what comes to it.

use std::time::Duration;

use serde_json::json;

use crate::cli::client::{Client, path_part};
use crate::cli::failure::Failure;
use crate::cli::token::{random, wall_clock};
use crate::domain::source::METHODS;
use crate::domain::time::Timestamp;

const PATH: &str = "/api/v1/source";
/// The relay deletes it after so long, when this has ended without a word.
const LASTS: Duration = Duration::from_secs(24 * 3_600);
/// While this runs it is given more time this often.
pub const RENEWED: Duration = Duration::from_secs(12 * 3_600);

/// A source of its own.
pub struct Public {
    /// Its id.
    pub id: String,
    /// What is given away: who knows it may post to it.
    pub url: String,
}

impl Public {
    /// Makes one, which takes any request of any method and verifies nothing. It makes no messages:
    /// nothing that comes is delivered anywhere.
    pub fn make(client: &Client, application: Option<&str>) -> Result<Public, Failure> {
        let digits: String = random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = json!({
            "name": "relay listen --public", "uid": format!("listen-{digits}"),
            "type": "generic-webhook", "application": application, "methods": METHODS,
            "mode": "inspect", "dedup": "off", "expiresAt": end()?.to_string(),
        });
        let made = client.post(PATH, &body.to_string())?;
        let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
        Ok(Public { id: text("id"), url: text("ingestUrl") })
    }

    /// Gives it more time.
    pub fn renew(&self, client: &Client) -> Result<(), Failure> {
        let body = json!({ "expiresAt": end()?.to_string() });
        client.patch(&self.path(), &body.to_string()).map(|_| ())
    }

    /// Deletes it; its URL is gone at once.
    pub fn delete(&self, client: &Client) -> Result<(), Failure> {
        client.delete(&format!("{}?discard_held=true", self.path())).map(|_| ())
    }

    fn path(&self) -> String {
        format!("{PATH}/{}", path_part(&self.id))
    }
}

fn end() -> Result<Timestamp, Failure> {
    Ok(wall_clock()? + LASTS)
}
