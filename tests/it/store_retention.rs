//! Retention: the folder stays in bounds, and what is needed outlives any number of reclaims.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use relay::domain::id::MessageId;
use relay::store::{
    Idempotency, PageRequest, PageStart, ReclaimError, Reference, Reply, Store, WriteError,
};

use crate::support::folder::{Folder, Open};
use crate::support::image::{copy, segments, twin};
use crate::support::model::{Kept, Model, every_message, flush};
use crate::support::random::Random;

const SEGMENT: u64 = 1 << 20;
/// Moments of a crash that are looked at.
const IMAGES: usize = 10;
/// Segments that are kept.
const CAP: usize = 4;

/// Removes the oldest segments down to the cap, as the janitor does.
fn reclaim(store: &Store, folder: &Folder) -> u64 {
    let mut kept = 0;
    while segments(folder).len() > CAP {
        let oldest = store.oldest_segment().unwrap().unwrap();
        kept += store.reclaim(oldest, &mut |_| true).unwrap();
    }
    kept
}

fn write(open: &Open, model: &mut Model, random: &mut Random, bytes: usize, settled: bool) {
    let mut written = 0;
    while written < bytes {
        for _ in 0..10 {
            let length = [100, 2_000, 20_000, 55_000][random.below(4)];
            let body = random.bytes(length);
            model.accept(open, random, body);
            written += length;
        }
        model.settle(open, random, if settled { 40 } else { 8 });
    }
}

/// Waiting messages are there exactly as they were; of the others, some are gone whole.
fn check(open: &Open, model: &mut Model) -> usize {
    let found = every_message(open, model.application);
    let gone: BTreeMap<MessageId, Kept> = model
        .messages
        .iter()
        .filter(|(id, _)| !found.contains_key(*id))
        .map(|(id, kept)| (*id, kept.clone()))
        .collect();
    for (id, kept) in &gone {
        assert!(!kept.is_waiting(), "{id:?} waits and is gone");
        model.messages.remove(id);
    }
    model.check(open);
    // An event id is free again exactly when its message is gone.
    for kept in gone.values() {
        let Some(event_id) = &kept.message.event_id else { continue };
        let named = Reference::Name(event_id.clone());
        assert_eq!(open.store.message(model.application, &named), None);
    }
    gone.len()
}

fn remember(open: &Open, number: u8, window: Duration) -> bool {
    let key = Idempotency { scope: [number; 32], request: [7; 32], window };
    open.store.write_blocking(Some(key), |_| Ok(Reply::Done)).unwrap().replayed
}

#[test]
fn ten_times_the_cap_stays_in_bounds_and_loses_nothing_that_waits() {
    let folder = Folder::new();
    let mut open = folder.open();
    let mut random = Random::new(21);
    let mut model = Model::new(&open, 3);
    let long = Duration::from_secs(86_400);
    assert!(!remember(&open, 1, long));
    let (mut gone, mut carried) = (0, 0);
    for round in 0..10 {
        let bytes = CAP * SEGMENT as usize;
        write(&open, &mut model, &mut random, bytes, true);
        folder.clock.advance(Duration::from_secs(600));
        carried += reclaim(&open.store, &folder);
        gone += check(&open, &mut model);
        assert!(remember(&open, 1, long), "an unexpired reply is gone");
        let used = open.store.figures();
        assert!(used.journal_bytes <= (CAP as u64 + 1) * SEGMENT, "{used:?}");
        if round % 3 == 2 {
            open.stop();
            if round % 2 == 0 {
                std::fs::remove_dir_all(folder.data().join("index")).unwrap();
            }
            open = folder.open();
            gone += check(&open, &mut model);
        }
    }
    assert!(gone > 100, "{gone} messages went");
    println!("{gone} went, {carried} bytes carried, {:?}", open.store.figures());
    // The catalog came along too.
    let page = PageRequest { limit: 9, start: PageStart::First, descending: false };
    assert_eq!(open.store.list_endpoints(model.application, &page).items.len(), 3);
    open.stop();
}

#[test]
fn what_waits_is_carried_for_ever() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(22);
    let mut model = Model::new(&open, 2);
    write(&open, &mut model, &mut random, SEGMENT as usize, false);
    for _ in 0..20 {
        let Some(oldest) = open.store.oldest_segment().unwrap() else { break };
        open.store.reclaim(oldest, &mut |_| true).unwrap();
        check(&open, &mut model);
    }
    open.stop();
    std::fs::remove_dir_all(folder.data().join("index")).unwrap();
    let open = folder.open();
    check(&open, &mut model);
    open.stop();
}

