//! What an older version left, and what damage did.

use std::sync::Arc;

use super::*;
use crate::domain::application::Application;
use crate::domain::dead_letter::DeadLetterFilter;
use crate::domain::delivery::{DeadReason, Outcome, Trigger};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::EndpointId;
use crate::domain::secret::Secret;
use crate::domain::signature::SigningKey;
use crate::domain::task::Window;
use crate::domain::time::{Clock, Timestamp};
use crate::store::disk::RealDisk;
use crate::store::records::DeliveryV1;
use crate::store::{
    Author, KeyOrigin, MemoryIndex, NewMessage, Options, PageRequest, PageStart, Reply,
    SealingKeys, Settlement, Stepped, StoredDeadLetter, StoredMessage, Verdict, open,
};

struct Still;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn wall(&self) -> Timestamp {
        NOW
    }
}

fn opened(folder: &std::path::Path) -> (Store, Stepped) {
    let options = Options {
        folder: folder.to_owned(),
        disk: Arc::new(RealDisk),
        segment_size: 1 << 20,
        index_cache: 0,
        overlay: 64 << 20,
        order_lookahead: 20_000,
        sealing: SealingKeys {
            current: Secret::new(vec![7; 32]),
            origin: KeyOrigin::Configuration,
            previous: Vec::new(),
        },
        clock: Box::new(|_| Arc::new(Still)),
        notify: Box::new(|_| ()),
        progress: Box::new(|_| ()),
        on_sync: Box::new(|_| ()),
        accept_loss: false,
        simulated: Some(MemoryIndex::default()),
    };
    open(options).unwrap().step_by_step()
}

