//! Documents as people write them, and documents that would take all memory.

use serde_json::{Map, Value, json};

use super::{EVENT_TYPES_MAX, event_types};
use crate::domain::schema::{Checked, Fault, Schema};

fn document(schema: Value, components: Value) -> Value {
    let body = json!({ "content": { "application/json": { "schema": schema } } });
    json!({
        "openapi": "3.1.0",
        "webhooks": { "a.b": { "post": { "requestBody": body } } },
        "components": { "schemas": components },
    })
}

fn schema(schema: Value, components: Value) -> Result<Value, Fault> {
    let found = event_types(&document(schema, components))?;
    Ok(found.into_iter().next().and_then(|found| found.schema).unwrap())
}

fn component(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[test]
fn what_a_webhook_says_of_itself() {
    let body = json!({
        "content": {
            "text/plain": { "schema": { "type": "string" } },
            "application/json; charset=utf-8": {
                "schema": { "type": "object" },
                "examples": {
                    "one": { "$ref": "#/components/examples/one" },
                    "two": { "value": { "b": 2 } },
                },
            },
        },
    });
    let document = json!({
        "webhooks": {
            "pet.new": { "$ref": "#/components/pathItems/pet" },
            "pet.gone": { "summary": "A pet is gone", "put": { "deprecated": true } },
        },
        "x-webhooks": {
            "pet.new": { "post": { "summary": "not this one" } },
            "old.one": { "post": {
                "summary": "short", "description": "long", "x-svix-feature-flag": "beta",
                "requestBody": { "content": { "text/plain": {} } },
            } },
        },
        "components": {
            "pathItems": { "pet": { "post": {
                "requestBody": { "$ref": "#/components/requestBodies/pet" },
                "x-svix-group-name": "pets", "x-svix-feature-flags": ["a", "b"],
            } } },
            "requestBodies": { "pet": body },
            "examples": { "one": { "value": { "a": 1 } } },
        },
    });
    let found = event_types(&document).unwrap();
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["pet.gone", "pet.new", "old.one"]);
    let [gone, new, old] = &found[..] else { panic!("{found:?}") };
    assert_eq!((gone.description.as_str(), gone.deprecated), ("A pet is gone", true));
    assert_eq!(gone.schema, None);
    assert_eq!(new.schema, Some(json!({ "type": "object", "examples": [{ "a": 1 }, { "b": 2 }] })));
    assert_eq!((new.group_name.as_deref(), new.feature_flags.len()), (Some("pets"), 2));
    assert_eq!(new.path, ["webhooks", "pet.new"]);
    assert_eq!((old.description.as_str(), &old.schema), ("long", &None));
    assert_eq!(old.feature_flags, ["beta"]);
}

#[test]
fn references_are_put_in_place() {
    let properties = json!({ "tag": component("Tag"), "example": component("Tag") });
    let pet = json!({ "type": "object", "properties": properties });
    let components = json!({ "Pet": pet, "Tag": { "type": "string" } });
    let tag = json!({ "type": "string" });
    let whole = json!({ "type": "object", "properties": { "tag": tag, "example": tag } });
    assert_eq!(schema(component("Pet"), components.clone()), Ok(whole));
    let described = json!({ "$ref": "#/components/schemas/Tag", "description": "of a pet" });
    let expected = json!({ "type": "string", "description": "of a pet" });
    assert_eq!(schema(described, components.clone()), Ok(expected));
    let narrowed = json!({ "$ref": "#/components/schemas/Tag", "maxLength": 3 });
    let expected = json!({ "allOf": [{ "type": "string" }, { "maxLength": 3 }] });
    assert_eq!(schema(narrowed, components.clone()), Ok(expected));
    let data = json!({ "examples": [{ "$ref": "is data" }], "const": { "$ref": 1 } });
    assert_eq!(schema(data.clone(), components), Ok(data));
}

