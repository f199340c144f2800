//! What an attempt was, for the scheduler, the store and the metrics.

use crate::domain::delivery::Trigger;
use crate::domain::time::Timestamp;
use crate::engine::attempt::Made;
use crate::engine::scheduler::Finished;
use crate::metrics::{DeliveryEnd, DeliveryLabels, Metrics};
use crate::store::{Ready, Settlement, Verdict};

/// What the scheduler is told of an attempt.
pub(super) fn told(ready: &Ready, made: &Made) -> Finished {
    let answer = &made.answer;
    Finished {
        delivery: ready.delivery(),
        outcome: answer.outcome,
        status_code: answer.status_code,
        duration: answer.duration,
        held: made.held,
        retry_after: answer.retry_after,
        asks: answer.asks(),
        retry_schedule: made.retry_schedule.clone(),
        moved: made.moved,
    }
}

pub(super) fn settlement(
    ready: &Ready,
    made: Made,
    trigger: Trigger,
    verdict: Verdict,
) -> Settlement {
    Settlement {
        delivery: ready.delivery(),
        due: ready.due,
        first_due: ready.message.message.first_due(),
        trigger,
        started_at: made.started_at,
        duration_ms: u32::try_from(made.answer.duration.as_millis()).unwrap_or(u32::MAX),
        status_code: made.answer.status_code,
        outcome: made.answer.outcome,
        verdict,
        content: made.content,
    }
}

pub(super) fn count(metrics: &Metrics, ready: &Ready, verdict: Verdict, now: Timestamp) {
    if verdict == Verdict::Delivered {
        metrics.flow.delivered(since_due(ready).map(|due| now.since(due)));
    }
    if let Some(outcome) = end(verdict) {
        metrics.deliveries.get_or_create(&DeliveryLabels { outcome }).inc();
    }
}

/// When a delivery was to be made first. Of one that a person asked for, or that was made again
/// and has failed since, nobody knows.
fn since_due(ready: &Ready) -> Option<Timestamp> {
    match (ready.trigger, ready.attempts, ready.replay) {
        (Trigger::Manual, _, _) => None,
        // With the endpoint's own delay.
        (Trigger::Scheduled, 0, _) => Some(ready.due),
        (Trigger::Scheduled, _, 0) => Some(ready.message.message.first_due()),
        (Trigger::Scheduled, _, _) => None,
    }
}

fn end(verdict: Verdict) -> Option<DeliveryEnd> {
    match verdict {
        Verdict::Delivered => Some(DeliveryEnd::delivered),
        Verdict::Dead(_) => Some(DeliveryEnd::dead),
        Verdict::Dropped => Some(DeliveryEnd::cancelled),
        Verdict::RetryAt(_) | Verdict::Unchanged => None,
    }
}
