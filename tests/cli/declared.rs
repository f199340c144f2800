//! What `relay.toml` declares: applied at start, guarded from the API, changed by a reload.

use rustix::process::Signal;
use serde_json::Value;

use crate::live::Live;
use crate::support::Folder;

const BOOKS: &str = r#"
[[endpoint]]
uid = "books"
url = "https://books.example/hook"
event_types = ["invoice.*"]
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"#;
const PARCELS: &str = r#"
[[event_type]]
name = "parcel.sent"
[[endpoint]]
uid = "parcels"
url = "https://PARCELS.example"
"#;
const ENDPOINTS: &str = "/api/v1/app/default/endpoint";

fn check(folder: &Folder, relay: &Live) -> Value {
    let arguments = ["check", "--json", "--server", &relay.url, "--token", &relay.key];
    let ended = folder.run(&arguments).expect(0, "", "");
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn it_is_applied_guarded_and_reloaded() {
    let folder = Folder::new();
    folder.write("relay.toml", BOOKS);
    let mut relay = Live::start(&folder);
    let path = format!("{ENDPOINTS}/books");
    let (status, endpoint) = relay.call("GET", &path, None);
    assert_eq!((status, &endpoint["managed"]), (200, &true.into()), "{endpoint}");
    assert_eq!(endpoint["filterTypes"][0], "invoice.*", "{endpoint}");
    let (_, secret) = relay.call("GET", &format!("{path}/secret"), None);
    assert_eq!(secret["key"], "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    for (method, body) in [("PATCH", Some(r#"{"description":"mine"}"#)), ("DELETE", None)] {
        let (status, answer) = relay.call(method, &path, body);
        assert_eq!((status, &answer["code"]), (409, &"conflict".into()), "{method} {answer}");
        let words = "this endpoint is declared in relay.toml: change it there and reload";
        assert_eq!(answer["detail"], words, "{method}");
    }
    assert_eq!(check(&folder, &relay)["plan"]["changes"], serde_json::json!([]));

    folder.write("relay.toml", PARCELS);
    let expected = [
        "event type parcel.sent: new",
        "endpoint default/parcels: new",
        "endpoint default/books: left the file, disabled",
    ];
    let plan = check(&folder, &relay)["plan"].clone();
    assert_eq!(plan["changes"], serde_json::json!(expected), "{plan}");
    let told = ["check", "--server", &relay.url, "--token", &relay.key];
    folder.run(&told).expect(0, "would change:\n  event type parcel.sent: new\n", "");
    let (_, endpoints) = relay.call("GET", ENDPOINTS, None);
    assert_eq!(endpoints["data"].as_array().unwrap().len(), 1, "a plan changes nothing");

    relay.signal(Signal::HUP);
    let lines = relay.lines_until("reloaded");
    let changes: Vec<&str> = lines.iter().filter_map(|line| line["change"].as_str()).collect();
    assert_eq!(changes, expected);
    let (_, left) = relay.call("GET", &path, None);
    assert_eq!((&left["disabled"], &left["managed"]), (&true.into(), &false.into()), "{left}");
    let (_, new) = relay.call("GET", &format!("{ENDPOINTS}/parcels"), None);
    assert_eq!(new["url"], "https://parcels.example/", "{new}");
    // What has left the file is the API's again.
    let (status, _) = relay.call("DELETE", &path, None);
    assert_eq!(status, 204);

    folder.write("relay.toml", "[[endpoint]]\nuid = \"parcels\"\nurl = \"ftp://h.example\"\n");
    relay.signal(Signal::HUP);
    let line = relay.wait_for("the configuration was not reloaded");
    assert!(line["error"].as_str().unwrap().contains("must begin with https://"), "{line}");
    relay.stop();
}

#[test]
fn who_may_ask_for_a_plan_and_with_what() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let plan = "/api/v1/config/plan";
    let (status, answer) =
        relay.call("POST", plan, Some(r#"{"endpoint":[{"uid":"a b","url":"x"}]}"#));
    assert_eq!(status, 422, "{answer}");
    assert_eq!(answer["detail"][0]["loc"], serde_json::json!(["body", "endpoint[0].uid"]));
    let (status, _) = relay.call("POST", plan, Some(r#"{"sources":[]}"#));
    assert_eq!(status, 422);
    let arguments = ["check", "--server", &relay.url, "--token", "sk_of_somebody_else"];
    folder.run(&arguments).expect(0, "does not know this key; a relay that runs is asked", "");
    let url = relay.url.clone();
    relay.stop();
    let arguments = ["check", "--server", &url, "--token", "sk_of_somebody_else"];
    folder.run(&arguments).expect(0, "what would change is not known: no relay answers at", "");
}
