//! Name servers that are dead, slow, broken and lying: threads stay bounded, who has a good name is
//! not kept waiting, no packet goes where it must not, and everything arrives once names are
//! answered. Needs root and network namespaces.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::dns::{DnsServer, Reply};
use crate::support::namespace::{inside, run};
use crate::support::process::{Relay, Settings};
use crate::support::receiver::Receiver;
use crate::support::{LONG, variable, wait_until};

const GOOD: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Ours in the namespace, and nobody's business to connect to.
const FORBIDDEN: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
/// Endpoints of each bad kind; `RELAY_FAULT_NAMES=20` is the long form.
const EACH: u64 = 6;
const SENDERS: u64 = 32;
/// Beside its senders: lookups (16), and what grows the pool.
const OTHERS: u64 = 24;

fn settings(folder: &std::path::Path) -> Settings {
    let mut settings = Settings::new(&folder.join("data"));
    settings.set("RELAY__DELIVERY__THREADS", &SENDERS.to_string());
    settings.set("RELAY__DELIVERY__RETRY_SCHEDULE", &["1s"; 60].join(","));
    settings.set("RELAY__DELIVERY__JITTER", "0");
    settings
}

/// Counts what comes to the forbidden address.
fn watch(port: u16) -> Arc<AtomicU64> {
    let listener = TcpListener::bind((FORBIDDEN, port)).unwrap();
    let came = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&came);
    thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    came
}

/// The response texts of an endpoint's attempts, newest first.
fn attempts(relay: &Relay, uid: &str) -> Vec<Value> {
    let path = format!("/api/v1/app/load/attempt/endpoint/{uid}");
    relay.client.get(&path).unwrap().1["data"].as_array().unwrap().clone()
}

#[test]
fn dead_slow_and_lying_name_servers() {
    match inside("dns::dead_slow_and_lying_name_servers") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    run("ip", &["address", "add", &format!("{FORBIDDEN}/32"), "dev", "lo"]).unwrap();
    let receiver = Receiver::start();
    let port = receiver.port();
    let forbidden = watch(port);
    let many = vec![GOOD; 1_000];
    let server = DnsServer::start(move |name| match name.split(['-', '.']).next().unwrap() {
        "good" => Reply::Addresses(vec![GOOD]),
        "many" => Reply::Addresses(many.clone()),
        "lying" => Reply::Addresses([vec![GOOD; 900], vec![FORBIDDEN]].concat()),
        "late" => Reply::Late(Duration::from_secs(20), vec![GOOD]),
        "broken" => Reply::Failure,
        _ => Reply::Silence,
    });
    let server = server.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let relay = settings.start();
    let each = variable("RELAY_FAULT_NAMES", EACH);
    let mut names = vec!["good".to_owned(), "many".to_owned(), "lying".to_owned()];
    for kind in ["late", "broken", "dead"] {
        names.extend((0..each).map(|number| format!("{kind}-{number}")));
    }
    let urls: Vec<String> =
        names.iter().map(|name| format!("http://{name}.example:{port}/{name}")).collect();
    relay.client.make_application("load", &urls);
    let quiet = relay.process.figure("Threads");
    for number in 0..5 {
        assert_eq!(relay.client.send("load", number, 10).unwrap().0, 202);
    }
    let came = |path: &str| receiver.counts().keys().filter(|(at, _)| at == path).count();
    let mut most = 0;
    wait_until("good names are not kept waiting", LONG, || {
        most = most.max(relay.process.figure("Threads"));
        came("/good") == 5 && came("/many") == 5
    });
    wait_until("every bad name was tried", LONG, || {
        most = most.max(relay.process.figure("Threads"));
        (2..names.len()).all(|number| !attempts(&relay, &format!("load-{number}")).is_empty())
    });
    println!("{} bad names; {quiet} threads before, {most} at most", names.len() - 2);
    assert!(most <= quiet + SENDERS + OTHERS, "{most} threads");
    assert_eq!(came("/lying"), 0);
    assert_eq!(forbidden.load(Ordering::SeqCst), 0, "a packet went to a forbidden address");
    for attempt in attempts(&relay, "load-2") {
        let told = attempt["response"].as_str().unwrap();
        assert!(!told.contains("10.66"), "what a tenant sees tells of addresses: {told}");
    }
    // Names are answered again, and none is a lie.
    server.set(|_| Reply::Addresses(vec![GOOD]));
    receiver.wait("every delivery arrives", LONG, |counts| counts.len() == 5 * names.len());
    // A name that was good is not trusted for it.
    server.set(|_| Reply::Addresses(vec![FORBIDDEN]));
    relay.stop();
    let relay = settings.start();
    assert_eq!(relay.client.send("load", 6, 10).unwrap().0, 202);
    wait_until("the rebound names were tried", LONG, || {
        (0..names.len()).all(|number| {
            attempts(&relay, &format!("load-{number}")).iter().any(|it| it["status"] != 0)
        })
    });
    assert_eq!(forbidden.load(Ordering::SeqCst), 0, "a rebound name was connected to");
    relay.client.account();
    relay.stop();
}
