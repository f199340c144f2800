//! Many writers at once, and what was acknowledged to them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::client::{Client, is_whole};

/// A message whose 2xx was read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Acknowledged {
    pub number: u64,
    pub fill: usize,
}

/// Every message acknowledged so far, and what else came back.
#[derive(Default)]
pub struct Load {
    pub acknowledged: Mutex<BTreeMap<String, Acknowledged>>,
    /// Answers that were no 2xx, by status.
    pub refused: Mutex<BTreeMap<u16, (u64, String)>>,
    numbers: AtomicU64,
    stop: AtomicBool,
}

/// Has the writers end, and so the test, when what is done beside them panics too.
struct Stop<'load>(&'load Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Load {
    /// Lets `writers` post until the relay goes away or [`Load::stop`]; `meanwhile` runs beside
    /// them. Returns the ids acknowledged in this round.
    pub fn run(
        &self,
        client: &Client,
        writers: usize,
        fill: &(dyn Fn(u64) -> usize + Sync),
        meanwhile: impl FnOnce(&Load),
    ) -> Vec<String> {
        self.stop.store(false, Ordering::SeqCst);
        let round = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..writers {
                scope.spawn(|| self.write(client, fill, &round));
            }
            let _stop = Stop(self);
            meanwhile(self);
        });
        round.into_inner().unwrap()
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    fn write(
        &self,
        client: &Client,
        fill: &(dyn Fn(u64) -> usize + Sync),
        round: &Mutex<Vec<String>>,
    ) {
        while !self.stop.load(Ordering::SeqCst) {
            let number = self.numbers.fetch_add(1, Ordering::SeqCst);
            let fill = fill(number);
            let Ok((status, body)) = client.send("load", number, fill) else { return };
            if status != 202 {
                let mut refused = self.refused.lock().unwrap();
                let entry = refused.entry(status).or_insert((0, body.to_string()));
                entry.0 += 1;
                continue;
            }
            let id = body["id"].as_str().unwrap().to_owned();
            round.lock().unwrap().push(id.clone());
            self.acknowledged.lock().unwrap().insert(id, Acknowledged { number, fill });
        }
    }

    /// Every one of `round` is in the relay, whole; returns how many were compared.
    pub fn check(&self, client: &Client, round: &[String]) -> usize {
        let Some(oldest) = round.iter().min() else { return 0 };
        let found = client.messages("load", Some(oldest));
        let acknowledged = self.acknowledged.lock().unwrap();
        for id in round {
            let sent = acknowledged[id];
            let payload = found.get(id).unwrap_or_else(|| panic!("{id} {sent:?} is lost"));
            assert!(is_whole(payload, sent.number, sent.fill), "{id} {sent:?} is torn");
        }
        round.len()
    }
}
