//! What an answer leads to: retries, parking, disabling, expiry, draining.

use super::*;
use crate::domain::delivery::DeadReason;
use crate::domain::endpoint::Disabled;
use crate::store::Verdict;

fn verdict(outputs: &[Output]) -> Option<Verdict> {
    outputs.iter().find_map(|output| match output {
        Output::Settle { verdict, .. } => Some(*verdict),
        _ => None,
    })
}

#[test]
fn a_failure_is_due_again_after_it_is_settled() {
    let mut bench = Bench::new(|_| {});
    let id = bench.ready(100, 1).delivery();
    bench.accept(100, 1);
    let due = START + Duration::from_secs(5);
    assert_eq!(verdict(&bench.fail(id)), Some(Verdict::RetryAt(due)));
    assert_eq!(bench.scheduler.next_wake(), None, "the store has not said so yet");
    assert_eq!(bench.settled(id, Some(due)), []);
    assert_eq!(bench.scheduler.next_wake(), Some(due));
    assert_eq!(feeds(&bench.wait(5)).len(), 1);
    let again = Ready { attempts: 1, ..ready(100, 1, due) };
    assert_eq!(sent(&bench.fed(100, vec![again], None)), [id]);
    let due = bench.now + Duration::from_secs(300);
    assert_eq!(verdict(&bench.fail(id)), Some(Verdict::RetryAt(due)));
}

#[test]
fn a_person_asks_and_gets_one_attempt() {
    let mut bench = Bench::new(|settings| settings.threads = 1);
    let manual =
        |bench: &Bench, message| Ready { trigger: Trigger::Manual, ..bench.ready(100, message) };
    let id = bench.ready(100, 1).delivery();
    let asked = manual(&bench, 1);
    assert_eq!(sent(&bench.notice(Notice::Ready(asked.clone()))), [id]);
    // Asked for again while it flies, and others wait.
    assert_eq!(bench.notice(Notice::Ready(asked)), []);
    bench.accept(100, 2);
    bench.accept(100, 3);
    let third = manual(&bench, 3);
    bench.notice(Notice::Ready(third.clone()));
    let outputs = bench.fail(id);
    assert_eq!(verdict(&outputs), Some(Verdict::Unchanged));
    assert_eq!(sent(&outputs), [third.delivery()], "before those that nobody asked for");
    assert_eq!(feeds(&bench.settled(id, None)).len(), 1, "the second ask is read from disk");
    assert_eq!(sent(&bench.succeed(third.delivery())).len(), 1);
}

#[test]
fn a_lane_that_fails_is_parked_probed_and_drained_at_a_ramp() {
    let mut bench = Bench::new(|_| {});
    let mut flying = Vec::new();
    for message in 1..=30 {
        flying.extend(sent(&bench.accept(100, message)));
    }
    for _ in 0..10 {
        let id = flying.remove(0);
        flying.extend(sent(&bench.fail(id)));
    }
    assert_eq!(bench.fed(100, vec![ready(100, 30, START)], Some(START)), [], "came too late");
    let load = bench.scheduler.load();
    assert_eq!((load.parked, load.queued), (1, 0), "the rest is on disk");
    for id in flying {
        assert_eq!(sent(&bench.fail(id)), []);
    }
    assert_eq!(bench.scheduler.next_wake(), Some(START + Duration::from_secs(5)));
    let mut probed = Vec::new();
    for wait in [5, 10, 20] {
        assert_eq!(bench.wait(wait - 1), []);
        assert_eq!(feeds(&bench.wait(1)).len(), 1);
        let row = ready(100, 100 + wait, START);
        let outputs = bench.fed(100, vec![row], Some(START));
        probed.extend(sent(&outputs));
        let verdict = verdict(&bench.fail(probed[probed.len() - 1]));
        assert!(matches!(verdict, Some(Verdict::RetryAt(_))), "an ordinary attempt");
    }
    bench.wait(40);
    let probe = sent(&bench.fed(100, vec![ready(100, 40, START)], Some(START)));
    let outputs = bench.succeed(probe[0]);
    assert_eq!(feeds(&outputs).len(), 1);
    let rows: Vec<Ready> = (200..220).map(|message| ready(100, message, START)).collect();
    let first = sent(&bench.fed(100, rows, None));
    assert_eq!(first.len(), 2, "the ramp");
    assert_eq!(sent(&bench.succeed(first[0])).len(), 2);
}

