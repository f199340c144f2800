//! `relay stats` against a relay that serves.

use serde_json::Value;

use crate::live::Live;
use crate::support::Folder;

/// The disabled one is not matched; what is for later stays.
const CONFIG: &str = r#"
[[endpoint]]
uid = "one"
url = "https://one.invalid/"
disabled = true
[[endpoint]]
uid = "later"
url = "https://later.invalid/"
"#;

fn stats(folder: &Folder, relay: &Live, code: i32) -> Value {
    let arguments = ["stats", "--json", "--server", &relay.url, "--token", &relay.key];
    let ended = folder.run(&arguments).expect(code, "", "");
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn the_account_holds() {
    let folder = Folder::new();
    folder.write("relay.toml", CONFIG);
    let relay = Live::start(&folder);
    let account = stats(&folder, &relay, 0);
    assert_eq!((&account["accepted"], &account["holds"]), (&0.into(), &true.into()), "{account}");
    let message = r#"{"eventType":"a.b","payload":{},"deliverAt":"TIME"}"#;
    let message = message.replace("TIME", &tomorrow());
    for _ in 0..3 {
        let (status, answer) = relay.call("POST", "/api/v1/app/default/msg", Some(&message));
        assert_eq!(status, 202, "{answer}");
    }
    let account = stats(&folder, &relay, 0);
    let number = |name: &str| account[name].as_u64().unwrap();
    assert_eq!((number("accepted"), number("deliveries"), number("waiting")), (3, 3, 3));
    let arguments = ["stats", "--server", &relay.url, "--token", &relay.key];
    folder.run(&arguments).expect(0, "3 = 0 + 0 + 0 + 3 + 0  holds\n", "");
    let arguments = ["stats", "--server", &relay.url, "--token", "sk_of_somebody_else"];
    folder.run(&arguments).expect(1, "", "answers 401");
    relay.stop();
}

/// Where the configuration has the relay listen it is asked, unless another is named.
#[test]
fn the_configuration_says_which_relay() {
    let folder = Folder::new();
    folder.write("relay.toml", "");
    let relay = Live::start(&folder);
    let listen = relay.url.replace("http://", "");
    folder.write("relay.toml", format!("[server]\nlisten = \"{listen}\"\n"));
    folder.run(&["health"]).expect(0, &format!("{} is ready", relay.url), "");
    folder.run(&["stats"]).expect(0, "holds", "");
    folder.run(&["send", "--type", "a.b", "--data", "{}"]).expect(0, "accepted msg_", "");
    let everywhere = listen.replace("127.0.0.1", "0.0.0.0");
    folder.write("relay.toml", format!("[server]\nlisten = \"{everywhere}\"\n"));
    folder.run(&["health"]).expect(0, &format!("{} is ready", relay.url), "");
    relay.stop();
    folder.run(&["health"]).expect(69, "", &format!("no answer from http://{listen}"));
    let none = ["health", "--server", "http://127.0.0.1:1"];
    folder.run(&none).expect(69, "", "no answer from http://127.0.0.1:1");
}

fn tomorrow() -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let millis = u64::try_from((since + day).as_millis()).unwrap();
    relay::domain::time::Timestamp::from_millis(millis).to_string()
}
