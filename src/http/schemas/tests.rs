//! What schemas are refused, what payloads are, and that every check ends.

use std::sync::Arc;
use std::thread;

use serde_json::{Map, Value, json};

use super::{READY_MAX, Schemas, check_versions};
use crate::domain::event_type::EventType;
use crate::domain::schema::{Checked, FAULTS_MAX, Fault, Schema, newest};
use crate::domain::time::Timestamp;

/// As much as the threads have on which payloads are checked.
const STACK: usize = 2 << 20;

/// On a thread with the stack that reading a schema needs.
fn compile(schema: Value) -> Result<Schema, Fault> {
    let reading = thread::Builder::new().stack_size(16 << 20);
    reading.spawn(move || Schema::compile(&schema)).unwrap().join().unwrap()
}

fn check(schema: Value, payload: Value) -> Checked {
    let schema = compile(schema).unwrap();
    let checking = thread::Builder::new().stack_size(STACK);
    checking.spawn(move || schema.check(&payload)).unwrap().join().unwrap()
}

/// `{"a":{"a":…}}`, as deep as JSON is read.
fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
}

/// `n0` to `n{count}` under `$defs`, each made of the reference to the next.
fn chain(count: usize, part: impl Fn(Value) -> Value, last: Value) -> Value {
    let mut defs = Map::new();
    for number in 0..count {
        let next = json!({ "$ref": format!("#/$defs/n{}", number + 1) });
        defs.insert(format!("n{number}"), part(next));
    }
    defs.insert(format!("n{count}"), last);
    json!({ "$ref": "#/$defs/n0", "$defs": defs })
}

#[test]
fn payloads_fit_or_not() {
    let schema = || {
        json!({
            "type": "object", "required": ["id"],
            "properties": {
                "id": { "type": "integer" },
                "items": { "items": { "$ref": "#/$defs/i" } },
            },
            "$defs": { "i": { "type": "string", "maxLength": 2 } },
        })
    };
    assert_eq!(check(schema(), json!({ "id": 1, "items": ["a"] })), Checked::Fits);
    let Checked::Unfit(faults) = check(schema(), json!({ "id": "x", "items": ["a", "abc"] }))
    else {
        panic!("it does not fit");
    };
    let mut paths: Vec<String> = faults.iter().map(|fault| fault.path.join(".")).collect();
    paths.sort();
    assert_eq!(paths, ["id", "items.1"]);
    assert!(faults.iter().any(|fault| fault.words.contains("integer")), "{faults:?}");
    let many = json!({ "id": 1, "items": vec!["abc"; 100] });
    assert!(matches!(check(schema(), many), Checked::Unfit(faults) if faults.len() == FAULTS_MAX));
    let long = json!({ "id": "x".repeat(10_000) });
    let Checked::Unfit(faults) = check(schema(), long) else { panic!("it does not fit") };
    assert!(faults[0].words.len() < 400, "{faults:?}");
}

#[test]
fn references_and_drafts() {
    let fits = |schema: Value, payload: Value| check(schema, payload) == Checked::Fits;
    let anchored =
        json!({ "$ref": "#it", "$defs": { "x": { "$anchor": "it", "type": "string" } } });
    assert!(fits(anchored.clone(), json!("a")) && !fits(anchored, json!(1)));
    let based = json!({
        "$id": "https://h.example/s", "$ref": "https://h.example/s#/$defs/x",
        "$defs": { "x": { "type": "string" } },
    });
    assert!(fits(based.clone(), json!("a")) && !fits(based, json!(1)));
    // A tree, which refers to itself for other values than its own.
    let tree = json!({ "type": "object", "additionalProperties": { "$ref": "#" } });
    assert!(fits(tree.clone(), json!({ "a": { "b": {} } })) && !fits(tree, deep(2)));
    // Draft 7, said and not said.
    let pair = json!({ "items": [{ "type": "string" }, { "type": "integer" }] });
    assert!(fits(pair.clone(), json!(["a", 1])) && !fits(pair, json!([1, "a"])));
    let said = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "type": "string" });
    assert!(fits(said, json!("a")));
    assert!(fits(json!(true), json!(1)) && !fits(json!(false), json!(1)));
}

#[test]
fn schemas_that_are_refused() {
    let refused = |schema: Value, path: &str, words: &str| {
        let fault = compile(schema.clone()).err().unwrap_or_else(|| panic!("{schema} is taken"));
        assert_eq!(fault.path.join("."), path, "{fault:?}");
        assert!(fault.words.contains(words), "{fault:?}");
    };
    refused(json!({ "type": "strin" }), "type", "strin");
    refused(json!({ "properties": { "a": { "minimum": "x" } } }), "properties.a.minimum", "x");
    refused(json!({ "pattern": "(" }), "pattern", "regex");
    refused(json!({ "pattern": "((a{1000}){1000}){1000}" }), "pattern", "regex");
    refused(json!([]), "", "");
    for elsewhere in ["http://127.0.0.1:1/x", "file:///etc/passwd", "other.json", "//h/x#/a"] {
        refused(json!({ "not": { "$ref": elsewhere } }), "not", "never fetched");
    }
    refused(json!({ "$schema": "http://127.0.0.1:1/x" }), "", "meta-schema");
    refused(json!({ "$ref": "#/nothing" }), "", "is not there");
    refused(json!({ "$ref": "#nothing" }), "", "is not there");
    refused(json!({ "not": { "$id": "https://h.example/" } }), "not", "whole schema only");
    refused(json!({ "$ref": "#" }), "", "itself");
    refused(
        json!({ "properties": { "a": { "allOf": [{ "$ref": "#/properties/a" }] } } }),
        "properties.a",
        "itself",
    );
    refused(json!({ "enum": vec![0; 3], "allOf": vec![true; 20_000] }), "", "parts");
}

