//! What the checkpoint knows beside the journal: the salt of the ids, the file of the index.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::support::folder::Folder;
use crate::support::image::{copy, segments};

/// Bytes of a segment's header; the record with the salt is the first one.
const FIRST_RECORD: u64 = 64;

#[test]
fn ids_read_as_before_when_the_record_with_their_salt_is_lost() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let text = open.store.ids().text(application);
    open.stop();
    let file = fs::OpenOptions::new().write(true).open(&segments(&folder)[0]).unwrap();
    file.write_all_at(&[0xA5; 32], FIRST_RECORD).unwrap();
    fs::remove_dir_all(folder.data().join("index")).unwrap();
    assert!(folder.try_open(false).is_err(), "the damage is not told");
    let open = folder.try_open(true).unwrap();
    assert_eq!(open.store.ids().text(application), text);
    open.stop();
    // And its record is there again.
    fs::remove_file(folder.data().join("checkpoint")).unwrap();
    let open = folder.open();
    assert_eq!(open.store.ids().text(application), text);
    open.stop();
}

#[test]
fn an_index_put_back_from_a_copy_is_not_trusted() {
    let folder = Folder::new();
    let open = folder.open();
    open.application("acme");
    open.stop();
    let open = folder.open();
    assert!(!open.rebuilt, "a clean stop was not trusted");
    open.stop();
    let backup = copy(&folder);
    // Restored in place: the same folder, with files of the same names and contents.
    let index = folder.data().join("index/1/db");
    fs::remove_file(&index).unwrap();
    fs::copy(backup.data().join("index/1/db"), &index).unwrap();
    let open = folder.open();
    assert!(open.rebuilt, "what a copy put there passes for the index");
    open.stop();
    assert!(!folder.open().rebuilt);
}

#[test]
fn what_a_crash_left_beside_the_index_goes_at_the_next_start() {
    let folder = Folder::new();
    folder.open().stop();
    let left = folder.data().join("index/2");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("db"), [0; 4096]).unwrap();
    fs::write(folder.data().join("index/2.bad"), "it").unwrap();
    let open = folder.open();
    assert!(!open.rebuilt);
    let names: Vec<_> = fs::read_dir(folder.data().join("index")).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    open.stop();
}

#[test]
fn an_index_that_is_given_up_is_made_anew() {
    let folder = Folder::new();
    let open = folder.open();
    let application = open.application("acme");
    let store = open.store.clone();
    let ended = std::thread::spawn(move || store.give_up_index("2 reads did not end")).join();
    assert!(ended.is_err(), "the process goes on");
    open.stop();
    let open = folder.open();
    assert!(open.rebuilt);
    assert!(open.store.application(&relay::store::Reference::Id(application)).is_some());
    open.stop();
}
