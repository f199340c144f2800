//! The index made smaller: nothing is lost or brought back by it, whenever a crash comes.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use relay::store::{Compaction, MessageFilter, PageRequest, PageStart, Progress, Store};

use crate::support::folder::{Folder, Open};
use crate::support::image::{copy, twin};
use crate::support::model::Model;
use crate::support::random::Random;

/// Steps at most: each copies 100 rows.
const STEPS: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn write(open: &Open, model: &mut Model, random: &mut Random, messages: usize) {
    for _ in 0..messages / 20 {
        for _ in 0..20 {
            let body = random.bytes(50);
            model.accept(open, random, body);
        }
        model.settle(open, random, 50);
    }
}

/// Takes every step that is left.
fn finish(mut compaction: Compaction) {
    let until = Instant::now() + PATIENCE;
    loop {
        match compaction.step().unwrap() {
            Progress::Done(_) => return,
            Progress::Awaited => thread::yield_now(),
            _ => {}
        }
        assert!(Instant::now() < until, "it does not end");
    }
}

fn indexes(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.data().join("index")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What a crash would leave at this moment, twice: once its index is asked, once it is made anew.
fn crash(folder: &Folder, model: &Model, generation: &str) {
    for image in [twin(folder), copy(folder)] {
        let open = image.open();
        model.check(&open);
        if !open.rebuilt {
            assert_eq!(indexes(&image), [generation]);
        }
        // And it can be done again.
        finish(open.store.begin_compaction().unwrap());
        model.check(&open);
        open.stop();
        let open = image.open();
        assert!(!open.rebuilt);
        model.check(&open);
        open.stop();
    }
}

#[test]
fn a_crash_between_any_two_steps_of_a_compaction_loses_nothing() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(31);
    let mut model = Model::new(&open, 3);
    write(&open, &mut model, &mut random, 200);
    open.stop();
    // What was applied before is in the index, what comes now goes in meanwhile.
    let open = folder.open();
    let mut compaction = open.store.begin_compaction().unwrap();
    crash(&folder, &model, "1");
    let (mut steps, mut met) = (0, Vec::new());
    loop {
        let progress = compaction.step().unwrap();
        if steps % 4 == 0 {
            write(&open, &mut model, &mut random, 20);
        }
        steps += 1;
        assert!(steps < STEPS);
        let switched = met.contains(&"switched") || progress == Progress::Switched;
        let name = match progress {
            Progress::Copied => "copied",
            Progress::Whole => "whole",
            Progress::Flushed => "flushed",
            Progress::Switched => "switched",
            Progress::Awaited => "awaited",
            Progress::Done(_) => "done",
        };
        // Of the many steps that copy, two are enough.
        if met.iter().filter(|seen| **seen == name).count() < 2 {
            met.push(name);
            crash(&folder, &model, if switched { "2" } else { "1" });
        }
        if name == "done" {
            break;
        }
    }
    assert_eq!(met, ["copied", "copied", "whole", "flushed", "switched", "done"]);
    drop(compaction);
    assert_eq!(indexes(&folder), ["2"]);
    model.check(&open);
    open.stop();
}

/// Deletes, changes and long values meet the cursor at every place.
#[test]
fn what_is_written_while_rows_are_copied_is_in_the_new_index() {
    let folder = Folder::new();
    let mut open = folder.open();
    let mut random = Random::new(32);
    let mut model = Model::new(&open, 2);
    for round in 0..5 {
        let mut compaction = open.store.begin_compaction().unwrap();
        for _ in 0..STEPS {
            write(&open, &mut model, &mut random, 20);
            if matches!(compaction.step().unwrap(), Progress::Done(_)) {
                break;
            }
        }
        drop(compaction);
        model.check(&open);
        if round % 2 == 1 {
            open.stop();
            open = folder.open();
            assert!(!open.rebuilt);
            model.check(&open);
        }
    }
    open.stop();
}

#[test]
fn one_that_is_given_up_leaves_nothing_behind() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(33);
    let mut model = Model::new(&open, 2);
    write(&open, &mut model, &mut random, 100);
    let mut compaction = open.store.begin_compaction().unwrap();
    assert_eq!(indexes(&folder), ["1", "2"]);
    compaction.step().unwrap();
    drop(compaction);
    assert_eq!(indexes(&folder), ["1"]);
    write(&open, &mut model, &mut random, 100);
    open.stop();
    let open = folder.open();
    assert!(!open.rebuilt);
    model.check(&open);
    open.stop();
}

#[test]
fn readers_see_everything_at_every_moment() {
    let folder = Folder::new();
    let open = folder.open();
    let mut random = Random::new(34);
    let mut model = Model::new(&open, 2);
    write(&open, &mut model, &mut random, 400);
    open.stop();
    let open = folder.open();
    let wanted = model.messages.len();
    let (done, reads) = (AtomicBool::new(false), AtomicBool::new(false));
    let count = |store: &Store| {
        let page = PageRequest { limit: 10_000, start: PageStart::First, descending: true };
        let filter = MessageFilter::default();
        store.list_messages(model.application, &filter, &page).items.len()
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(count(&open.store), wanted);
                    reads.store(true, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..5 {
            reads.store(false, Ordering::SeqCst);
            finish(open.store.begin_compaction().unwrap());
            while !reads.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    open.stop();
}
