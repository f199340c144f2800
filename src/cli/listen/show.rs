//! What a listener prints, whichever of its threads has something to say.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::target::Original;
use crate::cli::failure::Failure;
use crate::cli::output::{self, ASIDE, BAD, GOOD, OPEN, plain, plain_lines, styled};
use crate::cli::tail;
use crate::cli::token::wall_clock;

/// Bytes of a body that are shown.
const BODY_SHOWN: usize = 64 << 10;

/// What was forwarded, for `r` and `d`.
#[derive(Clone, Debug)]
pub struct Last {
    /// Of which subscription.
    pub label: usize,
    /// The event's id.
    pub id: String,
    /// What kind of event it is.
    pub event_type: String,
    /// The bytes.
    pub original: Original,
}

/// Where it is printed; one line after the other.
pub struct Show {
    json: bool,
    last: Mutex<Option<Last>>,
}

/// One request that was forwarded, for a line.
pub struct Line<'a> {
    /// Which subscription it came by.
    pub from: &'a str,
    /// What kind of event it is.
    pub event_type: &'a str,
    /// The event's id.
    pub id: &'a str,
    /// Where it went.
    pub target: &'a str,
}

impl Show {
    /// As JSON, an object a line, or for people.
    pub fn new(json: bool) -> Show {
        Show { json, last: Mutex::default() }
    }

    /// Whether it is for scripts.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// What was forwarded last.
    pub fn last(&self) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This was.
    pub fn set_last(&self, last: Last) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// The relay says that the stream is there.
    pub fn connected(&self, from: &str, position: Option<&str>) -> Result<(), Failure> {
        if self.json {
            return self.object("connected", json!({ "from": from, "position": position }));
        }
        output::line(format!("{}  {from}", styled(GOOD, "connected")))
    }

    /// It is not there.
    pub fn lost(&self, from: &str, why: &str, wait: Duration) -> Result<(), Failure> {
        if self.json {
            let seconds = wait.as_secs_f64();
            return self.object("lost", json!({ "from": from, "why": why, "retryIn": seconds }));
        }
        output::line(format!("{}  {from}", styled(BAD, tail::lost(why, wait))))
    }

    /// What is gone can't be forwarded.
    pub fn gap(&self, from: &str, data: &Value) -> Result<(), Failure> {
        if self.json {
            return self.object("gap", json!({ "from": from, "data": data }));
        }
        output::line(format!("{}  {from}", styled(BAD, tail::gap(data))))
    }

    /// Something that is not as it should be.
    pub fn problem(&self, from: &str, words: &str) -> Result<(), Failure> {
        if self.json {
            return self.object("problem", json!({ "from": from, "detail": words }));
        }
        output::line(format!("{}  {from}", styled(BAD, plain(words))))
    }

    /// The target has answered.
    pub fn answered(&self, line: &Line<'_>, status: u16, took: Duration) -> Result<(), Failure> {
        let millis = took.as_millis();
        if self.json {
            let mut data = line.data();
            data["status"] = status.into();
            data["ms"] = u64::try_from(millis).unwrap_or(u64::MAX).into();
            return self.object("forwarded", data);
        }
        let style = if (200..300).contains(&status) { GOOD } else { BAD };
        let status = styled(style, status);
        output::line(format!("{}  {status}  {millis} ms", line.text()?))
    }

    /// It has not; `next` says when it is tried again.
    pub fn failed(
        &self,
        line: &Line<'_>,
        why: &str,
        next: Option<Duration>,
    ) -> Result<(), Failure> {
        if self.json {
            let mut data = line.data();
            data["why"] = why.into();
            data["retryIn"] = next.map(|wait| wait.as_secs_f64()).into();
            return self.object("failed", data);
        }
        let then = match next {
            Some(wait) => format!("; trying again in {} s", wait.as_secs_f64()),
            None => "; given up, r sends it again".to_owned(),
        };
        output::line(format!("{}  {}{then}", line.text()?, styled(BAD, plain(why))))
    }

    /// A request in full.
    pub fn request(&self, event: &Value, original: Option<&Original>) -> Result<(), Failure> {
        if self.json {
            return self.object("request", event.clone());
        }
        let text = |field: &str| event[field].as_str().map(plain).unwrap_or_default();
        let Some(original) = original else {
            return output::line(format!("{}  {}", text("timestamp"), text("problem")));
        };
        let query = if original.query.is_empty() { "" } else { "?" };
        let line = format!("{} {}{query}{}", original.method, original.path, original.query);
        output::line(format!(
            "\n{}  {}  {}",
            styled(ASIDE, text("timestamp")),
            styled(GOOD, plain(&line)),
            styled(ASIDE, format!("{}  {}", text("verdict"), text("id"))),
        ))?;
        for (name, value) in &original.headers {
            let value = plain(value);
            output::line(format!("{}  {value}", styled(ASIDE, format!("{}:", plain(name)))))?;
        }
        self.body(&original.body)
    }

    /// The body of a request.
    pub fn body(&self, body: &[u8]) -> Result<(), Failure> {
        if body.is_empty() {
            return output::line(styled(ASIDE, "(no body)"));
        }
        let shown = &body[..body.len().min(BODY_SHOWN)];
        match std::str::from_utf8(body) {
            Ok(_) => output::line(plain_lines(&String::from_utf8_lossy(shown)))?,
            Err(_) => {
                let words = format!("({} bytes that are no text)", body.len());
                output::line(styled(ASIDE, words))?;
            }
        }
        if body.len() > shown.len() {
            let words = format!("({} bytes in all)", body.len());
            output::line(styled(ASIDE, words))?;
        }
        Ok(())
    }

    /// What a key can do, or that it can do nothing.
    pub fn note(&self, words: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { output::line(styled(OPEN, words)) }
    }

    fn object(&self, kind: &str, mut data: Value) -> Result<(), Failure> {
        data["kind"] = kind.into();
        data["at"] = wall_clock()?.to_string().into();
        output::json(&data)
    }
}

impl Line<'_> {
    fn data(&self) -> Value {
        json!({
            "from": self.from, "eventType": self.event_type, "id": self.id,
            "target": self.target,
        })
    }

    fn text(&self) -> Result<String, Failure> {
        let now = wall_clock()?.to_string();
        Ok(format!(
            "{}  {}  {}  {}",
            styled(ASIDE, now),
            plain(self.event_type),
            styled(ASIDE, plain(self.id)),
            styled(ASIDE, self.target),
        ))
    }
}
