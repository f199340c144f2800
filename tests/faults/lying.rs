//! Writes of the journal that are reported as done and were not: in part, not at all, or elsewhere.
//! What was acknowledged in between can't be there whole, but the loss is told of by body or by
//! record, and nothing else is touched. Needs a C compiler.
//!
//! `RELAY_FAULT_LIES=20 cargo test --test faults lying -- --nocapture` is the long form.

use std::collections::BTreeMap;

use crate::damage::{Folder, Way};
use crate::support::lying::LyingDisk;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{LONG, variable, wait_until};

const LIES: [&str; 5] = ["nothing", "short", "torn", "late", "early"];
/// As many are acknowledged before a lie, and after it.
const MESSAGES: usize = 40;
/// One group, and what lies a page away from it.
const BODIES: usize = 60;

#[test]
fn a_write_that_was_not_done_is_told_of() {
    let rounds = variable("RELAY_FAULT_LIES", 1);
    let receiver = Receiver::start();
    let mut ways: BTreeMap<Way, u64> = BTreeMap::new();
    for round in 0..rounds {
        for lie in LIES {
            for killed in [false, true] {
                match one_lie(&receiver, lie, killed) {
                    Ok(way) => *ways.entry(way).or_default() += 1,
                    Err(why) => return println!("SKIPPED: {why}"),
                }
            }
        }
        println!("round {round}: {ways:?}, none silent");
    }
    assert!(ways.contains_key(&Way::Reported), "{ways:?}: no record was hit");
}

/// What came of it at the next start: one that trusts the index after a kill, and one that makes
/// it anew from the journal.
fn one_lie(receiver: &Receiver, lie: &str, killed: bool) -> Result<Way, String> {
    let made = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&made.path().join("data"));
    settings.set("RELAY__DATA__SEGMENT_SIZE", "2 MiB");
    settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
    let disk = LyingDisk::under(&mut settings, made.path())?;
    let (folder, mut relay) = Folder::served(made, settings, receiver, |load| {
        let enough = |most: usize| load.acknowledged.lock().unwrap().len() >= most;
        wait_until("messages", LONG, || enough(MESSAGES));
        disk.lie(lie);
        wait_until("a write is lied about", LONG, || disk.has_lied());
        wait_until("messages", LONG, || enough(3 * MESSAGES));
    });
    let what = format!("{lie}, killed: {killed}");
    let found = folder.compare(&mut relay);
    let (missing, damaged) = found.unwrap_or_else(|| panic!("{what}: it ends while it serves"));
    assert_eq!(missing, 0, "{what}: silently less");
    assert!(damaged <= BODIES, "{what}: {damaged} damaged");
    if killed {
        relay.process.kill();
    } else {
        relay.stop();
        folder.distrust();
    }
    let way = folder.judge(&what, BODIES);
    println!("{what}: {damaged} bodies while it served, then {way:?}");
    // An index that is made anew reads the record, or what is where it should be.
    assert!(killed || way != Way::Harmless || damaged == 0, "{what}: {way:?}");
    Ok(way)
}
