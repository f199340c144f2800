//! Since when an endpoint fails is kept: over restarts, rebuilds and retention, until it is well,
//! changed or gone.

use std::time::Duration;

use relay::domain::delivery::DeliveryId;
use relay::domain::endpoint::Endpoint;
use relay::domain::id::{ApplicationId, EndpointId};
use relay::domain::time::Timestamp;
use relay::store::{Author, Notice, Reference, Reply, Transaction, Verdict};

use crate::support::clock::START;
use crate::support::folder::{Folder, Open};
use crate::support::image::segments;
use crate::support::model::{flush, settlement};

const MINUTE: Duration = Duration::from_secs(60);
const BIG: &[u8] = &[b'x'; 50_000];

/// An attempt at the endpoint ends.
fn attempt(open: &Open, application: ApplicationId, endpoint: EndpointId, verdict: Verdict) {
    let stored = open.accept(application, None, b"{}").unwrap();
    let message = stored.message.id;
    let id = DeliveryId { message, endpoint, replay: 0 };
    open.store.settle(settlement(id, stored.message.first_due(), verdict));
    flush(open);
    while !matches!(open.notice(), Notice::Settled { .. }) {}
}

fn fail(open: &Open, application: ApplicationId, endpoint: EndpointId) {
    attempt(open, application, endpoint, Verdict::RetryAt(open.store.now() + MINUTE));
}

fn change(open: &Open, work: impl FnOnce(&mut Transaction<'_>) + Send + 'static) {
    let written = open.store.write_blocking(None, |transaction| {
        work(transaction);
        Ok(Reply::Done)
    });
    written.unwrap();
}

fn reopened(folder: &Folder, open: Open, rebuild: bool) -> Open {
    open.stop();
    if rebuild {
        std::fs::remove_dir_all(folder.data().join("index")).unwrap();
    }
    folder.clock.advance(MINUTE);
    folder.open()
}

#[test]
fn it_is_kept_until_the_endpoint_is_well() {
    let folder = Folder::new();
    let mut open = folder.open();
    let application = open.application("acme");
    let (ill, well) = (open.endpoint(application, "ill"), open.endpoint(application, "well"));
    attempt(&open, application, well, Verdict::Delivered);
    assert_eq!(open.store.failing(), []);
    let since = open.store.now();
    fail(&open, application, ill);
    let held = open.store.failing();
    assert_eq!(held[0].0, ill);
    assert!(held[0].1.since(since) < MINUTE && held[0].1 >= START, "{held:?}");
    for rebuild in [false, true, false] {
        folder.clock.advance(MINUTE);
        fail(&open, application, ill);
        attempt(&open, application, well, Verdict::Delivered);
        assert_eq!(open.store.failing(), held, "the first failure counts");
        open = reopened(&folder, open, rebuild);
        assert_eq!(open.store.failing(), held, "after a restart, rebuilt: {rebuild}");
    }
    // Retention carries it out of the segment it was written to.
    while segments(&folder).len() < 4 {
        open.accept(application, None, BIG).unwrap();
    }
    for _ in 0..2 {
        let oldest = open.store.oldest_segment().unwrap().unwrap();
        open.store.reclaim(oldest, &mut |_| true).unwrap();
    }
    open = reopened(&folder, open, true);
    assert_eq!(open.store.failing(), held, "carried forward");

    attempt(&open, application, ill, Verdict::Delivered);
    assert_eq!(open.store.failing(), []);
    open = reopened(&folder, open, true);
    assert_eq!(open.store.failing(), [], "it was well");
    open.stop();
}

#[test]
fn a_change_begins_anew_and_what_is_gone_leaves_nothing() {
    let folder = Folder::new();
    let mut open = folder.open();
    let application = open.application("acme");
    let endpoint = open.endpoint(application, "books");
    let failing = |open: &Open| {
        fail(open, application, endpoint);
        open.store.failing().iter().map(|(_, since)| *since).collect::<Vec<Timestamp>>()
    };
    assert_eq!(failing(&open).len(), 1);
    change(&open, move |transaction| {
        let old = transaction.endpoint(application, &Reference::Id(endpoint)).unwrap();
        let new = Endpoint { description: "moved".to_owned(), ..Endpoint::clone(&old) };
        transaction.put_endpoint(new, Author::Caller).unwrap();
    });
    assert_eq!(open.store.failing(), [], "changed by a person");
    assert_eq!(failing(&open).len(), 1);
    change(&open, move |transaction| {
        let mut application =
            (*transaction.application(&Reference::Id(application)).unwrap()).clone();
        application.throttle_rate = Some(7);
        transaction.put_application(application, Author::Caller).unwrap();
    });
    assert_eq!(open.store.failing(), [], "its application's throttle was changed");
    assert_eq!(failing(&open).len(), 1);

    // One attempt is still under way when the endpoint goes.
    let stored = open.accept(application, None, b"{}").unwrap();
    change(&open, move |transaction| {
        transaction.delete_endpoint(application, endpoint, Author::Caller).unwrap();
    });
    assert_eq!(open.store.failing(), [], "gone");
    let id = DeliveryId { message: stored.message.id, endpoint, replay: 0 };
    let late = Verdict::RetryAt(open.store.now() + MINUTE);
    open.store.settle(settlement(id, stored.message.first_due(), late));
    flush(&open);
    assert_eq!(open.store.failing(), [], "a late result brings nothing back");
    open = reopened(&folder, open, true);
    assert_eq!(open.store.failing(), []);
    open.stop();
}
