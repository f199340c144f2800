//! Follows the deliveries of a message until each has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Client;
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, GOOD, OPEN, styled};
use super::token::wall_clock;
use super::{Outcome, output::count};
use crate::domain::time::Timestamp;

/// The first wait between two looks; each is half as long again, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(40);
const LAST_WAIT: Duration = Duration::from_secs(2);
/// The most pages of a list that are read.
const PAGES_MAX: usize = 40;

/// How a delivery stands, by the number that the API gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Delivered,
    Dead,
    Cancelled,
    Open,
}

impl Standing {
    fn of(item: &Value) -> Standing {
        match item["status"].as_u64() {
            Some(0) => Standing::Delivered,
            Some(2) => Standing::Dead,
            Some(4) => Standing::Cancelled,
            _ => Standing::Open,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Standing::Delivered => "delivered",
            Standing::Dead => "dead",
            Standing::Cancelled => "cancelled",
            Standing::Open => "waiting",
        }
    }
}

/// What has been printed already.
struct Follower<'client> {
    client: &'client Client,
    /// The message's path.
    path: String,
    attempts_path: String,
    json: bool,
    attempts: BTreeSet<String>,
    /// How many of them each endpoint had.
    numbers: BTreeMap<String, u32>,
    ended: BTreeSet<String>,
}

/// Prints attempts and ends as they come: exit code 0 when all are delivered, 1 when one is dead or
/// cancelled, 75 when one is still open at the end of `timeout`, or will surely be.
pub(super) fn follow(
    client: &Client,
    app: &str,
    message: &str,
    timeout: Duration,
    json: bool,
) -> Outcome {
    let mut follower = Follower {
        client,
        path: format!("/api/v1/app/{app}/msg/{message}/endpoint"),
        attempts_path: format!("/api/v1/app/{app}/attempt/msg/{message}"),
        json,
        attempts: BTreeSet::new(),
        numbers: BTreeMap::new(),
        ended: BTreeSet::new(),
    };
    let begun = Instant::now();
    let mut wait = FIRST_WAIT;
    // Bounded by the timeout: every round waits.
    loop {
        let deliveries = follower.look()?;
        let left = timeout.saturating_sub(begun.elapsed());
        let open: Vec<&Value> =
            deliveries.iter().filter(|item| Standing::of(item) == Standing::Open).collect();
        let deadline = wall_clock()? + left;
        let hopeless = !open.is_empty() && open.iter().all(|item| is_due_after(item, deadline));
        if open.is_empty() || hopeless || left.is_zero() {
            return follower.finish(&deliveries, begun.elapsed());
        }
        thread::sleep(wait.min(left));
        wait = (wait * 3 / 2).min(LAST_WAIT);
    }
}

fn is_due_after(item: &Value, deadline: Timestamp) -> bool {
    let due = item["nextAttempt"].as_str().and_then(Timestamp::parse_rfc3339);
    due.is_some_and(|due| due > deadline)
}

impl Follower<'_> {
    /// Prints what is new, and gives every delivery.
    fn look(&mut self) -> Result<Vec<Value>, Failure> {
        // Deliveries first: the attempt that ended one is there when its attempts are asked for.
        let deliveries = self.list(&self.path)?;
        let mut attempts = self.list(&self.attempts_path)?;
        attempts
            .retain(|attempt| attempt["id"].as_str().is_some_and(|id| !self.attempts.contains(id)));
        attempts.sort_by(|left, right| left["id"].as_str().cmp(&right["id"].as_str()));
        for attempt in &attempts {
            self.attempts.insert(attempt["id"].as_str().unwrap_or_default().to_owned());
            self.print_attempt(attempt)?;
        }
        for delivery in &deliveries {
            let standing = Standing::of(delivery);
            let id = delivery["id"].as_str().unwrap_or_default();
            if standing != Standing::Open && self.ended.insert(id.to_owned()) {
                self.print_end(delivery, standing)?;
            }
        }
        Ok(deliveries)
    }

    fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        let mut iterator = String::new();
        for _ in 0..PAGES_MAX {
            let page = self.client.get(&format!("{path}?limit=250{iterator}"))?;
            found.extend(page["data"].as_array().into_iter().flatten().cloned());
            match page["iterator"].as_str() {
                Some(next) if page["done"] == Value::Bool(false) => {
                    iterator = format!("&iterator={}", super::client::path_part(next));
                }
                _ => break,
            }
        }
        Ok(found)
    }

    fn print_attempt(&mut self, attempt: &Value) -> Result<(), Failure> {
        let field = |name: &str| output::plain(attempt[name].as_str().unwrap_or_default());
        let code = attempt["responseStatusCode"].as_i64().unwrap_or_default();
        let duration = attempt["responseDurationMs"].as_i64().unwrap_or_default();
        let number = self.numbers.entry(field("endpointId")).or_default();
        *number += 1;
        if self.json {
            return output::json(&json!({
                "attempt": field("id"), "number": number, "endpoint": field("endpointId"),
                "url": field("url"), "status_code": code, "duration_ms": duration,
                "status": field("statusText"),
            }));
        }
        let answer =
            if code == 0 { format!("no answer: {}", field("response")) } else { code.to_string() };
        let style = if (200..300).contains(&code) { GOOD } else { BAD };
        output::line(format!(
            "  {} {} {}",
            field("url"),
            styled(ASIDE, format!("attempt {number}, {duration} ms:")),
            styled(style, answer)
        ))
    }

    fn print_end(&self, delivery: &Value, standing: Standing) -> Result<(), Failure> {
        let id = delivery["id"].as_str().unwrap_or_default();
        let url = delivery["url"].as_str().unwrap_or_default();
        let word = standing.word();
        if self.json {
            return output::json(&json!({ "endpoint": id, "url": url, "delivery": word }));
        }
        let style = if standing == Standing::Delivered { GOOD } else { BAD };
        output::line(format!("{} {url} {}", styled(style, word), styled(ASIDE, id)))
    }

    fn finish(&self, deliveries: &[Value], took: Duration) -> Outcome {
        let number =
            |standing| deliveries.iter().filter(|item| Standing::of(item) == standing).count();
        let (delivered, open) = (number(Standing::Delivered), number(Standing::Open));
        let lost = number(Standing::Dead) + number(Standing::Cancelled);
        let exit = match (lost, open) {
            (0, 0) => Exit::Success,
            (0, _) => Exit::Temporary,
            _ => Exit::Failed,
        };
        if self.json {
            output::json(&json!({
                "delivered": delivered, "dead": number(Standing::Dead),
                "cancelled": number(Standing::Cancelled), "waiting": open,
            }))?;
            return Ok(exit);
        }
        if deliveries.is_empty() {
            output::line(styled(OPEN, "no endpoint of the application wants it"))?;
            return Ok(exit);
        }
        for item in deliveries.iter().filter(|item| Standing::of(item) == Standing::Open) {
            let next = item["nextAttempt"].as_str().map_or_else(
                || "until somebody enables its endpoint".to_owned(),
                |next| format!("until {next}"),
            );
            let url = item["url"].as_str().unwrap_or_default();
            output::line(format!("{} {url} {next}", styled(OPEN, "waiting")))?;
        }
        let total = count(deliveries.len(), "endpoint");
        let took = took.as_millis();
        output::line(styled(ASIDE, format!("{delivered} of {total} delivered after {took} ms")))?;
        Ok(exit)
    }
}
