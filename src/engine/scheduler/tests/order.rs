//! Deliveries that wait for one another.

use super::*;
use crate::domain::delivery::DeadReason;
use crate::store::Verdict;

fn ordered(bench: &Bench, message: u64) -> Ready {
    Ready { group: Some(0), ..bench.ready(100, message) }
}

fn first_fails(bench: &mut Bench, status_code: u16, expected: Verdict) -> [Ready; 2] {
    let all = [1, 2].map(|message| ordered(bench, message));
    assert_eq!(sent(&bench.notice(Notice::Ready(all[0].clone()))).len(), 1);
    assert_eq!(bench.notice(Notice::Ready(all[1].clone())), []);
    let outputs = bench.answer(all[0].delivery(), Outcome::Status, status_code);
    let (delivery, trigger) = (all[0].delivery(), Trigger::Scheduled);
    assert_eq!(outputs, [Output::Settle { delivery, trigger, verdict: expected }]);
    all
}

/// A person has the next one sent, which is no turn of its own: it may fail.
#[test]
fn what_a_person_has_sent_keeps_its_place() {
    let mut bench = Bench::new(|_| {});
    let all = [1, 2, 3].map(|message| ordered(&bench, message));
    let ids = all.each_ref().map(Ready::delivery);
    for ready in &all {
        bench.notice(Notice::Ready(ready.clone()));
    }
    let asked = Ready { trigger: Trigger::Manual, group: None, ..all[1].clone() };
    assert_eq!(sent(&bench.notice(Notice::Ready(asked))), [ids[1]]);
    bench.succeed(ids[0]);
    assert_eq!(bench.settled(ids[0], None), [], "the third would overtake the second");
    assert_eq!(sent(&bench.fail(ids[1])), []);
    let outputs = bench.settled(ids[1], Some(all[1].due));
    assert_eq!((sent(&outputs), feeds(&outputs).len()), (vec![], 1));
    assert_eq!(sent(&bench.fed(100, all[1..].to_vec(), None)), [ids[1]]);
    // The same where a page tells that it waits.
    let mut bench = Bench::new(|_| {});
    bench.step(Input::Lanes(vec![(endpoint(100), START)]));
    let asked = Ready { trigger: Trigger::Manual, group: None, ..all[1].clone() };
    let page = [asked, all[1].clone(), all[2].clone()].to_vec();
    assert_eq!(sent(&bench.fed(100, page, None)), [ids[1]], "once, and alone");
}

/// One that came back unsent goes before what has come since.
#[test]
fn what_comes_back_while_an_order_begins_is_read_again() {
    let mut bench = Bench::new(|_| {});
    let before = bench.ready(100, 1);
    bench.accept(100, 1);
    bench.notice(Notice::EndpointChanged(endpoint(100)));
    assert_eq!(bench.notice(Notice::Ready(ordered(&bench, 2))), []);
    let outputs = bench.step(Input::Released(before));
    assert_eq!((sent(&outputs), feeds(&outputs).len()), (vec![], 1));
}

/// After a crash before that is on disk the dead one is tried again, behind the next.
#[test]
fn what_died_is_on_disk_before_the_next_goes() {
    let mut bench = Bench::new(|settings| settings.retry.schedule = Vec::new());
    let [first, second] = first_fails(&mut bench, 500, Verdict::Dead(DeadReason::Exhausted));
    let outputs = bench.settled(first.delivery(), None);
    assert_eq!(feeds(&outputs).len(), 1);
    assert_eq!(sent(&bench.fed(100, vec![second.clone()], None)), [second.delivery()]);
}

/// What is under way without an order when one is set comes before all that has one, also when it
/// fails then.
#[test]
fn an_order_begins_when_what_is_under_way_is_on_disk() {
    let mut bench = Bench::new(|_| {});
    let before = bench.ready(100, 1);
    let waits = bench.ready(100, 2);
    bench.max_in_flight = Some(1);
    assert_eq!(sent(&bench.accept(100, 1)).len(), 1);
    assert_eq!(bench.accept(100, 2), []);
    bench.max_in_flight = None;
    let outputs = bench.notice(Notice::EndpointChanged(endpoint(100)));
    assert_eq!((sent(&outputs), feeds(&outputs).len()), (vec![], 1), "what waited is read again");
    let page = [&before, &waits].map(|ready| Ready { group: Some(0), ..ready.clone() });
    assert_eq!(bench.fed(100, page.to_vec(), None), []);
    assert_eq!(sent(&bench.fail(before.delivery())), []);
    let outputs = bench.settled(before.delivery(), Some(before.due));
    assert_eq!(
        (sent(&outputs), feeds(&outputs).len()),
        (vec![], 1),
        "the disk knows how it failed"
    );
    let held = [(0, START + Duration::from_secs(5))].into_iter().collect();
    let page = DuePage { next_due: Some(before.due), held, stuck: true, ..DuePage::default() };
    assert_eq!(bench.step(Input::Fed { endpoint: endpoint(100), page }), []);
    assert_eq!(feeds(&bench.wait(5)).len(), 1);
}

