//! What a server of the Svix API has, as a document that a relay imports.

use serde_json::{Value, json};

use super::source::Source;
use crate::cli::client::path_part;
use crate::cli::failure::Failure;

/// A document, and what could not be taken into it.
pub struct Collected {
    /// As `/environment/import` takes it.
    pub document: Value,
    /// A line each, in words.
    pub not_taken: Vec<String>,
}

/// Calls that not every server has; not asked again where one is missing.
struct Optional {
    transformations: bool,
    integrations: bool,
}

/// Reads everything; `progress` is called with the number of endpoints read so far.
pub fn collect(source: &Source, progress: &dyn Fn(usize)) -> Result<Collected, Failure> {
    let mut not_taken = Vec::new();
    let event_types = source.list("/event-type?include_archived=true&with_content=true")?;
    let event_types: Vec<Value> = event_types.iter().map(event_type).collect();
    let mut optional = Optional { transformations: true, integrations: true };
    let (mut applications, mut read) = (Vec::new(), 0);
    for application in source.list("/app")? {
        let id = text(&application, "id")?;
        let path = format!("/app/{}", path_part(id));
        let name = application["uid"].as_str().unwrap_or(id);
        let mut endpoints = Vec::new();
        for held in source.list(&format!("{path}/endpoint"))? {
            endpoints.push(endpoint(source, &path, name, &held, &mut optional, &mut not_taken)?);
            read += 1;
            progress(read);
        }
        if optional.integrations {
            match source.find(&format!("{path}/integration"))? {
                Some(list) => count(&list, &format!("{name}: integration"), &mut not_taken),
                None => optional.integrations = false,
            }
        }
        applications.push(json!({
            "id": id,
            "uid": application["uid"],
            "name": application["name"],
            "throttleRate": rate(&application),
            "metadata": application["metadata"],
            "endpoints": endpoints,
        }));
    }
    if let Some(list) = source.find("/operational-webhook/endpoint")? {
        count(&list, "operational webhook", &mut not_taken);
    }
    let document = json!({ "eventTypes": event_types, "applications": applications });
    Ok(Collected { document, not_taken })
}

fn event_type(held: &Value) -> Value {
    let flags = match (&held["featureFlags"], &held["featureFlag"]) {
        (Value::Null, Value::String(flag)) => json!([flag]),
        (flags, _) => flags.clone(),
    };
    json!({
        "name": held["name"],
        "description": held["description"].as_str().unwrap_or_default(),
        "archived": held["archived"],
        "deprecated": held["deprecated"],
        "schemas": held["schemas"],
        "featureFlags": flags,
        "groupName": held["groupName"],
    })
}

fn endpoint(
    source: &Source,
    application: &str,
    owner: &str,
    held: &Value,
    optional: &mut Optional,
    not_taken: &mut Vec<String>,
) -> Result<Value, Failure> {
    let id = text(held, "id")?;
    let path = format!("{application}/endpoint/{}", path_part(id));
    let name = format!("endpoint {owner}/{}", held["uid"].as_str().unwrap_or(id));
    let secret = source.get(&format!("{path}/secret"))?;
    let mut key = secret["key"].as_str();
    if key.is_some_and(|key| key.starts_with("whpk")) {
        let words = "signs with a key whose private half is not shown: a new secret is made";
        not_taken.push(format!("{name}: {words}; give it to the receiver"));
        key = None;
    }
    let headers = source.find(&format!("{path}/headers"))?.unwrap_or_default();
    if optional.transformations {
        match source.find(&format!("{path}/transformation"))? {
            Some(held) if held["enabled"] == true => {
                not_taken.push(format!("{name}: its transformation; payloads go out as they come"));
            }
            Some(_) => {}
            None => optional.transformations = false,
        }
    }
    let event_types = if held["eventTypes"].is_null() { "filterTypes" } else { "eventTypes" };
    Ok(json!({
        "id": id,
        "uid": held["uid"],
        "url": held["url"],
        "description": held["description"],
        "disabled": held["disabled"],
        "eventTypes": held[event_types],
        "channels": held["channels"],
        "throttleRate": rate(held),
        "metadata": held["metadata"],
        "headers": headers["headers"],
        "sensitive": headers["sensitive"],
        "secret": key,
    }))
}

/// Messages a second; a server may show none as 0.
fn rate(held: &Value) -> Option<u64> {
    let rate = held["throttleRate"].as_u64().or_else(|| held["rateLimit"].as_u64());
    rate.filter(|rate| *rate > 0)
}

fn text<'a>(held: &'a Value, field: &str) -> Result<&'a str, Failure> {
    held[field].as_str().ok_or_else(|| {
        Failure::failed(anyhow::anyhow!("the server's list has an item without {field}: {held}"))
    })
}

fn count(list: &Value, what: &str, not_taken: &mut Vec<String>) {
    match list["data"].as_array().map_or(0, Vec::len) {
        0 => {}
        1 => not_taken.push(format!("1 {what}")),
        number => not_taken.push(format!("{number} {what}s")),
    }
}