#[test]
fn checks_end() {
    let both = |next: Value| json!({ "allOf": [next.clone(), next] });
    let doubling = chain(40, both, json!({ "type": "object" }));
    assert_eq!(check(doubling, json!({})), Checked::TooMuch, "2^40 steps at one value");
    let twice = json!({ "properties": { "a": { "$ref": "#" } } });
    let along = json!({ "$defs": { "t": twice }, "allOf": [
        { "properties": { "a": { "$ref": "#" } } }, { "properties": { "a": { "$ref": "#" } } }
    ] });
    assert_eq!(check(along.clone(), deep(10)), Checked::Fits);
    assert_eq!(check(along, deep(100)), Checked::TooMuch, "2^100 steps along the value");
    let one = |next: Value| json!({ "allOf": [next] });
    let again = json!({ "properties": { "a": { "$ref": "#/$defs/n0" } } });
    let steep = |count| chain(count, one, again.clone());
    assert_eq!(check(steep(3), deep(120)), Checked::Fits, "a stack that is enough");
    assert_eq!(check(steep(20), deep(100)), Checked::TooMuch, "a stack that is not");
    let back = json!({ "items": { "pattern": "^(?=a)(a+)+$" } });
    let word = format!("{}b", "a".repeat(5_000));
    assert_eq!(check(back, json!(vec![word; 1_000])), Checked::TooMuch);
    let unevaluated = json!({ "anyOf": vec![true; 100], "unevaluatedProperties": false });
    let wide: Map<String, Value> = (0..20_000).map(|n| (n.to_string(), json!(1))).collect();
    assert_eq!(check(unevaluated, Value::Object(wide)), Checked::TooMuch);
}

/// The largest there may be: as deep as JSON goes, over and over.
#[test]
fn large_schemas_are_read() {
    let nested = |next: Value| (0..50).fold(next, |inner, _| json!({ "not": inner }));
    assert!(compile(chain(190, nested, json!(true))).is_ok());
    let members: Map<String, Value> =
        (0..9_000).map(|n| (format!("m{n}"), json!({ "type": "string" }))).collect();
    let wide = json!({ "properties": members });
    assert_eq!(check(wide, json!({ "m1": "x" })), Checked::Fits);
}

#[test]
fn the_newest_version_counts() {
    let version = |schemas: &str| newest(schemas).map(|(version, _)| version);
    assert_eq!(version(r#"{"9":{},"10":{}}"#).as_deref(), Some("10"));
    assert_eq!(version(r#"{"draft":{},"1":{}}"#).as_deref(), Some("1"));
    assert_eq!((version("{}"), version("[]")), (None, None));
}

fn event_type(name: &str, schemas: &str) -> Arc<EventType> {
    Arc::new(EventType {
        name: name.to_owned(),
        description: String::new(),
        archived: false,
        deprecated: false,
        schemas: Some(schemas.to_owned()),
        feature_flags: Vec::new(),
        group_name: None,
        managed: false,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    })
}

#[test]
fn the_newest_schema_of_the_event_type_as_it_stands() {
    let schemas = Schemas::default();
    let check = |event_type: &Arc<EventType>| schemas.check(event_type, br#"{"a":"b"}"#);
    let strings = r#"{"1":false,"2":{"additionalProperties":{"type":"string"}}}"#;
    let first = event_type("a", strings);
    assert!(matches!(check(&first), Some(Ok(Checked::Fits))));
    assert!(matches!(check(&first), Some(Ok(Checked::Fits))), "kept ready");
    let changed = event_type("a", r#"{"1":{},"3":false}"#);
    assert!(matches!(check(&changed), Some(Ok(Checked::Unfit(_)))));
    assert!(matches!(check(&event_type("b", r#"{"1":{"$ref":"x"}}"#)), Some(Err(_))));
    assert!(check(&event_type("c", "{}")).is_none());
    let no_json = schemas.check(&first, b"{");
    assert!(matches!(no_json, Some(Ok(Checked::Unfit(_)))));
}

#[test]
fn what_is_kept_is_bounded() {
    let schemas = Schemas::default();
    let large = format!(r#"{{"1":{{"title":"{}"}}}}"#, "x".repeat(READY_MAX / 3));
    for number in 0..10 {
        schemas.check(&event_type(&format!("t{number}"), &large), b"{}");
    }
    let kept = schemas.0.lock().unwrap();
    assert!(kept.by_name.len() <= 3 && kept.bytes <= READY_MAX, "{}", kept.by_name.len());
}

#[test]
fn versions_that_are_wrong() {
    assert_eq!(check_versions(r#"{"1":{},"2":true}"#), Ok(()));
    let faults = check_versions(r#"{"1":{},"2":{"type":"x"}}"#).unwrap_err();
    assert_eq!(faults[0].path, ["2", "type"]);
}
