//! Time that jumps, and names that must not: ids grow whatever the clock says, event ids stay
//! taken, and nothing goes because a clock was wrong at a start.

use std::time::Duration;

use relay::domain::delivery::Trigger;
use relay::domain::delivery::{DeliveryId, State};
use relay::domain::time::Timestamp;
use relay::store::{Idempotency, Notice, Refusal, Reply, Settlement, Verdict, WriteError};

use crate::support::clock::{ManualClock, START};
use crate::support::folder::{Folder, Open};
use crate::support::image::copy;
use crate::support::model::{Model, flush, settlement};
use crate::support::random::Random;

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn ids_grow_over_restarts_with_the_clock_set_back() {
    let mut folder = Folder::new();
    let mut random = Random::new(31);
    let open = folder.open();
    let mut model = Model::new(&open, 1);
    let mut last = model.accept(&open, &mut random, vec![1]);
    open.stop();
    let starts = [
        START - Duration::from_millis(1),
        START - DAY,
        Timestamp::default(),
        START + DAY,
        START,
        // 2038-01-19T03:14:07Z and past it
        Timestamp::from_millis(2_147_483_647_000),
        Timestamp::from_millis(2_147_483_649_000),
        START,
    ];
    for (round, start) in starts.into_iter().enumerate() {
        folder.clock = ManualClock::at(start);
        if round % 3 == 2 {
            std::fs::remove_dir_all(folder.data().join("index")).unwrap();
        }
        let open = folder.open();
        for _ in 0..20 {
            let id = model.accept(&open, &mut random, vec![2]);
            assert!(id > last, "{id:?} after {last:?}, started at {start}");
            last = id;
        }
        // Nothing went because of the clock.
        while open.store.tidy().unwrap() {}
        model.settle(&open, &mut random, 5);
        model.check(&open);
        open.stop();
    }
}

/// A start on a clock far ahead: engine time stays, so that all is well when the clock is.
#[test]
fn a_clock_far_ahead_at_a_start_is_not_followed() {
    let mut folder = Folder::new();
    let remembered = |open: &Open| {
        let key = Idempotency { scope: [3; 32], request: [7; 32], window: DAY };
        open.store.write_blocking(Some(key), |_| Ok(Reply::Done)).unwrap().replayed
    };
    let open = folder.open();
    let mut random = Random::new(32);
    let mut model = Model::new(&open, 1);
    assert!(!remembered(&open));
    assert!(open.store.trusts_ages());
    open.stop();
    let hour = Duration::from_secs(3_600);
    let far = Timestamp::from_millis(2_147_483_647_000);
    let just = DAY + Duration::from_secs(60);
    for (wall, expected) in
        [(far, START), (START + just, START), (START, START), (START + hour, START + hour)]
    {
        folder.clock = ManualClock::at(wall);
        let open = folder.open();
        assert!(open.store.now().since(expected) < Duration::from_secs(1), "started at {wall}");
        assert!(!open.store.trusts_ages(), "not confirmed, started at {wall}");
        assert!(remembered(&open), "started at {wall}");
        let id = model.accept(&open, &mut random, vec![1]);
        assert!(id.time().since(expected) < Duration::from_secs(1), "minted at {}", id.time());
        while open.store.tidy().unwrap() {}
        assert!(remembered(&open), "tidied away, started at {wall}");
        model.check(&open);
        open.stop();
    }
}

#[test]
fn an_event_id_stays_taken() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let other = open.application("other");
    let first = open.accept(application, Some("one"), b"{}").unwrap();
    open.accept(other, Some("one"), b"{}").unwrap();
    let crashed = copy(&folder);
    open.stop();
    for folder in [folder, crashed] {
        for _ in 0..2 {
            let open = folder.open();
            let twice = open.accept(application, Some("one"), b"{}");
            assert!(matches!(twice, Err(WriteError::Refused(Refusal::Conflict(_)))), "{twice:?}");
            let named = relay::store::Reference::Name("one".to_owned());
            assert_eq!(open.store.message(application, &named), Some(first.clone()));
            open.stop();
            std::fs::remove_dir_all(folder.data().join("index")).unwrap();
        }
    }
}

/// An attempt that a person asked for before the first was due: the due row must not stay.
#[test]
fn a_resend_before_the_first_attempt_leaves_no_due_row() {
    for verdict in [Verdict::Delivered, Verdict::Unchanged] {
        let folder = Folder::new();
        let open = folder.open();
        let application = open.application("acme");
        let endpoint = open.endpoint(application, "books");
        let stored = open.accept(application, None, b"{}").unwrap();
        let due = stored.message.first_due();
        folder.clock.advance(Duration::from_secs(7));
        let id = DeliveryId { message: stored.message.id, endpoint, replay: 0 };
        let asked = open.store.now();
        let manual =
            Settlement { trigger: Trigger::Manual, due: asked, ..settlement(id, due, verdict) };
        let settled = |settlement| {
            open.store.settle(settlement);
            flush(&open);
            while !matches!(open.notice(), Notice::Settled { .. }) {}
        };
        settled(manual);
        if verdict == Verdict::Unchanged {
            assert_eq!(open.store.lanes(), [(endpoint, due)]);
            settled(settlement(id, due, Verdict::Delivered));
        }
        assert!(open.store.lanes().is_empty(), "a delivered message is due");
        assert_eq!(open.store.deliveries(&stored)[0].1.state, State::Delivered);
        open.stop();
    }
}
