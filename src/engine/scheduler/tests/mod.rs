//! One scenario a rule, through `step` alone.

use std::sync::Arc;
use std::time::Duration;

use super::{EndpointFacts, Finished, Input, Output, Scheduler, Settings};
use crate::config;
use crate::domain::delivery::{Asks, DeliveryId, Outcome, Trigger};
use crate::domain::delivery_settings::Batch;
use crate::domain::id::{ApplicationId, EndpointId, MessageId, Stamp};
use crate::domain::message::Message;
use crate::domain::throttle::Rate;
use crate::domain::time::Timestamp;
use crate::store::{BodyLocation, DuePage, Notice, Ready, StoredMessage};

mod disk;
mod fairness;
mod order;
mod pace;
mod rules;
mod standing;
mod wishes;

const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);

/// A scheduler, its time, and every endpoint enabled in the application of the same number / 100.
struct Bench {
    scheduler: Scheduler,
    now: Timestamp,
    rate: Option<u16>,
    application_rate: Option<u16>,
    unasked: bool,
    max_in_flight: Option<u16>,
    batch: Option<Batch>,
    /// How long answers take.
    takes: Duration,
    /// What answers ask for.
    retry_after: Option<Duration>,
    asks: Option<Asks>,
    retry_schedule: Option<Vec<Duration>>,
}

impl Bench {
    fn new(adjust: impl FnOnce(&mut Settings)) -> Bench {
        let mut settings = Settings::from(&config::Delivery::default());
        settings.retry.jitter = 0.0;
        adjust(&mut settings);
        let mut scheduler = Scheduler::new(settings, 1);
        // Long ago, as far as throttles go.
        scheduler.step(Timestamp::default(), Input::Tick, &mut Vec::new());
        Bench {
            scheduler,
            now: START,
            rate: None,
            application_rate: None,
            unasked: false,
            max_in_flight: None,
            batch: None,
            takes: Duration::from_millis(10),
            retry_after: None,
            asks: None,
            retry_schedule: None,
        }
    }

    /// What comes of an input; looks are answered at once.
    fn step(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.scheduler.step(self.now, input, &mut outputs);
        let (looks, mut outputs): (Vec<_>, Vec<_>) =
            outputs.into_iter().partition(|output| matches!(output, Output::Look(_)));
        for look in looks {
            if let Output::Look(endpoint) = look {
                let facts = Some(self.facts(endpoint, true));
                outputs.extend(self.step(Input::Facts { endpoint, facts }));
            }
        }
        outputs
    }

    fn facts(&self, endpoint: EndpointId, enabled: bool) -> EndpointFacts {
        EndpointFacts {
            application: ApplicationId::new(Stamp(endpoint.stamp().0 / 100)),
            enabled,
            throttle_rate: self.rate,
            application_throttle_rate: self.application_rate,
            allowed_rate: None,
            unasked: self.unasked,
            max_in_flight: self.max_in_flight,
            batch: self.batch,
        }
    }

    fn notice(&mut self, notice: Notice) -> Vec<Output> {
        self.step(Input::Notice(notice))
    }

    /// A message accepted now.
    fn accept(&mut self, endpoint: u64, message: u64) -> Vec<Output> {
        let ready = self.ready(endpoint, message);
        self.notice(Notice::Ready(ready))
    }

    fn ready(&self, endpoint: u64, message: u64) -> Ready {
        ready(endpoint, message, self.now)
    }

    fn answer(&mut self, delivery: DeliveryId, outcome: Outcome, status_code: u16) -> Vec<Output> {
        let duration = self.takes;
        let finished = Finished {
            delivery,
            outcome,
            status_code,
            duration,
            held: duration,
            retry_after: self.retry_after,
            asks: self.asks,
            retry_schedule: self.retry_schedule.clone(),
            moved: false,
        };
        self.step(Input::Finished(finished))
    }

    fn succeed(&mut self, delivery: DeliveryId) -> Vec<Output> {
        self.answer(delivery, Outcome::Delivered, 200)
    }

    fn fail(&mut self, delivery: DeliveryId) -> Vec<Output> {
        self.answer(delivery, Outcome::Status, 500)
    }

    fn settled(&mut self, delivery: DeliveryId, due: Option<Timestamp>) -> Vec<Output> {
        self.notice(Notice::Settled { delivery, due })
    }

    fn fed(&mut self, endpoint: u64, ready: Vec<Ready>, next: Option<Timestamp>) -> Vec<Output> {
        let page = DuePage { ready, next_due: next, ..DuePage::default() };
        self.step(Input::Fed { endpoint: self::endpoint(endpoint), page })
    }

    fn wait(&mut self, seconds: u64) -> Vec<Output> {
        self.now = self.now + Duration::from_secs(seconds);
        self.step(Input::Tick)
    }
}

fn endpoint(number: u64) -> EndpointId {
    EndpointId::new(Stamp(number))
}

fn ready(endpoint: u64, message: u64, due: Timestamp) -> Ready {
    let message = Message {
        id: MessageId::new(Stamp(Stamp::first_at(START).0 + message)),
        application: ApplicationId::new(Stamp(endpoint / 100)),
        event_type: "a".to_owned(),
        event_id: None,
        channels: Vec::new(),
        tags: Vec::new(),
        content_type: "text/plain".to_owned(),
        deliver_at: None,
        endpoints: Vec::new(),
        origin: None,
    };
    let nowhere = r#"{ "segment": 0, "offset": 0, "length": 0, "checksum": 0 }"#;
    let body: BodyLocation = serde_json::from_str(nowhere).expect("a body location");
    Ready {
        message: StoredMessage { message: Arc::new(message), body, head: None },
        endpoint: self::endpoint(endpoint),
        replay: 0,
        due,
        attempts: 0,
        trigger: Trigger::Scheduled,
        group: None,
    }
}

/// The deliveries sent, in order.
fn sent(outputs: &[Output]) -> Vec<DeliveryId> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send(ready) => Some(ready.delivery()),
        _ => None,
    });
    sent.collect()
}

/// The pages asked for: whose, and how many rows, with those that are held.
fn feeds(outputs: &[Output]) -> Vec<(u64, usize)> {
    let feeds = outputs.iter().filter_map(|output| match output {
        Output::Feed { endpoint, limit, held, .. } => {
            Some((endpoint.stamp().0, *limit + held.len()))
        }
        _ => None,
    });
    feeds.collect()
}
