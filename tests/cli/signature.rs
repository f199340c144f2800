//! `relay sign`, `relay verify` and `relay token`, offline.

use serde_json::Value;

use crate::support::{Folder, ended};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PRIVATE: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

#[test]
fn what_sign_prints_verify_takes() {
    let folder = Folder::new();
    let body = b"\xff\x00 any bytes\r\n";
    folder.write("body", body);
    folder.write("secret", format!("{SECRET}\n"));
    let request = folder.command(&["sign", "--secret", SECRET, "--with-body", "body"]).output();
    folder.write("request", request.unwrap().stdout);
    let verify = ["verify", "--secret-file", "secret", "--request", "request"];
    folder.run(&verify).expect(0, "verified: msg_", "");
    let pairs = [("standard", PRIVATE, PUBLIC), ("svix", SECRET, SECRET), ("both", SECRET, SECRET)];
    for (names, signing, verifying) in pairs {
        let sign = ["sign", "--secret", signing, "--headers", names, "--json"];
        let signed = folder.run_with_input(&sign, body).expect(0, "", "");
        let headers: Value = serde_json::from_str(&signed.out).unwrap();
        let headers = headers.as_object().unwrap();
        assert_eq!(headers.len(), if names == "both" { 6 } else { 3 });
        let headers: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("--header={name}: {}", value.as_str().unwrap()))
            .collect();
        let mut arguments = vec!["verify", "--json", "body"];
        arguments.extend(headers.iter().map(String::as_str));
        let mut command = folder.command(&arguments);
        ended(command.env("RELAY_SECRET", verifying)).expect(0, "\"verified\":true", "");
    }
}

#[test]
fn a_published_vector() {
    let folder = Folder::new();
    folder.write("body", "{\"test\": 2432232314}");
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let sign = ["sign", "--secret", SECRET, "--id", id, "--timestamp", "1614265330", "body"];
    let expected = format!(
        "webhook-id: {id}\nwebhook-timestamp: 1614265330\nwebhook-signature: {signature}\n"
    );
    assert_eq!(folder.run(&sign).expect(0, "", "").out, expected);
    let verify =
        ["verify", "--id", id, "--timestamp", "1614265330", "--signature", signature, "body"];
    let run = |more: &[&str]| folder.run(&[&verify[..], more].concat());
    run(&["--secret", SECRET, "--at", "1614265330"]).expect(0, "verified: ", "");
    run(&["--secret", SECRET, "--at", "2021-02-25T15:02:10Z"]).expect(0, "verified: ", "");
    run(&["--secret", SECRET, "--at", "sent"]).expect(0, "verified: ", "");
    let stale = run(&["--secret", SECRET]).expect(1, "not verified: the timestamp is ", "");
    assert!(stale.out.contains("the signature itself is right"), "{}", stale.out);
    let wrong = run(&["--secret", OTHER, "--at", "sent"]);
    let wrong = wrong.expect(1, "not verified: no signature matches", "");
    assert!(wrong.out.contains("the secret is that of another endpoint"), "{}", wrong.out);
    let json = run(&["--secret", OTHER, "--at", "sent", "--json"]).expect(1, "", "").out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["verified"], &json["error"]), (&false.into(), &"mismatch".into()));
}

#[test]
fn verify_says_what_is_wrong() {
    let folder = Folder::new();
    let check = |signature: &str, body: &str, expected: &str| {
        let arguments = [
            "verify",
            "--secret",
            SECRET,
            "--at=sent",
            "--id=msg_p5jXN8AQM9LWM0D4loKWxJek",
            "--timestamp=1614265330",
            "--signature",
            signature,
        ];
        folder.run_with_input(&arguments, body.as_bytes()).expect(1, expected, "");
    };
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let body = "{\"test\": 2432232314}";
    check(good, "{\"test\": 2432232314}\n", "the same body without the line end after it");
    check(good.trim_end_matches('='), body, "is not base64 with padding");
    check(&"0f".repeat(32), body, "it is written in hex");
    check(&good[3..], body, "has no version before it");
    check(good, "{\"test\": 1}", "the body (11 bytes), the id or the timestamp was changed");
    folder
        .run_with_input(&["verify", "--secret", SECRET, "-H", "Webhook-Id: msg_1"], b"{}")
        .expect(1, "not verified: the header webhook-timestamp is missing", "");
}

