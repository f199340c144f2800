//! A catalogue on its way into a relay: in parts that fit a request, and told entry by entry.

use serde_json::{Value, json};

use super::Common;
use super::client::Client;
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, GOOD, OPEN, plain, styled};

/// Bytes of entries in one request at most, half of what `intake.max_body` is by default; an entry
/// that is larger goes alone.
const PART_BYTES: usize = 512 * 1024;
/// What may be done with an entry, in the order in which it is counted.
const ACTIONS: [&str; 4] = ["created", "updated", "left", "refused"];

/// Imports a document of `/environment/export`; answers what was done with each entry.
pub fn import(client: &Client, document: &Value, dry_run: bool) -> Result<Vec<Value>, Failure> {
    let path = format!("/api/v1/environment/import?per_item=true&dry_run={dry_run}");
    let mut items: Vec<Value> = Vec::new();
    let mut owner = None;
    for part in parts(document) {
        let answer =
            client.post(&path, &part.to_string()).map_err(|failure| match items.len() {
                0 => failure,
                _ => {
                    failure.hint("what was done before stays; the same command goes on from there")
                }
            })?;
        for item in answer["items"].as_array().into_iter().flatten() {
            if item["kind"] == "application" {
                // One that owns many endpoints stands at the head of each part.
                if owner.as_ref() == Some(&item["name"]) {
                    continue;
                }
                owner = Some(item["name"].clone());
            }
            items.push(item.clone());
        }
    }
    Ok(items)
}

/// The document in parts, each a document of its own; owners stand before what they own.
fn parts(document: &Value) -> Vec<Value> {
    let mut parts = Parts { done: Vec::new(), open: json!({}), bytes: 0 };
    for field in ["settings", "connectors"] {
        if document.get(field).is_some() {
            parts.open[field] = document[field].clone();
        }
    }
    for event_type in list(document, "eventTypes") {
        parts.make_room(event_type);
        parts.push("eventTypes", event_type.clone());
    }
    for application in list(document, "applications") {
        let mut owner = application.clone();
        let endpoints = list(application, "endpoints");
        if let Some(members) = owner.as_object_mut() {
            members.remove("endpoints");
        }
        parts.make_room(&owner);
        parts.push("applications", owner.clone());
        for endpoint in endpoints {
            if parts.make_room(endpoint) {
                parts.push("applications", owner.clone());
            }
            parts.bytes += endpoint.to_string().len();
            let last = parts.open["applications"].as_array_mut().and_then(|list| list.last_mut());
            let last = last.expect("invariant: its owner was put there first");
            match last.get_mut("endpoints").and_then(Value::as_array_mut) {
                Some(endpoints) => endpoints.push(endpoint.clone()),
                None => last["endpoints"] = json!([endpoint]),
            }
        }
    }
    parts.done.push(parts.open);
    parts.done
}

struct Parts {
    done: Vec<Value>,
    open: Value,
    bytes: usize,
}

impl Parts {
    /// Begins another part when the entry does not fit; says whether it did.
    fn make_room(&mut self, entry: &Value) -> bool {
        let full = self.bytes > 0 && self.bytes + entry.to_string().len() > PART_BYTES;
        if full {
            self.done.push(std::mem::replace(&mut self.open, json!({})));
            self.bytes = 0;
        }
        full
    }

    fn push(&mut self, field: &str, entry: Value) {
        self.bytes += entry.to_string().len();
        match self.open.get_mut(field).and_then(Value::as_array_mut) {
            Some(list) => list.push(entry),
            None => self.open[field] = json!([entry]),
        }
    }
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Tells what was done, and what could not be taken over; exit code 1 when an entry was refused.
pub fn tell(
    items: &[Value],
    not_taken: &[String],
    dry_run: bool,
    common: &Common,
) -> Result<Exit, Failure> {
    let count = |action: &str| items.iter().filter(|item| item["action"] == action).count();
    let exit = if count("refused") > 0 { Exit::Failed } else { Exit::Success };
    if common.json {
        let mut told = json!({ "dry_run": dry_run, "items": items, "not_taken": not_taken });
        for action in ACTIONS {
            told[action] = json!(count(action));
        }
        output::json(&told)?;
        return Ok(exit);
    }
    for item in items {
        let text = |field: &str| plain(item[field].as_str().unwrap_or_default());
        let notes = item["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let notes: Vec<String> = notes.map(plain).collect();
        let action = text("action");
        if action == "left" && notes.is_empty() {
            continue;
        }
        let style = match action.as_str() {
            "created" => GOOD,
            "updated" => OPEN,
            "refused" => BAD,
            _ => ASIDE,
        };
        let kind = text("kind").replace('_', " ");
        output::line(format!("{}  {kind} {}", styled(style, &action), text("name")))?;
        notes.iter().try_for_each(|note| output::line(format!("         {note}")))?;
    }
    for what in not_taken {
        output::line(format!("{}  {}", styled(BAD, "not taken"), plain(what)))?;
    }
    let counts = ACTIONS.map(|action| format!("{} {action}", count(action)));
    let dry = if dry_run { "; nothing was changed (--dry-run)" } else { "" };
    output::line(format!("{}{dry}", counts.join(", ")))?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_everything_once() {
        let text = "x".repeat(PART_BYTES / 3);
        let endpoints: Vec<Value> = (0..7)
            .map(|number| json!({ "uid": format!("e{number}"), "description": text }))
            .collect();
        let document = json!({
            "eventTypes": [{ "name": "a", "description": text }, { "name": "b" }],
            "applications": [
                { "uid": "one", "endpoints": endpoints }, { "uid": "two", "endpoints": [] },
            ],
            "connectors": [],
        });
        let parts = parts(&document);
        assert!(
            parts.len() > 3 && parts.iter().all(|part| part.to_string().len() < 2 * PART_BYTES)
        );
        let names: Vec<&Value> = parts
            .iter()
            .flat_map(|part| list(part, "eventTypes"))
            .map(|held| &held["name"])
            .collect();
        assert_eq!(names, ["a", "b"]);
        let owners = parts.iter().flat_map(|part| list(part, "applications"));
        let owned: Vec<&Value> = owners
            .filter(|owner| owner["uid"] == "one")
            .flat_map(|owner| list(owner, "endpoints"))
            .map(|held| &held["uid"])
            .collect();
        assert_eq!(owned, ["e0", "e1", "e2", "e3", "e4", "e5", "e6"]);
        assert_eq!(super::parts(&json!({})).len(), 1);
    }
}