/// A transformation that fails or drops says nothing of a receiver that was not sent anything.
#[test]
fn what_is_not_sent_neither_parks_nor_disables() {
    for outcome in [Outcome::Transform, Outcome::Dropped] {
        let mut bench = Bench::new(|settings| settings.park_after = 2);
        let failed = bench.ready(100, 1).delivery();
        bench.accept(100, 1);
        bench.fail(failed);
        for message in 2..20 {
            let id = bench.ready(100, message).delivery();
            assert_eq!(sent(&bench.accept(100, message)), [id], "{outcome:?}");
            bench.wait(24 * 3_600);
            let outputs = bench.answer(id, outcome, 0);
            assert!(!outputs.iter().any(|output| matches!(output, Output::Disable { .. })));
            bench.settled(id, None);
        }
        assert_eq!(bench.scheduler.load().parked, 0);
    }
}

#[test]
fn a_person_may_try_a_parked_lane() {
    let mut bench = Bench::new(|settings| settings.park_after = 1);
    let id = bench.ready(100, 1).delivery();
    bench.accept(100, 1);
    bench.fail(id);
    bench.settled(id, None);
    assert_eq!(bench.accept(100, 2), []);
    let asked = Ready { trigger: Trigger::Manual, ..bench.ready(100, 1) };
    assert_eq!(sent(&bench.notice(Notice::Ready(asked))), [id]);
    assert_eq!(feeds(&bench.succeed(id)).len(), 1, "it works: what waits is read");
}

/// A connection that is refused takes no time: that is not what the receiver takes.
#[test]
fn a_refused_connection_leaves_the_concurrency_as_it_was() {
    let mut bench = Bench::new(|settings| settings.park_after = 1_000);
    bench.takes = Duration::from_millis(50);
    let mut flying: Vec<_> =
        (0..400).flat_map(|message| sent(&bench.accept(100, message))).collect();
    let mut answered = |bench: &mut Bench, count: usize, outcome: Outcome| {
        for _ in 0..count {
            let id = flying.remove(0);
            let status_code = if outcome == Outcome::Delivered { 200 } else { 0 };
            flying.extend(sent(&bench.answer(id, outcome, status_code)));
        }
        let standing = bench.scheduler.lane_standing(endpoint(100), bench.now);
        standing.map_or(0, |lane| lane.limit)
    };
    let grown = answered(&mut bench, 60, Outcome::Delivered);
    assert!(grown > 20, "{grown}");
    bench.takes = Duration::ZERO;
    answered(&mut bench, 1, Outcome::Connect);
    bench.takes = Duration::from_millis(50);
    assert!(answered(&mut bench, 20, Outcome::Delivered) >= grown);
}

/// As many as a person likes, and no more at once than the endpoint takes.
#[test]
fn resends_to_a_parked_lane_keep_to_what_may_be_in_flight() {
    let check = |max_in_flight: Option<u16>, expected: usize| {
        let mut bench = Bench::new(|settings| settings.park_after = 1);
        bench.max_in_flight = max_in_flight;
        let failed = bench.ready(100, 1).delivery();
        bench.accept(100, 1);
        bench.fail(failed);
        bench.settled(failed, None);
        let mut flying = Vec::new();
        for message in 2..5 {
            let asked = Ready { trigger: Trigger::Manual, ..bench.ready(100, message) };
            flying.extend(sent(&bench.notice(Notice::Ready(asked))));
        }
        assert_eq!(flying.len(), expected, "{max_in_flight:?}");
        let next = sent(&bench.fail(flying[0]));
        assert_eq!(next.len(), usize::from(expected < 3), "{max_in_flight:?}");
    };
    check(None, 3);
    check(Some(1), 1);
    check(Some(2), 2);
}

