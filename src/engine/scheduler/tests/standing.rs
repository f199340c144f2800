//! How lanes stand, as it is told.

use super::*;
use crate::engine::scheduler::LaneStanding;

fn lane(bench: &Bench, number: u64) -> LaneStanding {
    bench.scheduler.lane_standing(endpoint(number), bench.now).expect("a lane")
}

#[test]
fn what_is_under_way_and_what_waits() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.scheduler.lane_standing(endpoint(100), bench.now), None);
    assert_eq!(bench.scheduler.standing(bench.now).oldest_due, None);
    for message in 1..=9 {
        bench.accept(100, message);
    }
    let stands = lane(&bench, 100);
    assert_eq!((stands.in_flight, stands.limit), (8, 8));
    assert_eq!((stands.due, stands.parked, stands.throttled), (Some(START), None, false));
    bench.wait(30);
    bench.accept(200, 20);
    let standing = bench.scheduler.standing(bench.now);
    assert_eq!((standing.oldest_due, standing.load.in_flight), (Some(START), 9));
    assert_eq!(standing.held, []);
    // What waits for one that takes nothing is meant to.
    let facts = Some(bench.facts(endpoint(100), false));
    bench.step(Input::Facts { endpoint: endpoint(100), facts });
    assert_eq!(bench.scheduler.standing(bench.now).oldest_due, None);
}

#[test]
fn a_parked_lane_tells_when_it_is_probed() {
    let mut bench = Bench::new(|_| {});
    let mut flying = Vec::new();
    for message in 1..=30 {
        flying.extend(sent(&bench.accept(100, message)));
    }
    while !flying.is_empty() {
        let id = flying.remove(0);
        flying.extend(sent(&bench.fail(id)));
    }
    let probe = START + Duration::from_secs(5);
    assert_eq!(lane(&bench, 100).parked, Some((START, Some(probe))));
    assert_eq!(lane(&bench, 100).limit, 1);
    let held = bench.scheduler.standing(bench.now).held;
    assert_eq!(held, [lane(&bench, 100)]);
    bench.wait(5);
    assert_eq!(sent(&bench.fed(100, vec![ready(100, 99, START)], None)).len(), 1);
    assert_eq!(lane(&bench, 100).parked, Some((START, None)), "one is on its way");
}

#[test]
fn a_lane_that_rests_or_waits_for_a_rate() {
    let mut bench = Bench::new(|_| {});
    bench.retry_after = Some(Duration::from_secs(60));
    let id = sent(&bench.accept(100, 1)).remove(0);
    bench.answer(id, Outcome::Status, 503);
    let until = START + Duration::from_secs(60);
    assert_eq!(lane(&bench, 100).rest_until, Some(until));
    assert_eq!(bench.scheduler.standing(bench.now).held.len(), 1);
    bench.now = until;
    assert_eq!(lane(&bench, 100).rest_until, None);

    let mut bench = Bench::new(|_| {});
    bench.rate = Some(1);
    bench.accept(100, 1);
    let stands = lane(&bench, 100);
    let next = START + Duration::from_secs(1);
    assert_eq!(stands.throttle, Some((Rate::per_second(1), next)));
    assert!(!stands.throttled, "nothing waits for it");
    bench.accept(100, 2);
    assert!(lane(&bench, 100).throttled);
    assert_eq!(bench.scheduler.standing(bench.now).held.len(), 1);

    // Of its application.
    let mut bench = Bench::new(|_| {});
    bench.application_rate = Some(1);
    bench.accept(100, 1);
    bench.accept(101, 2);
    assert_eq!(lane(&bench, 101).throttle, None);
    assert!(lane(&bench, 101).throttled);
}
