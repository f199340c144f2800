//! `relay transform`: checked and run, on files and on what a relay holds.

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Ended, Folder};

const SCRIPT: &str = r#"addHandler("transform", (request, context) => {
  console.log("seen", context.event_type, context.source);
  if (request.body.drop) return null;
  request.headers["x-event"] = request.headers["x-github-event"] ?? "none";
  request.headers["x-team"] = context.env.TEAM ?? "none";
  request.body = { action: request.body.issue.title };
  return request;
});
"#;

fn parsed(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).expect(&ended.out)
}

#[test]
fn checked() {
    let folder = Folder::new();
    let check = |name: &str, text: &str, code: i32, out: &str| {
        folder.write(name, text);
        folder.run(&["transform", "check", name]).expect(code, out, "");
        let told = folder.run(&["transform", "check", name, "--json"]).expect(code, "", "");
        assert_eq!(parsed(&told)["ok"], code == 0);
        parsed(&told)
    };
    let told = check("a.js", SCRIPT, 0, "good: a.js: addHandler(\"transform\", ");
    assert_eq!(told["handler"], "addHandler");
    check(
        "b.js",
        "const handler = (webhook) => webhook;",
        0,
        "function handler(webhook), as in Svix",
    );
    check("c.js", "function transform(p) {}", 0, "function transform(payload), as in Convoy");
    check("d.toml", "steps = [{ pick = \"a\" }]", 0, "good: d.toml: 1 step\n");
    check("e.json", r#"{"script": "function transform(p) {}"}"#, 0, "as in Convoy");
    let told = check("f.js", "\nfunction transform(p) {\n  return (p;\n}", 1, "syntax f.js:3: ");
    assert_eq!((&told["error"], &told["line"]), (&json!("syntax"), &json!(3)));
    check("g.js", "let a = 1;", 1, "no_handler g.js: the script has no handler");
    check(
        "h.toml",
        "steps = [\n  { pck = \"a\" },\n]",
        1,
        "syntax h.toml:2: unknown variant `pck`",
    );
    check("i.json", "{\"steps\": [\n1]}", 1, "syntax i.json:2: ");
    check(
        "j.toml",
        "steps = [{ pick = \"a\" }, { set_method = \"TRACE\" }]",
        1,
        "step j.toml: step 2",
    );
    folder.run(&["transform", "check", "none.js"]).expect(1, "", "can't read none.js");
    folder.write("k.txt", "");
    folder.run(&["transform", "check", "k.txt"]).expect(2, "", "neither .js, .toml nor .json");
}

#[test]
fn run_on_files() {
    let folder = Folder::new();
    folder.write("a.js", SCRIPT);
    folder.write("a.json", r#"{"issue": {"title": "It broke"}}"#);
    folder.write("drop.json", r#"{"drop": true}"#);
    folder.write("bad.json", "{}");
    let run = |more: &[&str]| folder.run(&[&["transform", "run", "a.js"], more].concat());
    let header = ["-H", "x-github-event: issues", "--env", "TEAM=blue", "--event-type", "issues"];
    let sent = run(&[&["--input", "a.json"], &header[..]].concat()).expect(0, "", "");
    let expected = "console.log: seen issues null\nPOST https://endpoint.example/\n\
                    content-type: application/json\nx-github-event: issues\nx-event: issues\n\
                    x-team: blue\n\n{\"action\":\"It broke\"}\n";
    assert_eq!(sent.out, expected);
    run(&["--input", "drop.json"]).expect(0, "dropped: nothing would be sent", "");
    let failed = run(&["--input", "bad.json"]).expect(1, "console.log: seen example", "");
    assert!(failed.out.contains("thrown a.js:6: the script threw TypeError"), "{}", failed.out);
    let failed = parsed(&run(&["--input", "bad.json", "--json"]).expect(1, "", ""));
    assert_eq!((&failed["error"], &failed["line"]), (&json!("thrown"), &json!(6)));
    assert_eq!(failed["console"][0]["text"], "seen example null");
    folder.write("form.toml", "steps = [{ pick = \"a\" }]");
    folder.write("a.form", "a=b+c");
    let sent = folder.run(&["transform", "run", "form.toml", "--input", "a.form", "--json"]);
    assert_eq!(parsed(&sent)["request"]["body"], "\"b c\"");
    run(&[]).expect(2, "", "--message <MSG>|--request <ID>|--input <FILE>");
    run(&["--request", "in_1"]).expect(2, "", "--source <REF>");
    run(&["--input", "a.json", "--env", "x"]).expect(2, "", "write NAME=VALUE");
    run(&["--input", "a.json", "-H", "x"]).expect(2, "", "is no header");
}

#[test]
fn run_on_what_a_relay_holds() {
    let folder = Folder::new();
    let relay = Live::start(&folder);
    let at = ["--server", &*relay.url, "--token", &relay.key];
    let run = |arguments: &[&str]| folder.run(&[arguments, &at, &["--json"]].concat());
    let add = ["source", "add", "shop", "--provider", "github", "--secret", "s"];
    run(&add).expect(0, "", "");
    let sent = run(&["trigger", "github", "issues", "--source", "shop", "--secret", "s"]);
    let sent = parsed(&sent.expect(0, "", ""));
    let text = |field: &str| sent["request"][field].as_str().unwrap();
    folder.write("a.js", SCRIPT);
    let request = ["transform", "run", "a.js", "--source", "shop", "--request", text("id")];
    let made = parsed(&run(&request).expect(0, "", ""));
    assert_eq!(made["console"][0]["text"], "seen issues shop");
    let headers = made["request"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-event", "issues"])), "{made}");
    assert!(headers.contains(&json!(["relay-source", "shop"])), "{made}");
    let message = ["transform", "run", "a.js", "--message", text("msgId")];
    let made = parsed(&run(&message).expect(0, "", ""));
    assert_eq!(made["request"]["body"], "{\"action\":\"Deliveries arrive twice\"}");

    // What a transform leaves alone is sent as it came.
    folder.write("b.js", "function handler(webhook) { return webhook; }");
    let body = r#"{"eventType": "a", "payload": { "n": 1.0,  "b":[] }}"#;
    let (status, made) = relay.call("POST", "/api/v1/app/default/msg", Some(body));
    assert_eq!(status, 202, "{made}");
    let id = made["id"].as_str().unwrap();
    let made = parsed(&run(&["transform", "run", "b.js", "--message", id]).expect(0, "", ""));
    assert_eq!(made["request"]["body"], r#"{ "n": 1.0,  "b":[] }"#);
    let (status, _) = relay.call("DELETE", &format!("/api/v1/app/default/msg/{id}/content"), None);
    assert_eq!(status, 204);
    run(&["transform", "run", "b.js", "--message", id]).expect(1, "", "its content is gone");
    run(&["transform", "run", "b.js", "--message", "msg_none"]).expect(1, "", "there is no ");
    relay.stop();
}
