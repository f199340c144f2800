//! Rows of deliveries to deleted endpoints go with the segments they stand in.

use relay::domain::delivery::DeliveryId;
use relay::domain::time::Timestamp;
use relay::store::{Author, Reply, Verdict};

use crate::support::folder::{Folder, Open};
use crate::support::model::{every_message, flush, settlement};

/// Rows in the index once everything is in it.
fn rows(folder: &Folder) -> u64 {
    folder.open().stop();
    let open = folder.open();
    let (mut cursor, mut rows) = (Vec::new(), 0);
    while let Some(counted) = open.store.count_rows(&mut cursor, 100) {
        rows += counted.rows;
    }
    open.stop();
    rows
}

/// Every segment that there is goes.
fn reclaim_all(open: &Open) {
    open.store.end_segment(Timestamp::MAX);
    flush(open);
    while let Some(oldest) = open.store.oldest_segment().unwrap() {
        open.store.reclaim(oldest, &mut |_| true).unwrap();
        if open.store.oldest_segment().unwrap().is_none() {
            return;
        }
    }
}

#[test]
fn rows_of_deleted_endpoints_go_with_their_messages() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let endpoints = ["a", "b"].map(|uid| open.endpoint(application, uid));
    let before = rows_after(&folder, open);
    let open = folder.open();
    let mut first = Vec::new();
    for _ in 0..20 {
        let stored = open.accept(application, None, b"{}").unwrap();
        for endpoint in endpoints {
            let id = DeliveryId { message: stored.message.id, endpoint, replay: 0 };
            first.push((id, stored.message.first_due()));
        }
        let resent = stored.clone();
        let asked = open.store.write_blocking(None, move |transaction| {
            transaction.resend(&resent, endpoints[0])?;
            Ok(Reply::Done)
        });
        asked.unwrap();
    }
    let (early, late) = first.split_at(20);
    early.iter().for_each(|(id, due)| open.store.settle(settlement(*id, *due, Verdict::Delivered)));
    flush(&open);
    let deleted = open.store.write_blocking(None, move |transaction| {
        for endpoint in endpoints {
            transaction.delete_endpoint(application, endpoint, Author::Caller)?;
        }
        Ok(Reply::Done)
    });
    deleted.unwrap();
    // One round carries what was asked for before the messages are gone, the next one nothing.
    reclaim_all(&open);
    // These were under way all the time.
    late.iter().for_each(|(id, due)| open.store.settle(settlement(*id, *due, Verdict::Delivered)));
    flush(&open);
    while open.store.tidy().unwrap() {}
    reclaim_all(&open);
    reclaim_all(&open);
    // The two endpoints are gone; what is new is the row that names the oldest segment.
    assert_eq!(rows_after(&folder, open), before - 2 + 1);
}

/// What is deleted with it fits no record.
#[test]
fn a_message_to_very_many_endpoints_goes() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let endpoints: Vec<_> =
        (0..1_500).map(|n| open.endpoint(application, &n.to_string())).collect();
    let before = rows_after(&folder, open);
    let open = folder.open();
    let stored = open.accept(application, None, b"{}").unwrap();
    for endpoint in endpoints {
        let id = DeliveryId { message: stored.message.id, endpoint, replay: 0 };
        open.store.settle(settlement(id, stored.message.first_due(), Verdict::Delivered));
    }
    // So many in a turn of the writer's.
    while open.store.figures().finished < 1_500 {
        flush(&open);
    }
    reclaim_all(&open);
    assert!(every_message(&open, application).is_empty());
    reclaim_all(&open);
    assert_eq!(rows_after(&folder, open), before + 1);
}

fn rows_after(folder: &Folder, open: Open) -> u64 {
    open.stop();
    rows(folder)
}
