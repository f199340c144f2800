//! What is in memory, what stays on disk, and that nothing falls between.

use super::*;

#[test]
fn what_is_due_goes_out_and_what_is_not_waits_without_polling() {
    let mut bench = Bench::new(|_| {});
    let first = bench.ready(100, 1).delivery();
    assert_eq!(sent(&bench.accept(100, 1)), [first]);
    assert_eq!(bench.scheduler.next_wake(), None, "idle");
    let due = START + Duration::from_secs(60);
    assert_eq!(bench.notice(Notice::Ready(ready(100, 2, due))), []);
    assert_eq!(bench.scheduler.next_wake(), Some(due));
    assert_eq!(bench.wait(59), []);
    let outputs = bench.wait(1);
    assert_eq!(feeds(&outputs), [(100, 257)]); // the one in flight may be in the page
    assert_eq!(sent(&bench.fed(100, vec![ready(100, 2, due)], None)).len(), 1);
    assert_eq!(bench.scheduler.next_wake(), None);
}

#[test]
fn at_start_every_lane_is_read_when_it_is_due() {
    let mut bench = Bench::new(|_| {});
    let later = START + Duration::from_secs(5);
    let lanes = vec![(endpoint(100), START), (endpoint(200), later)];
    assert_eq!(feeds(&bench.step(Input::Lanes(lanes))), [(100, 256)]);
    assert_eq!(bench.scheduler.next_wake(), Some(later));
    assert_eq!(feeds(&bench.wait(5)), [(200, 256)]);
}

#[test]
fn a_page_repeats_what_is_in_flight_or_not_settled_yet() {
    let mut bench = Bench::new(|settings| settings.lane_memory = 4);
    let rows: Vec<Ready> = (1..=3).map(|message| bench.ready(100, message)).collect();
    for message in 1..=3 {
        assert_eq!(sent(&bench.accept(100, message)).len(), 1);
    }
    bench.succeed(rows[0].delivery()); // not settled yet
    bench.settled(rows[1].delivery(), None); // somebody else's: its own is still to come
    let due = START + Duration::from_secs(1);
    bench.notice(Notice::Ready(ready(100, 9, due)));
    assert_eq!(feeds(&bench.wait(1)), [(100, 7)]);
    let again = rows.iter().cloned().chain([ready(100, 9, due)]).collect();
    let outputs = bench.fed(100, again, None);
    assert_eq!(sent(&outputs), [ready(100, 9, due).delivery()]);
}

#[test]
fn a_page_tells_that_a_person_asked_for_what_is_held() {
    let mut bench = Bench::new(|settings| settings.memory = 2);
    let scheduled = bench.ready(100, 1);
    let asked = Ready { trigger: Trigger::Manual, ..scheduled.clone() };
    bench.step(Input::Lanes(vec![(endpoint(100), START)]));
    // Its notice comes while the page does, which has taken all the room; the delivery is in
    // flight when the next page comes.
    bench.notice(Notice::Ready(asked.clone()));
    let outputs = bench.fed(100, vec![scheduled.clone()], None);
    assert_eq!((sent(&outputs).len(), feeds(&outputs).len()), (1, 1));
    assert_eq!(bench.fed(100, vec![asked.clone(), scheduled.clone()], None), []);
    bench.succeed(scheduled.delivery());
    let outputs = bench.settled(scheduled.delivery(), None);
    assert_eq!(feeds(&outputs).len(), 1, "what was asked for is read again");
    assert_eq!(sent(&bench.fed(100, vec![asked.clone()], None)), [asked.delivery()]);
}

#[test]
fn a_page_read_before_a_settlement_is_out_of_date() {
    let mut bench = Bench::new(|_| {});
    let done = bench.ready(100, 1);
    bench.accept(100, 1);
    bench.notice(Notice::Ready(ready(100, 2, START + Duration::from_secs(1))));
    assert_eq!(feeds(&bench.wait(1)).len(), 1);
    bench.succeed(done.delivery());
    assert_eq!(bench.settled(done.delivery(), None), []);
    let page = vec![done.clone(), ready(100, 2, START + Duration::from_secs(1))];
    assert_eq!(sent(&bench.fed(100, page, None)), [ready(100, 2, START).delivery()]);
}

