//! Event types in an OpenAPI document: its `webhooks`, or `x-webhooks` as documents before 3.1 have
//! them.

mod inline;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::domain::schema::Fault;
use inline::Inliner;

/// Event types of one document at most.
pub const EVENT_TYPES_MAX: usize = 1_000;
/// The methods of a path item, the one that webhooks use first.
const METHODS: [&str; 8] = ["post", "put", "patch", "delete", "get", "head", "options", "trace"];

/// An event type as a document describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct Described {
    /// The webhook's name.
    pub name: String,
    /// Where the document has it.
    pub path: Vec<String>,
    /// Its description, else its summary.
    pub description: String,
    /// Still sent, but not to be used any more.
    pub deprecated: bool,
    /// `x-svix-group-name`.
    pub group_name: Option<String>,
    /// `x-svix-feature-flags`, or the one of `x-svix-feature-flag`.
    pub feature_flags: Vec<String>,
    /// The schema of its JSON body, which refers to nothing outside of itself.
    pub schema: Option<Value>,
}

/// Reads the event types of a document, in the order of their names.
pub fn event_types(document: &Value) -> Result<Vec<Described>, Fault> {
    let mut inliner = Inliner::new(document);
    let mut found = Vec::new();
    for section in ["webhooks", "x-webhooks"] {
        let Some(webhooks) = document.get(section) else { continue };
        let webhooks = object(webhooks, &[section])?;
        for (name, item) in webhooks {
            if found.iter().any(|described: &Described| described.name == *name) {
                continue;
            }
            if found.len() == EVENT_TYPES_MAX {
                let words = format!("has more than {EVENT_TYPES_MAX} webhooks");
                return Err(fault(&[section], &words));
            }
            found.push(described(&mut inliner, name, item, &[section, name])?);
        }
    }
    if document.get("webhooks").is_none() && document.get("x-webhooks").is_none() {
        let words = "has no webhooks: an OpenAPI 3.1 document has them under \"webhooks\", an \
                     older one under \"x-webhooks\"";
        return Err(fault(&[], words));
    }
    Ok(found)
}

fn described(
    inliner: &mut Inliner<'_>,
    name: &str,
    item: &Value,
    path: &[&str],
) -> Result<Described, Fault> {
    let item = object(inliner.resolve(item, path)?, path)?;
    let none = Map::new();
    let operation = METHODS.iter().find_map(|method| Some((*method, item.get(*method)?)));
    let (method, operation) = match operation {
        Some((method, operation)) => (method, object(operation, &[path, &[method]].concat())?),
        None => ("", &none),
    };
    let text = |field: &str| {
        let found = operation.get(field).or_else(|| item.get(field));
        found.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut path: Vec<&str> = path.to_vec();
    let flags = match operation.get("x-svix-feature-flags") {
        Some(Value::Array(flags)) => {
            flags.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => text("x-svix-feature-flag").into_iter().collect(),
    };
    let found = Described {
        name: name.to_owned(),
        path: path.iter().map(|step| (*step).to_owned()).collect(),
        description: text("description").or_else(|| text("summary")).unwrap_or_default(),
        deprecated: operation.get("deprecated").and_then(Value::as_bool).unwrap_or(false),
        group_name: text("x-svix-group-name"),
        feature_flags: flags,
        schema: None,
    };
    path.extend([method, "requestBody"]);
    let Some(body) = operation.get("requestBody") else { return Ok(found) };
    let body = object(inliner.resolve(body, &path)?, &path)?;
    let schema = schema(inliner, body, &path)?;
    let about = body.get("description").and_then(Value::as_str).unwrap_or_default();
    let description =
        if found.description.is_empty() { about.to_owned() } else { found.description };
    Ok(Described { schema, description, ..found })
}

/// The schema of a body's JSON, with the examples that stand beside it.
fn schema(
    inliner: &mut Inliner<'_>,
    body: &Map<String, Value>,
    path: &[&str],
) -> Result<Option<Value>, Fault> {
    let Some(Value::Object(content)) = body.get("content") else { return Ok(None) };
    let json = |(kind, _): &(&String, &Value)| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence == "application/json" || essence.ends_with("+json")
    };
    let Some((kind, media)) = content.iter().find(json) else { return Ok(None) };
    let path = [path, &["content", kind.as_str(), "schema"]].concat();
    let Some(schema) = media.get("schema") else { return Ok(None) };
    let mut schema = inliner.schema(schema, &path)?;
    let mut examples: Vec<Value> = media.get("example").cloned().into_iter().collect();
    for example in media.get("examples").and_then(Value::as_object).into_iter().flatten() {
        let resolved = inliner.resolve(example.1, &path)?;
        examples.extend(resolved.get("value").cloned());
    }
    if let Value::Object(members) = &mut schema {
        let has_own = members.contains_key("examples") || members.contains_key("example");
        if !has_own && !examples.is_empty() {
            members.insert("examples".to_owned(), Value::Array(examples));
        }
    }
    Ok(Some(schema))
}

fn object<'a>(value: &'a Value, path: &[&str]) -> Result<&'a Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| fault(path, "must be an object"))
}

fn fault(path: &[&str], words: &str) -> Fault {
    Fault { path: path.iter().map(|step| (*step).to_owned()).collect(), words: words.to_owned() }
}
