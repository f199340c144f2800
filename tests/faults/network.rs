//! The network goes between request and answer, and receivers reset the connection: what is not
//! answered is sent again under the same id. The cut needs root and network namespaces.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::support::namespace::{Elsewhere, inside, run};
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{LONG, variable, wait_until};

#[test]
fn the_network_goes_between_request_and_answer() {
    match inside("network::the_network_goes_between_request_and_answer") {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => return println!("SKIPPED: {why}"),
    }
    let elsewhere = Elsewhere::new();
    elsewhere.connect("api", "10.67.1.1/24", "10.67.1.2/24").unwrap();
    elsewhere.connect("out", "10.67.2.1/24", "10.67.2.2/24").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.wrapper = elsewhere.wrapper();
    settings.set("RELAY__SERVER__LISTEN", "10.67.1.2:0");
    settings.set("RELAY__GUARD__ALLOW", "10.67.2.0/24");
    settings.set("RELAY__DELIVERY__TIMEOUT", "2s");
    settings.set("RELAY__DELIVERY__RETRY_SCHEDULE", &["1s"; 60].join(","));
    let receiver = Receiver::on("10.67.2.1:0");
    let relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let attempts = |id: &str| {
        let (_, page) = relay.client.get(&format!("/api/v1/app/load/attempt/msg/{id}")).unwrap();
        page["data"].as_array().unwrap().len()
    };
    let cuts = variable("RELAY_FAULT_NETWORK_CUTS", 1);
    for cut in 0..cuts {
        receiver.hold();
        let arrived = receiver.arrived();
        let id = relay.client.send("load", cut, 100).unwrap().1["id"].as_str().unwrap().to_owned();
        wait_until("it is under way", LONG, || receiver.arrived() > arrived);
        run("ip", &["link", "set", "out0", "down"]).unwrap();
        receiver.release();
        wait_until("the attempt fails", LONG, || attempts(&id) > 0);
        // What others send is accepted meanwhile.
        assert_eq!(relay.client.send("load", cut, 100).unwrap().0, 202);
        run("ip", &["link", "set", "out0", "up"]).unwrap();
        let key = ("/books".to_owned(), id);
        receiver.wait("it is sent again under its id", LONG, |counts| {
            counts.get(&key).is_some_and(|count| *count >= 2)
        });
        let both = 2 * (cut + 1);
        wait_until("both are recorded", LONG, || relay.client.account() == (both, both));
    }
    println!(
        "{cuts} cuts of the network, {} requests for {} messages",
        receiver.arrived(),
        2 * cuts
    );
    relay.stop();
}

/// A listener that resets the first connections before it has read all of the request, and counts
/// the ids that it saw on each.
fn resetting(times: usize, seen: Arc<Mutex<Vec<String>>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (number, mut stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut head = vec![0; 600];
            let length = stream.read(&mut head).unwrap_or(0);
            let text = String::from_utf8_lossy(&head[..length]).to_lowercase();
            let id = text.lines().find_map(|line| line.strip_prefix("webhook-id: "));
            seen.lock().unwrap().push(id.unwrap_or_default().trim().to_owned());
            if number >= times {
                // The rest of the request stays unread: closing resets it, behind the answer.
                use std::io::Write;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
        }
    });
    address
}

#[test]
fn a_reset_is_tried_again_under_the_same_id() {
    const TIMES: usize = 3;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let address = resetting(TIMES, Arc::clone(&seen));
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let relay = settings.start();
    relay.client.make_application("load", &[format!("http://{address}/")]);
    let (status, message) = relay.client.send("load", 1, 50_000).unwrap();
    assert_eq!(status, 202, "{message}");
    wait_until("it is delivered", LONG, || relay.client.account() == (1, 1));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for id in seen.lock().unwrap().iter() {
        *counts.entry(id.to_ascii_lowercase()).or_default() += 1;
    }
    let id = message["id"].as_str().unwrap().to_ascii_lowercase();
    assert_eq!(json!(counts), json!({id: TIMES + 1}));
    relay.stop();
}