/// Made with Python's hmac, of the time, a dot and the body, with the key `hush`.
#[test]
fn as_a_provider_signs() {
    let folder = Folder::new();
    let header = "Stripe-Signature: t=1795219200,\
                  v1=4deea9a7f247ffe8f0d560850b2a9e835244d91d2dc666fae79067788df32ef1";
    let body = br#"{"id":"evt_1","type":"a.b"}"#;
    let run = |secret: &str, at: &str, body: &[u8], more: &[&str]| {
        let asked =
            ["verify", "--provider", "stripe", "--secret", secret, "--at", at, "-H", header];
        folder.run_with_input(&[&asked[..], more].concat(), body)
    };
    let words = "verified: Stripe, 27 bytes, signed 5 s ago, a.b, evt_1\n";
    run("hush", "1795219205", body, &[]).expect(0, words, "");
    let json = run("hush", "1795219205", body, &["--json"]).expect(0, "", "").out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["event_id"], &json["event_type"]), (&"evt_1".into(), &"a.b".into()));

    let stale = "not verified: the timestamp is 404 s old, 300 s are allowed\n";
    run("hush", "1795219604", body, &[]).expect(1, stale, "");
    let spaced = br#"{"id": "evt_1", "type": "a.b"}"#;
    let told = run("hush", "1795219205", spaced, &[]).expect(1, "of other bytes\n", "");
    assert!(told.out.contains("written again without spaces"), "{}", told.out);
    assert!(told.out.contains("how Stripe signs: https://docs.stripe.com/"), "{}", told.out);
    let json = run("wrong", "1795219205", body, &["--json"]).expect(1, "", "").out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["verified"], &json["error"]), (&false.into(), &"mismatch".into()));

    let square = ["verify", "--provider", "square", "--secret", "hush", "-H", "a: b"];
    folder.run_with_input(&square, b"{}").expect(2, "", "with --url");
    let none = ["verify", "--provider", "nobody", "--secret", "hush", "-H", "a: b"];
    folder.run_with_input(&none, b"{}").expect(2, "", "there are adyen, adyen-platforms, ");
}

#[test]
fn wrong_calls_end_with_2() {
    let folder = Folder::new();
    folder.run(&["verify"]).expect(2, "", "error: no secret is given\nhint: ");
    folder.run(&["verify", "--secret", "hush"]).expect(2, "", "begins with whsec_ (HMAC), whpk_");
    folder.run(&["sign", "--secret", PUBLIC]).expect(2, "", "begins with whsec_ (HMAC) or whsk_");
    folder.run(&["sign", "--secret", SECRET, "--id", "a.b"]).expect(2, "", "but no dot");
    folder.run(&["verify", "--secret", SECRET]).expect(2, "", "no headers are given");
    folder.run(&["sign", "--secret", SECRET, "none"]).expect(1, "", "can't read none\n  caused by");
    let request = ["verify", "--secret", SECRET, "--request", "-"];
    folder.run_with_input(&request, b"{}").expect(2, "", "this is no HTTP request");
}

#[test]
fn tokens() {
    let folder = Folder::new();
    let first = folder.run(&["token", "create"]).expect(0, "sk_", "the only time it is shown").out;
    let second = folder.run(&["token", "create", "--json"]).expect(0, "\"operator_key\":\"sk_", "");
    assert!(first.len() == 76 && !second.out.contains(first.trim_end()));
    let mut command = folder.command(&["check"]);
    ended(command.env("RELAY__AUTH__OPERATOR_KEY", first.trim_end())).expect(0, "given", "");

    folder.run(&["token", "create", "--jwt"]).expect(1, "", "no secret to sign the token with");
    let mut command = folder.command(&[
        "token",
        "create",
        "--jwt",
        "--app",
        "app_1",
        "--expires",
        "1h",
        "--json",
    ]);
    let secret = "hush-hush-hush-hush";
    let made = ended(command.env("RELAY__AUTH__JWT_SECRET", secret)).expect(0, "\"token\"", "");
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let claims = &made["claims"];
    assert_eq!(
        (&claims["sub"], &claims["org"]),
        (&"app_1".into(), &"org_23rb8YdGqMT0qIzpgGwdXfHirMu".into())
    );
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3_600);
    assert_eq!(made["token"].as_str().unwrap().split('.').count(), 3);
    let years = ["token", "create", "--jwt", "--secret", secret, "--expires", "1y"];
    folder.run(&years).expect(2, "", "months and years differ in length");
}
