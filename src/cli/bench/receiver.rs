//! The receiver: counts what arrives, answers 200 at once.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::load::Payload;
use super::wire::Wire;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// What is answered to a request that no endpoint of the run can have.
const STRANGE: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
/// How long none may arrive before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time between two looks whether the run was stopped.
const LOOK: Duration = Duration::from_millis(200);

/// Listens until the process ends.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    begun: Instant,
    shared: Arc<(Mutex<Tally>, Condvar)>,
}

/// What arrived in a run.
#[derive(Clone, Default)]
pub struct Tally {
    messages: usize,
    /// Whether it is there, by endpoint and number of the message.
    arrived: Vec<bool>,
    /// How many are not.
    pub missing: usize,
    /// Requests for deliveries that had arrived before.
    pub repeated: u64,
    /// From when each was sent, or due to be, to its arrival, in nanoseconds.
    pub latencies: Vec<u64>,
    /// When the last one came, in nanoseconds of [`Receiver::now`].
    pub last: u64,
}

impl Receiver {
    /// Begins to listen on a free port of 127.0.0.1.
    pub fn start() -> io::Result<Receiver> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let receiver = Receiver { address, begun: Instant::now(), shared: Arc::default() };
        let serving = receiver.clone();
        // Ends with the process, as its connections do: nothing is left to finish.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        Ok(receiver)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time in nanoseconds, by a clock that only goes forward.
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Forgets what came before.
    pub fn expect(&self, messages: usize, endpoints: usize) {
        let missing = messages * endpoints;
        let latencies = Vec::with_capacity(missing);
        let arrived = vec![false; missing];
        *self.tally() = Tally { messages, arrived, missing, latencies, ..Tally::default() };
    }

    /// What arrived, once all did, none did for half a minute, or `stopped` says so.
    pub fn wait(&self, stopped: impl Fn() -> bool) -> Tally {
        let mut tally = self.tally();
        let (mut missing, mut since) = (tally.missing, Instant::now());
        while tally.missing > 0 && since.elapsed() < PATIENCE && !stopped() {
            let waited = self.shared.1.wait_timeout(tally, LOOK);
            tally = waited.unwrap_or_else(PoisonError::into_inner).0;
            if tally.missing < missing {
                (missing, since) = (tally.missing, Instant::now());
            }
        }
        tally.clone()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the other side ends the connection: it sends again what it had no answer to.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream)?;
        while let Some(request) = wire.receive()? {
            let now = self.now();
            let endpoint =
                request.first.split(['/', ' ']).nth(2).and_then(|part| part.parse().ok());
            let payload: Option<Payload> = serde_json::from_slice(request.body).ok();
            let known = endpoint.zip(payload).is_some_and(|(endpoint, payload)| {
                let mut tally = self.tally();
                let known = tally.add(endpoint, &payload, now);
                if tally.missing == 0 {
                    self.shared.1.notify_all();
                }
                known
            });
            wire.send(if known { ANSWER } else { STRANGE })?;
        }
        Ok(())
    }
}

impl Tally {
    fn add(&mut self, endpoint: usize, payload: &Payload, now: u64) -> bool {
        if payload.number >= self.messages {
            return false;
        }
        let place = endpoint.checked_mul(self.messages).map(|begin| begin + payload.number);
        match place.and_then(|place| self.arrived.get_mut(place)) {
            None => return false,
            Some(true) => self.repeated += 1,
            Some(arrived) => {
                *arrived = true;
                self.missing -= 1;
                self.latencies.push(now.saturating_sub(payload.sent));
                self.last = now;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delivery_counts_once() {
        let mut tally =
            Tally { messages: 2, arrived: vec![false; 4], missing: 4, ..Tally::default() };
        let mut check = |endpoint, number, known, expected| {
            assert_eq!(tally.add(endpoint, &Payload { number, sent: 10 }, 15), known);
            assert_eq!((tally.missing, tally.repeated, tally.latencies.len()), expected);
        };
        check(0, 1, true, (3, 0, 1));
        check(0, 1, true, (3, 1, 1));
        check(1, 1, true, (2, 1, 2));
        // No message of the run, and no endpoint of it.
        check(0, 2, false, (2, 1, 2));
        check(2, 0, false, (2, 1, 2));
        check(usize::MAX, 0, false, (2, 1, 2));
    }
}
