//! The three handlers, and what they may change.

use relay::engine::script::ScriptLimits;

use super::{context, failed, request, run, scripts, sent, sent_body};

#[test]
fn hookdeck() {
    let code = r##"
        addHandler("transform", (request, context) => {
            request.body = {
                text: request.body.title + " in " + request.parsed_query.team.join("+"),
                seen: [request.method, request.url, request.path, request.query, request.raw_body],
                headers: { ...request.headers },
                context,
            };
            request.headers["x-new"] = 7;
            delete request.headers["x-two"];
            return request;
        });
    "##;
    let sent = sent(code, r#"{"title": "a"}"#);
    let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["text"], "a in a+b");
    let url = "https://receiver.example/in?a=1";
    let query = "team=a&team=b&x=1";
    let seen = serde_json::json!(["POST", url, "/in/github", query, r#"{"title": "a"}"#]);
    assert_eq!(body["seen"], seen);
    assert_eq!(body["headers"]["x-github-event"], "issues", "names in lower case");
    assert_eq!(body["headers"]["x-two"], "a, b");
    assert_eq!(body["context"]["env"]["SLACK_CHANNEL"], "#dev");
    assert_eq!(body["context"]["source"], "github");
    assert_eq!(body["context"]["verified"], true);
    assert_eq!(body["context"]["message_id"], "msg_1");
    assert_eq!(body["context"]["event_type"], "issue.opened");
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = [
        header("content-type", "application/json"),
        header("X-GitHub-Event", "issues"),
        header("x-new", "7"),
    ];
    assert_eq!(sent.headers, headers);
}

#[test]
fn svix() {
    let code = r#"
        function handler(webhook) {
            webhook.method = "PUT";
            webhook.url = "https://other.example/" + webhook.eventType;
            webhook.headers = { "X-Extra": "1", "x-github-event": null };
            webhook.payload = { n: webhook.payload.n + 1 };
            return webhook;
        }
    "#;
    let sent = sent(code, r#"{"n": 1}"#);
    assert_eq!((sent.method.as_str(), sent.body.as_slice()), ("PUT", br#"{"n":2}"#.as_slice()));
    assert_eq!(sent.url, "https://other.example/issue.opened");
    assert_eq!(sent.header("x-extra"), Some("1"));
    assert_eq!(sent.header("x-two"), Some("a"), "headers are added to those that there are");
    assert_eq!(sent.header("x-github-event"), None);
    let code = "const handler = (webhook) => ({ ...webhook, cancel: true })";
    assert_eq!(run(code, "{}").result, Ok(None));
}

#[test]
fn convoy() {
    let code = "function transform(payload) { payload.b = 2; return payload; }";
    assert_eq!(sent_body(code, r#"{"a": 1}"#), r#"{"a":1,"b":2}"#);
    assert_eq!(sent_body("function transform(payload) { return [1] }", "{}"), "[1]");
}

#[test]
fn dropped() {
    for value in ["undefined", "null", "false", "0", "''", "NaN"] {
        for code in [
            format!("addHandler('transform', () => {value})"),
            format!("function handler() {{ return {value} }}"),
            format!("function transform() {{ return {value} }}"),
        ] {
            assert_eq!(run(&code, "{}").result, Ok(None), "{code}");
        }
    }
}

#[test]
fn what_is_left_alone_stays_byte_for_byte() {
    let same = "addHandler('transform', (request) => request)";
    let svix = "function handler(webhook) { return webhook }";
    let convoy = "function transform(payload) { return payload }";
    let bodies = [
        "{ \"b\" : 1.0,\n \"a\": 12345678901234567890, \"__proto__\": {\"x\": 1} }",
        "\"\\u0041\"",
        " [1e3] ",
        "not json, \u{1F600}",
        "{\"a\": 1, \"a\": 2}",
    ];
    for body in bodies {
        for code in [same, svix, convoy] {
            assert_eq!(sent(code, body), request(body), "{code} {body}");
        }
    }
    assert_eq!(sent(same, ""), request(""));
    assert_eq!(sent(svix, ""), request(""));
    let scripts = scripts(ScriptLimits::default());
    let raw = super::Outgoing { body: vec![0xff, 0, 0x80], ..request("") };
    let ran = scripts.run(same, &raw.clone(), &context());
    assert_eq!(ran.result, Ok(Some(raw)), "what is no text");
}

#[test]
fn bodies_and_their_types() {
    let check = |code: &str, body: &str, content_type: &str| {
        let sent = sent(&format!("function transform(payload) {{ {code} }}"), r#"{"a":"é"}"#);
        assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), body, "{code}");
        assert_eq!(sent.header("content-type"), Some(content_type), "{code}");
    };
    check("return payload.a", "é", "text/plain; charset=utf-8");
    check("return JSON.stringify({a: 1})", r#"{"a":1}"#, "application/json");
    check("return {a: '\\ud800'}", r#"{"a":"\ud800"}"#, "application/json");
    let code = r#"addHandler("transform", (request) => {
        request.headers["Content-Type"] = "application/x-www-form-urlencoded";
        request.body = "a=1";
        return request;
    })"#;
    let sent = sent(code, "{}");
    assert_eq!(sent.body, b"a=1");
    assert_eq!(sent.header("content-type"), Some("application/x-www-form-urlencoded"));
    let code = "addHandler('transform', (request) => ({ body: 'x'.repeat(20) }))";
    assert_eq!(sent_body(code, "{}").len(), 20, "what is missing stays as it was");
}

#[test]
fn results_that_cannot_be_sent() {
    let check = |code: &str, expected: &str| {
        let code = format!("addHandler('transform', (request) => {{ {code} }})");
        let failure = failed(&code, "{}");
        assert_eq!(failure.code(), "bad_result", "{code}: {failure}");
        assert!(failure.to_string().contains(expected), "{code}: {failure}");
    };
    check("request.method = 'HEAD'; return request", "GET, POST, PUT, PATCH, DELETE");
    check("request.method = 1; return request", "a method that is no text");
    check("request.url = 'file:///etc/passwd'; return request", "https:// or http://");
    check("request.headers.host = 'x'; return request", "\"host\" is set by the relay");
    check("request.headers['svix-id'] = 'x'; return request", "choose another name");
    check("request.headers['x-a'] = 'b\\r\\nc: d'; return request", "printable ASCII");
    check("request.headers['x-a'] = {}; return request", "neither text nor number");
    check("request.headers = [1]; return request", "no object of names and values");
    check("request.body = () => 1; return request", "a body that is a function");
    check("request.body = 'a\\ud800'; return request", "half a surrogate pair");
    check("return 7", "type int");
    check("return []", "return the object that has the body");
    check("return {}", "without method, url, headers, body");
    check("return (function* () {})()", "without method, url, headers, body");
    check("return Promise.resolve(request)", "a promise");
    check("return (async () => request)()", "a promise");
    let failure = failed("async function handler(webhook) { return webhook }", "{}");
    assert!(failure.to_string().contains("without async"), "{failure}");
}

#[test]
fn what_is_thrown() {
    let check = |code: &str, expected: &str| {
        let failure = failed(&format!("function handler(webhook) {{\n{code}\n}}"), "{}");
        assert_eq!(failure.code(), "thrown", "{code}: {failure}");
        assert_eq!(failure.to_string(), format!("the script threw {expected}"), "{code}");
    };
    check("null.a", "TypeError: cannot read property 'a' of null in line 2");
    check("\nthrow new Error('x')", "Error: x in line 3");
    check("return JSON.parse('')", "SyntaxError: Unexpected end of JSON input in line 2");
    check("throw 'text'", "text");
    check("throw 7", "7");
    check("throw undefined", "undefined");
    check("throw {a: 1}", "{\"a\":1}");
    check("throw Symbol('x')", "symbol");
    check("throw () => 1", "function");
    check("throw 1n", "big_int");
    check("throw new Proxy({}, {get() { throw 1 }})", "proxy");
    check(
        "const e = new Error('a'); Object.defineProperty(e, 'message', \
           {get() { throw 1 }}); throw e",
        "Error:  in line 2",
    );
    check(
        "const a = {}; a.a = a; webhook.payload = a; return webhook",
        "TypeError: circular reference",
    );
    check(
        "webhook.payload = 1n; return webhook",
        "TypeError: BigInt are forbidden in JSON.stringify",
    );
}

#[test]
fn code_that_is_none() {
    let syntax = failed("function handler(webhook) {\n  return }\n}", "{}");
    assert_eq!(syntax.code(), "syntax", "{syntax}");
    assert!(syntax.to_string().ends_with("in line 3"), "{syntax}");
    assert_eq!(failed("let x = 1", "{}").code(), "no_handler");
    assert_eq!(failed("import fs from 'fs'", "{}").code(), "syntax");
    assert_eq!(failed("throw new Error('top')", "{}").code(), "thrown");
    let other = failed("addHandler('other', (request) => request)", "{}");
    assert!(other.to_string().contains("addHandler(\"transform\""), "{other}");
    let long = format!("//{}", "x".repeat(ScriptLimits::default().code_bytes));
    assert_eq!(failed(&long, "{}").code(), "too_large");
}
