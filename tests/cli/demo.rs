//! `relay demo` from its begin to its end.

use std::fs;

use serde_json::Value;

use crate::support::{Ended, Folder, ended};

/// Runs it with a folder of its own for temporary files, which must be empty after it.
fn demo(arguments: &[&str]) -> Ended {
    let folder = Folder::new();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = folder.command(arguments);
    let ended = ended(command.env("TMPDIR", &temporary));
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(left.is_empty(), "{left:?}");
    ended
}

#[test]
fn it_is_told_as_it_happens() {
    let ended = demo(&["demo"]).expect(0, "message 1  accepted, ", "");
    assert_eq!(ended.err, "");
    let place =
        |text: &str| ended.out.find(text).unwrap_or_else(|| panic!("no {text}\n{}", ended.out));
    let order = [
        "message 3  accepted",
        "message 3  attempt 1: signature verified, but it answered 500, retry in 0.",
        "message 3  attempt 2: signature verified, but it answered 500, retry in 0.",
        "message 3  attempt 3: signature verified, answered 200",
        "message 3  delivered",
        "5 messages accepted, 5 delivered in 7 attempts",
        "every signature verified, 5 messages handled once each",
    ];
    assert!(order.is_sorted_by_key(|text| place(text)), "{}", ended.out);
}

#[test]
fn it_is_told_to_scripts() {
    let ended = demo(&["demo", "--json"]).expect(0, "", "");
    let lines: Vec<Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((count("accepted"), count("attempt"), count("delivered")), (5, 7, 5));
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["handled"]), (&"summary".into(), &5.into()), "{last}");
}
