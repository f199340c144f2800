use serde_json::json;

use super::*;
use crate::domain::transform::Transform;

const SAMPLE: &str = r#"{"issue": {"title": "a \"b\"", "number": 7, "labels": ["x"]}, "z": 1.0}"#;

fn outgoing(content_type: &str, body: &str) -> Outgoing {
    Outgoing {
        method: "POST".to_owned(),
        url: "https://h.example/in".to_owned(),
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

fn context() -> Context {
    Context {
        message_id: "msg_1".to_owned(),
        event_type: "issue opened".to_owned(),
        application_id: "app_1".to_owned(),
        timestamp_ms: 1_767_225_600_500,
        ..Context::default()
    }
}

fn done_with(steps: &Value, outgoing: Outgoing) -> Result<Outgoing, String> {
    let transform = Transform::parse(&json!({ "steps": steps }).to_string())?;
    let Transform::Steps(steps) = transform else { panic!("not steps: {transform:?}") };
    apply(&steps, &outgoing, &context()).map_err(|failure| failure.to_string())
}

fn done(steps: &Value) -> Result<Outgoing, String> {
    done_with(steps, outgoing("application/json", SAMPLE))
}

fn body_of(steps: &Value) -> Result<String, String> {
    done(steps).map(|sent| String::from_utf8(sent.body).expect("text"))
}

#[test]
fn steps_of_the_body() {
    let check = |steps: Value, expected: &str| {
        assert_eq!(body_of(&steps).as_deref(), Ok(expected), "{steps}");
    };
    check(json!([]), SAMPLE);
    check(json!([{"set_header": {"name": "x-n", "value": "{{body.issue.number}}"}}]), SAMPLE);
    check(json!([{"pick": "issue.labels"}]), "[\"x\"]");
    check(
        json!([{"pick": "issue"}, {"remove": "labels"}, {"remove": "none"}]),
        r#"{"number":7,"title":"a \"b\""}"#,
    );
    check(
        json!([{"pick": "issue"}, {"rename": {"from": "title", "to": "text.plain"}},
        {"rename": {"from": "none", "to": "labels"}}, {"remove": "labels"}]),
        r#"{"number":7,"text":{"plain":"a \"b\""}}"#,
    );
    check(
        json!([{"set": {"path": "all.copy", "value": ["{{body.issue.labels}}", true]}},
        {"pick": "all"}]),
        r#"{"copy":[["x"],true]}"#,
    );
    check(
        json!([{"template": {"body": "{\"t\": \"{{body.issue.title}}\"}"}}]),
        r#"{"t": "a \"b\""}"#,
    );
    check(
        json!([{"template": {"body": "{{body.issue.title}}", "content_type": "text/plain"}}]),
        "a \"b\"",
    );
    check(json!([{"template": {"body": "{\"a\":{\"b\":1}}"}}, {"pick": "a"}]), r#"{"b":1}"#);
}

#[test]
fn steps_of_the_rest() {
    let sent = done(&json!([
        {"set_method": "PUT"},
        {"set_url": "https://h.example/{{event_type}}?t={{body.issue.title}}"},
        {"set_header": {"name": "x-team", "value": "{{message_id}}"}},
        {"remove_header": "X-None"},
        {"template": {"body": "text", "content_type": "text/plain"}},
    ]))
    .expect("a request");
    assert_eq!(sent.method, "PUT");
    assert_eq!(sent.url, "https://h.example/issue%20opened?t=a%20%22b%22");
    assert_eq!(sent.header("X-Team"), Some("msg_1"));
    assert_eq!(sent.header("content-type"), Some("text/plain"));
}

#[test]
fn forms_and_xml() {
    let form = outgoing("application/x-www-form-urlencoded", "a=1&b=x+y");
    let sent = done_with(&json!([{"remove": "a"}]), form.clone()).expect("a request");
    assert_eq!(
        (sent.header("content-type"), sent.body.clone()),
        (Some("application/json"), br#"{"b":"x y"}"#.to_vec())
    );
    let sent = done_with(&json!([{"set_url": "https://h.example/{{body.b}}"}]), form.clone());
    let sent = sent.expect("a request");
    assert_eq!((sent.url.as_str(), &sent.body), ("https://h.example/x%20y", &form.body));
    let xml = outgoing("text/plain", "<a><b>1</b></a>");
    let sent = done_with(&json!([{"parse": "xml"}, {"pick": "a"}]), xml).expect("a request");
    assert_eq!(sent.body, br#"{"b":"1"}"#);
}

#[test]
fn cloudevents_structured() {
    let steps = json!([{"cloudevents": {"mode": "structured"}}]);
    let sent = done(&steps).expect("a request");
    let expected = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"msg_1\",\"source\":\"/applications/app_1\",\
         \"type\":\"issue opened\",\"time\":\"2026-01-01T00:00:00.5Z\",\
         \"datacontenttype\":\"application/json\",\"data\":{SAMPLE}}}"
    );
    assert_eq!(String::from_utf8(sent.body.clone()).as_deref(), Ok(expected.as_str()));
    let content_type = Some("application/cloudevents+json; charset=utf-8");
    assert_eq!(sent.header("content-type"), content_type);
    let text = done_with(&steps, outgoing("text/xml", "<a/>")).expect("a request");
    let text: Value = serde_json::from_slice(&text.body).expect("JSON");
    assert_eq!((&text["data"], &text["datacontenttype"]), (&json!("<a/>"), &json!("text/xml")));
    let bytes = Outgoing { body: vec![0xff], ..outgoing("application/octet-stream", "") };
    let bytes = done_with(&steps, bytes).expect("a request");
    let bytes: Value = serde_json::from_slice(&bytes.body).expect("JSON");
    assert_eq!((bytes.get("data"), &bytes["data_base64"]), (None, &json!("/w==")));
}

#[test]
fn cloudevents_batch() {
    let one = done(&json!([{"cloudevents": {"mode": "structured"}}])).expect("a request");
    let list = done(&json!([{"cloudevents": {"mode": "batch"}}])).expect("a request");
    assert_eq!(list.body, [b"[", &*one.body, b"]"].concat());
    let content_type = Some("application/cloudevents-batch+json; charset=utf-8");
    assert_eq!(list.header("content-type"), content_type);
}

#[test]
fn cloudevents_binary() {
    let steps = json!([{"cloudevents": {
        "mode": "binary",
        "source": "https://h.example/{{application_id}}",
        "subject": "{{body.issue.title}} é 100%",
    }}]);
    let sent = done(&steps).expect("a request");
    assert_eq!(sent.body, SAMPLE.as_bytes());
    let header = |name: &str| sent.header(name).unwrap_or_default().to_owned();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("ce-specversion"), "1.0");
    assert_eq!(header("ce-id"), "msg_1");
    assert_eq!(header("ce-type"), "issue%20opened");
    assert_eq!(header("ce-source"), "https://h.example/app_1");
    assert_eq!(header("ce-subject"), "a%20%22b%22%20%C3%A9%20100%25");
    assert_eq!(header("ce-time"), "2026-01-01T00:00:00.5Z");
}

#[test]
fn problems_that_are_told_before_there_is_a_message() {
    let check = |steps: Value, expected: &str| {
        let problem = done(&steps).expect_err(expected);
        assert!(problem.contains(expected), "{steps}: {problem}");
    };
    check(json!([{"pick": "a"}, {"colour": "a"}]), "steps[1]");
    check(json!([{"colour": "a"}]), "unknown variant `colour`, expected one of `set_header`");
    check(json!([{"set": {"path": "a", "value": 1, "vaule": 2}}]), "unknown field `vaule`");
    check(json!([{"set": {"path": "a", "value": "{{body.a"}}]), "a {{ has no }}");
    check(json!([{"pick": ""}]), "steps[0].pick: \"\" is no path");
    check(json!([{"set_method": "HEAD"}]), "step 1: \"HEAD\" is no method");
    check(json!([{"set_header": {"name": "host", "value": ""}}]), "is set by the relay itself");
    check(json!([{"set_header": {"name": "x y", "value": ""}}]), "no name of an HTTP header");
    check(json!([{"remove_header": "webhook-id"}]), "is set by the relay itself");
    check(json!([{"template": {"body": "", "content_type": "a\nb"}}]), "printable ASCII");
    check(Value::Array(vec![json!({"remove": "a"}); STEPS_MAX + 1]), "more than 50 steps");
    assert!(Transform::parse("{\"stepps\": []}").is_err());
    assert!(Transform::parse("{\"steps\": [], \"script\": \"\"}").is_err());
    let long = Transform::Script(" ".repeat(crate::domain::transform::CODE_MAX + 1));
    assert_eq!(long.check().expect_err("long").code(), "too_large");
}

#[test]
fn problems_of_a_message() {
    let check = |steps: Value, expected: &str| {
        let problem = done(&steps).expect_err(expected);
        assert!(problem.contains(expected), "{steps}: {problem}");
    };
    check(json!([{"remove": "z"}, {"pick": "none"}]), "step 2: there is no none to pick");
    check(json!([{"set": {"path": "z.a", "value": 1}}]), "z has no fields");
    check(json!([{"set": {"path": "a", "value": "{{body.q}}"}}]), "there is no body.q");
    check(json!([{"set_url": "{{body.issue.title}}"}]), "https:// or http://");
    check(json!([{"set_header": {"name": "x-a", "value": "é"}}]), "printable ASCII");
    check(json!([{"template": {"body": "{{body.issue.title}}"}}]), "is no JSON");
    check(json!([{"parse": "xml"}]), "step 1: the body is no XML");
    let doubled = json!({"set": {"path": "a", "value": ["{{body}}", "{{body}}"]}});
    check(Value::Array(vec![doubled; STEPS_MAX]), "more than");
    let path = "a.".repeat(99) + "a";
    let deeper = json!({"set": {"path": path, "value": "{{body}}"}});
    check(Value::Array(vec![deeper; 5]), "values inside each other");
    let text = outgoing("application/json", "no JSON");
    let problem = done_with(&json!([{"set": {"path": "a", "value": 1}}]), text);
    assert!(problem.expect_err("no JSON").contains("step 1: the body is no JSON document"));
}

#[test]
fn written_as_it_was_read() {
    let steps = json!({"steps": [
        {"set_header": {"name": "x", "value": "{{event_type}}"}},
        {"parse": "form"},
        {"set": {"path": "a\\.b.c", "value": {"d": ["{{body.e | url}}", 1]}}},
        {"template": {"body": "x", "content_type": "text/plain"}},
        {"cloudevents": {"mode": "binary", "source": "/x"}},
    ]});
    let read = Transform::parse(&steps.to_string()).expect("steps");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), steps);
    let toml = "steps = [{ pick = \"data\" }, { set_method = \"PUT\" }]";
    let read: Transform = toml::from_str(toml).expect("steps");
    assert_eq!(read.check(), Ok(()));
}
