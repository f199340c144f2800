//! A test that runs again in namespaces of its own.

use std::env;
use std::process::{Child, Command};

use super::{LONG, wait_until};

const INSIDE: &str = "RELAY_FAULT_INSIDE";

const MOUNTS: [&str; 3] = ["--mount", "--propagation", "private"];

/// Runs the test of this name once more, in network and mount namespaces of its own whose loopback
/// is up, and says whether the caller is that run. Why that can't be done otherwise.
pub fn inside(test: &str) -> Result<bool, String> {
    const UP: [&str; 5] = ["ip", "link", "set", "lo", "up"];
    if is_inside(test) {
        run(UP[0], &UP[1..])?;
        return Ok(true);
    }
    again(test, &[&["--net"][..], &MOUNTS].concat(), &UP)
}

/// The same in a mount namespace alone: what is mounted there is nobody else's, and gone with it.
pub fn with_own_mounts(test: &str) -> Result<bool, String> {
    if is_inside(test) {
        return Ok(true);
    }
    again(test, &MOUNTS, &["true"])
}

/// Whether this process was started by one of these.
pub fn has_own_mounts() -> bool {
    env::var_os(INSIDE).is_some()
}

fn is_inside(test: &str) -> bool {
    env::var(INSIDE).is_ok_and(|name| name == test)
}

/// Starts the test where `own` leads, provided that `tried` can be run there.
fn again(test: &str, own: &[&str], tried: &[&str]) -> Result<bool, String> {
    run("unshare", &[own, tried].concat())?;
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

/// A network namespace that lasts as long as the value.
pub struct Elsewhere {
    holder: Child,
}

impl Elsewhere {
    pub fn new() -> Elsewhere {
        // The namespace is made before the program is.
        let mut holder = Command::new("unshare");
        let holder = holder.args(["--net", "sleep", "infinity"]).spawn().unwrap();
        let elsewhere = Elsewhere { holder };
        wait_until("the namespace is there", LONG, || {
            let own = std::fs::read_link("/proc/self/ns/net").unwrap();
            let other = format!("/proc/{}/ns/net", elsewhere.holder.id());
            std::fs::read_link(other).is_ok_and(|other| other != own)
        });
        elsewhere
    }

    /// What runs a program there.
    pub fn wrapper(&self) -> Vec<String> {
        ["nsenter", "-t", &self.holder.id().to_string(), "-n"].map(str::to_owned).to_vec()
    }

    /// A cable from `here` to there, with addresses in one network at both ends.
    pub fn connect(&self, name: &str, here: &str, there: &str) -> Result<(), String> {
        let (near, far) = (format!("{name}0"), format!("{name}1"));
        let pid = self.holder.id().to_string();
        run("ip", &["link", "add", &near, "type", "veth", "peer", "name", &far])?;
        run("ip", &["link", "set", &far, "netns", &pid])?;
        run("ip", &["address", "add", here, "dev", &near])?;
        run("ip", &["link", "set", &near, "up"])?;
        self.ip(&["address", "add", there, "dev", &far])?;
        self.ip(&["link", "set", &far, "up"])?;
        self.ip(&["link", "set", "lo", "up"])
    }

    /// `ip` with these arguments, there.
    pub fn ip(&self, arguments: &[&str]) -> Result<(), String> {
        let pid = self.holder.id().to_string();
        run("nsenter", &[&["-t", &pid, "-n", "ip"], arguments].concat())
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // It is ours to end; nothing runs in it any more.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
