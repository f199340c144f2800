//! Keys that providers publish: fetched once, within bounds, with a token where it takes one.

use serde_json::{Value, json};

use super::shop;
use crate::support::server::{Answer, Relay};

const TOKENS: &str = "https://api.ebay.com/identity/v1/oauth2/token";

/// eBay's request as `providers/cases.json` has it, and what its key's URL answers.
fn request() -> Value {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../providers/cases.json")).unwrap();
    let is = |case: &Value| case["provider"] == "ebay" && case["what"] == "as it is sent";
    cases.into_iter().find(is).unwrap()
}

fn source(relay: &Relay, uid: &str, kind: &str) -> String {
    let config = json!({"secret": "client:hidden"});
    super::source(relay, uid, json!({"type": kind, "config": config}))
}

fn send(relay: &Relay, path: &str, case: &Value) -> Answer {
    let headers = case["headers"].as_array().unwrap().iter();
    let headers: Vec<(&str, &str)> =
        headers.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect();
    relay.receive(path, &headers, case["body"].as_str().unwrap())
}

#[test]
fn a_key_behind_a_token() {
    let (relay, _) = shop(json!({}));
    let path = source(&relay, "market", "ebay");
    let case = request();
    let (url, key) = (&case["documents"][0][0], &case["documents"][0][1]);
    let (url, key) = (url.as_str().unwrap(), key.as_str().unwrap());
    let provider = &relay.folder.provider;
    provider.has(url, 200, key);
    // No token yet: the provider sends it again, and nothing is asked for a while.
    send(&relay, &path, &case).expect(503);
    send(&relay, &path, &case).expect(503);
    assert_eq!(provider.asked(), [format!("POST {TOKENS}")]);
    provider.has(TOKENS, 200, r#"{"access_token":"t-1","token_type":"Application"}"#);
    // One that is cut short is none, and is not kept.
    provider.has(url, 200, &format!("{key}{}", " ".repeat(64 << 10)));
    relay.folder.clock.advance(std::time::Duration::from_secs(10));
    send(&relay, &path, &case).expect(503);
    provider.has(url, 200, key);
    relay.folder.clock.advance(std::time::Duration::from_secs(10));
    send(&relay, &path, &case).expect(200);
    let get = format!("GET {url}");
    assert_eq!(provider.asked()[1..], [format!("POST {TOKENS}"), get.clone(), get]);
    let sent = provider.sent();
    assert_eq!(sent[1].0, "Basic Y2xpZW50OmhpZGRlbg==", "client:hidden");
    assert_eq!(sent[2].0, "Bearer t-1");
    let form = "grant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope";
    assert_eq!(sent[1].1, form);
    // It is kept.
    send(&relay, &path, &case).expect(200);
    assert_eq!(provider.asked().len(), 4);
}

/// Who names keys that are none spends what his own source has, not what others need.
#[test]
fn fetches_are_bounded_for_each_source() {
    let (relay, _) = shop(json!({}));
    let paths = ["one", "other"].map(|uid| source(&relay, uid, "aws-sns"));
    let forged = |number: usize| {
        let url =
            format!("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{number}.pem");
        json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "client:hidden", "Message": "x",
            "Timestamp": "2026-11-21T00:00:00.000Z", "SignatureVersion": "1",
            "Signature": "AAAA", "SigningCertURL": url,
        })
        .to_string()
    };
    for number in 0..25 {
        relay.receive(&paths[0], &[], &forged(number)).expect(503);
    }
    let asked = relay.folder.provider.asked().len();
    assert_eq!(asked, 20);
    relay.receive(&paths[1], &[], &forged(30)).expect(503);
    assert_eq!(relay.folder.provider.asked().len(), 21);
    relay.folder.clock.advance(std::time::Duration::from_secs(60));
    relay.receive(&paths[0], &[], &forged(31)).expect(503);
    assert_eq!(relay.folder.provider.asked().len(), 22);
    // A query would make one certificate many.
    let many = forged(32).replace(".pem", ".pem?1");
    relay.receive(&paths[0], &[], &many).expect(401);
    assert_eq!(relay.folder.provider.asked().len(), 22);
}
