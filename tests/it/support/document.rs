//! `docs/openapi.json`, and whether a value is as one of its schemas says.

use std::sync::OnceLock;

use relay::domain::time::Timestamp;
use serde_json::{Map, Value};

use super::server::Answer;

/// `docs/openapi.json`.
pub const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// Keywords that say nothing about whether a value is right, or more than is looked at here.
const ANNOTATIONS: [&str; 7] =
    ["description", "examples", "default", "deprecated", "pattern", "format", "x-max-bytes"];

pub struct Document(pub Value);

/// One call as the document tells of it.
pub struct Operation<'document> {
    pub method: String,
    pub path: &'document str,
    pub told: &'document Value,
}

impl Document {
    pub fn read() -> &'static Document {
        static READ: OnceLock<Document> = OnceLock::new();
        READ.get_or_init(|| Document(serde_json::from_str(DOCUMENT).unwrap()))
    }

    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        let calls = paths.flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, told)| (path, method, told))
        });
        calls
            .map(|(path, method, told)| Operation { method: method.to_uppercase(), path, told })
            .collect()
    }

    /// What a `$ref` leads to; anything else is itself.
    #[track_caller]
    pub fn follow<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let found = self.0.pointer(reference.trim_start_matches('#'));
        found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    pub fn parameters<'a>(&'a self, operation: &'a Value) -> Vec<&'a Value> {
        let given = operation["parameters"].as_array().into_iter().flatten();
        given.map(|parameter| self.follow(parameter)).collect()
    }

    /// The schema of the JSON that a call takes or answers.
    pub fn json<'a>(&'a self, told: &'a Value) -> Option<&'a Value> {
        let schema = &self.follow(told)["content"]["application/json"]["schema"];
        (!schema.is_null()).then(|| self.follow(schema))
    }

    /// Panics when the document does not tell of such an answer to this request.
    #[track_caller]
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        let bare = path.split('?').next().unwrap().trim_end_matches('/');
        // A path without braces goes first, as it does in the server.
        let paths = self.0["paths"].as_object().unwrap().keys();
        let fits = paths.filter(|pattern| leads_to(pattern, bare));
        let pattern = fits.min_by_key(|pattern| pattern.matches('{').count());
        let found = self.operations().into_iter().find(|operation| {
            operation.method == method && pattern.is_some_and(|path| path == operation.path)
        });
        let Some(operation) = found else {
            assert!([401, 404, 405, 429].contains(&answer.status), "{method} {path}: {answer:?}");
            return;
        };
        let told = &operation.told["responses"][answer.status.to_string()];
        assert!(!told.is_null(), "{method} {path}: {} is not documented", answer.status);
        let kinds = self.follow(told)["content"].as_object();
        assert_eq!(kinds.is_none(), answer.json.is_null(), "{method} {path}: {answer:?}");
        let mut wrong = Vec::new();
        if let Some(schema) = self.json(told) {
            self.judge(schema, &answer.json, "", true, &mut wrong);
        }
        assert!(wrong.is_empty(), "{method} {path} is answered {}: {wrong:#?}", answer.json);
    }

    /// What is wrong with a value; `closed` finds properties that no schema names.
    pub fn problems(&self, schema: &Value, value: &Value, closed: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        self.judge(schema, value, "", closed, &mut wrong);
        wrong
    }

    fn judge(
        &self,
        schema: &Value,
        value: &Value,
        at: &str,
        closed: bool,
        wrong: &mut Vec<String>,
    ) {
        let schema = self.follow(schema);
        let mut refuse = |rule: &str, right: bool| {
            if !right {
                wrong.push(format!("{at} is {value}, against {rule} of {schema}"));
            }
        };
        for (keyword, rule) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "type" => refuse(keyword, types(rule).any(|name| is(name, value))),
                "enum" => refuse(keyword, rule.as_array().unwrap().contains(value)),
                "const" => refuse(keyword, rule == value),
                "required" => refuse(keyword, has_all(value, rule)),
                "minLength" | "minItems" | "minimum" | "maxLength" | "maxItems" | "maximum"
                | "maxProperties" => refuse(keyword, within(keyword, rule, value)),
                "anyOf" => {
                    let mut each = rule.as_array().unwrap().iter();
                    refuse(keyword, each.any(|one| self.problems(one, value, closed).is_empty()));
                }
                "properties" | "additionalProperties" | "propertyNames" | "items" => {}
                other => assert!(ANNOTATIONS.contains(&other), "teach this test {other}"),
            }
        }
        if schema["format"] == "date-time" && value.is_string() {
            refuse("format", Timestamp::parse_rfc3339(value.as_str().unwrap()).is_some());
        }
        // Where one of several schemas holds, it has judged them.
        let listed =
            schema["anyOf"].is_null() && types(&schema["type"]).any(|name| name == "array");
        let items = value.as_array().filter(|_| listed);
        for (index, item) in items.into_iter().flatten().enumerate() {
            self.judge(&schema["items"], item, &format!("{at}[{index}]"), closed, wrong);
        }
        if let Some(fields) = value.as_object() {
            self.judge_fields(schema, fields, at, closed, wrong);
        }
    }

    fn judge_fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        at: &str,
        closed: bool,
        wrong: &mut Vec<String>,
    ) {
        for (name, value) in fields {
            let at = format!("{at}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Null) => {
                    // An object of which nothing is said may hold anything.
                    if closed && !schema["properties"].is_null() {
                        wrong.push(format!("{at} is not documented"));
                    }
                }
                (Value::Null, Value::Bool(false)) => wrong.push(format!("{at} is not allowed")),
                (Value::Null, others) => self.judge(others, value, &at, closed, wrong),
                (known, _) => self.judge(known, value, &at, closed, wrong),
            }
        }
    }
}

/// Whether a path with names in braces is this one; a name never holds a slash.
fn leads_to(pattern: &str, path: &str) -> bool {
    let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, path) = (parts(pattern), parts(path));
    let fits = |(one, other): (&String, &String)| one == other || one.starts_with('{');
    pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let many = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
    rule.as_str().into_iter().chain(many)
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("teach this test the type {other}"),
    }
}

fn has_all(value: &Value, names: &Value) -> bool {
    let Some(fields) = value.as_object() else { return true };
    names.as_array().unwrap().iter().all(|name| fields.contains_key(name.as_str().unwrap()))
}

fn within(keyword: &str, rule: &Value, value: &Value) -> bool {
    let size = match value {
        Value::String(text) => Some(text.chars().count() as u64),
        Value::Array(items) => Some(items.len() as u64),
        Value::Object(fields) => Some(fields.len() as u64),
        number => number.as_u64(),
    };
    let (Some(size), Some(bound)) = (size, rule.as_u64()) else { return true };
    if keyword.starts_with("min") { size >= bound } else { size <= bound }
}
