//! System calls of the binary that fail, lie or wait as a test says (strace).

use std::process::Command;

/// Whether strace may do so here: that a program which makes no such call runs as ever.
const PROBE: [&str; 9] = [
    "strace",
    "-D",
    "-f",
    "-qq",
    "--seccomp-bpf",
    "-e",
    "inject=fdatasync:error=EIO",
    "--",
    "true",
];

/// A wrapper that injects by these rules, as strace reads them (`fdatasync:error=EIO:when=3+`);
/// counts are per thread. Why that can't be done otherwise.
pub fn injecting(rules: &[&str]) -> Result<Vec<String>, String> {
    let tried = Command::new(PROBE[0]).args(&PROBE[1..]).output();
    let tried = tried.map_err(|error| format!("strace: {error}"))?;
    if !tried.status.success() {
        return Err("strace may not trace here".to_owned());
    }
    // The tracer is not the parent, so that a kill meets the relay.
    let words = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    let calls: Vec<&str> = rules.iter().filter_map(|rule| rule.split(':').next()).collect();
    words.extend(["-e".to_owned(), format!("trace={}", calls.join(","))]);
    for rule in rules {
        words.extend(["-e".to_owned(), format!("inject={rule}")]);
    }
    Ok(words)
}
