//! Access tokens, credentials and proxies of a relay that serves, and what it prints of them.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::live::Live;
use crate::support::{Asked, Folder, ScriptedRelay};

const LOCAL: &str = "[guard]\nallow = [\"127.0.0.0/8\"]\n";
const ATTEMPTS: &str = "/api/v1/app/default/attempt/endpoint/books";

/// The newest attempt, once there are so many.
fn attempt(relay: &Live, count: usize) -> Value {
    loop {
        let (_, list) = relay.call("GET", ATTEMPTS, None);
        let attempts = list["data"].as_array().unwrap();
        if attempts.len() >= count {
            return attempts[0].clone();
        }
        std::thread::yield_now();
    }
}

fn send(relay: &Live, event_id: &str) {
    let message = format!(r#"{{"eventType":"a.b","eventId":"{event_id}","payload":{{}}}}"#);
    assert_eq!(relay.call("POST", "/api/v1/app/default/msg", Some(&message)).0, 202);
}

fn authorization(asked: &Asked) -> Option<&str> {
    asked.headers.iter().find_map(|header| header.strip_prefix("authorization: "))
}

fn oauth2(url: &str, token_url: &str) -> String {
    format!(
        "{LOCAL}[[endpoint]]\nuid = \"books\"\nurl = \"{url}/in\"\n[endpoint.delivery.auth]\n\
         type = \"oauth2\"\ntoken_url = \"{token_url}/token\"\nclient_id = \"relay\"\n\
         client_secret = \"hush\"\nscope = \"hooks\"\n"
    )
}

#[test]
fn a_token_serves_many_deliveries_and_is_renewed_when_it_is_refused() {
    // The token that the receiver takes: the first, until it is withdrawn.
    let good = Arc::new(AtomicUsize::new(1));
    let now = Arc::clone(&good);
    let receiver = ScriptedRelay::start(move |asked, _| {
        let right = format!("Bearer t{}", now.load(Ordering::SeqCst));
        (if authorization(asked) == Some(&right) { 200 } else { 401 }, "{}".to_owned())
    });
    let tokens = ScriptedRelay::start(|_, before| {
        (200, format!(r#"{{"access_token":"t{}","expires_in":3600}}"#, before + 1))
    });
    let folder = Folder::new();
    folder.write("relay.toml", oauth2(&receiver.url, &tokens.url));
    let relay = Live::start(&folder);
    for number in 1..=5 {
        send(&relay, &format!("m{number}"));
        assert_eq!(attempt(&relay, number)["status"], 0);
    }
    assert_eq!(tokens.asked().len(), 1, "one token for all");
    let asked = tokens.asked();
    assert_eq!(asked[0].line, "POST /token");
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=hooks");
    assert_eq!(authorization(&asked[0]), Some("Basic cmVsYXk6aHVzaA=="));

    good.store(2, Ordering::SeqCst);
    send(&relay, "after");
    assert_eq!(attempt(&relay, 6)["status"], 0, "the same attempt, with the next token");
    assert_eq!(tokens.asked().len(), 2);
    assert_eq!(receiver.asked().len(), 7);

    // A receiver that refuses every token gets no new one each time.
    good.store(0, Ordering::SeqCst);
    send(&relay, "never");
    assert_eq!(attempt(&relay, 7)["responseStatusCode"], 401);
    assert_eq!(tokens.asked().len(), 2);
    let (_, shown) = relay.call("GET", "/api/v1/app/default/endpoint/books", None);
    assert!(!shown.to_string().contains("hush"), "{shown}");
    let log = relay.stop();
    assert!(log.iter().all(|line| !line.to_string().contains("hush")), "{log:?}");
}

#[test]
fn a_token_endpoint_that_fails_is_told_of() {
    let receiver = ScriptedRelay::start(|_, _| (200, "{}".to_owned()));
    let tokens = ScriptedRelay::start(|_, _| (401, r#"{"error":"invalid_client"}"#.to_owned()));
    let folder = Folder::new();
    folder.write("relay.toml", oauth2(&receiver.url, &tokens.url));
    let relay = Live::start(&folder);
    send(&relay, "one");
    let failed = attempt(&relay, 1);
    assert_eq!((&failed["status"], &failed["responseStatusCode"]), (&2.into(), &0.into()));
    assert_eq!(failed["response"], "the token endpoint answered 401: invalid_client");
    assert_eq!(receiver.asked().len(), 0, "nothing was sent without it");
    relay.stop();
}

#[test]
fn credentials_of_a_file_are_sent_and_kept_with_no_attempt() {
    let receiver = ScriptedRelay::start(|_, _| (200, "{}".to_owned()));
    let folder = Folder::new();
    let url = &receiver.url;
    let path = folder.write(
        "books.toml",
        "[auth]\ntype = \"header\"\nname = \"X-Team-Key\"\nvalue = \"hush\"\n",
    );
    folder.write(
        "relay.toml",
        format!(
            "{LOCAL}[[endpoint]]\nuid = \"books\"\nurl = \"{url}/in\"\ncredentials_file = \"{}\"\n",
            path.display()
        ),
    );
    let relay = Live::start(&folder);
    send(&relay, "one");
    let made = attempt(&relay, 1);
    assert_eq!(made["status"], 0, "{made}");
    let sent = receiver.asked();
    assert!(sent[0].headers.iter().any(|header| header == "x-team-key: hush"), "{sent:?}");
    let id = made["id"].as_str().unwrap();
    let path = format!("/api/v1/app/default/msg/one/attempt/{id}/headers");
    let (_, headers) = relay.call("GET", &path, None);
    assert_eq!(headers["sentHeaders"]["X-Team-Key"], "(redacted)", "{headers}");
    relay.stop();
}

#[test]
fn a_transformation_takes_no_header_of_the_endpoint_elsewhere() {
    let home = ScriptedRelay::start(|_, _| (200, "{}".to_owned()));
    let elsewhere = ScriptedRelay::start(|_, _| (200, "{}".to_owned()));
    let folder = Folder::new();
    let script = format!(
        "function handler(webhook) {{\n\
         \x20 const away = webhook.payload.away ? \"{}\" : \"{}/other\";\n\
         \x20 return {{ ...webhook, url: away, headers: {{ \"x-given\": \"1\" }} }};\n}}\n",
        elsewhere.url, home.url
    );
    let path = folder.write("away.js", script);
    folder.write(
        "relay.toml",
        format!(
            "{LOCAL}[[endpoint]]\nuid = \"books\"\nurl = \"{}/in\"\ntransform_file = \"{}\"\n\
             headers = {{ X-Team = \"hush\", X-Api-Key = \"hush\" }}\n",
            home.url,
            path.display()
        ),
    );
    let relay = Live::start(&folder);
    for away in [false, true] {
        let message = format!(r#"{{"eventType":"a.b","payload":{{"away":{away}}}}}"#);
        assert_eq!(relay.call("POST", "/api/v1/app/default/msg", Some(&message)).0, 202);
        assert_eq!(attempt(&relay, if away { 2 } else { 1 })["status"], 0);
    }
    let asked = home.asked();
    assert_eq!(asked[0].line, "POST /other");
    for own in ["x-team: hush", "x-api-key: hush", "x-given: 1"] {
        assert!(asked[0].headers.iter().any(|header| header == own), "{own}: {asked:?}");
    }
    let asked = elsewhere.asked();
    assert!(asked[0].headers.iter().any(|header| header == "x-given: 1"), "{asked:?}");
    assert!(asked[0].headers.iter().all(|header| !header.contains("hush")), "{asked:?}");
    relay.stop();
}

#[test]
fn a_proxy_that_hangs_up_is_named_in_the_log() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    std::thread::spawn(move || proxy.incoming().for_each(drop));
    let folder = Folder::new();
    let text = "[[endpoint]]\nuid = \"books\"\nurl = \"http://192.0.2.1:3000/\"\n";
    folder.write(
        "relay.toml",
        format!(
            "[guard]\nallow = [\"192.0.2.0/24\"]\n\
             [egress]\nproxy = \"socks5://anna:hush@127.0.0.1:{port}\"\n{text}"
        ),
    );
    let relay = Live::start(&folder);
    send(&relay, "one");
    let told = attempt(&relay, 1)["response"].as_str().unwrap().to_owned();
    assert!(told.starts_with("no connection to the endpoint could be made"), "{told}");
    let log = relay.stop();
    let begin = format!("the proxy socks5://(hidden)@127.0.0.1:{port}: it closed the connection");
    let causes: Vec<&str> = log.iter().filter_map(|line| line["cause"].as_str()).collect();
    assert!(causes.iter().any(|cause| cause.starts_with(&begin)), "{causes:?}");
}

#[test]
fn what_is_printed_hides_what_is_secret() {
    let folder = Folder::new();
    folder.write(
        "relay.toml",
        "[egress]\nproxy = \"http://anna:hush@10.0.0.1:3128\"\n\
         [[proxy]]\nname = \"eu\"\nurl = \"socks5://anna:hush@10.0.0.2\"\n\
         [[endpoint]]\nuid = \"a\"\nurl = \"https://h.example/\"\n\
         delivery = { proxy = \"eu\", auth = { type = \"bearer\", token = \"hush\" } }\n",
    );
    for arguments in [&["config", "print"][..], &["config", "print", "--json"]] {
        let told = folder.run(arguments).expect(0, "(hidden)@10.0.0.1:3128", "");
        assert!(!told.out.contains("hush"), "{}", told.out);
    }
}

#[test]
fn what_is_wrong_with_egress_is_told_without_it() {
    let folder = Folder::new();
    folder.write(
        "relay.toml",
        "[egress]\nproxy = \"ftp://anna:hush@h\"\nno_proxy = [\"a b\"]\n\
         [[proxy]]\nname = \"direct\"\nurl = \"http://h:1\"\n\
         [[endpoint]]\nuid = \"a\"\nurl = \"https://h.example/\"\n\
         delivery = { proxy = \"us\", auth = { type = \"bearer\" } }\n",
    );
    let told = folder.run(&["check"]).expect(78, "", "must be http://host:port");
    for part in [
        "`a b` is neither a host",
        "`direct` is no name for a proxy",
        "is missing",
        "no [[proxy]] has the name `us`",
    ] {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
    assert!(!told.err.contains("hush"), "{}", told.err);
}
