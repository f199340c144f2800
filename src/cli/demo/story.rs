//! What happens in the demo, told as it happens.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde_json::{Value, json};

use super::cut_short;
use super::receiver::{BAD_MOMENT, Receiver};
use crate::cli::Outcome;
use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, ASIDE, BAD, GOOD, OPEN, styled};
use crate::cli::token::wall_clock;
use crate::domain::signature::SigningKey;
use crate::domain::time::Timestamp;

const MESSAGES: u64 = 5;
const TYPES: [&str; 3] = ["order.placed", "invoice.paid", "parcel.sent"];
/// The time between two looks.
const LOOK: Duration = Duration::from_millis(25);
/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A message on its way.
struct Sent {
    number: u64,
    id: String,
    attempts: usize,
    delivered: bool,
}

/// Who tells.
pub struct Story<'demo, E: Fn() -> bool> {
    client: &'demo Client,
    receiver: &'demo Receiver,
    json: bool,
    /// Whether the relay has ended.
    ended: E,
}

impl<'demo, E: Fn() -> bool> Story<'demo, E> {
    /// Of a relay and a receiver that run.
    pub fn new(client: &'demo Client, receiver: &'demo Receiver, json: bool, ended: E) -> Self {
        Story { client, receiver, json, ended }
    }

    /// Makes the endpoint, sends the messages and tells until all are delivered.
    pub fn tell(&self, hook: &str, key: &SigningKey) -> Outcome {
        let endpoint = json!({ "uid": "demo", "url": hook, "secret": key.text() });
        self.ask(|| self.client.post("/api/v1/app/default/endpoint", &endpoint.to_string()))?;
        let begun = Instant::now();
        let mut sent = Vec::new();
        for number in 1..=MESSAGES {
            let message = self.send(number)?;
            sent.push(message);
            self.look(&mut sent)?;
        }
        // Bounded by the patience: every round waits.
        while sent.iter().any(|message| !message.delivered) {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::failed(anyhow!("not delivered within {PATIENCE:?}")));
            }
            thread::sleep(LOOK);
            self.look(&mut sent)?;
        }
        self.summary(&sent, begun.elapsed())
    }

    fn send(&self, number: u64) -> Result<Sent, Failure> {
        let event_type = TYPES[number as usize % TYPES.len()];
        let body = json!({ "eventType": event_type, "payload": { "number": number } });
        let path = "/api/v1/app/default/msg?with_content=false";
        let posted = self.ask(|| self.client.post(path, &body.to_string()))?;
        let id = posted["id"].as_str().unwrap_or_default().to_owned();
        let sent = Sent { number, id, attempts: 0, delivered: false };
        self.say(
            &sent,
            json!({ "event": "accepted", "event_type": event_type }),
            &format!("accepted, {event_type} {}", styled(ASIDE, &sent.id)),
        )?;
        Ok(sent)
    }

    /// Tells what is new of every message that is not delivered yet.
    fn look(&self, sent: &mut [Sent]) -> Result<(), Failure> {
        for message in sent.iter_mut().filter(|message| !message.delivered) {
            let id = &message.id;
            let path = format!("/api/v1/app/default/attempt/msg/{id}?limit=50&with_content=false");
            let attempts = self.ask(|| self.client.get(&path))?;
            let path = format!("/api/v1/app/default/msg/{id}/endpoint");
            let deliveries = self.ask(|| self.client.get(&path))?;
            let delivery = &deliveries["data"][0];
            let empty = Vec::new();
            let mut attempts: Vec<&Value> =
                attempts["data"].as_array().unwrap_or(&empty).iter().collect();
            attempts.sort_by_key(|attempt| attempt["id"].as_str().unwrap_or_default());
            let due = delivery["nextAttempt"].as_str().and_then(Timestamp::parse_rfc3339);
            for (index, attempt) in attempts.iter().enumerate().skip(message.attempts) {
                let due = due.filter(|_| index + 1 == attempts.len());
                self.say_attempt(message, index + 1, attempt, due)?;
            }
            message.attempts = attempts.len().max(message.attempts);
            let is_told = attempts.last().is_some_and(|attempt| is_success(attempt));
            if delivery["status"] == 0 && is_told {
                message.delivered = true;
                let text = styled(GOOD, "delivered");
                self.say(message, json!({ "event": "delivered" }), &text)?;
            }
        }
        Ok(())
    }

    fn say_attempt(
        &self,
        message: &Sent,
        number: usize,
        attempt: &Value,
        due: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let code = attempt["responseStatusCode"].as_u64().unwrap_or_default();
        let verified = self.receiver.seen(&message.id).verified > 0;
        let word = if verified { "signature verified" } else { "signature not verified" };
        let mut told = json!({
            "event": "attempt", "attempt": number, "status_code": code, "verified": verified,
        });
        if is_success(attempt) {
            let text = format!("attempt {number}: {word}, answered {}", styled(GOOD, code));
            return self.say(message, told, &text);
        }
        let wait = due.map(|due| Ok::<_, Failure>(due.since(wall_clock()?))).transpose()?;
        let mut text = format!("attempt {number}: {word}, but it answered {}", styled(BAD, code));
        if let Some(wait) = wait {
            told["retry_in_ms"] = json!(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            let retry = format!("retry in {:.1} s", wait.as_secs_f32());
            text = format!("{text}, {}", styled(OPEN, retry));
        }
        self.say(message, told, &text)
    }

    fn say(&self, message: &Sent, mut told: Value, text: &str) -> Result<(), Failure> {
        if self.json {
            told["number"] = json!(message.number);
            told["message"] = json!(message.id);
            return output::json(&told);
        }
        output::line(format!("message {}  {text}", message.number))
    }

    fn summary(&self, sent: &[Sent], took: Duration) -> Outcome {
        let attempts: usize = sent.iter().map(|message| message.attempts).sum();
        let seen = sent.iter().map(|message| self.receiver.seen(&message.id));
        let handled = seen.clone().filter(|seen| seen.handled).count();
        let refused: u32 = seen.map(|seen| seen.refused).sum();
        let exit = if refused == 0 && handled == sent.len() { Exit::Success } else { Exit::Failed };
        if self.json {
            output::json(&json!({
                "event": "summary", "accepted": sent.len(), "delivered": sent.len(),
                "attempts": attempts, "handled": handled, "bad_signatures": refused,
            }))?;
            return Ok(exit);
        }
        output::line("")?;
        let (total, seconds) = (sent.len(), took.as_secs_f32());
        let signatures = if refused == 0 {
            "every signature verified".to_owned()
        } else {
            format!("{refused} signatures did not verify")
        };
        output::line(format!(
            "{total} messages accepted, {total} delivered in {attempts} attempts within \
             {seconds:.1} s; {signatures}, {handled} messages handled once each"
        ))?;
        let again = format!(
            "message {BAD_MOMENT} was tried again because its receiver failed, with the same \
             webhook-id each time"
        );
        output::line(styled(ASIDE, again))?;
        Ok(exit)
    }

    /// What the relay answers; when it has ended, that and not the unanswered call is the news.
    fn ask(&self, call: impl Fn() -> Result<Value, Failure>) -> Result<Value, Failure> {
        call().map_err(|failure| if (self.ended)() { cut_short() } else { failure })
    }
}

fn is_success(attempt: &Value) -> bool {
    attempt["responseStatusCode"].as_u64().is_some_and(|code| (200..300).contains(&code))
}