#[test]
fn what_refers_to_itself_is_checked_to_its_end() {
    let node = json!({
        "type": "object", "required": ["name"],
        "properties": {
            "name": { "type": "string" }, "next": component("Node"), "other": component("Other"),
        },
    });
    let other = json!({ "properties": { "node": component("Node") } });
    let whole = schema(component("Node"), json!({ "Node": node, "Other": other })).unwrap();
    assert!(!whole.to_string().contains("components"), "{whole}");
    let compiled = Schema::compile(&whole).unwrap_or_else(|fault| panic!("{fault:?} in {whole}"));
    let fits = |payload: Value| compiled.check(&payload) == Checked::Fits;
    assert!(fits(json!({ "name": "a", "next": { "name": "b", "next": { "name": "c" } } })));
    assert!(!fits(json!({ "name": "a", "next": { "name": "b", "next": { "name": 3 } } })));
    assert!(!fits(json!({ "name": "a", "other": { "node": { "next": {}, "name": "x" } } })));
}

#[test]
fn older_documents() {
    let mut old = document(
        json!({ "type": "object", "properties": {
            "a": { "type": "string", "nullable": true, "enum": ["x"] },
            "b": { "type": "integer", "minimum": 1, "exclusiveMinimum": true },
            "c": { "allOf": [], "nullable": true },
            "d": { "type": "integer", "maximum": 1, "exclusiveMaximum": false, "nullable": false },
        } }),
        json!({}),
    );
    old["openapi"] = json!("3.0.3");
    old["x-webhooks"] = old["webhooks"].take();
    old.as_object_mut().unwrap().remove("webhooks");
    let found = event_types(&old).unwrap();
    let properties = &found[0].schema.as_ref().unwrap()["properties"];
    assert_eq!(properties["a"], json!({ "type": ["string", "null"], "enum": ["x", null] }));
    assert_eq!(properties["b"], json!({ "type": "integer", "exclusiveMinimum": 1 }));
    assert_eq!(properties["c"], json!({ "anyOf": [{ "allOf": [] }, { "type": "null" }] }));
    assert_eq!(properties["d"], json!({ "type": "integer", "maximum": 1 }));
}

#[test]
fn documents_that_are_refused() {
    let refused = |document: &Value, path: &str, words: &str| {
        let fault = event_types(document).unwrap_err();
        assert_eq!(fault.path.join("."), path, "{fault:?}");
        assert!(fault.words.contains(words), "{fault:?}");
    };
    refused(&json!({ "openapi": "3.1.0" }), "", "has no webhooks");
    refused(&json!({ "webhooks": [] }), "webhooks", "an object");
    refused(&json!({ "webhooks": { "a": 1 } }), "webhooks.a", "an object");
    refused(&json!({ "webhooks": { "a": { "$ref": "#/webhooks/a" } } }), "webhooks.a", "itself");
    let place = "webhooks.a.b.post.requestBody.content.application/json.schema";
    let check = |schema: Value, components: Value, words: &str| {
        refused(&document(schema, components), place, words);
    };
    check(json!({ "$ref": "pets.yaml#/Pet" }), json!({}), "never fetched");
    check(component("Nothing"), json!({}), "not there");
    // Two of each, thirty times over.
    let mut doubling = Map::new();
    for number in 0..30 {
        let next = component(&format!("N{}", number + 1));
        doubling.insert(format!("N{number}"), json!({ "anyOf": [next, next] }));
    }
    doubling.insert("N30".to_owned(), json!({}));
    check(component("N0"), Value::Object(doubling), "values");
    let mut deep = Map::new();
    for number in 0..100 {
        deep.insert(format!("N{number}"), json!({ "not": component(&format!("N{}", number + 1)) }));
    }
    deep.insert("N100".to_owned(), json!({}));
    check(component("N0"), Value::Object(deep), "levels");
    let many: Map<String, Value> =
        (0..=EVENT_TYPES_MAX).map(|number| (format!("n{number}"), json!({}))).collect();
    refused(&json!({ "webhooks": many }), "webhooks", "more than");
}
