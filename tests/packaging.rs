//! The systemd unit and its settings: that systemd reads it, how much of the machine it leaves
//! within reach, and that the command line finds what it keeps.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// `systemd-analyze security` goes from 0 (locked up) to 10; the threshold is in tenths.
const EXPOSURE_AT_MOST: &str = "20";

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

/// What `systemd-analyze` says, `None` where there is none or it is too old to be asked.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let why = match Command::new("systemd-analyze").args(arguments).arg(unit).output() {
        Ok(output) if text(&output).contains("unrecognized option") => text(&output),
        Ok(output) => return Some(output),
        Err(error) => error.to_string(),
    };
    println!("SKIPPED systemd-analyze {}: {why}", arguments.join(" "));
    None
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).join("\n")
}

#[test]
fn systemd_reads_the_unit() {
    // verify wants the program to exist; everything else stays as it is installed
    let unit = fs::read_to_string(packaging().join("relay.service")).expect("the unit is there");
    let installed = "/usr/local/bin/relay";
    assert!(unit.contains(installed), "the unit starts {installed}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("relay.service");
    fs::write(&copy, unit.replace(installed, env!("CARGO_BIN_EXE_relay"))).expect("it is written");
    if let Some(output) = analyze(&["verify", "--man=no"], &copy) {
        // other units of the machine may have faults of their own
        let said = text(&output);
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("relay")).collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
    }
}

#[test]
fn the_unit_is_locked_up() {
    let threshold = format!("--threshold={EXPOSURE_AT_MOST}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    if let Some(output) = analyze(&arguments, &packaging().join("relay.service")) {
        assert!(output.status.success(), "{}", text(&output));
    }
}

/// What the documents promise of the unit, and relay counts on.
#[test]
fn the_unit_says_what_relay_counts_on() {
    let unit = fs::read_to_string(packaging().join("relay.service")).expect("the unit is there");
    for line in [
        "Type=notify",
        "DynamicUser=yes",
        "StateDirectory=relay",
        "ConfigurationDirectory=relay",
        "Restart=on-failure",
        "RestartPreventExitStatus=78",
        "TimeoutStopSec=40",
    ] {
        assert!(unit.lines().any(|present| present == line), "relay.service lacks {line}");
    }
    // What is set here the command line would not know of.
    assert!(!unit.contains("RELAY__"), "relay.service sets what belongs into relay.toml");
    assert!(unit.contains("\nWatchdogSec="), "relay.service lacks WatchdogSec");
    let drain = relay::config::Config::default().server.drain.0;
    assert!(drain < Duration::from_secs(40), "TimeoutStopSec must be longer than server.drain");
}

/// Unit and command line find the same folder, from wherever the command is run.
#[test]
fn the_settings_name_the_folder_of_the_unit() {
    let output = Command::new(env!("CARGO_BIN_EXE_relay"))
        .args(["check", "--json", "--config"])
        .arg(packaging().join("relay.toml"))
        .current_dir("/")
        .env_clear()
        .output()
        .expect("relay runs");
    assert!(output.status.success(), "{}", text(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(told["data_dir"], "/var/lib/relay", "{told}");
}

/// As systemd runs it, on a machine without a program called kill.
#[test]
fn a_reload_needs_nothing_but_a_shell() {
    let unit = fs::read_to_string(packaging().join("relay.service")).expect("the unit is there");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecReload=/bin/sh -c '"));
    let script = line.and_then(|line| line.strip_suffix('\'')).expect("a script for the shell");
    let mut main = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat runs");
    let status = Command::new("/bin/sh")
        .args(["-c", &script.replace("$$", "$")])
        .env_clear()
        .env("PATH", "")
        .env("MAINPID", main.id().to_string())
        .status()
        .expect("the shell runs");
    drop(main.stdin.take());
    let ended = main.wait().expect("it was started here");
    assert!(status.success());
    assert_eq!(ended.signal(), Some(1), "SIGHUP ends who does not listen to it: {ended}");
}
