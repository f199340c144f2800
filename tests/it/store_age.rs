//! Segments end by age, so that what is old goes in time on a quiet relay too.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay::config::Sources;
use relay::domain::delivery::DeliveryId;
use relay::domain::id::EndpointId;
use relay::domain::time::Timestamp;
use relay::engine::intake::Intake;
use relay::engine::janitor::{Janitor, JanitorSettings};
use relay::engine::provider_keys::ProviderKeys;
use relay::metrics::Metrics;
use relay::store::{Reference, Reply, StoredMessage, Verdict};

use crate::support::folder::{Folder, Open};
use crate::support::image::segments;
use crate::support::model::{flush, settlement};

const HOUR: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(20);

fn settings(max_age: Duration) -> JanitorSettings {
    JanitorSettings {
        max_age,
        max_bytes: u64::MAX,
        min_free: 0,
        compact_above: u64::MAX,
        audit_age: Duration::MAX,
        audit_entries: u64::MAX,
    }
}

/// Asks until it holds; the janitor comes every second.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

fn length(path: &PathBuf) -> u64 {
    fs::metadata(path).unwrap().len()
}

fn turn(open: &Open, folder: &Folder, by: Duration, age: Duration) {
    folder.clock.advance(by);
    let now = open.store.now().millis();
    open.store.end_segment(Timestamp::from_millis(now - age.as_millis() as u64));
    // What comes behind it is done after it.
    open.store.write_blocking(None, |_| Ok(Reply::Done)).unwrap();
}

fn janitor(open: &Open, folder: &Folder, settings: JanitorSettings) -> Janitor {
    let clock = Arc::new(folder.clock.clone());
    let intake = Intake::new(
        open.store.clone(),
        clock.clone(),
        "http://x",
        Sources::default(),
        ProviderKeys::new(folder.provider.clone(), clock),
    );
    Janitor::start(settings, open.store.clone(), intake, Metrics::new())
}

fn deliver(open: &Open, stored: &StoredMessage, endpoint: EndpointId) {
    let id = DeliveryId { message: stored.message.id, endpoint, replay: 0 };
    open.store.settle(settlement(id, stored.message.first_due(), Verdict::Delivered));
}

/// What waits for one endpoint stands together, and fills a few segments: behind them there is
/// enough that can go, and nobody is refused meanwhile.
#[test]
fn segments_full_of_what_waits_are_passed() {
    const MOST: u64 = 10 << 20;
    static BODY: [u8; 50_000] = [b'1'; 50_000];
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let endpoint = open.endpoint(application, "books");
    let waiting: Vec<_> =
        (0..60).map(|_| open.accept(application, None, &BODY).unwrap().message.id).collect();
    for _ in 0..240 {
        let stored = open.accept(application, None, &BODY).unwrap();
        deliver(&open, &stored, endpoint);
    }
    flush(&open);
    assert!(open.store.figures().folder_bytes > MOST + (4 << 20));
    let settings = JanitorSettings { max_bytes: MOST, ..settings(Duration::MAX) };
    let janitor = janitor(&open, &folder, settings);
    wait_until("it is down to the allowance", || {
        assert_eq!(open.store.refuses(), None);
        open.store.figures().folder_bytes <= MOST
    });
    janitor.stop();
    for id in waiting {
        assert!(open.store.message(application, &Reference::Id(id)).is_some());
    }
    open.stop();
}

#[test]
fn what_is_old_goes_in_time_on_a_quiet_relay() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let endpoint = open.endpoint(application, "books");
    let stored = open.accept(application, None, b"{}").unwrap();
    deliver(&open, &stored, endpoint);
    flush(&open);
    let there = || open.store.message(application, &Reference::Id(stored.message.id)).is_some();
    let janitor = janitor(&open, &folder, settings(10 * HOUR));
    folder.clock.advance(HOUR + Duration::from_secs(1));
    wait_until("the segment ends", || segments(&folder).len() == 2);
    let first = segments(&folder).remove(0);
    wait_until("it gives back what it has no use for", || length(&first) < 64 << 10);
    assert!(there());
    // A tenth later at most.
    folder.clock.advance(10 * HOUR + Duration::from_secs(1));
    wait_until("the message goes", || !there());
    wait_until("its segment goes", || !first.exists());
    janitor.stop();
    open.stop();
    let open = folder.open();
    assert!(open.store.endpoint_by_id(endpoint).is_some());
    open.stop();
}

#[test]
fn an_idle_relay_makes_no_segments() {
    let folder = Folder::new();
    let mut open = folder.open();
    for round in 0..20 {
        turn(&open, &folder, HOUR, HOUR / 2);
        assert_eq!(segments(&folder).len(), 2, "in round {round}");
        if round % 5 == 4 {
            open.stop();
            open = folder.open();
        }
    }
    // The time since the segment began does not count: its first record is young.
    open.application("acme");
    turn(&open, &folder, HOUR / 4, HOUR / 2);
    assert_eq!(segments(&folder).len(), 2);
    open.stop();
    open = folder.open();
    turn(&open, &folder, HOUR / 2, HOUR / 2);
    assert_eq!(segments(&folder).len(), 3);
    open.stop();
    let index = folder.data().join("index");
    fs::remove_dir_all(index).unwrap();
    let open = folder.open();
    assert!(open.store.application(&Reference::Name("acme".to_owned())).is_some());
    open.stop();
}