/// The disk says that the first of the order failed and holds up all others, while one of them is
/// with a sender: nothing is read before that changes.
#[test]
fn a_page_that_has_nothing_is_not_read_again_at_once() {
    let mut bench = Bench::new(|_| {});
    let flying = ordered(&bench, 2);
    assert_eq!(sent(&bench.notice(Notice::Ready(flying.clone()))).len(), 1);
    let first = bench.ready(100, 1);
    let outputs = bench.settled(first.delivery(), Some(first.due));
    assert_eq!(feeds(&outputs).len(), 1);
    let held = [(0, START + Duration::from_secs(5))].into_iter().collect();
    let page = DuePage { next_due: Some(first.due), held, stuck: true, ..DuePage::default() };
    assert_eq!(bench.step(Input::Fed { endpoint: endpoint(100), page }), []);
    assert_eq!(bench.scheduler.next_wake(), Some(START + Duration::from_millis(50)));
    bench.succeed(flying.delivery());
    bench.settled(flying.delivery(), None);
    assert_eq!(feeds(&bench.wait(1)).len(), 1);
}

/// Of a lane that keeps an order only now, one may go and the one behind it waits for its time: it
/// is read again when the first is done.
#[test]
fn one_before_another_that_waits_for_its_time_holds_up_nothing() {
    let mut bench = Bench::new(|_| {});
    let asked = bench.step(Input::Lanes(vec![(endpoint(100), START)]));
    assert_eq!(feeds(&asked).len(), 1);
    let first = ordered(&bench, 1);
    let held = [(0, START + Duration::from_secs(5))].into_iter().collect();
    let (ready, next_due) = (vec![first.clone()], Some(first.due));
    let page = DuePage { ready, next_due, held, stuck: true };
    let mut outputs = bench.step(Input::Fed { endpoint: endpoint(100), page });
    assert_eq!(sent(&outputs), [first.delivery()]);
    outputs.extend(bench.succeed(first.delivery()));
    outputs.extend(bench.settled(first.delivery(), None));
    outputs.extend(bench.wait(1));
    assert!(!feeds(&outputs).is_empty());
}

/// The page was read when the first waited for its time, which somebody took away before it came.
#[test]
fn a_page_does_not_hold_up_what_waited_for_one_that_is_gone() {
    let mut bench = Bench::new(|_| {});
    let first = ordered(&bench, 1);
    assert_eq!(feeds(&bench.step(Input::Lanes(vec![(endpoint(100), START)]))).len(), 1);
    assert_eq!(bench.settled(first.delivery(), None), []);
    let held = [(0, START + Duration::from_secs(3_600))].into_iter().collect();
    let page = DuePage { next_due: Some(first.due), held, stuck: true, ..DuePage::default() };
    let outputs = bench.step(Input::Fed { endpoint: endpoint(100), page });
    assert_eq!(feeds(&outputs).len(), 1, "as things stand now");
}

/// Ordered by a key, one fails while the page had nothing but what waits longer than it will.
#[test]
fn one_that_failed_is_tried_again_before_another_key_goes_on() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(feeds(&bench.step(Input::Lanes(vec![(endpoint(100), START)]))).len(), 1);
    let first = ordered(&bench, 1);
    let held = [(7, START + Duration::from_secs(3_600))].into_iter().collect();
    let (ready, next_due) = (vec![first.clone()], Some(first.due));
    let page = DuePage { ready, next_due, held, stuck: true };
    assert_eq!(sent(&bench.step(Input::Fed { endpoint: endpoint(100), page })), [first.delivery()]);
    bench.fail(first.delivery());
    let outputs = bench.settled(first.delivery(), Some(START + Duration::from_secs(5)));
    assert_eq!(feeds(&outputs).len(), 1, "the disk tells whose time comes first");
}