/// Copies made while segments go are what a crash would have left at that moment.
#[test]
fn a_crash_between_any_two_steps_loses_nothing() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(23);
    let mut model = Model::new(&open, 2);
    write(&open, &mut model, &mut random, 6 * SEGMENT as usize, true);
    let mut images = Vec::new();
    thread::scope(|scope| {
        let (store, folder) = (&open.store, &folder);
        let reclaiming = scope.spawn(|| reclaim(store, folder));
        while !reclaiming.is_finished() && images.len() < 40 {
            images.push(copy(folder));
        }
        reclaiming.join().unwrap();
    });
    // With what sled had not handed to the file system yet, the index is older than the journal.
    let trusted = twin(&folder);
    let every = images.len().div_ceil(IMAGES);
    println!("{} images, each {every}th is opened", images.len());
    for image in images.into_iter().step_by(every).chain([trusted]) {
        let crashed = image.open();
        let mut model = model.clone();
        check(&crashed, &mut model);
        // And the interrupted work goes on.
        reclaim(&crashed.store, &image);
        check(&crashed, &mut model);
        crashed.stop();
        image.open().stop();
    }
    check(&open, &mut model);
    open.stop();
}

/// What sled had not written when a crash came may be older than the oldest segment.
#[test]
fn an_index_that_is_behind_the_journal_is_not_trusted() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(26);
    let mut model = Model::new(&open, 2);
    write(&open, &mut model, &mut random, 2 * SEGMENT as usize, true);
    open.stop();
    let before = copy(&folder);
    let open = folder.open();
    write(&open, &mut model, &mut random, 6 * SEGMENT as usize, true);
    reclaim(&open.store, &folder);
    check(&open, &mut model);
    open.stop();
    let image = twin(&folder);
    std::fs::remove_dir_all(image.data().join("index")).unwrap();
    std::fs::rename(before.data().join("index"), image.data().join("index")).unwrap();
    let open = image.open();
    assert!(open.rebuilt);
    check(&open, &mut model);
    open.stop();
}

/// A record that carries much at once is cut into several.
#[test]
fn bodies_of_the_largest_size_and_many_attempts_are_carried() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(24);
    let mut model = Model::new(&open, 12);
    for _ in 0..20 {
        let body = random.bytes(60_000);
        model.accept(&open, &mut random, body);
        for _ in 0..40 {
            let body = random.bytes(10);
            model.accept(&open, &mut random, body);
        }
    }
    for _ in 0..10 {
        model.settle(&open, &mut random, 400);
    }
    reclaim(&open.store, &folder);
    check(&open, &mut model);
    open.stop();
}

#[test]
fn damage_in_the_oldest_segment_keeps_it() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(25);
    let mut model = Model::new(&open, 1);
    write(&open, &mut model, &mut random, 2 * SEGMENT as usize, true);
    let path = segments(&folder).remove(0);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xA5; 4096], 300_000 / 8 * 8).unwrap();
    let oldest = open.store.oldest_segment().unwrap().unwrap();
    let before = open.store.figures().sequence;
    let refused = open.store.reclaim(oldest, &mut |_| true).map_err(|error| error.to_string());
    let harmless = refused.is_ok();
    if let Err(told) = refused {
        assert!(told.contains("00000001.seg is damaged at byte"), "{told}");
        assert!(path.exists());
        assert_eq!(open.store.figures().sequence, before, "each try would be kept once more");
    }
    assert!(!harmless || !path.exists());
    open.stop();
}

#[test]
fn giving_back_ends_when_told_and_begins_anew() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(26);
    let mut model = Model::new(&open, 1);
    write(&open, &mut model, &mut random, 2 * SEGMENT as usize, true);
    let path = segments(&folder).remove(0);
    let oldest = open.store.oldest_segment().unwrap().unwrap();
    let mut steps = 0;
    let ended = open.store.reclaim(oldest, &mut |_| {
        steps += 1;
        steps < 3
    });
    assert!(matches!(ended, Err(ReclaimError::Write(WriteError::Stopping))), "{ended:?}");
    assert_eq!(steps, 3);
    assert!(path.exists());
    flush(&open);
    check(&open, &mut model);
    open.store.reclaim(oldest, &mut |_| true).unwrap();
    assert!(!path.exists());
    check(&open, &mut model);
    open.stop();
}

/// What is over the allowance because the index grew is not refused before there is a segment more.
#[test]
fn a_segment_that_was_allowed_is_filled() {
    static BODY: [u8; 50_000] = [b'x'; 50_000];
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let accept = || open.accept(application, None, &BODY);
    assert_eq!(open.store.allow_bytes(Some(SEGMENT - 1)), 0);
    accept().unwrap();
    assert_eq!(open.store.allow_bytes(None), 0);
    let mut taken = 0;
    let refusal = loop {
        match accept() {
            Ok(_) => taken += 1,
            Err(refusal) => break refusal,
        }
        assert!(taken * BODY.len() < 2 * SEGMENT as usize, "two segments full");
    };
    assert_eq!(refusal, WriteError::Busy);
    // The rest of the first one, and the message that began the next.
    assert!(taken * BODY.len() > SEGMENT as usize / 2, "only {taken} were taken");
    assert_eq!(open.store.allow_bytes(None), 0);
    assert!(accept().is_err());
    assert_eq!(open.store.allow_bytes(Some(2 * SEGMENT)), 2);
    accept().unwrap();
    open.stop();
}
