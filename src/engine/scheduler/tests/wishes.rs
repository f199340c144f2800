//! What receivers ask for, and what is set for one endpoint.

use super::*;
use crate::domain::delivery::DeadReason;
use crate::domain::endpoint::Disabled;
use crate::store::Verdict;

fn verdicts(outputs: &[Output]) -> Vec<Verdict> {
    let verdict = |output: &Output| match output {
        Output::Settle { verdict, .. } => Some(*verdict),
        _ => None,
    };
    outputs.iter().filter_map(verdict).collect()
}

#[test]
fn an_own_schedule_is_followed_to_its_end() {
    let mut bench = Bench::new(|_| {});
    bench.retry_schedule = Some(vec![Duration::from_secs(7)]);
    let id = bench.ready(100, 1).delivery();
    bench.accept(100, 1);
    let due = START + Duration::from_secs(7);
    assert_eq!(verdicts(&bench.fail(id)), [Verdict::RetryAt(due)]);
    bench.settled(id, Some(due));
    bench.wait(7);
    bench.fed(100, vec![Ready { attempts: 1, ..ready(100, 1, due) }], None);
    assert_eq!(verdicts(&bench.fail(id)), [Verdict::Dead(DeadReason::Exhausted)]);
}

#[test]
fn no_more_are_in_flight_than_the_endpoint_has_set() {
    let mut bench = Bench::new(|_| {});
    bench.max_in_flight = Some(2);
    let sent: usize = (1..9).map(|message| sent(&bench.accept(100, message)).len()).sum();
    assert_eq!(sent, 2);
}

#[test]
fn what_retry_after_says_holds_for_all_of_the_endpoint() {
    let mut bench = Bench::new(|_| {});
    let id = bench.ready(100, 1).delivery();
    bench.accept(100, 1);
    bench.retry_after = Some(Duration::from_secs(20));
    bench.answer(id, Outcome::Status, 429);
    assert_eq!(sent(&bench.accept(100, 2)), []);
    assert_eq!(sent(&bench.accept(200, 3)).len(), 1, "another endpoint");
    assert_eq!(sent(&bench.wait(19)), []);
    assert_eq!(sent(&bench.wait(1)).len(), 1);
    let asked = Ready { trigger: Trigger::Manual, ..bench.ready(100, 4) };
    bench.answer(bench.ready(100, 2).delivery(), Outcome::Status, 503);
    assert_eq!(sent(&bench.notice(Notice::Ready(asked))).len(), 1, "a person may");
}

#[test]
fn a_receiver_ends_a_message_or_all() {
    let mut bench = Bench::new(|_| {});
    let ids = [1, 2, 3].map(|message| {
        bench.accept(100, message);
        bench.ready(100, message).delivery()
    });
    bench.asks = Some(Asks::AbortMessage);
    let outputs = bench.answer(ids[0], Outcome::Status, 400);
    assert_eq!(verdicts(&outputs), [Verdict::Dead(DeadReason::Rejected)]);
    assert_eq!(verdicts(&bench.succeed(ids[1])), [Verdict::Delivered]);
    bench.asks = Some(Asks::Disable);
    let outputs = bench.answer(ids[2], Outcome::Status, 500);
    assert_eq!(verdicts(&outputs), [Verdict::Dead(DeadReason::Gone)]);
    let why = Disabled::Gone;
    assert!(outputs.contains(&Output::Disable { endpoint: endpoint(100), why }), "{outputs:?}");
}

#[test]
fn a_receiver_takes_a_message_and_wants_no_more() {
    let mut bench = Bench::new(|_| {});
    bench.accept(100, 1);
    bench.asks = Some(Asks::Disable);
    let outputs = bench.succeed(bench.ready(100, 1).delivery());
    assert_eq!(verdicts(&outputs), [Verdict::Delivered]);
    let why = Disabled::Gone;
    assert!(outputs.contains(&Output::Disable { endpoint: endpoint(100), why }), "{outputs:?}");
}

fn together(outputs: &[Output]) -> Vec<usize> {
    let count = |output: &Output| match output {
        Output::SendTogether(all) => Some(all.len()),
        Output::Send(_) => Some(1),
        _ => None,
    };
    outputs.iter().filter_map(count).collect()
}

#[test]
fn a_batch_goes_when_it_is_full_or_has_waited() {
    let mut bench = Bench::new(|_| {});
    bench.batch = Some(Batch { size: 3, wait_ms: 2_000, max_bytes: 1 });
    assert_eq!(together(&bench.accept(100, 1)), [0; 0]);
    assert_eq!(together(&bench.accept(100, 2)), [0; 0]);
    assert_eq!(together(&bench.accept(100, 3)), [3]);
    assert_eq!(bench.scheduler.load().in_flight, 1, "one request");
    bench.accept(100, 4);
    bench.wait(1);
    assert_eq!(together(&bench.accept(100, 5)), [0; 0]);
    assert_eq!(together(&bench.wait(1)), [2]);
    let asked = Ready { trigger: Trigger::Manual, ..bench.ready(100, 6) };
    assert_eq!(together(&bench.notice(Notice::Ready(asked))), [1]);
}

#[test]
fn a_batch_fails_and_comes_back_together() {
    let mut bench = Bench::new(|settings| settings.retry.jitter = 0.5);
    let all: Vec<_> = [1, 2].map(|message| bench.ready(100, message)).to_vec();
    bench.batch = Some(Batch { size: 2, wait_ms: 60_000, max_bytes: 1 });
    bench.accept(100, 1);
    bench.accept(100, 2);
    let finished = |ready: &Ready| Finished {
        delivery: ready.delivery(),
        outcome: Outcome::Status,
        status_code: 500,
        duration: Duration::ZERO,
        held: Duration::ZERO,
        retry_after: None,
        asks: None,
        retry_schedule: None,
        moved: false,
    };
    let finished = all.iter().map(finished).collect();
    let verdicts = verdicts(&bench.step(Input::FinishedTogether(finished)));
    assert_eq!(verdicts.len(), 2);
    assert_eq!(verdicts[0], verdicts[1], "due at the same time");
    assert_eq!(bench.scheduler.load().in_flight, 0);
    let mut other = Bench::new(|_| {});
    other.batch = bench.batch;
    other.accept(100, 1);
    other.accept(100, 2);
    assert_eq!(other.step(Input::ReleasedTogether(all)), []);
    assert_eq!(other.scheduler.load().in_flight, 0);
    assert_eq!(feeds(&other.wait(1)).len(), 1, "read again");
}
