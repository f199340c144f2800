//! The transforms of `examples/transforms`: each makes of the input beside it what is expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use relay::domain::transform::{Outgoing, Transform};
use relay::engine::script::{ScriptLimits, Shape};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{context, request, scripts};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(default = "post")]
    method: String,
    url: Option<String>,
    headers: BTreeMap<String, String>,
    body: Value,
}

fn post() -> String {
    "POST".to_owned()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/transforms")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The recipe as it is made of its file.
fn recipe(name: &str) -> Transform {
    if name.ends_with(".js") {
        return Transform::Script(read(name));
    }
    let recipe: Transform = toml::from_str(&read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    recipe.check().unwrap();
    recipe
}

/// The request that the input beside a recipe came in by.
fn input(stem: &str, files: &BTreeSet<String>) -> Outgoing {
    let kinds = [
        ("json", "application/json"),
        ("xml", "application/xml"),
        ("form", "application/x-www-form-urlencoded"),
    ];
    let here = |(ending, content_type): &(&str, &'static str)| {
        let name = format!("{stem}.input.{ending}");
        files.contains(&name).then_some((name, *content_type))
    };
    let (name, content_type) = kinds.iter().find_map(here).expect("an input");
    let mut outgoing = request(&read(&name));
    outgoing.set_header("content-type", content_type);
    outgoing
}

#[test]
fn recipes() {
    let entries = fs::read_dir(folder()).unwrap();
    let files: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let names: Vec<&String> =
        files.iter().filter(|name| name.ends_with(".js") || name.ends_with(".toml")).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    let scripts = scripts(ScriptLimits::default());
    for name in names {
        let stem = name.split_once('.').unwrap().0;
        let before = input(stem, &files);
        let ran = scripts.apply(&recipe(name), &before, &context());
        let sent = ran.result.unwrap_or_else(|e| panic!("{name}: {e}")).expect("not dropped");
        let expected: Expected =
            serde_json::from_str(&read(&format!("{stem}.expected.json"))).unwrap();
        assert_eq!(sent.method, expected.method, "{name}");
        assert_eq!(sent.url, expected.url.unwrap_or(before.url), "{name}");
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(body, expected.body, "{name}");
        for (header, value) in &expected.headers {
            assert_eq!(sent.header(header), Some(value.as_str()), "{name} {header}");
        }
    }
}

#[test]
fn handlers_of_recipes() {
    let scripts = scripts(ScriptLimits::default());
    let shapes = [
        ("github-to-slack.js", Shape::AddHandler),
        ("stripe-to-discord.js", Shape::Handler),
        ("datadog-to-teams.js", Shape::Transform),
    ];
    for (name, shape) in shapes {
        assert_eq!(scripts.check(&read(name)), Ok(shape), "{name}");
    }
    let mut other = request("{}");
    other.set_header("x-github-event", "star");
    let ran = scripts.run(&read("github-to-slack.js"), &other, &context());
    assert_eq!((ran.result, ran.console[0].text.as_str()), (Ok(None), "nothing to say about star"));
    let ran = scripts.run(&read("stripe-to-discord.js"), &request("{\"type\": \"x\"}"), &context());
    assert_eq!(ran.result, Ok(None));
}

/// What stands between fences of this kind in the document.
fn examples(kind: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/transforms.md");
    let document = fs::read_to_string(path).unwrap();
    let fence = format!("```{kind}\n");
    let blocks = document.split(&fence).skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn examples_of_the_document() {
    let body = r#"{"data": {"issue": {"title": "a"}}, "issue": {"title": "b", "labels": ["x"]}}"#;
    let sent = |transform: &Transform| {
        let ran = scripts(ScriptLimits::default()).apply(transform, &request(body), &context());
        let sent = ran.result.unwrap_or_else(|e| panic!("{transform:?}: {e}")).expect("sent");
        serde_json::from_slice::<Value>(&sent.body).unwrap()
    };
    let steps = examples("toml").into_iter().map(|text| toml::from_str(&text).unwrap());
    let bodies: Vec<Value> = steps.map(|steps: Transform| sent(&steps)).collect();
    let expected =
        [json!({"issue": {}, "subject": "a"}), json!({"text": "b by somebody", "labels": ["x"]})];
    assert_eq!(bodies, expected);
    let codes = examples("js").into_iter().map(Transform::Script);
    let bodies: Vec<Value> = codes.map(|code| sent(&code)).collect();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(bodies[..2], [json!({"text": "b"}), json!({"data": body})]);
    assert!(bodies.len() == 3 && bodies[2]["seen"].is_string());
}
