//! What a service manager is told: a rebuild asks for more time and feeds the watchdog, then
//! comes ready, the watchdog, and stopping.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::load::Load;
use crate::support::process::Settings;

const PATIENCE: Duration = Duration::from_secs(60);

/// Reads until a message has this word; gives back the names of everything told by then.
fn told(socket: &UnixDatagram, word: &str) -> BTreeSet<String> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut names, mut buffer) = (BTreeSet::new(), [0; 4096]);
    loop {
        let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("{word}: only {names:?}"));
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let lines = text.lines().map(|line| match line.split_once('=') {
            Some((name, _)) if name != "READY" && name != "STOPPING" => name.to_owned(),
            _ => line.to_owned(),
        });
        names.extend(lines);
        if names.contains(word) {
            return names;
        }
    }
}

#[test]
fn a_rebuild_asks_for_time_and_the_watchdog_is_fed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Settings::new(&folder.path().join("data"));
    let relay = plain.start();
    relay.client.make_application("load", &[]);
    let load = Load::default();
    load.run(&relay.client, 64, &|_| 10, |load| {
        // A report comes with every 10,000 records.
        crate::support::wait_until("enough records", PATIENCE, || {
            load.acknowledged.lock().unwrap().len() > 11_000
        });
    });
    relay.stop();
    std::fs::remove_dir_all(plain.data.join("index")).unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut watched = plain.clone();
    watched.set("NOTIFY_SOCKET", &path.display().to_string());
    watched.set("WATCHDOG_USEC", "900000");
    let process = watched.spawn();
    let at_start = told(&socket, "READY=1");
    for name in ["EXTEND_TIMEOUT_USEC", "WATCHDOG", "STATUS"] {
        assert!(at_start.contains(name), "{name} is not in {at_start:?}");
    }
    told(&socket, "WATCHDOG");
    process.terminate();
    told(&socket, "STOPPING=1");
    let (status, lines) = process.ended();
    assert!(status.success(), "{status}: {lines:#?}");
}
