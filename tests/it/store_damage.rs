//! Damage to the files of a data folder: what was acknowledged all comes back, or the loss is
//! reported by number and file; never is there silently less.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use relay::store::{Loss, OpenError};

use crate::support::folder::{Folder, Open};
use crate::support::image::{change, copy, files, segments, twin, written_end};
use crate::support::model::Model;
use crate::support::random::Random;

/// A folder that was stopped cleanly, with three segments, and what is in it.
fn filled() -> (Folder, Model, Random) {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(7);
    let mut model = Model::new(&open, 2);
    while segments(&folder).len() < 3 {
        for _ in 0..8 {
            let length = [40, 900, 5_000, 50_000][random.below(4)];
            let body = random.bytes(length);
            model.accept(&open, &mut random, body);
        }
        model.settle(&open, &mut random, 6);
    }
    model.check(&open);
    open.stop();
    (folder, model, random)
}

fn rounds(short: usize) -> usize {
    std::env::var("RELAY_FAULT_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(short)
}

/// Opens a damaged folder: everything is there, or the start is refused with the numbers lost and
/// what is left is served when asked to, and again after that. Returns whether there was a loss.
fn check(folder: &Folder, model: &Model, what: &str) -> Option<Vec<Loss>> {
    let losses = match folder.try_open(false) {
        Ok(open) => {
            let found = model.compare(&open);
            assert_eq!(found.missing, 0, "{what}: silently less");
            assert!(found.unreadable <= most_unreadable(what), "{what}: {found:?}");
            open.stop();
            return None;
        }
        Err(OpenError::Lost(losses)) => losses,
        Err(other) => panic!("{what}: {other}"),
    };
    assert!(!losses.is_empty(), "{what}");
    for loss in &losses {
        assert!(loss.to_string().contains(".seg at byte "), "{what}: {loss}");
    }
    let mended = folder.try_open(true).unwrap();
    let numbers: u64 = losses.iter().map(|loss| (loss.last + 1).saturating_sub(loss.first)).sum();
    let found = model.compare(&mended);
    // A lost record hides a message, or a settlement, and with it an attempt; that of an
    // application or an endpoint hides what it owns.
    let bounded = !model.owners_are_there(&mended) || found.missing as u64 <= 2 * numbers;
    assert!(bounded, "{what}: {found:?} but {numbers} were reported");
    mended.stop();
    let again = folder.open();
    assert_eq!(model.compare(&again).missing, found.missing, "{what}: opened again");
    again.stop();
    Some(losses)
}

/// A bit lies in one body, a page in several small ones.
fn most_unreadable(what: &str) -> usize {
    if what.starts_with("bit") { 1 } else { 20 }
}

fn remove_index(folder: &Folder) {
    fs::remove_dir_all(folder.data().join("index")).unwrap();
}

fn flip(path: &Path, at: usize, bit: usize) {
    change(path, |bytes| bytes[at] ^= 1 << bit);
}

#[test]
fn a_flipped_bit_in_the_journal_is_reported_or_harmless() {
    let (folder, model, mut random) = filled();
    let mut reported = 0;
    for round in 0..rounds(40) {
        let trusted = round % 4 == 0;
        let image = if trusted { twin(&folder) } else { copy(&folder) };
        let paths = segments(&image);
        let path = &paths[random.below(paths.len())];
        let at = match round % 5 {
            0 => random.below(64),
            1 => 64 + random.below(48),
            _ => random.below(written_end(path)),
        };
        let bit = random.below(8);
        flip(path, at, bit);
        let what = format!("bit {bit} of byte {at} of {path:?}, trusted {trusted}");
        reported += usize::from(check(&image, &model, &what).is_some());
    }
    assert!(reported > 0);
}

/// Opens it, compares, and starts once more when the index turned out to be bad on the way.
fn check_index(image: Folder, model: &Model, what: &str) -> bool {
    let served = catch_unwind(AssertUnwindSafe(|| {
        let open = image.open();
        let found = model.compare(&open);
        assert_eq!((found.missing, found.unreadable), (0, 0), "{what}: silently less");
        let rebuilt = open.rebuilt;
        open.stop();
        rebuilt
    }));
    if let Ok(rebuilt) = served {
        return rebuilt;
    }
    let marked = files(&image.data().join("index"));
    let marked = marked.iter().any(|path| path.extension().is_some_and(|name| name == "bad"));
    assert!(marked, "{what}: ended without marking the index bad");
    // Threads of the ended store hold the lock.
    let again = twin(&image);
    let open = again.open();
    assert!(open.rebuilt, "{what}");
    model.check(&open);
    open.stop();
    true
}

#[test]
fn a_flipped_bit_in_the_index_costs_a_rebuild_at_most() {
    let (folder, model, mut random) = filled();
    let mut rebuilt = 0;
    for _ in 0..rounds(24) {
        let image = twin(&folder);
        let mut paths = files(&image.data().join("index"));
        paths.retain(|path| written_end(path) > 0);
        let path = &paths[random.below(paths.len())];
        let (at, bit) = (random.below(written_end(path)), random.below(8));
        flip(path, at, bit);
        let what = format!("bit {bit} of byte {at} of {path:?}");
        rebuilt += usize::from(check_index(image, &model, &what));
    }
    println!("rebuilt {rebuilt}");
}

#[test]
fn a_zeroed_page_is_reported_or_harmless() {
    let (folder, model, mut random) = filled();
    for round in 0..rounds(16) {
        let image = if round % 4 == 0 { twin(&folder) } else { copy(&folder) };
        let paths = segments(&image);
        let path = &paths[round % paths.len()];
        let page = if round < 3 { 0 } else { random.below(written_end(path) / 4096) };
        change(path, |bytes| bytes[page * 4096..(page + 1) * 4096].fill(0));
        let what = format!("page {page} of {path:?}");
        let losses = check(&image, &model, &what);
        assert!(page > 0 || losses.is_some(), "{what}: a segment without its head was served");
    }
}

#[test]
fn a_cut_off_tail_is_reported_or_harmless() {
    let (folder, model, _) = filled();
    for last in [false, true] {
        for cut in [1, 64, 4_096, 50_000, usize::MAX] {
            for behind_written in [false, true] {
                let image = copy(&folder);
                let paths = segments(&image);
                let path = if last { &paths[2] } else { &paths[1] };
                let (written, mut left) = (written_end(path), 0);
                change(path, |bytes| {
                    let end = if behind_written { written } else { bytes.len() };
                    left = end.saturating_sub(cut);
                    bytes.truncate(left);
                });
                let what = format!("{cut} bytes off {path:?}");
                let losses = check(&image, &model, &what);
                let harmed = left < written;
                assert_eq!(losses.is_some(), harmed, "{what}: {losses:?}");
            }
        }
    }
}

#[test]
fn a_missing_segment_is_reported() {
    let (folder, model, _) = filled();
    for missing in [0, 1, 2] {
        for trusted in [false, true] {
            let image = if trusted { twin(&folder) } else { copy(&folder) };
            fs::remove_file(&segments(&image)[missing]).unwrap();
            let what = format!("without segment {missing}, trusted {trusted}");
            let losses = check(&image, &model, &what);
            assert!(losses.is_some(), "{what}");
        }
    }
}

#[test]
fn a_missing_journal_is_reported() {
    let (folder, model, _) = filled();
    for trusted in [false, true] {
        let image = if trusted { twin(&folder) } else { copy(&folder) };
        fs::remove_dir_all(image.data().join("journal")).unwrap();
        let losses = match image.try_open(false) {
            Err(OpenError::Lost(losses)) => losses,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("an empty store was served"),
        };
        assert_eq!(losses.len(), 1);
        assert!(losses[0].last as usize > model.messages.len());
        image.try_open(true).unwrap().stop();
        image.open().stop();
    }
}

#[test]
fn every_part_of_the_index_can_go() {
    let (folder, model, _) = filled();
    type Break = fn(&Folder);
    let cases: [(&str, bool, Break); 6] = [
        ("no index", true, remove_index),
        ("an empty index", true, |folder| {
            for path in files(&folder.data().join("index")) {
                fs::remove_file(path).unwrap();
            }
        }),
        ("no checkpoint", true, |folder| {
            fs::remove_file(folder.data().join("checkpoint")).unwrap();
        }),
        ("half a checkpoint", true, |folder| {
            let path = folder.data().join("checkpoint");
            change(&path, |bytes| bytes.truncate(bytes.len() / 2));
        }),
        ("an unfinished snapshot", false, |folder| {
            let index = files(&folder.data().join("index"));
            fs::write(index[0].with_file_name("snap.00000000000000FF.generating"), b"x").unwrap();
        }),
        ("an unfinished next segment and checkpoint", false, |folder| {
            fs::write(folder.data().join("journal/next"), b"x").unwrap();
            fs::write(folder.data().join("checkpoint.new"), b"x").unwrap();
        }),
    ];
    for (what, rebuilds, damage) in cases {
        let image = twin(&folder);
        damage(&image);
        let open = image.open();
        assert_eq!(open.rebuilt, rebuilds, "{what}");
        model.check(&open);
        open.stop();
    }
    let copied = copy(&folder);
    let open = copied.open();
    assert!(open.rebuilt, "a copied folder");
    model.check(&open);
    open.stop();
}

/// A store at work is copied; nothing that was answered before the copy began is missing in it.
#[test]
fn a_copy_made_under_load_holds_all_that_was_answered() {
    let folder = Folder::new();
    let open: Open = folder.open();
    let mut random = Random::new(11);
    let mut model = Model::new(&open, 2);
    for _ in 0..6 {
        for _ in 0..10 {
            let length = random.below(30_000);
            let body = random.bytes(length);
            model.accept(&open, &mut random, body);
        }
        model.settle(&open, &mut random, 5);
        let crashed = copy(&folder);
        let again = crashed.open();
        assert!(again.rebuilt);
        model.check(&again);
        again.stop();
    }
    open.stop();
}
