//! Who may open connections. All that a tenant, a provider or an endpoint can choose the address of
//! goes through the address guard, because there is one place that connects.

use crate::source::{Code, File};

/// What a connection can be opened with.
const WAYS: [&str; 17] = [
    "TcpStream",
    "TcpSocket",
    "UdpSocket",
    "UnixStream",
    "UnixDatagram",
    "TcpConnector",
    "DefaultConnector",
    "DefaultResolver",
    "Agent",
    "ureq::agent",
    "ureq::get",
    "ureq::post",
    "ureq::put",
    "ureq::run",
    "ToSocketAddrs",
    "to_socket_addrs",
    "rustix::net",
];

/// Who has one, by file, and why that is no way around the guard.
const ALLOWED: [(&str, &[&str], &str); 16] = [
    ("src/engine/connection.rs", &["TcpConnector"], "dials what the guarded resolver gave"),
    ("src/engine/origin.rs", &["Agent"], "the one agent, made of these two"),
    ("src/engine/resolver.rs", &["ToSocketAddrs", "to_socket_addrs"], "asks the guard of each"),
    ("src/engine/guard.rs", &["UdpSocket"], "looks a route up and sends nothing"),
    ("src/engine/script", &["UnixStream"], "to the process of a script"),
    ("src/engine/tunnel.rs", &["TcpConnector"], "to a proxy, which the operator alone names"),
    ("src/engine/alert", &["TcpStream"], "to a mail server, dials what the resolver gave"),
    ("src/http/connections.rs", &["TcpStream", "rustix::net"], "of those it accepted"),
    ("src/cli/bench", &["TcpStream"], "between a relay, a load and a receiver of its own"),
    (
        "src/cli/client.rs",
        &["DefaultConnector", "Agent"],
        "the operator's own, to a relay that they name",
    ),
    ("src/cli/localhost.rs", &["DefaultResolver"], "for the two agents of the command line alone"),
    (
        "src/cli/stream.rs",
        &["TcpConnector", "Agent"],
        "the operator's own, to a relay that they name",
    ),
    ("src/cli/listen/target.rs", &["Agent"], "the developer's own, to a target that they name"),
    ("src/cli/import_svix/source.rs", &["Agent"], "the operator's own, to the server they leave"),
    ("src/cli/serve/parts.rs", &["rustix::net"], "listens"),
    ("src/cli/serve/waiting_room.rs", &["TcpStream"], "wakes its own listener"),
];

/// What makes an agent or a lookup without the guard, and the files that may say it.
const MADE_IN: [(&str, &[&str]); 3] = [
    ("Agent::with_parts", &["src/engine/origin.rs", "src/cli/client.rs", "src/cli/stream.rs"]),
    ("UreqTransport::new", &["src/cli/serve/parts.rs"]),
    ("GuardedResolver::new", &["src/cli/serve/parts.rs"]),
];

fn may(file: &File, way: &str) -> bool {
    ALLOWED.iter().any(|(path, ways, _)| file.below(path) && ways.contains(&way))
}

/// Ways to connect in a file that has none.
pub fn unguarded(file: &File, code: &Code) -> Vec<String> {
    let mut problems = Vec::new();
    for way in WAYS.iter().filter(|way| !may(file, way)) {
        for position in code.positions(way).filter(|at| !code.in_tests(*at)) {
            let problem = format!(
                "{way}: send through engine::transport, whose addresses the guard has checked"
            );
            problems.push(file.at(code.line(position), &problem));
        }
    }
    let elsewhere = |places: &[&str]| !places.iter().any(|place| file.below(place));
    for (made, places) in MADE_IN.iter().filter(|(_, places)| elsewhere(places)) {
        for position in code.positions(made).filter(|at| !code.in_tests(*at)) {
            let places = places.join(" or ");
            let problem = format!("{made}: only {places} makes one; take it as an argument");
            problems.push(file.at(code.line(position), &problem));
        }
    }
    problems
}

/// Entries that name what is not there any more.
pub fn stale(files: &[(File, Code)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, ways, _) in ALLOWED {
        for way in ways {
            let stands = |(file, code): &(File, Code)| {
                file.below(path) && code.positions(way).next().is_some()
            };
            if !files.iter().any(stands) {
                problems.push(format!("{path} has no {way} any more: take it out of ALLOWED"));
            }
        }
    }
    problems
}
