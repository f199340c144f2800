//! What becomes of a delivery after an attempt, and what the attempt says of its receiver.

use std::time::Duration;

use super::words::Finished;
use crate::domain::delivery::{Asks, DeadReason, Outcome, Trigger};
use crate::domain::retry::RetryPolicy;
use crate::domain::time::Timestamp;
use crate::store::Verdict;

const GONE: u16 = 410;
const TOO_MANY: u16 = 429;
const BAD_GATEWAY: u16 = 502;
const UNAVAILABLE: u16 = 503;
const GATEWAY_TIMEOUT: u16 = 504;

/// After it a receiver that asked for more time is sent one delivery to see.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// How long until a transformation that failed is tried again, at most.
const UNMENDED: Duration = Duration::from_secs(3_600);

/// What an attempt says of its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    /// It took the delivery.
    Well,
    /// It is alive and did not want this one: a 3xx or 4xx.
    Refused,
    /// It wants nothing ever again.
    Gone,
    /// It is down or cannot be reached: counts for parking.
    Failed,
    /// It is down because it is too slow or has too much: halves the concurrency as well.
    Overloaded,
}

/// Reads an attempt as a sign of its receiver's health.
pub(super) fn sign(outcome: Outcome, status_code: u16) -> Sign {
    match (outcome, status_code) {
        (Outcome::Delivered, _) => Sign::Well,
        (Outcome::Dropped, _) => Sign::Refused,
        (Outcome::Status, GONE) => Sign::Gone,
        (Outcome::Status, TOO_MANY | BAD_GATEWAY | UNAVAILABLE | GATEWAY_TIMEOUT)
        | (Outcome::TimedOut, _) => Sign::Overloaded,
        (Outcome::Status, 100..500) => Sign::Refused,
        _ => Sign::Failed,
    }
}

/// Whether the receiver wants nothing ever again.
pub(super) fn is_gone(finished: &Finished) -> bool {
    let said = sign(finished.outcome, finished.status_code) == Sign::Gone;
    !finished.moved && (said || finished.asks == Some(Asks::Disable))
}

/// For how long its receiver wants nothing at all.
pub(super) fn pause(finished: &Finished) -> Option<Duration> {
    let obeyed = matches!(finished.status_code, TOO_MANY | UNAVAILABLE);
    finished.retry_after.filter(|_| obeyed).map(|asked| asked.min(PAUSE_MAX))
}

