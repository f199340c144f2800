//! The load: posts messages over connections that are kept alive.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde::Deserialize;

use super::stopped_early;
use super::wire::Wire;
use crate::cli::failure::Failure;

/// Connections, each with one request at a time.
const CONNECTIONS: usize = 64;
/// The size of a payload, in bytes.
const PAYLOAD: usize = 512;
/// The time before a message is posted again that a busy relay did not take,
const REST: Duration = Duration::from_millis(5);
/// for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the receiver reads of a payload.
#[derive(Deserialize)]
pub struct Payload {
    /// Messages of a run count from 0.
    pub number: usize,
    /// When it was sent or due to be, in nanoseconds of the receiver's clock.
    pub sent: u64,
}

/// When messages are sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As soon as the one before is answered, on each connection.
    Closed,
    /// One after each interval, whether or not those before are answered.
    Every(Duration),
}

/// Whom to send what.
pub struct Load<'bench> {
    pub relay: SocketAddr,
    pub token: &'bench str,
    pub messages: usize,
    pub pace: Pace,
    /// The receiver's clock, in nanoseconds.
    pub now: &'bench (dyn Fn() -> u64 + Sync),
    pub stopped: &'bench (dyn Fn() -> bool + Sync),
}

/// How the relay took it.
#[derive(Default)]
pub struct Answers {
    /// From when each message was sent, or due to be, to the answer, in nanoseconds.
    pub latencies: Vec<u64>,
    /// Answers that asked to send again.
    pub busy: u64,
}

impl Load<'_> {
    /// Sends everything; all of it is accepted afterwards.
    pub fn send(&self) -> Result<Answers, Failure> {
        let next = AtomicUsize::new(0);
        let begun = (self.now)();
        let connections = CONNECTIONS.min(self.messages);
        thread::scope(|scope| {
            let send = || {
                let sent = self.send_some(&next, begun);
                if sent.is_err() {
                    // What one connection met, all would.
                    next.fetch_max(self.messages, Ordering::Relaxed);
                }
                sent
            };
            let threads: Vec<_> = (0..connections).map(|_| scope.spawn(send)).collect();
            let mut all = Answers::default();
            for thread in threads {
                let panicked = |_| Failure::failed(anyhow!("a part of the load panicked"));
                let some = thread.join().map_err(panicked)??;
                all.latencies.extend(some.latencies);
                all.busy += some.busy;
            }
            Ok(all)
        })
    }

    /// Sends over one connection what the others have not taken.
    fn send_some(&self, next: &AtomicUsize, begun: u64) -> Result<Answers, Failure> {
        let mut answers = Answers::default();
        let no_answer = |error| {
            let error = anyhow::Error::from(error).context("the relay ended a connection");
            Failure::failed(error).hint("--keep keeps its log")
        };
        let mut wire = Wire::connect(self.relay).map_err(no_answer)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.messages {
                return Ok(answers);
            }
            if (self.stopped)() {
                return Err(stopped_early());
            }
            let sent = self.until_due(number, begun);
            let request = self.request(number, sent);
            let tried = Instant::now();
            loop {
                wire.send(&request).map_err(no_answer)?;
                let answer = wire.receive().map_err(no_answer)?;
                let answer = answer.context("the relay ended a connection");
                let answer = answer.map_err(Failure::failed)?;
                match status(answer.first) {
                    Some(200..=299) => break,
                    Some(503) if tried.elapsed() < PATIENCE => answers.busy += 1,
                    _ => return Err(refused(answer.first, answer.body)),
                }
                thread::sleep(REST);
            }
            answers.latencies.push((self.now)().saturating_sub(sent));
        }
    }

    /// Waits for the time of a message, and gives it.
    fn until_due(&self, number: usize, begun: u64) -> u64 {
        let Pace::Every(interval) = self.pace else { return (self.now)() };
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let due = begun.saturating_add(interval.saturating_mul(number as u64));
        thread::sleep(Duration::from_nanos(due.saturating_sub((self.now)())));
        due
    }

    fn request(&self, number: usize, sent: u64) -> Vec<u8> {
        let payload = payload(number, sent);
        let body = format!(r#"{{"eventType":"bench.sent","payload":{payload}}}"#);
        let Load { relay, token, .. } = self;
        let length = body.len();
        format!(
            "POST /api/v1/app/default/msg?with_content=false HTTP/1.1\r\nhost: {relay}\r\n\
             authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn payload(number: usize, sent: u64) -> String {
    let known = format!(r#"{{"number":{number},"sent":{sent},"filler":""#);
    let filler = "x".repeat(PAYLOAD - known.len() - 2);
    format!(r#"{known}{filler}"}}"#)
}

fn status(first: &str) -> Option<u16> {
    first.split(' ').nth(1)?.parse().ok()
}

fn refused(first: &str, body: &[u8]) -> Failure {
    let body = String::from_utf8_lossy(body);
    Failure::failed(anyhow!("the relay took a message with `{first}`: {body}"))
        .hint("--keep keeps its log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_their_size_and_say_when_they_were_sent() {
        let check = |number, sent| {
            let text = payload(number, sent);
            let read: Payload = serde_json::from_str(&text).unwrap();
            assert_eq!((text.len(), read.number, read.sent), (PAYLOAD, number, sent), "{text}");
        };
        check(0, 0);
        check(usize::MAX, u64::MAX);
    }

    #[test]
    fn statuses() {
        let check = |first, expected| assert_eq!(status(first), expected, "{first}");
        check("HTTP/1.1 202 Accepted", Some(202));
        check("HTTP/1.1 503", Some(503));
        check("nothing", None);
    }
}
