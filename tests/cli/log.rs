//! What a relay logs, and what it never does.

use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};

/// Delivers one message with a credential in the endpoint's headers; gives every line of the log.
fn log_of_a_delivery(level: &str) -> String {
    let receiver = ScriptedRelay::start(|_, _| (204, String::new()));
    let folder = Folder::new();
    let address = receiver.url.replace("http://", "").replace(':', "/32:");
    let config = format!(
        "[guard]\nallow = [\"{address}\"]\n[[endpoint]]\nuid = \"e\"\nurl = \"{}\"\n\
         headers = {{ authorization = \"Bearer hush-hush\" }}\n",
        receiver.url
    );
    folder.write("relay.toml", config);
    let relay = Live::start_with(&folder, &[("RELAY__LOG__LEVEL", level)]);
    let early = relay.early();
    let arguments = ["send", "--server", &relay.url, "--token", &relay.key, "--type", "a.b"];
    folder.run(&[&arguments[..], &["--data", "{}"]].concat()).expect(0, "1 of 1 endpoint", "");
    let asked = receiver.asked();
    assert!(
        asked[0].headers.iter().any(|header| header.ends_with("Bearer hush-hush")),
        "{asked:?}"
    );
    let lines = early.into_iter().chain(relay.stop());
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn libraries_do_not_log_requests() {
    for level in ["info", "debug", "trace"] {
        let log = log_of_a_delivery(level);
        assert!(!log.contains("hush-hush"), "{level}: {log}");
        for target in ["\"ureq", "\"rustls", "\"actix_server"] {
            assert!(!log.contains(&format!("\"target\":{target}")), "{level}: {log}");
        }
    }
}

#[test]
fn a_library_that_is_named_logs() {
    let log = log_of_a_delivery("info,actix_server=info,ureq=debug");
    assert!(log.contains("\"target\":\"actix_server"), "{log}");
    assert!(log.contains("\"target\":\"ureq"), "{log}");
}

/// The address is the one that a trusted proxy forwards, and the key is not told.
#[test]
fn a_guesser_is_told_with_its_address() {
    let folder = Folder::new();
    let config = "[server]\ntrusted_proxies = [\"127.0.0.1/32\"]\n[[application]]\nuid = \"a\"\n";
    folder.write("relay.toml", config);
    let mut relay = Live::start(&folder);
    for number in 0..20 {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let request = agent.new_agent().get(format!("{}/api/v1/app", relay.url));
        let request = request.header("x-forwarded-for", "203.0.113.7");
        let key = format!("Bearer guess-{number}");
        assert_eq!(request.header("authorization", key).call().unwrap().status(), 401);
    }
    let told = relay.wait_for("too many wrong keys");
    assert_eq!(told["client"], "203.0.113.7");
    assert!(!told.to_string().contains("guess-"), "{told}");
    relay.stop();
}
