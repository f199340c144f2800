//! `relay sealing-key show` and `rotate` against a relay that serves.

use serde_json::Value;

use crate::live::Live;
use crate::support::{Ended, Folder};

#[test]
fn a_rotation_from_its_beginning_to_its_end() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| -> Ended {
        let at = ["--server", &*relay.url, "--token", &*relay.key];
        folder.run(&[&["sealing-key"], arguments, &at].concat())
    };
    let shown = run(&["show"]).expect(0, "from the data folder  seals, and has sealed every", "");
    let first = shown.out.split_whitespace().next().unwrap().to_owned();
    run(&["rotate"]).expect(0, "begun: qtask_", "relay sealing-key show tells when");
    let show = || -> Value { serde_json::from_str(&run(&["show", "--json"]).out).unwrap() };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while show()["resealed"] != true {
        assert!(std::time::Instant::now() < until, "{}", show());
        std::thread::yield_now();
    }
    let shown = show();
    assert_ne!(shown["id"], *first);
    assert_eq!(shown["previousKeys"][0]["id"], *first);
    let shown = run(&["show"]).expect(0, "needed until segment 1 of the journal has gone", "");
    shown.expect(0, &format!("{first}  from the data folder  needed until"), "");
    run(&["rotate", "--json"]).expect(0, "\"task\":\"sealing-key.rotate\"", "");
    folder.run(&["sealing-key", "show", "--server", &relay.url, "--token", "sk_no"]).expect(
        1,
        "",
        "answers 401",
    );
    relay.stop();
}