#[test]
fn gone_and_failing_for_days_disable() {
    let disabled = |outputs: &[Output]| {
        outputs.iter().find_map(|output| match output {
            Output::Disable { why, .. } => Some(*why),
            _ => None,
        })
    };
    let mut bench = Bench::new(|_| {});
    let ids: Vec<_> = (1..=2).map(|message| bench.ready(100, message).delivery()).collect();
    bench.accept(100, 1);
    bench.accept(100, 2);
    let outputs = bench.answer(ids[0], Outcome::Status, 410);
    assert_eq!(verdict(&outputs), Some(Verdict::Dead(DeadReason::Gone)));
    assert_eq!(disabled(&outputs), Some(Disabled::Gone));
    assert_eq!(disabled(&bench.answer(ids[1], Outcome::Status, 410)), None, "once");
    assert_eq!(bench.accept(100, 3), []);

    let mut bench = Bench::new(|settings| settings.disable_after = Duration::from_secs(60));
    bench.accept(100, 1);
    assert_eq!(disabled(&bench.fail(ids[0])), None);
    bench.now = START + Duration::from_secs(60);
    bench.accept(100, 2);
    assert_eq!(disabled(&bench.fail(ids[1])), Some(Disabled::Failing));

    // It failed for a minute, and relay was restarted meanwhile.
    let restarted = |since: u64| {
        let mut bench = Bench::new(|settings| settings.disable_after = Duration::from_secs(60));
        let since = START - Duration::from_secs(since);
        assert_eq!(bench.step(Input::Failing(vec![(ids[0].endpoint, since)])), []);
        bench.accept(100, 1);
        bench
    };
    assert_eq!(disabled(&restarted(60).fail(ids[0])), Some(Disabled::Failing));
    assert_eq!(disabled(&restarted(59).fail(ids[0])), None);
    let mut bench = restarted(60);
    assert_eq!(disabled(&bench.succeed(ids[0])), None);
    bench.accept(100, 2);
    assert_eq!(disabled(&bench.fail(ids[1])), None, "it was well between");
}

#[test]
fn what_is_too_old_is_not_sent() {
    let mut bench = Bench::new(|settings| settings.expire_after = Some(Duration::from_secs(60)));
    bench.step(Input::Lanes(vec![(endpoint(100), START)]));
    bench.now = START + Duration::from_secs(60);
    let rows = vec![
        ready(100, 1, START),
        Ready { attempts: 1, ..ready(100, 2, START + Duration::from_secs(30)) },
        ready(100, 3, START + Duration::from_secs(1)), // put back a second later
        Ready { trigger: Trigger::Manual, ..ready(100, 4, START) },
    ];
    let names: Vec<_> = rows.iter().map(Ready::delivery).collect();
    let outputs = bench.fed(100, rows, None);
    assert_eq!(sent(&outputs), [names[3], names[2]]);
    let expired: Vec<_> =
        outputs.iter().filter(|output| matches!(output, Output::Expire(_))).collect();
    assert_eq!(expired, [&Output::Expire(names[0]), &Output::Expire(names[1])]);
}

#[test]
fn a_released_delivery_goes_out_later() {
    let mut bench = Bench::new(|_| {});
    bench.accept(100, 1);
    let back = bench.ready(100, 1);
    assert_eq!(bench.step(Input::Released(back.clone())), []);
    assert_eq!(bench.scheduler.load().in_flight, 0);
    assert_eq!(feeds(&bench.wait(1)), [(100, 256)]);
    assert_eq!(sent(&bench.fed(100, vec![back], None)).len(), 1);
}

#[test]
fn draining_ends_when_nothing_is_in_flight() {
    let mut bench = Bench::new(|settings| settings.threads = 1);
    let id = bench.ready(100, 1).delivery();
    bench.accept(100, 1);
    bench.accept(100, 2);
    assert_eq!(bench.step(Input::Drain), []);
    assert_eq!(bench.accept(100, 3), []);
    let outputs = bench.succeed(id);
    assert!(matches!(outputs[..], [Output::Settle { .. }, Output::Drained]), "{outputs:?}");
    assert_eq!((bench.wait(9), bench.scheduler.next_wake()), (vec![], None));
    let mut idle = Bench::new(|_| {});
    assert_eq!(idle.step(Input::Drain), [Output::Drained]);
}
