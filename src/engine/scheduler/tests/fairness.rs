//! Who gets the pool.

use super::*;

/// Sends and answers until nothing is left; how many of each endpoint went out, in order.
fn order(bench: &mut Bench, first: Vec<Output>) -> Vec<u64> {
    let mut flying = sent(&first);
    let mut order = Vec::new();
    while !flying.is_empty() {
        let id = flying.remove(0);
        order.push(id.endpoint.stamp().0);
        flying.extend(sent(&bench.succeed(id)));
    }
    order
}

#[test]
fn applications_take_turns_whatever_they_have() {
    let mut bench = Bench::new(|settings| {
        settings.threads = 1;
        settings.reserve = 0;
    });
    let first = bench.accept(900, 1);
    // One tenant with forty due over four endpoints, another with four.
    for message in 0..40 {
        bench.accept(100 + message % 4, message);
    }
    for message in 0..4 {
        bench.accept(200, 100 + message);
    }
    let order = order(&mut bench, first);
    assert_eq!(order.len(), 45);
    let last = order.iter().rposition(|endpoint| *endpoint == 200).expect("sent");
    assert!(last <= 8, "the small one waits for {last} of the big one's: {order:?}");
    let turns: Vec<u64> = order.into_iter().filter(|endpoint| *endpoint < 200).take(8).collect();
    assert_eq!(turns, [100, 101, 102, 103, 100, 101, 102, 103]);
}

#[test]
fn a_lane_starts_small_and_the_reserve_is_for_lanes_with_nothing_in_flight() {
    let mut bench = Bench::new(|settings| {
        settings.threads = 12;
        settings.reserve = 2;
    });
    let count = |bench: &mut Bench, endpoint: u64| -> usize {
        (0..20).map(|message| sent(&bench.accept(endpoint, message)).len()).sum()
    };
    assert_eq!(count(&mut bench, 100), 8);
    assert_eq!(count(&mut bench, 200), 2, "ten in all");
    assert_eq!(count(&mut bench, 300), 1, "out of the reserve");
    assert_eq!(count(&mut bench, 400), 1);
    assert_eq!(count(&mut bench, 500), 0);
    assert_eq!(bench.scheduler.load().in_flight, 12);
}

/// Two at once for an endpoint that is well must not wait for those that hang.
#[test]
fn a_lane_goes_into_the_reserve_once_nothing_of_it_is_in_flight() {
    let mut bench = Bench::new(|settings| {
        settings.threads = 12;
        settings.reserve = 2;
    });
    for message in 0..20 {
        bench.accept(100, message);
        bench.accept(200, message);
    }
    assert_eq!(bench.scheduler.load().in_flight, 10, "they hang");
    let first = sent(&bench.accept(300, 1));
    assert_eq!(first.len(), 1, "out of the reserve");
    assert_eq!(sent(&bench.accept(300, 2)), [], "one in flight already");
    let second = sent(&bench.succeed(first[0]));
    assert_eq!(second, [bench.ready(300, 2).delivery()]);
    bench.succeed(second[0]);
    assert_eq!(bench.scheduler.load().in_flight, 10);
}

#[test]
fn strained_lanes_share_a_part_of_the_pool() {
    let mut bench = Bench::new(|settings| {
        settings.threads = 8;
        settings.reserve = 0;
        settings.strained_threads = 2;
    });
    for lane in 1..=4 {
        let id = bench.ready(lane * 100, 1).delivery();
        bench.accept(lane * 100, 1);
        bench.answer(id, Outcome::TimedOut, 0);
    }
    let hanging: usize = (1..=4)
        .flat_map(|lane| (10..20).map(move |message| (lane, message)))
        .map(|(lane, message)| sent(&bench.accept(lane * 100, message)).len())
        .sum();
    assert_eq!(hanging, 2);
    let well: usize = (0..9).map(|message| sent(&bench.accept(500, message)).len()).sum();
    assert_eq!(well, 6, "the rest of the pool");
}

