//! Where a listener goes on, kept on the relay.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::client::{Client, path_part};
use crate::cli::failure::Failure;

/// A place that moved without anything to do is written so seldom.
const QUIET: Duration = Duration::from_secs(3_600);
/// One that the relay could not be told, or would not hear, is told again after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// Characters of a name at most.
const NAME_MAX: usize = 256;

/// One listener's place.
pub struct Cursor {
    path: String,
    /// As the relay has it.
    held: Option<String>,
    /// When that was last tried.
    written: Instant,
    /// More is done than the relay could be told.
    behind: bool,
}

impl Cursor {
    /// Asks the relay where the listener of this name is; `application` is that in whose path its
    /// place is kept, so that a token of it may write it.
    pub fn find(client: &Client, application: Option<&str>, name: &str) -> Result<Cursor, Failure> {
        let owner = application.map(|name| format!("/app/{}", path_part(name)));
        let path =
            format!("/api/v1{}/listener/{}", owner.unwrap_or_default(), path_part(&tidy(name)));
        let answer = client.get_once(&path)?;
        let held = match answer.status {
            404 if answer.body["code"] == "not_found" => None,
            _ => client.accepted(answer)?["position"].as_str().map(str::to_owned),
        };
        Ok(Cursor { path, held, written: Instant::now(), behind: false })
    }

    /// Up to where everything is done.
    pub fn position(&self) -> Option<&str> {
        self.held.as_deref()
    }

    /// Everything up to there is done. When the relay can't be told, the next place that it is
    /// told stands for this one too.
    pub fn done(&mut self, client: &Client, position: &str) -> Result<(), Failure> {
        if self.held.as_deref() == Some(position) {
            return Ok(());
        }
        self.behind = true;
        self.written = Instant::now();
        let body = json!({ "position": position }).to_string();
        let answer: Value = client.put_once(&self.path, &body)?;
        self.behind = false;
        self.held = answer["position"].as_str().map(str::to_owned);
        Ok(())
    }

    /// Nothing was to be done up to there.
    pub fn passed(&mut self, client: &Client, position: &str) -> Result<(), Failure> {
        let patience = if self.behind { AGAIN } else { QUIET };
        if (self.behind || self.held.is_some()) && self.written.elapsed() < patience {
            return Ok(());
        }
        self.done(client, position)
    }
}

/// A name that the relay takes: what it can't hold becomes `-`.
pub fn tidy(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    name.chars().map(|letter| if fits(letter) { letter } else { '-' }).take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(tidy("anna's laptop.shop"), "anna-s-laptop.shop");
        assert_eq!(tidy("http://localhost:3000/"), "http---localhost-3000-");
        assert_eq!(tidy(&"a".repeat(300)).len(), NAME_MAX);
    }
}