fn endpoint(application: ApplicationId, id: EndpointId) -> Endpoint {
    let key = SigningKey::Hmac(Secret::new(vec![9; 24]));
    Endpoint {
        id,
        application,
        uid: None,
        url: "http://127.0.0.1:9/".to_owned(),
        description: String::new(),
        subscription: Default::default(),
        disabled: None,
        throttle_rate: None,
        delivery: Default::default(),
        metadata: Default::default(),
        transformation: None,
        headers: Default::default(),
        keys: vec![EndpointKey { key, expires_at: None }],
        managed: false,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// An application with two endpoints, and a message to both.
fn plant(store: &Store) -> StoredMessage {
    let written = store.write_blocking(None, |transaction| {
        let id = ApplicationId::new(transaction.mint());
        let application = Application {
            id,
            uid: None,
            name: "one".to_owned(),
            throttle_rate: None,
            metadata: Default::default(),
            managed: false,
            created_at: NOW,
            updated_at: NOW,
        };
        transaction.put_application(application, Author::Caller)?;
        for _ in 0..2 {
            let endpoint = endpoint(id, EndpointId::new(transaction.mint()));
            transaction.put_endpoint(endpoint, Author::Caller)?;
        }
        let new = NewMessage::plain(id, "a.b".to_owned(), bytes::Bytes::from_static(b"{}"));
        transaction.accept(new).map(Reply::Message)
    });
    match written.unwrap().reply {
        Reply::Message(stored) => stored,
        other => panic!("{other:?}"),
    }
}

fn settlement(delivery: DeliveryId) -> Settlement {
    Settlement {
        delivery,
        due: NOW,
        first_due: NOW,
        trigger: Trigger::Scheduled,
        started_at: NOW,
        duration_ms: 1,
        status_code: 503,
        outcome: Outcome::Status,
        verdict: Verdict::Dead(DeadReason::Exhausted),
        content: Default::default(),
    }
}

fn listed(store: &Store, application: Option<ApplicationId>) -> Vec<StoredDeadLetter> {
    let filter = DeadLetterFilter {
        endpoint: None,
        reasons: Vec::new(),
        event_types: Vec::new(),
        status_code_class: None,
        channel: None,
        tag: None,
        died: Window { since: Timestamp::default(), until: Timestamp::MAX },
    };
    let page = PageRequest { limit: 10, start: PageStart::First, descending: false };
    let mut found = store.list_dead_letters(application, &filter, &page).items;
    found.sort_by_key(|stored| stored.letter.delivery);
    found
}

fn change(store: &Store, work: impl FnOnce(&mut Transaction<'_>) + Send + 'static) {
    let done = store.on_writer(move |writer| {
        writer.transact(|transaction| {
            work(transaction);
            Ok(())
        })
    });
    done.unwrap().unwrap();
}

fn list_all_old(store: &Store) {
    let mut after = None;
    while store.lacks_dead_letters() {
        after = store.list_old_dead(after).unwrap();
    }
}

#[test]
fn what_an_older_version_left_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, stepped) = opened(folder.path());
    assert!(!store.lacks_dead_letters(), "a new folder has all of them");
    let stored = plant(&store);
    let application = stored.message.application;
    let ids: Vec<_> = store.deliveries(&stored).into_iter().map(|(id, _)| id).collect();
    store.settle(settlement(ids[0]));
    store.expire(ids[1]);
    store.checkpoint().unwrap();
    change(&store, |_| ());
    stepped.write().unwrap();
    let before = listed(&store, Some(application));
    assert_eq!(before.len(), 2);
    // As the version before wrote them.
    change(&store, move |transaction| {
        let list = [rows::by_time(), rows::of_application(application), rows::state()];
        for part in list {
            let mut keys = Vec::new();
            transaction.writer.shared.overlay.scan(
                &part,
                &part.after_prefix(),
                false,
                &mut |key, _| {
                    keys.push(key);
                    ControlFlow::Continue(())
                },
            );
            keys.into_iter().for_each(|key| transaction.delete_row(key));
        }
        for id in ids {
            let held: Delivery = transaction.record(&keys::delivery(id)).unwrap();
            let Delivery { state, attempts, due, attempt_ids, .. } = held;
            let old = records::encode(&DeliveryV1 { state, attempts, due, attempt_ids });
            transaction.put_row(keys::delivery(id), old, false);
        }
    });
    assert!(listed(&store, Some(application)).is_empty() && store.lacks_dead_letters());
    list_all_old(&store);
    let after = listed(&store, Some(application));
    let told = |all: &[StoredDeadLetter]| {
        all.iter().map(|stored| stored.letter.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&after), told(&before));
    assert_eq!(listed(&store, None), after);
    assert!(after.iter().all(|stored| stored.id.time() == NOW));
    assert_eq!((store.figures().dead_letters, store.lacks_dead_letters()), (2, false));
    list_all_old(&store);
    store.list_old_dead(None).unwrap();
    assert_eq!(store.figures().dead_letters, 2, "what is listed is not listed again");
}

#[test]
fn the_list_is_made_to_fit() {
    let folder = tempfile::tempdir().unwrap();
    let (store, stepped) = opened(folder.path());
    let stored = plant(&store);
    let application = stored.message.application;
    let ids: Vec<_> = store.deliveries(&stored).into_iter().map(|(id, _)| id).collect();
    ids.iter().for_each(|id| store.settle(settlement(*id)));
    change(&store, |_| ());
    stepped.write().unwrap();
    let right = listed(&store, Some(application));
    assert_eq!(right.len(), 2);
    let (lost, turned) = (right[0].id, ids[1]);
    change(&store, move |transaction| {
        // One is lost from its application's list, the other is no longer dead, and one is of
        // nothing at all.
        transaction.delete_row(rows::one(application, lost));
        let mut held: Delivery = transaction.record(&keys::delivery(turned)).unwrap();
        held.state = State::Cancelled;
        transaction.put_row(keys::delivery(turned), records::encode(&held), false);
        let stray = rows::place(DeadLetterId::new(Stamp(99)));
        transaction.put_row(stray, records::encode(&application.stamp().0), false);
    });
    store.mend().unwrap();
    assert_eq!(listed(&store, Some(application)), right[..1]);
    assert_eq!(listed(&store, None), right[..1]);
    assert_eq!((store.figures().dead_letters, store.lacks_dead_letters()), (1, false));
}
