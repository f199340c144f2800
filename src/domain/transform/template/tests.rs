use serde_json::json;

use super::*;

fn rendered(text: &str, usual: Escape) -> Result<String, String> {
    let outgoing = Outgoing {
        method: "POST".to_owned(),
        url: "https://h.example/".to_owned(),
        headers: vec![("X-Id".to_owned(), "7".to_owned())],
        body: Vec::new(),
    };
    let context = Context {
        message_id: "msg_1".to_owned(),
        event_type: "a.b".to_owned(),
        verified: true,
        timestamp_ms: 1_767_225_600_000,
        env: [("KEY".to_owned(), "k".to_owned())].into(),
        query: "q=%20&q=2".to_owned(),
        ..Context::default()
    };
    let body = json!({"t": "a \"b\"\n/é", "n": 1.5, "o": {"x": [1]}, "null": null});
    let source = Source { outgoing: &outgoing, context: &context, body: Some(&body) };
    Template::try_from(text.to_owned())?.render(&source, usual, 60)
}

#[test]
fn places() {
    let check = |text: &str, expected: &str| {
        assert_eq!(rendered(text, Escape::Text).as_deref(), Ok(expected), "{text}");
    };
    check("plain { text }", "plain { text }");
    check("{{message_id}} {{ event_type }} {{verified}}", "msg_1 a.b true");
    check("{{header.x-id}}{{query.q}}{{env.KEY}}", "7 k");
    check("{{timestamp}} {{timestamp_ms}}", "2026-01-01T00:00:00Z 1767225600000");
    check("{{body.t}}", "a \"b\"\n/é");
    check("{{body.n}} {{body.o}} [{{body.null}}] [{{source}}]", "1.5 {\"x\":[1]} [] []");
    check("{{body.none | default: \"a | b\"}}", "a | b");
    check("{{body.null | default: \"x\" | json}}", "\"x\"");
    check("{{body.t | url}}", "a%20%22b%22%0A%2F%C3%A9");
    check("{{\"{{\"}}a}}", "{{a}}");
}

#[test]
fn escapes() {
    assert_eq!(
        rendered(r#"{"a": "{{body.t}}", "b": {{body.t | json}}}"#, Escape::JsonText).as_deref(),
        Ok(r#"{"a": "a \"b\"\n/é", "b": "a \"b\"\n/é"}"#)
    );
    let raw = rendered("{{body.t | text}}", Escape::JsonText);
    assert_eq!(raw.as_deref(), Ok("a \"b\"\n/é"));
    assert_eq!(rendered("/{{body.n}}", Escape::Url).as_deref(), Ok("/1.5"));
}

#[test]
fn problems() {
    let check = |text: &str, expected: &str| {
        let problem = rendered(text, Escape::Text).expect_err(text);
        assert!(problem.contains(expected), "{text}: {problem}");
    };
    check("{{body.none}}", "there is no body.none: give it a default");
    check("{{body.none}}", "{{body.none | default: \"\"}}");
    check("{{header.none}}", "there is no header.none");
    check("{{boddy.a}}", "\"boddy.a\" is no place; there are body.FIELD");
    check("{{}}", "is no place");
    check("{{body.}}", "is no place");
    check("{{body.a..b}}", "is no path");
    check("{{body.a | upper}}", "\"upper\" is no filter");
    check("{{body.a | default: x}}", "is no filter");
    check("{{body.a", "a {{ has no }}");
    check("{{body}}{{body}}", "more than 60 bytes");
    check(&"x".repeat(TEMPLATE_MAX + 1), "at most");
}

#[test]
fn patterns() {
    let pattern = json!({"a": "{{body.o}}", "b": ["{{body.n}}!", 7, null], "c": "{{body.n}}"});
    let read: Pattern = serde_json::from_value(pattern.clone()).expect("a pattern");
    assert!(read.reads_body());
    assert_eq!(serde_json::to_value(&read).expect("a value"), pattern);
    let (outgoing, context) = (Outgoing::default(), Context::default());
    let body = json!({"n": 1.5, "o": {"x": [1]}});
    let source = Source { outgoing: &outgoing, context: &context, body: Some(&body) };
    let filled = read.fill(&source, &mut 200);
    assert_eq!(filled, Ok(json!({"a": {"x": [1]}, "b": ["1.5!", 7, null], "c": 1.5})));
    assert!(read.fill(&source, &mut 30).expect_err("no room").contains("more than"));
    assert!(serde_json::from_value::<Pattern>(json!(["{{x}}"])).is_err());
}
