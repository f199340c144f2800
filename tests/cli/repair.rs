//! `relay repair` over folders that a relay has served.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};

/// Nothing is sent: what is posted waits for an endpoint that is reached tomorrow.
const CONFIG: &str =
    "[data]\nsegment_size = \"32 MiB\"\n[[endpoint]]\nuid = \"e\"\nurl = \"https://e.invalid/\"\n";
const MESSAGES: u32 = 8;

fn tomorrow() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let millis = u64::try_from((since + day).as_millis()).unwrap();
    relay::domain::time::Timestamp::from_millis(millis).to_string()
}

/// Serves and takes messages with the event ids `event-1` … and bodies that say `body-1` ….
fn filled(folder: &Folder) -> Live {
    folder.write("relay.toml", CONFIG);
    let relay = Live::start(folder);
    let due = tomorrow();
    for number in 1..=MESSAGES {
        let body = format!(
            r#"{{"eventType":"a.b","eventId":"event-{number}","payload":{{"b":"body-{number}"}},
                "deliverAt":"{due}"}}"#
        );
        let (status, answer) = relay.call("POST", "/api/v1/app/default/msg", Some(&body));
        assert_eq!(status, 202, "{answer}");
    }
    relay
}

fn repair(folder: &Folder, code: i32) -> Value {
    let ended = folder.run(&["repair", "--json"]).expect(code, "", "");
    serde_json::from_str(&ended.out).unwrap()
}

fn segment(folder: &Folder) -> PathBuf {
    folder.path().join("data/journal/00000001.seg")
}

/// Changes a byte of the first place in a file that holds this text.
fn flip(path: &Path, text: &str) {
    let bytes = fs::read(path).unwrap();
    let found = place_of(&bytes, text);
    write_over(path, found, bytes[found] ^ 1);
}

fn write_over(path: &Path, at: usize, byte: u8) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[byte], at as u64).unwrap();
}

fn place_of(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|part| part == text.as_bytes()).unwrap()
}

#[test]
fn a_sound_folder_and_one_in_use() {
    let folder = Folder::new();
    folder.run(&["repair"]).expect(1, "", "is no data folder");
    assert!(!folder.path().join("data").exists());
    let relay = filled(&folder);
    for arguments in [&["repair"][..], &["repair", "--accept-loss"], &["repair", "--rebuild-index"]]
    {
        let ended = folder.run(arguments).expect(75, "", "is in use by another relay\n");
        assert_eq!(ended.out, "");
    }
    relay.stop();
    let report = repair(&folder, 0);
    assert_eq!((&report["sound"], &report["findings"]), (&true.into(), &serde_json::json!([])));
    let account = &report["account"];
    assert_eq!((&account["accepted"], &account["waiting"]), (&MESSAGES.into(), &MESSAGES.into()));
    assert!(report["index"]["rows"].as_u64().unwrap() > u64::from(MESSAGES) * 3, "{report}");
    folder.run(&["repair"]).expect(0, "data is sound\n", "");
    // A check leaves the folder as it was: the next start trusts the index as it stands.
    let relay = Live::start(&folder);
    relay.kill();
    let report = repair(&folder, 0);
    assert_eq!(report["account"]["waiting"], MESSAGES, "after a crash: {report}");
    folder.run(&["repair", "--accept-loss"]).expect(0, "nothing had to be given up\n", "");
}

