//! Bodies that are compressed, cut, or JSON that no two parsers read alike.

use crate::support::Relay;

/// An empty gzip stream.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";

#[test]
fn codings_and_types() {
    let relay = Relay::start();
    let body = r#"{"name":"b"}"#;
    let with = |headers: &str, body: &[u8]| {
        let head = relay.head("POST", "/api/v1/app");
        let length = body.len();
        [format!("{head}{headers}content-length: {length}\r\n\r\n").as_bytes(), body].concat()
    };
    let json = "content-type: application/json\r\n";
    relay.check(&[
        ("gzip", with(&format!("{json}content-encoding: gzip\r\n"), GZIP), &[415]),
        ("deflate", with(&format!("{json}content-encoding: deflate\r\n"), b"x"), &[415]),
        ("br", with(&format!("{json}content-encoding: br\r\n"), b"x"), &[415]),
        ("two codings", with(&format!("{json}content-encoding: identity, gzip\r\n"), GZIP), &[415]),
        ("gzip that says nothing of it", with(json, GZIP), &[422]),
        (
            "identity",
            with(&format!("{json}content-encoding: identity\r\n"), body.as_bytes()),
            &[201],
        ),
        ("a form", with("content-type: application/x-www-form-urlencoded\r\n", b"name=b"), &[415]),
        ("a type that is none", with("content-type: \u{e4}\r\n", body.as_bytes()), &[415]),
        (
            "XML",
            with(
                "content-type: text/xml\r\n",
                b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>",
            ),
            &[415],
        ),
        (
            "a body of a GET",
            [
                relay.head("GET", "/api/v1/app").as_bytes(),
                b"content-length: 5\r\nconnection: close\r\n\r\nhello",
            ]
            .concat(),
            &[200],
        ),
        (
            "cut",
            [relay.head("POST", "/api/v1/app").as_bytes(), b"content-length: 500\r\n\r\n{\"name\""]
                .concat(),
            &[400],
        ),
        ("over the limit", with(json, &vec![b' '; (1 << 20) + 1]), &[413]),
    ]);
}

#[test]
fn json() {
    let relay = Relay::start();
    let app = |body: &[u8]| {
        let head = relay.head("POST", "/api/v1/app");
        let head = format!("{head}content-type: application/json\r\n");
        [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    };
    let deep = |levels: usize| {
        format!("{{\"name\":\"d\",\"x\":{}1{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    relay.check(&[
        ("200 levels in what nobody reads", app(deep(200).as_bytes()), &[201]),
        ("100,000 levels", app(deep(100_000).as_bytes()), &[201]),
        ("100,000 that never close", app("[".repeat(100_000).as_bytes()), &[422]),
        ("one key twice", app(br#"{"name":"a","name":"b"}"#), &[422]),
        ("a number over all", app(br#"{"name":"a","throttleRate":1e999999}"#), &[422]),
        ("minus nothing", app(br#"{"name":"a","throttleRate":-0}"#), &[422]),
        ("no UTF-8", app(b"{\"name\":\"\xff\"}"), &[422]),
        ("half a pair", app(br#"{"name":"\ud800"}"#), &[422]),
        ("the other half", app(br#"{"name":"\udc00\ud800"}"#), &[422]),
        ("a NUL", app(b"{\"name\":\"\0\"}"), &[422]),
        ("a byte order mark", app(b"\xef\xbb\xbf{\"name\":\"a\"}"), &[422]),
        ("UTF-16", app(b"\xff\xfe{\0\"\0n\0"), &[422]),
        ("a comma too many", app(br#"{"name":"a",}"#), &[422]),
        ("no number", app(br#"{"name":"a","throttleRate":NaN}"#), &[422]),
        ("a comment", app(br#"{"name":"a"/**/}"#), &[422]),
        ("quotes of one stroke", app(b"{'name':'a'}"), &[422]),
        ("two values", app(br#"{"name":"a"}{"name":"b"}"#), &[422]),
        ("a list", app(br#"["a"]"#), &[422]),
        ("a prototype", app(br#"{"name":"p","__proto__":{"uid":"x"}}"#), &[201]),
    ]);
    assert_eq!(relay.applications(), ["app", "d", "d", "p"]);
}

/// A payload is bytes: what is JSON at all is kept as it came, what is none is refused. The filter
/// reads them all, and gives up what is nested deeper than it reads.
#[test]
fn payloads() {
    let relay = Relay::start();
    let endpoint = r#"{"url":"https://e.invalid/","filter":{"body":{"a":1}}}"#;
    let made = relay.post("/api/v1/app/app/endpoint", endpoint);
    assert_eq!(relay.statuses(made.as_bytes()), [201]);
    let message = |payload: &str| {
        let body = format!("{{\"eventType\":\"a.b\",\"payload\":{payload}}}");
        relay.post("/api/v1/app/app/msg", &body).into_bytes()
    };
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    relay.check(&[
        ("one key twice", message(r#"{"a":1,"a":2}"#), &[202]),
        ("a number over all", message(r#"{"a":1e999999}"#), &[202]),
        ("half a pair", message(r#"{"a":"\ud800"}"#), &[202]),
        ("100 levels", message(&deep(100)), &[202]),
        ("1,000 levels", message(&deep(1_000)), &[202]),
        ("100,000 levels", message(&deep(100_000)), &[202]),
        ("no JSON", message("{a}"), &[422]),
        ("none", message(""), &[422]),
    ]);
}
