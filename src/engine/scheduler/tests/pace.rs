//! What a backlog leaves to others.

use super::*;

/// Its first deliveries in flight; they have been due for a minute.
fn backlog(bench: &mut Bench, number: u64, count: u64) -> Vec<DeliveryId> {
    let due = bench.now - Duration::from_secs(60);
    let lanes = vec![(endpoint(number), due)];
    assert_eq!(feeds(&bench.step(Input::Lanes(lanes))).len(), 1);
    let rows = (0..count).map(|message| ready(number, message, due)).collect();
    sent(&bench.fed(number, rows, None))
}

/// All in flight are answered; what is in flight two milliseconds later.
fn answered(bench: &mut Bench, flying: Vec<DeliveryId>) -> Vec<DeliveryId> {
    let mut next: Vec<_> = flying.into_iter().flat_map(|id| sent(&bench.succeed(id))).collect();
    for _ in 0..2 {
        bench.now = bench.now + Duration::from_millis(1);
        next.extend(sent(&bench.step(Input::Tick)));
    }
    next
}

#[test]
fn a_backlog_leaves_processors_to_those_in_time() {
    let check = |takes: u64, alone: bool, expected: usize| {
        let mut bench = Bench::new(|_| {});
        bench.takes = Duration::from_micros(takes);
        let mut flying = backlog(&mut bench, 100, 60);
        assert_eq!(flying.len(), 8, "nothing is known of its receiver");
        if !alone {
            assert_eq!(sent(&bench.accept(200, 1)).len(), 1);
        }
        for _ in 0..3 {
            flying = answered(&mut bench, flying);
        }
        assert_eq!(flying.len(), expected, "{takes} µs, alone: {alone}");
        let standing = bench.scheduler.lane_standing(endpoint(100), bench.now);
        assert_eq!(standing.map(|lane| lane.limit), Some(expected), "what is told of it");
    };
    check(100, true, 8);
    check(100, false, 1);
    check(250, false, 1);
    check(600, false, 3);
    check(1_900, false, 8);
}

/// A receiver that answers at once is sent four a millisecond, whatever it took alone before.
#[test]
fn a_backlog_beside_others_goes_at_an_even_pace() {
    let mut bench = Bench::new(|settings| settings.lane_memory = 1_000);
    bench.takes = Duration::from_micros(10);
    let mut flying = backlog(&mut bench, 100, 1_000);
    let mut went = |bench: &mut Bench| {
        flying.extend(sent(&bench.step(Input::Tick)));
        let mut went = 0;
        for _ in 0..50 {
            went += flying.len();
            flying = flying.drain(..).flat_map(|id| sent(&bench.succeed(id))).collect();
        }
        went
    };
    assert_eq!(went(&mut bench), 400, "alone, eight at a time");
    bench.accept(200, 1);
    went(&mut bench);
    for _ in 0..90 {
        bench.now = bench.now + Duration::from_millis(1);
        assert_eq!(went(&mut bench), 4);
    }
}

#[test]
fn once_nobody_else_sends_it_gets_all() {
    let mut bench = Bench::new(|_| {});
    bench.takes = Duration::from_micros(100);
    let flying = backlog(&mut bench, 100, 60);
    bench.accept(200, 1);
    // Of its own application, or of whoever: it is the endpoint that counts.
    bench.accept(101, 2);
    let flying = answered(&mut bench, flying);
    assert_eq!(flying.len(), 1);
    bench.now = bench.now + Duration::from_millis(995);
    let flying = answered(&mut bench, flying);
    assert_eq!(flying.len(), 1);
    bench.now = bench.now + Duration::from_millis(1);
    assert_eq!(answered(&mut bench, flying).len(), 8);
}

/// What it sends in time itself is no company, nor is another backlog.
#[test]
fn two_backlogs_hold_each_other_back_in_nothing() {
    let mut bench = Bench::new(|_| {});
    bench.takes = Duration::from_micros(100);
    let first = backlog(&mut bench, 100, 60);
    let second = backlog(&mut bench, 200, 60);
    assert_eq!(answered(&mut bench, first).len(), 8);
    assert_eq!(answered(&mut bench, second).len(), 8);
}

/// A busy tenant that fell behind for a moment would never be in time again.
#[test]
fn one_that_gets_as_much_as_it_sends_hurries() {
    let check = |came: u64, expected: usize| {
        let mut bench = Bench::new(|_| {});
        bench.takes = Duration::from_micros(100);
        let mut flying = backlog(&mut bench, 100, 120);
        let mut number = 1_000;
        for _ in 0..30 {
            bench.now = bench.now + Duration::from_millis(50);
            let other = sent(&bench.accept(200, number));
            answered(&mut bench, other);
            for new in 0..came {
                bench.accept(100, number + 1 + new);
            }
            number += 10;
            flying = answered(&mut bench, flying);
        }
        assert_eq!(flying.len(), expected, "{came} came for each that went");
    };
    check(0, 1);
    check(1, 8);
}