/// Decides after an attempt that ended at `now`, with `attempts` scheduled ones made before it.
/// `seed` decides the jitter.
pub(super) fn verdict(
    usual: &RetryPolicy,
    finished: &Finished,
    (trigger, attempts): (Trigger, u16),
    now: Timestamp,
    seed: u64,
) -> Verdict {
    if finished.outcome == Outcome::Delivered {
        return Verdict::Delivered;
    }
    if trigger == Trigger::Manual {
        return Verdict::Unchanged;
    }
    if is_gone(finished) {
        return Verdict::Dead(DeadReason::Gone);
    }
    if finished.asks == Some(Asks::AbortMessage) {
        return Verdict::Dead(DeadReason::Rejected);
    }
    if finished.outcome == Outcome::Dropped {
        return Verdict::Dropped;
    }
    let own = finished.retry_schedule.as_ref();
    let own = own.map(|own| RetryPolicy { schedule: own.clone(), jitter: usual.jitter });
    let policy = own.as_ref().unwrap_or(usual);
    if finished.outcome == Outcome::Transform {
        // It waits for somebody to mend it, and is never given up for it.
        let delay = policy.delay(attempts.saturating_add(1), seed, None);
        return Verdict::RetryAt(now + delay.unwrap_or(UNMENDED).min(UNMENDED));
    }
    let obeyed = matches!(finished.status_code, TOO_MANY | UNAVAILABLE);
    let retry_after = finished.retry_after.filter(|_| obeyed);
    match policy.delay(attempts.saturating_add(1), seed, retry_after) {
        Some(delay) => Verdict::RetryAt(now + delay),
        None if finished.outcome == Outcome::Blocked => Verdict::Dead(DeadReason::Blocked),
        None => Verdict::Dead(DeadReason::Exhausted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::DeliveryId;
    use crate::domain::id::{EndpointId, MessageId, Stamp};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn finished(outcome: Outcome, status_code: u16, retry_after: Option<u64>) -> Finished {
        Finished {
            delivery: DeliveryId {
                message: MessageId::new(Stamp(1)),
                endpoint: EndpointId::new(Stamp(2)),
                replay: 0,
            },
            outcome,
            status_code,
            duration: Duration::ZERO,
            held: Duration::ZERO,
            retry_after: retry_after.map(Duration::from_secs),
            asks: None,
            retry_schedule: None,
            moved: false,
        }
    }

    /// It was sent to where the endpoint was before, and is sent to where it is now.
    #[test]
    fn a_receiver_that_was_left_behind_ends_nothing() {
        let verdict = |moved, asks| {
            let finished = Finished { moved, asks, ..finished(Outcome::Status, 410, None) };
            let policy = RetryPolicy { schedule: vec![Duration::from_secs(5)], jitter: 0.0 };
            verdict(&policy, &finished, (Trigger::Scheduled, 0), NOW, 1)
        };
        for asks in [None, Some(Asks::Disable)] {
            assert_eq!(verdict(false, asks), Verdict::Dead(DeadReason::Gone));
            assert!(matches!(verdict(true, asks), Verdict::RetryAt(_)));
        }
    }

    /// Whom it proves itself to belongs to the endpoint.
    #[test]
    fn no_access_token_is_a_failure_of_the_endpoint() {
        assert_eq!(sign(Outcome::Token, 0), Sign::Failed);
    }

    #[test]
    fn every_kind_of_end() {
        let policy = RetryPolicy {
            schedule: vec![Duration::from_secs(5), Duration::from_secs(300)],
            jitter: 0.0,
        };
        let check = |finished: Finished, trigger: Trigger, attempts: u16, expected: Verdict| {
            let found = verdict(&policy, &finished, (trigger, attempts), NOW, 7);
            assert_eq!(found, expected, "{finished:?} {trigger:?} {attempts}");
        };
        use Trigger::{Manual, Scheduled};
        let again = |seconds: u64| Verdict::RetryAt(NOW + Duration::from_secs(seconds));
        check(finished(Outcome::Delivered, 204, None), Scheduled, 0, Verdict::Delivered);
        check(finished(Outcome::Delivered, 200, None), Manual, 9, Verdict::Delivered);
        check(finished(Outcome::Status, 500, None), Manual, 0, Verdict::Unchanged);
        check(finished(Outcome::Status, 410, None), Manual, 0, Verdict::Unchanged);
        check(finished(Outcome::Status, 410, None), Scheduled, 0, Verdict::Dead(DeadReason::Gone));
        check(finished(Outcome::Status, 302, None), Scheduled, 0, again(5));
        check(finished(Outcome::TimedOut, 0, None), Scheduled, 1, again(300));
        check(finished(Outcome::Blocked, 0, None), Scheduled, 0, again(5));
        let exhausted = Verdict::Dead(DeadReason::Exhausted);
        check(finished(Outcome::Broken, 0, None), Scheduled, 2, exhausted);
        check(finished(Outcome::Status, 429, Some(9)), Scheduled, 2, exhausted);
        let blocked = Verdict::Dead(DeadReason::Blocked);
        check(finished(Outcome::Blocked, 0, None), Scheduled, 2, blocked);
        check(finished(Outcome::Status, 429, Some(60)), Scheduled, 0, again(60));
        check(finished(Outcome::Status, 503, Some(0)), Scheduled, 0, again(5));
        check(finished(Outcome::Status, 503, Some(u64::MAX)), Scheduled, 0, again(305));
        check(finished(Outcome::Status, 500, Some(60)), Scheduled, 0, again(5));
        check(finished(Outcome::Dns, 0, None), Scheduled, u16::MAX, exhausted);
        check(finished(Outcome::Dropped, 0, None), Scheduled, 0, Verdict::Dropped);
        check(finished(Outcome::Dropped, 0, None), Manual, 0, Verdict::Unchanged);
        check(finished(Outcome::Transform, 0, None), Scheduled, 0, again(5));
        check(finished(Outcome::Transform, 0, None), Scheduled, u16::MAX, again(3_600));
    }

    #[test]
    fn signs() {
        let check = |outcome: Outcome, status: u16, expected: Sign| {
            assert_eq!(sign(outcome, status), expected, "{outcome:?} {status}");
        };
        check(Outcome::Delivered, 200, Sign::Well);
        check(Outcome::Status, 410, Sign::Gone);
        check(Outcome::Status, 301, Sign::Refused);
        check(Outcome::Status, 404, Sign::Refused);
        check(Outcome::Status, 429, Sign::Overloaded);
        check(Outcome::Status, 503, Sign::Overloaded);
        check(Outcome::Status, 500, Sign::Failed);
        check(Outcome::Status, 999, Sign::Failed);
        check(Outcome::TimedOut, 0, Sign::Overloaded);
        check(Outcome::Connect, 0, Sign::Failed);
        check(Outcome::Blocked, 0, Sign::Failed);
    }
}