#[test]
fn lost_records_are_named_and_given_up_only_when_told_to() {
    let folder = Folder::new();
    filled(&folder).stop();
    flip(&segment(&folder), "event-4");
    let report = repair(&folder, 1);
    let finding = &report["findings"][0];
    assert_eq!(finding["file"], "journal/00000001.seg", "{report}");
    let record = finding["record"].as_u64().unwrap();
    assert!(finding["what"].as_str().unwrap().contains("are lost"), "{report}");
    assert_eq!(report["account"], Value::Null);
    let named =
        format!("damage: journal/00000001.seg, record {record}: records {record} to {record}");
    folder.run(&["repair"]).expect(1, &named, "");
    folder.run(&["repair"]).expect(1, "relay repair --accept-loss", "");
    // A relay does not serve what is left without being told to.
    let ended = folder.run(&["serve", "--listen", "127.0.0.1:0"]).expect(1, "", "--accept-loss");
    assert!(ended.err.contains(&format!("records {record} to {record} are lost")), "{}", ended.err);
    let given_up = format!("records {record} to {record} are lost\n");
    folder.run(&["repair", "--accept-loss"]).expect(0, &given_up, "");
    let report = repair(&folder, 0);
    assert_eq!(report["account"]["accepted"], MESSAGES - 1, "{report}");
    let relay = Live::start(&folder);
    for number in 1..=MESSAGES {
        let path = format!("/api/v1/app/default/msg/event-{number}");
        let (status, _) = relay.call("GET", &path, None);
        assert_eq!(status, if number == 4 { 404 } else { 200 }, "{number}");
    }
    relay.stop();
}

/// The record of an attempt gives the delivery a new due time: it is left when the message is lost.
#[test]
fn what_hung_on_a_lost_record_goes_with_it() {
    let receiver = ScriptedRelay::start(|_, _| (500, String::new()));
    let folder = Folder::new();
    let allowed = receiver.url.replace("http://", "").replace(':', "/32:");
    let endpoint = format!("[[endpoint]]\nuid = \"e\"\nurl = \"{}\"\n", receiver.url);
    folder.write("relay.toml", format!("[guard]\nallow = [\"{allowed}\"]\n{endpoint}"));
    let relay = Live::start(&folder);
    for event in ["event-1", "event-2"] {
        let to = ["send", "--server", &relay.url, "--token", &relay.key, "--timeout", "2s"];
        let what = ["--type", "a.b", "--event-id", event, "--data", "{}"];
        folder.run(&[&to[..], &what].concat()).expect(75, "waiting", "");
    }
    relay.stop();
    flip(&segment(&folder), "event-1");
    repair(&folder, 1);
    let given_up = "due times taken away that no delivery has any more: 1\n";
    folder.run(&["repair", "--accept-loss"]).expect(0, given_up, "");
    let report = repair(&folder, 0);
    assert_eq!(
        (&report["account"]["accepted"], &report["account"]["holds"]),
        (&1.into(), &true.into())
    );
    assert!(report["index"]["rows"].is_u64(), "{report}");
}

#[test]
fn a_damaged_body_is_named_and_given_up_when_told_to() {
    let folder = Folder::new();
    filled(&folder).stop();
    flip(&segment(&folder), "body-2");
    let report = repair(&folder, 1);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2, "{report}");
    assert_eq!(findings[0]["record"], findings[1]["record"], "{report}");
    let what = findings[1]["what"].as_str().unwrap();
    assert!(what.starts_with("the body of msg_"), "{report}");
    let record = findings[0]["record"].as_u64().unwrap();
    folder.run(&["repair"]).expect(1, "put the file back from a backup", "");

    // It costs no record: relay serves, and says which body it is when it is read.
    let relay = Live::start(&folder);
    let (_, shown) = relay.call("GET", "/api/v1/app/default/msg/event-2", None);
    assert_eq!(shown["payload"], serde_json::json!({"damaged": true}), "{shown}");
    let place = format!("journal/00000001.seg, record {record}: the body at byte");
    let log = relay.stop();
    assert!(log.iter().any(|line| line.to_string().contains(&place)), "{log:?}");

    let given_up =
        format!("given up: journal/00000001.seg, record {record}: the payload of a message (msg_");
    folder.run(&["repair", "--accept-loss"]).expect(0, &given_up, "");
    let report = repair(&folder, 0);
    let account = &report["account"];
    let counts = (&account["cancelled"], &account["waiting"], &account["holds"]);
    assert_eq!(counts, (&1.into(), &(MESSAGES - 1).into(), &true.into()), "{report}");
    let relay = Live::start(&folder);
    let (_, shown) = relay.call("GET", "/api/v1/app/default/msg/event-2", None);
    assert_eq!(shown["payload"], serde_json::json!({"expired": true}), "{shown}");
    let (_, shown) = relay.call("GET", "/api/v1/app/default/msg/event-3", None);
    assert_eq!(shown["payload"]["b"], "body-3", "{shown}");
    relay.stop();

    // What stands in front of a body is written again: nothing of it is lost.
    let bytes = fs::read(segment(&folder)).unwrap();
    let front = place_of(&bytes, r#"{"b":"body-5"}"#) - 4;
    write_over(&segment(&folder), front, bytes[front] ^ 1);
    repair(&folder, 1);
    folder.run(&["repair", "--accept-loss"]).expect(0, "nothing had to be given up\n", "");
    assert_eq!(repair(&folder, 0)["account"]["waiting"], MESSAGES - 1);
}