#[test]
fn what_is_noticed_while_a_page_comes_is_read_after_it() {
    let mut bench = Bench::new(|_| {});
    bench.step(Input::Lanes(vec![(endpoint(100), START)]));
    assert_eq!(bench.accept(100, 2), [], "the page may be ahead of it");
    let outputs = bench.fed(100, vec![ready(100, 1, START)], None);
    assert_eq!((sent(&outputs).len(), feeds(&outputs)), (1, vec![(100, 257)]));
}

#[test]
fn a_page_without_news_is_not_asked_for_at_once() {
    let mut bench = Bench::new(|_| {});
    bench.step(Input::Lanes(vec![(endpoint(100), START)]));
    assert_eq!(bench.fed(100, vec![], Some(START)), []);
    assert_eq!(bench.scheduler.next_wake(), Some(START + Duration::from_millis(50)));
}

#[test]
fn memory_is_bounded_and_goes_round() {
    let mut bench = Bench::new(|settings| {
        settings.threads = 1;
        settings.reserve = 0;
        settings.lane_memory = 8;
        settings.memory = 12;
    });
    let busy = bench.ready(500, 1);
    bench.accept(500, 1);
    let lanes = (1..=3).map(|number| (endpoint(number * 100), START)).collect();
    assert_eq!(feeds(&bench.step(Input::Lanes(lanes))), [(100, 8), (200, 4)]);
    assert_eq!(bench.scheduler.load().queued, 12);
    // Two rows come where eight might have: the lane that waited may read.
    let page = vec![ready(100, 1, START), ready(100, 2, START)];
    assert_eq!(feeds(&bench.fed(100, page, None)), [(300, 6)]);
    assert_eq!(bench.accept(100, 3), [], "full: it is read when there is room");
    assert_eq!(bench.scheduler.load().queued, 12);
    assert_eq!(sent(&bench.succeed(busy.delivery())).len(), 1);
}

#[test]
fn a_disabled_endpoint_holds_nothing_and_is_read_again_when_enabled() {
    let mut bench = Bench::new(|settings| settings.threads = 1);
    bench.accept(100, 1);
    bench.accept(100, 2);
    assert_eq!(bench.scheduler.load().queued, 1);
    let mut outputs = Vec::new();
    let changed = Input::Notice(Notice::EndpointChanged(endpoint(100)));
    bench.scheduler.step(START, changed.clone(), &mut outputs);
    assert_eq!(outputs, [Output::Look(endpoint(100))]);
    let facts = Some(bench.facts(endpoint(100), false));
    bench.scheduler.step(START, Input::Facts { endpoint: endpoint(100), facts }, &mut outputs);
    assert_eq!((bench.scheduler.load().queued, outputs.len()), (0, 1));
    assert_eq!(bench.accept(100, 3), []);
    assert_eq!(bench.scheduler.next_wake(), None);
    assert_eq!(feeds(&bench.step(changed)), [(100, 257)]);
}

#[test]
fn a_deleted_endpoint_is_forgotten_when_its_last_attempt_ends() {
    let mut bench = Bench::new(|settings| settings.threads = 1);
    let flying = bench.ready(100, 1).delivery();
    bench.accept(100, 1);
    bench.accept(100, 2);
    assert_eq!(bench.notice(Notice::EndpointDeleted(endpoint(100))), []);
    assert!(matches!(bench.fail(flying)[..], [Output::Settle { .. }]));
    assert_eq!(bench.scheduler.load(), super::super::Load::default());
}

#[test]
fn nothing_more_is_sent_while_the_store_is_behind() {
    let mut bench = Bench::new(|settings| settings.unsettled = 2);
    let first = bench.ready(100, 1).delivery();
    for message in 1..=2 {
        let id = bench.ready(100, message).delivery();
        bench.accept(100, message);
        bench.succeed(id);
    }
    assert_eq!(bench.accept(100, 3), []);
    assert_eq!(sent(&bench.settled(first, None)).len(), 1);
}
