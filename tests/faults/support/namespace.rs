//! A test that runs again in a network and mount namespace of its own.

use std::env;
use std::process::Command;

use super::disk::no_disks;

const INSIDE: &str = "RELAY_FAULT_INSIDE";

/// Runs the test of this name once more, in namespaces of its own whose loopback is up, and says
/// whether the caller is that run. Why that can't be done otherwise.
pub fn inside(test: &str) -> Result<bool, String> {
    if env::var(INSIDE).is_ok_and(|name| name == test) {
        run("ip", &["link", "set", "lo", "up"])?;
        return Ok(true);
    }
    let _alone = no_disks();
    let own = ["--net", "--mount", "--propagation", "private"];
    run("unshare", &[&own[..], &["ip", "link", "set", "lo", "up"]].concat())?;
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let mut again = Command::new("unshare");
    again.args(own).arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, test);
    let output = again.output().map_err(|error| format!("unshare: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let (errors, passed) = (String::from_utf8_lossy(&output.stderr), printed.contains("1 passed"));
    assert!(output.status.success() && passed, "{printed}\n{errors}");
    print!("{printed}");
    Ok(false)
}

/// Runs a program to its end; what it said if that is a failure.
pub fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