/// What was expunged before is nobody's any more: only its place is written again.
#[test]
fn damage_where_a_body_was_expunged() {
    let folder = Folder::new();
    let relay = filled(&folder);
    let at = place_of(&fs::read(segment(&folder)).unwrap(), "body-6");
    let (status, _) = relay.call("DELETE", "/api/v1/app/default/msg/event-6/content", None);
    assert_eq!(status, 204);
    relay.stop();
    write_over(&segment(&folder), at, 1);
    repair(&folder, 1);
    folder.run(&["repair", "--accept-loss"]).expect(0, "nothing had to be given up\n", "");
    let account = &repair(&folder, 0)["account"];
    assert_eq!((&account["accepted"], &account["cancelled"]), (&MESSAGES.into(), &1.into()));
}

#[test]
fn an_index_that_is_gone_or_wrong_is_made_anew() {
    let folder = Folder::new();
    filled(&folder).stop();
    let index = folder.path().join("data/index");
    fs::remove_dir_all(&index).unwrap();
    let report = repair(&folder, 0);
    assert!(report["index"]["state"].as_str().unwrap().contains("there is none"), "{report}");
    assert_eq!(report["account"]["accepted"], MESSAGES, "the journal alone tells: {report}");
    let ended = folder.run(&["repair", "--rebuild-index"]);
    ended.expect(0, "the index was made anew from the journal\n", "");
    let report = repair(&folder, 0);
    assert!(report["index"]["rows"].as_u64().unwrap() > u64::from(MESSAGES) * 3, "{report}");

    // The rows of the index lie where its library put them: one of each message is made unreadable.
    let database = fs::read_dir(&index).unwrap().next().unwrap().unwrap().path().join("db");
    flip(&database, "event-5");
    let report = repair(&folder, 1);
    let findings = report["findings"].as_array().unwrap();
    assert!(!findings.is_empty(), "{report}");
    folder.run(&["repair"]).expect(1, "relay repair --rebuild-index", "");
    folder.run(&["repair", "--rebuild-index"]).expect(0, "made anew", "");
    assert_eq!(repair(&folder, 0)["account"]["accepted"], MESSAGES);

    // Its end is cut off.
    let database = fs::read_dir(&index).unwrap().next().unwrap().unwrap().path().join("db");
    let length = place_of(&fs::read(&database).unwrap(), "event-2") as u64;
    fs::OpenOptions::new().write(true).open(&database).unwrap().set_len(length).unwrap();
    let report = repair(&folder, 1);
    assert_eq!(report["findings"][0]["file"], "index", "{report}");
    let relay = Live::start(&folder);
    let (status, _) = relay.call("GET", "/api/v1/app/default/msg/event-8", None);
    assert_eq!(status, 200);
    relay.stop();
    assert_eq!(repair(&folder, 0)["account"]["accepted"], MESSAGES);
}