#[test]
fn throttles_pace_a_lane_and_an_application() {
    let mut bench = Bench::new(|_| {});
    bench.rate = Some(2);
    let ids: Vec<_> = (0..3).map(|message| bench.ready(100, message).delivery()).collect();
    let outputs: Vec<usize> =
        (0..3).map(|message| sent(&bench.accept(100, message)).len()).collect();
    assert_eq!(outputs, [1, 0, 0]);
    assert_eq!(bench.scheduler.next_wake(), Some(START + Duration::from_millis(500)));
    bench.succeed(ids[0]);
    bench.now = START + Duration::from_millis(500);
    assert_eq!(sent(&bench.step(Input::Tick)), [ids[1]]);

    let mut bench = Bench::new(|_| {});
    bench.application_rate = Some(1);
    assert_eq!(sent(&bench.accept(100, 1)).len(), 1);
    assert_eq!(sent(&bench.accept(101, 2)).len(), 0);
    assert_eq!(sent(&bench.accept(200, 3)).len(), 1, "another application");
    assert_eq!(bench.scheduler.next_wake(), Some(START + Duration::from_secs(1)));
    assert_eq!(sent(&bench.wait(1)).len(), 1);
    assert_eq!(bench.scheduler.next_wake(), None);
}

/// Nobody knows what was sent right before a start: no second that goes over it has more than the
/// rate allows.
#[test]
fn a_throttle_is_spent_at_a_start() {
    let mut bench = Bench::new(|_| {});
    bench.rate = Some(20);
    let settings = Settings::from(&config::Delivery::default());
    bench.scheduler = Scheduler::new(settings, 1);
    bench.step(Input::Lanes(Vec::new()));
    for message in 0..3 {
        assert_eq!(sent(&bench.accept(100, message)), []);
    }
    for _ in 0..3 {
        bench.now = bench.now + Duration::from_millis(50);
        assert_eq!(sent(&bench.step(Input::Tick)).len(), 1);
    }
    bench.wait(1);
    let sent: usize = (3..9).map(|message| sent(&bench.accept(100, message)).len()).sum();
    assert_eq!(sent, 2, "a tenth of a second's, once it had time to save that up");
    assert_eq!(bench.scheduler.next_wake(), Some(bench.now + Duration::from_millis(50)));
}

/// A lane that is forgotten among many would forget with it what its throttle let through.
#[test]
fn a_lane_is_not_forgotten_before_its_throttle_is_paid() {
    let mut bench = Bench::new(|_| {});
    for number in 0..4_096 {
        let delivery = bench.ready(1_000 + number, number).delivery();
        bench.accept(1_000 + number, number);
        bench.succeed(delivery);
        bench.settled(delivery, None);
    }
    bench.rate = Some(1);
    let first = bench.ready(100, 9_000).delivery();
    assert_eq!(sent(&bench.accept(100, 9_000)), [first]);
    bench.succeed(first);
    bench.settled(first, None);
    assert_eq!(bench.scheduler.load().lanes, 4_097);
    assert_eq!(sent(&bench.accept(100, 9_001)), []);
    let second = bench.ready(100, 9_001).delivery();
    assert_eq!(sent(&bench.wait(1)), [second]);
    bench.succeed(second);
    bench.settled(second, None);
    bench.wait(1);
    assert_eq!(bench.scheduler.load().lanes, 4_096, "it is forgotten then");
}

/// Until the receiver has said how much it takes there is one delivery at a time; what it says
/// holds beside the throttle, and says nothing of how well the receiver is.
#[test]
fn an_endpoint_that_is_asked_first_is_sent_what_it_allows() {
    let mut bench = Bench::new(|_| ());
    bench.unasked = true;
    bench.rate = Some(50);
    let mut outputs = bench.accept(1, 0);
    for message in 1..8 {
        outputs.extend(bench.accept(1, message));
    }
    let first = sent(&outputs);
    assert_eq!(first.len(), 1);
    // It refuses: the next one asks.
    let outputs = bench.fail(first[0]);
    bench.settled(first[0], None);
    let second = sent(&outputs);
    assert_eq!(second.len(), 1);
    let rate = Some(Rate::per_minute(30));
    let mut outputs = bench.step(Input::Allowed { endpoint: endpoint(1), rate });
    outputs.extend(bench.succeed(second[0]));
    assert_eq!(sent(&outputs), []);
    assert_eq!(sent(&bench.wait(1)), []);
    assert_eq!(sent(&bench.wait(2)).len(), 1, "30 a minute");
    assert_eq!(sent(&bench.wait(1)), []);
    // It has no bound of its own any more: the throttle's is left.
    bench.step(Input::Allowed { endpoint: endpoint(1), rate: None });
    assert_eq!(sent(&bench.wait(2)).len(), 5);
}
