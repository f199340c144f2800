//! Idempotency keys: once per key, the same reply again, for as long as was promised.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use relay::domain::id::{ApplicationId, MessageId};
use relay::store::{Idempotency, NewMessage, Reply, Store, WriteError, Written};

use crate::support::folder::Folder;
use crate::support::image::copy;

const WINDOW: Duration = Duration::from_secs(600);

fn key(scope: u8, request: u8) -> Idempotency {
    Idempotency { scope: [scope; 32], request: [request; 32], window: WINDOW }
}

fn accept(
    store: &Store,
    application: ApplicationId,
    key: Idempotency,
) -> Result<Written, WriteError> {
    let message =
        NewMessage::plain(application, "invoice.paid".to_owned(), Bytes::from_static(b"{}"));
    store.write_blocking(Some(key), move |transaction| {
        transaction.accept(message).map(Reply::Message)
    })
}

fn id(written: &Written) -> MessageId {
    match &written.reply {
        Reply::Message(stored) => stored.message.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_request_gets_the_same_reply_until_the_window_ends() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let first = accept(&open.store, application, key(1, 1)).unwrap();
    assert!(!first.replayed);
    for _ in 0..6 {
        folder.clock.advance(WINDOW / 6 - Duration::from_millis(1));
        let again = accept(&open.store, application, key(1, 1)).unwrap();
        assert_eq!((again.replayed, id(&again)), (true, id(&first)));
        let other = accept(&open.store, application, key(1, 2));
        assert_eq!(other, Err(WriteError::KeyReused));
        while open.store.tidy().unwrap() {}
    }
    folder.clock.advance(Duration::from_millis(6));
    let fresh = accept(&open.store, application, key(1, 2)).unwrap();
    assert!(!fresh.replayed);
    assert_ne!(id(&fresh), id(&first));
    open.stop();
}

/// What is forgotten is removed, however the requests lie in time.
#[test]
fn forgotten_replies_leave_no_rows() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    for scope in 0..40 {
        accept(&open.store, application, key(scope, 1)).unwrap();
        folder.clock.advance(WINDOW / 7);
    }
    folder.clock.advance(WINDOW * 3);
    while open.store.tidy().unwrap() {}
    let before = open.store.figures().sequence;
    while open.store.tidy().unwrap() {}
    assert_eq!(open.store.figures().sequence, before, "nothing was left to forget");
    for scope in 0..40 {
        assert!(!accept(&open.store, application, key(scope, 2)).unwrap().replayed);
    }
    open.stop();
}

#[test]
fn twins_at_once_create_once() {
    const TWINS: usize = 16;
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    for scope in 0..20 {
        let barrier = Arc::new(Barrier::new(TWINS));
        let twins: Vec<_> = (0..TWINS)
            .map(|_| {
                let (store, barrier) = (open.store.clone(), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    accept(&store, application, key(scope, 1)).unwrap()
                })
            })
            .collect();
        let written: Vec<_> = twins.into_iter().map(|twin| twin.join().unwrap()).collect();
        assert_eq!(written.iter().filter(|written| !written.replayed).count(), 1);
        assert!(written.iter().all(|each| id(each) == id(&written[0])));
    }
    assert_eq!(open.store.figures().accepted, 20);
    open.stop();
}

#[test]
fn replies_outlive_restarts_crashes_and_rebuilds() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let first = accept(&open.store, application, key(1, 1)).unwrap();
    let same = |store: &Store| {
        let again = accept(store, application, key(1, 1)).unwrap();
        assert_eq!((again.replayed, id(&again)), (true, id(&first)));
        assert_eq!(accept(store, application, key(1, 9)), Err(WriteError::KeyReused));
    };
    let crashed = copy(&folder);
    let image = crashed.open();
    assert!(image.rebuilt);
    same(&image.store);
    image.stop();
    open.stop();
    let again = folder.open();
    same(&again.store);
    again.stop();
}
