//! A sync that fails: nobody is told 2xx for that group, the process ends, and the next start has
//! everything acknowledged before. Needs strace.
//!
//! `RELAY_FAULT_SYNCS=400 cargo test --release --test faults failed_sync` is the long form.

use std::process::Command;
use std::time::Duration;

use crate::support::load::Load;
use crate::support::process::Settings;
use crate::support::{Random, variable};

fn can_inject() -> Result<(), String> {
    let tried = Command::new("strace").args(["-e", "inject=fdatasync:error=EIO", "true"]).output();
    let tried = tried.map_err(|error| format!("strace: {error}"))?;
    tried.status.success().then_some(()).ok_or_else(|| "strace may not trace here".to_owned())
}

#[test]
fn a_failed_sync_ends_the_process_and_loses_nothing() {
    if let Err(why) = can_inject() {
        return println!("SKIPPED: {why}");
    }
    let folder = tempfile::tempdir().unwrap();
    let plain = Settings::new(&folder.path().join("data"));
    let relay = plain.start();
    relay.client.make_application("load", &[]);
    relay.stop();
    let mut random = Random(variable("RELAY_SEED", 3));
    let load = Load::default();
    for round in 0..variable("RELAY_FAULT_SYNCS", 5) {
        let when = 3 + random.below(40);
        let call = if round % 2 == 0 { "fdatasync" } else { "pwrite64" };
        // The writer of the journal is the first thread to come so far.
        let inject = format!("inject={call}:error=EIO:when={when}+");
        let mut broken = plain.clone();
        broken.wrapper =
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,pwrite64", "-e"]
                .map(str::to_owned)
                .to_vec();
        broken.wrapper.push(inject.clone());
        let mut relay = broken.start();
        let process = &mut relay.process;
        load.run(&relay.client, 8, &|number| (number % 300) as usize, |_| {
            let told = process.line_with("the relay ends", Duration::from_secs(60));
            assert!(told.is_ok(), "{inject}: {told:?}");
        });
        let (status, lines) = relay.process.ended();
        assert!(!status.success(), "{inject}: {lines:#?}");
        let again = plain.start();
        let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
        let compared = load.check(&again.client, &all);
        println!("{inject}: ended with {status}, {compared} there");
        again.stop();
    }
}
