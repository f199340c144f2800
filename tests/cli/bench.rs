//! `relay bench`, small: that it measures, not how fast.

use std::fs;

use serde_json::Value;

use crate::support::{Ended, Folder, ended};

/// Runs it with a folder for temporary files; gives what stands there afterwards too.
fn bench(arguments: &[&str]) -> (Ended, usize) {
    let folder = Folder::new();
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    // What is measured has the default settings, whatever stands here.
    folder.write("relay.toml", "[server]\nlisten = \"192.0.2.1:1\"\n");
    let mut command = folder.command(&["bench"]);
    let ended = ended(command.args(arguments).env("TMPDIR", &temporary));
    (ended, fs::read_dir(&temporary).unwrap().count())
}

fn only_run(ended: &Ended) -> Value {
    let report: Value = serde_json::from_str(&ended.out).expect(&ended.out);
    assert_eq!(report["runs"].as_array().unwrap().len(), 1, "{report}");
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0, "{report}");
    assert!(report["our_machine"].is_string(), "{report}");
    report["runs"][0].clone()
}

#[test]
fn one_endpoint_for_scripts() {
    let (ended, left) = bench(&["--events", "200", "--only", "one", "--json"]);
    let ended = ended.expect(0, "", "");
    let run = only_run(&ended);
    assert_eq!((&run["run"], &run["lost"]), (&"one".into(), &0.into()), "{run}");
    assert_eq!((&run["messages"], &run["deliveries"]), (&200.into(), &200.into()), "{run}");
    for name in ["repeated", "busy"] {
        assert!(run[name].is_u64(), "{name} of {run}");
    }
    for name in ["seconds", "delivered_per_second", "cpu_ms"] {
        assert!(run[name].as_f64().unwrap() > 0.0, "{name} of {run}");
    }
    for name in ["answer", "arrival"] {
        let (p50, p99) = (&run[name]["p50_ms"], &run[name]["p99_ms"]);
        assert!(0.0 < p50.as_f64().unwrap() && p50.as_f64() <= p99.as_f64(), "{name} of {run}");
    }
    for name in ["delivered_per_second", "cpu_ms", "p50_ms", "p99_ms"] {
        assert!(run["ours"].as_object().unwrap().contains_key(name), "{name} of {run}");
    }
    assert_eq!((ended.err.as_str(), left), ("", 0));
}

#[test]
fn every_endpoint_of_the_fan_out_gets_every_message() {
    let (ended, _) = bench(&["--events", "80", "--only", "fan-out", "--json"]);
    let run = only_run(&ended.expect(0, "", ""));
    assert_eq!((&run["messages"], &run["deliveries"]), (&10.into(), &100.into()), "{run}");
    assert_eq!(run["lost"], 0, "{run}");
}

#[test]
fn a_table_for_people_and_a_folder_that_stays() {
    let (ended, left) = bench(&["--events", "20", "--only", "one", "--keep"]);
    let ended = ended.expect(0, "one: 20 messages to 1 endpoint", "");
    let of_table = |line: &&str| line.starts_with("run ") || line.starts_with("one  ");
    let lines = ended.out.lines().filter(of_table).count();
    assert_eq!(lines, 2, "{}", ended.out);
    assert!(ended.out.contains("the folder stays: "), "{}", ended.out);
    assert_eq!(left, 1);
}

#[test]
fn what_it_does_not_take() {
    let folder = Folder::new();
    folder.run(&["bench", "--only", "all"]).expect(2, "", "one, fan-out, steady");
    folder.run(&["bench", "--events", "0"]).expect(2, "", "1..=1000000");
}
