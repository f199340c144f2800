//! kill -9 while the sealing key is rotated under load: every secret opens, whatever the moment,
//! and the old keys go when the journal has nothing of them any more.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::load::Load;
use crate::support::process::Settings;
use crate::support::receiver::Receiver;
use crate::support::{Random, pause, variable, wait_until};

/// More than one step of the task seals.
const ENDPOINTS: usize = 600;
const PATIENCE: Duration = Duration::from_secs(300);

/// Endpoints that nothing is sent to, each with headers of its own; their secrets by their paths.
fn make_endpoints(client: &Client) -> BTreeMap<String, Value> {
    let app = json!({"name": "quiet", "uid": "quiet"}).to_string();
    assert_eq!(client.post("/api/v1/app", &app).unwrap().0, 201);
    let paths = (0..ENDPOINTS).map(|number| {
        let body = json!({
            "url": "https://quiet.example/", "uid": format!("q{number}"),
            "headers": {"x-own": format!("value {number}")},
        });
        let path = "/api/v1/app/quiet/endpoint";
        let (status, answer) = client.post(path, &body.to_string()).unwrap();
        assert_eq!(status, 201, "{answer}");
        format!("{path}/q{number}/secret")
    });
    let paths: Vec<String> = paths.collect();
    paths.into_iter().map(|path| (path.clone(), client.get(&path).unwrap().1)).collect()
}

fn check(client: &Client, secrets: &BTreeMap<String, Value>) {
    for (path, secret) in secrets {
        let (status, found) = client.get(path).unwrap();
        assert_eq!((status, &found), (200, secret), "{path}");
    }
}

fn show(client: &Client) -> Value {
    let (status, shown) = client.get("/api/v1/sealing-key").unwrap();
    assert_eq!(status, 200, "{shown}");
    shown
}

/// Whether everything is sealed by the newest key. A kill between the key and the task that seals
/// leaves it to whoever asks for the rotation again.
fn end_rotation(client: &Client) -> bool {
    let shown = show(client);
    if shown["resealed"] == json!(false) && shown["taskId"].is_null() {
        drop(client.post("/api/v1/sealing-key/rotate", "{}").unwrap());
    }
    shown["resealed"] == json!(true)
}

fn file(data: &Path) -> String {
    std::fs::read_to_string(data.join("sealing_key")).unwrap()
}

#[test]
fn killed_while_the_sealing_key_is_rotated() {
    let kills = variable("RELAY_FAULT_KILLS", 40).div_ceil(4);
    let mut random = Random(variable("RELAY_SEED", 8));
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(&folder.path().join("data"));
    settings.set("RELAY__INTAKE__MAX_BODY", "60 KiB");
    settings.set("RELAY__DATA__SEGMENT_SIZE", "2 MiB");
    settings.set("RELAY__RETENTION__MAX_BYTES", "12 MiB");
    let receiver = Receiver::start();
    let load = Load::default();
    let mut relay = settings.start();
    relay.client.make_application("load", &[receiver.url("/books")]);
    let secrets = make_endpoints(&relay.client);
    let (mut rotated, mut unfinished) = (0, 0);
    for kill in 0..kills {
        let moment = Duration::from_micros(random.below(40_000));
        let (client, process) = (relay.client.clone(), &mut relay.process);
        // Every other kill comes after a new key was made, however slow the machine is.
        if kill % 2 == 1 {
            wait_until("the rotation before has ended", PATIENCE, || end_rotation(&client));
        }
        let before = file(&settings.data);
        load.run(&client, 4, &|number| (number % 2_000) as usize, |_| {
            let asking = client.clone();
            // The kill may take the answer along.
            let asked = std::thread::spawn(move || asking.post("/api/v1/sealing-key/rotate", "{}"));
            if kill % 2 == 1 {
                wait_until("there is a new key, or none is wanted", PATIENCE, || {
                    file(&settings.data) != before || asked.is_finished()
                });
            }
            pause(moment);
            process.kill();
            drop(asked.join().unwrap());
        });
        relay = settings.start();
        rotated += u64::from(file(&settings.data) != before);
        unfinished += u64::from(show(&relay.client)["resealed"] == json!(false));
        check(&relay.client, &secrets);
    }
    println!("{kills} kills, {rotated} new keys, {unfinished} rotations cut off");
    assert!(rotated > 0, "no kill came after a new key was made");
    wait_until("everything is sealed anew", PATIENCE, || end_rotation(&relay.client));
    assert!(settings.data.join("previous_sealing_keys").exists());
    let client = relay.client.clone();
    load.run(&client, 8, &|_| 20_000, |_| {
        wait_until("the old keys are forgotten", PATIENCE, || {
            show(&client)["previousKeys"] == json!([])
        });
    });
    assert!(!settings.data.join("previous_sealing_keys").exists());
    relay.stop();
    std::fs::remove_dir_all(settings.data.join("index")).unwrap();
    let relay = settings.start();
    check(&relay.client, &secrets);
    relay.client.account();
    relay.stop();
}
