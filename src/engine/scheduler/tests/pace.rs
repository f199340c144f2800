//! What a backlog leaves to others.

use super::*;

/// What is in flight to a lane that is behind; its receiver answers whatever it has in the next
/// millisecond.
struct Backlog(Vec<DeliveryId>);

impl Backlog {
    /// So many have been due for a minute.
    fn new(bench: &mut Bench, number: u64, count: u64) -> Backlog {
        let due = bench.now - Duration::from_secs(60);
        assert_eq!(feeds(&bench.step(Input::Lanes(vec![(endpoint(number), due)]))).len(), 1);
        let rows = (0..count).map(|message| ready(number, message, due)).collect();
        Backlog(sent(&bench.fed(number, rows, None)))
    }

    /// A millisecond goes by; how many went out.
    fn goes(&mut self, bench: &mut Bench) -> usize {
        bench.now = bench.now + Duration::from_millis(1);
        for id in std::mem::take(&mut self.0) {
            self.0.extend(sent(&bench.succeed(id)));
            self.0.extend(sent(&bench.settled(id, None)));
        }
        self.0.extend(sent(&bench.step(Input::Tick)));
        self.0.len()
    }
}

fn bench() -> Bench {
    let mut bench = Bench::new(|settings| {
        (settings.lane_memory, settings.memory) = (80_000, 200_000);
    });
    bench.takes = Duration::from_micros(100);
    bench
}

/// One of another endpoint, sent and answered in time.
fn company(bench: &mut Bench, endpoint: u64, message: u64) {
    for id in sent(&bench.accept(endpoint, message)) {
        if id.endpoint.stamp().0 == endpoint {
            bench.succeed(id);
            bench.settled(id, None);
        }
    }
}

/// It is sent four a millisecond, whatever it took alone before.
#[test]
fn a_backlog_beside_others_goes_at_an_even_pace() {
    let mut bench = bench();
    let mut backlog = Backlog::new(&mut bench, 100, 1_000);
    for _ in 0..50 {
        assert_eq!(backlog.goes(&mut bench), 8, "alone, all that the lane may have in flight");
    }
    company(&mut bench, 200, 10_000);
    backlog.goes(&mut bench);
    for _ in 0..90 {
        assert_eq!(backlog.goes(&mut bench), 4);
    }
}

/// The others are of its own application, or of whoever: it is the endpoint that counts.
#[test]
fn once_nobody_else_sends_it_gets_all() {
    for other in [101, 200] {
        let mut bench = bench();
        let mut backlog = Backlog::new(&mut bench, 100, 200);
        company(&mut bench, other, 10_000);
        bench.now = bench.now + Duration::from_millis(998);
        assert_eq!(backlog.goes(&mut bench), 4);
        assert_eq!(backlog.goes(&mut bench), 8);
    }
}

/// What it sends in time itself is no company, nor is another backlog.
#[test]
fn two_backlogs_hold_each_other_back_in_nothing() {
    let mut bench = bench();
    let mut first = Backlog::new(&mut bench, 100, 60);
    let mut second = Backlog::new(&mut bench, 200, 60);
    assert_eq!(first.goes(&mut bench), 8);
    assert_eq!(second.goes(&mut bench), 8);
}

/// A busy tenant that fell behind for a moment would never be in time again; a burst that is over
/// is a backlog like any.
#[test]
fn one_that_gets_nearly_as_much_as_it_may_be_sent_hurries() {
    let mut bench = bench();
    let mut backlog = Backlog::new(&mut bench, 100, 60_000);
    let mut number = 100_000;
    let mut check = |came: u64, expected: usize| {
        let mut went = 0;
        for _ in 0..3_000 {
            company(&mut bench, 200, number);
            (1..=came).for_each(|new| drop(bench.accept(100, number + new)));
            number += 10;
            went = backlog.goes(&mut bench);
        }
        assert_eq!(went, expected, "{came} came for each that might go");
    };
    check(0, 4);
    check(1, 4);
    check(3, 8);
    check(0, 4);
}

/// What comes while its receiver is down says nothing of how much it is sent.
#[test]
fn one_that_was_not_sent_anything_for_long_does_not_hurry() {
    let mut bench = bench();
    let mut backlog = Backlog::new(&mut bench, 100, 2_000);
    company(&mut bench, 200, 10_000);
    assert_eq!(backlog.goes(&mut bench), 4);
    bench.now = bench.now + Duration::from_secs(5);
    for message in 0..1_000 {
        bench.accept(100, 20_000 + message);
    }
    for message in 0..500 {
        company(&mut bench, 200, 30_000 + message);
        assert!(backlog.goes(&mut bench) <= 4);
    }
}
