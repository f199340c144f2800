//! Too many writes at once: the rest are told to try again, and can.

use std::sync::mpsc::channel;

use relay::store::{Reply, WriteError};

use crate::support::folder::Folder;
use crate::support::model::flush;

/// More than twice as many as the writer lets wait.
const MANY: usize = 45_000;

#[test]
fn a_store_that_was_busy_takes_writes_again() {
    let folder = Folder::new();
    let open = folder.open();
    let (entered, begun) = channel();
    let (go_on, waiting) = channel::<()>();
    let held = move |_: &mut relay::store::Transaction<'_>| {
        entered.send(()).unwrap();
        waiting.recv().unwrap();
        Ok(Reply::Done)
    };
    open.store.submit(None, held, |_| ()).unwrap();
    begun.recv().unwrap();
    let (answer, answers) = channel();
    let (mut taken, mut busy) = (0, 0);
    for _ in 0..MANY {
        let answer = answer.clone();
        let told = move |result| answer.send(result).unwrap();
        match open.store.submit(None, |_| Ok(Reply::Done), told) {
            Ok(()) => taken += 1,
            Err(WriteError::Busy) => busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(taken > 0 && busy > 0, "{taken} {busy}");
    go_on.send(()).unwrap();
    for _ in 0..taken {
        answers.recv().unwrap().unwrap();
    }
    // Nobody who was turned away is still counted.
    assert!(busy > taken);
    flush(&open);
    open.stop();
}
