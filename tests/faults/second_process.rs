//! Two processes on one data folder: the second says so and ends. A copy made meanwhile is another
//! folder: it opens, or says what is missing.

use std::time::Duration;

use crate::support::load::Load;
use crate::support::namespace::run;
use crate::support::process::Settings;
use crate::support::{Random, pause, variable};

#[test]
fn a_second_process_ends_with_a_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let relay = settings.start();
    let (status, lines) = settings.spawn().ended();
    assert_eq!(status.code(), Some(75), "{lines:#?}");
    let told = lines.iter().filter(|line| line.contains("in use by another relay")).count();
    assert_eq!(told, 1, "{lines:#?}");
    assert!(lines.len() <= 3, "one line, and what to do: {lines:#?}");
    // The first one has not noticed.
    assert_eq!(relay.client.get("/readyz").unwrap().0, 200);
    relay.stop();
    // And once it has ended, the folder is free.
    let again = settings.start();
    assert!(again.took < Duration::from_secs(60));
    again.stop();
}

/// The journal of a copy under load is torn where it was written meanwhile, as by a crash; docs say
/// to stop first. Who does not loses nothing that was acknowledged before, or is told.
#[test]
fn a_copy_made_while_it_runs() {
    let copies = variable("RELAY_FAULT_COPIES", 3);
    let mut random = Random(variable("RELAY_SEED", 29));
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let load = Load::default();
    let relay = settings.start();
    relay.client.make_application("load", &[]);
    let (mut whole, mut told) = (0, 0);
    for copy in 0..copies {
        let place = folder.path().join(format!("copy-{copy}"));
        let (from, to) = (settings.data.display().to_string(), place.display().to_string());
        let mut before = Vec::new();
        load.run(&relay.client, 8, &|number| (number % 3_000) as usize, |load| {
            pause(Duration::from_millis(50 + random.below(300)));
            before = load.acknowledged.lock().unwrap().keys().cloned().collect();
            run("cp", &["-a", "--sparse=always", &from, &to]).unwrap();
        });
        let mut copied = settings.clone();
        copied.data = place.clone();
        copied.set("RELAY__DATA__DIR", &to);
        match copied.try_start() {
            Ok(other) => {
                load.check(&other.client, &before);
                other.stop();
                whole += 1;
            }
            Err(seen) => {
                let seen = seen.join("\n");
                assert!(seen.contains("are lost"), "{seen}");
                told += 1;
            }
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
    println!("{copies} copies under load: {whole} whole, {told} told of what is missing");
    let all: Vec<String> = load.acknowledged.lock().unwrap().keys().cloned().collect();
    load.check(&relay.client, &all);
    relay.stop();
}
