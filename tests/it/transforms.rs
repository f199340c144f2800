//! Transforms: the handlers that people write, and scripts that mean harm.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use relay::domain::transform::{Context, Failure, Outgoing, Ran};
use relay::engine::script::{ScriptLimits, Scripts};

mod handlers;
mod hostile;
mod recipes;

/// A request with this body, as it stands before a transform.
fn request(body: &str) -> Outgoing {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Outgoing {
        method: "POST".to_owned(),
        url: "https://receiver.example/in?a=1".to_owned(),
        headers: vec![
            header("content-type", "application/json"),
            header("X-GitHub-Event", "issues"),
            header("x-two", "a"),
            header("x-two", "b"),
        ],
        body: body.as_bytes().to_vec(),
    }
}

fn context() -> Context {
    Context {
        message_id: "msg_1".to_owned(),
        event_type: "issue.opened".to_owned(),
        source: Some("github".to_owned()),
        verified: true,
        endpoint_id: "ep_1".to_owned(),
        application_id: "app_1".to_owned(),
        timestamp_ms: 1_767_225_600_000,
        env: BTreeMap::from([("SLACK_CHANNEL".to_owned(), "#dev".to_owned())]),
        path: "/in/github".to_owned(),
        query: "team=a&team=b&x=1".to_owned(),
    }
}

/// As relay runs them: in processes of its binary.
fn scripts(limits: ScriptLimits) -> Scripts {
    Scripts::new(limits, 8, PathBuf::from(env!("CARGO_BIN_EXE_relay")))
}

fn run(code: &str, body: &str) -> Ran {
    scripts(ScriptLimits::default()).run(code, &request(body), &context())
}

/// What a script sends, which must be something.
fn sent(code: &str, body: &str) -> Outgoing {
    let ran = run(code, body);
    match ran.result {
        Ok(Some(outgoing)) => outgoing,
        other => panic!("{code}: {other:?}, {:?}", ran.console),
    }
}

fn sent_body(code: &str, body: &str) -> String {
    String::from_utf8(sent(code, body).body).unwrap()
}

/// How a script fails, which it must.
fn failed(code: &str, body: &str) -> Failure {
    match run(code, body).result {
        Err(failure) => failure,
        other => panic!("{code}: {other:?}"),
    }
}

/// Little time and the rest as usual, for scripts that use up all of it.
fn short() -> ScriptLimits {
    ScriptLimits { time: Duration::from_millis(200), ..ScriptLimits::default() }
}
