//! Event types, and their import from an OpenAPI document.

use serde_json::json;
use svix::api::{EventTypeDeleteOptions, EventTypeListOptions};
use svix::models::Ordering;

use crate::check::{Checked, Verdicts, holds, input, refused, same, some};
use crate::page;
use crate::relay::{MANY, Relay, sorted, walk};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    verdicts.check("v1.event-type.list", list(relay)).await;
    verdicts.check("v1.event-type.list", list_with_content_and_archived(relay)).await;
    verdicts.check("v1.event-type.create", create(relay)).await;
    verdicts.check("v1.event-type.get", get(relay)).await;
    verdicts.check("v1.event-type.update", update(relay)).await;
    verdicts.check("v1.event-type.patch", patch(relay)).await;
    verdicts.check("v1.event-type.delete", delete(relay)).await;
    verdicts.check("v1.event-type.import-openapi", import_openapi(relay)).await;
}

async fn names(
    relay: &Relay,
    options: EventTypeListOptions,
) -> Result<Vec<String>, crate::Failure> {
    walk(async |iterator| {
        let limit = Some(100);
        let order = options.order;
        let include_archived = options.include_archived;
        let options =
            EventTypeListOptions { limit, iterator, order, include_archived, ..Default::default() };
        Ok(page!(relay.svix.event_type().list(Some(options)).await?, name))
    })
    .await
}

async fn list(relay: &Relay) -> Checked {
    let mut made = Vec::new();
    for _ in 0..MANY {
        made.push(relay.event_type(json!({})).await?.name);
    }
    for order in [Ordering::Ascending, Ordering::Descending] {
        let options = EventTypeListOptions { order: Some(order), ..Default::default() };
        let walked = names(relay, options).await?;
        holds(made.iter().all(|name| walked.contains(name)), "what was created is not there")?;
        let mut expected = sorted(walked.clone());
        if order == Ordering::Descending {
            expected.reverse();
        }
        same(walked, expected)?;
    }
    Ok(())
}

async fn list_with_content_and_archived(relay: &Relay) -> Checked {
    let archived = relay.event_type(json!({"archived": true})).await?.name;
    holds(!names(relay, Default::default()).await?.contains(&archived), "archived, but listed")?;
    let options = EventTypeListOptions { include_archived: Some(true), ..Default::default() };
    holds(names(relay, options).await?.contains(&archived), "archived ones are not listed")?;
    relay.event_type(json!({"schemas": {"1": {"type": "object"}}})).await?;
    for with_content in [true, false] {
        let options = EventTypeListOptions {
            limit: Some(250),
            with_content: Some(with_content),
            ..Default::default()
        };
        let page = relay.svix.event_type().list(Some(options)).await?;
        let schemas = page.data.iter().filter_map(|each| each.schemas.as_ref());
        same(schemas.filter(|schemas| **schemas != json!({})).count() > 0, with_content)?;
    }
    Ok(())
}

async fn create(relay: &Relay) -> Checked {
    let name = relay.name();
    let fields = json!({
        "name": name, "description": "D", "groupName": "billing", "deprecated": true,
        "schemas": {"1": {"type": "object"}},
    });
    relay.svix.event_type().create(input(fields.clone())?, None).await?;
    let shown = relay.svix.event_type().get(name.clone()).await?;
    same((&*shown.description, shown.deprecated), ("D", true))?;
    same(
        (shown.group_name.as_deref(), shown.schemas),
        (Some("billing"), Some(fields["schemas"].clone())),
    )?;
    refused(409, relay.svix.event_type().create(input(fields)?, None).await)?;
    let wrong = input(json!({"name": "not a name", "description": ""}))?;
    refused(422, relay.svix.event_type().create(wrong, None).await)?;
    Ok(())
}

async fn get(relay: &Relay) -> Checked {
    let made = relay.event_type(json!({"description": "D"})).await?;
    same(relay.svix.event_type().get(made.name.clone()).await?, made)?;
    refused(404, relay.svix.event_type().get("not.there".to_owned()).await)?;
    Ok(())
}

async fn update(relay: &Relay) -> Checked {
    let name = relay.name();
    let calls = relay.svix.event_type();
    let made = input(json!({"description": "Made", "groupName": "g"}))?;
    calls.upsert(name.clone(), made).await?;
    let changed = calls.upsert(name.clone(), input(json!({"description": "Changed"}))?).await?;
    same((changed.name, &*changed.description, changed.group_name), (name, "Changed", None))
}

async fn patch(relay: &Relay) -> Checked {
    let fields = json!({"description": "D", "groupName": "g", "schemas": {"1": {}}});
    let name = relay.event_type(fields).await?.name;
    let calls = relay.svix.event_type();
    let patched = calls.patch(name.clone(), input(json!({"archived": true}))?).await?;
    same((patched.archived, &*patched.description), (Some(true), "D"))?;
    same((patched.group_name.as_deref(), patched.schemas), (Some("g"), Some(json!({"1": {}}))))?;
    let patched = calls.patch(name, input(json!({"groupName": null}))?).await?;
    same((patched.group_name, patched.archived), (None, Some(true)))
}

async fn delete(relay: &Relay) -> Checked {
    let name = relay.event_type(json!({})).await?.name;
    let calls = relay.svix.event_type();
    calls.delete(name.clone(), None).await?;
    same(calls.get(name.clone()).await?.archived, Some(true))?;
    let options = EventTypeDeleteOptions { expunge: Some(true) };
    calls.delete(name.clone(), Some(options)).await?;
    refused(404, calls.get(name).await)?;
    Ok(())
}

async fn import_openapi(relay: &Relay) -> Checked {
    let name = relay.name();
    let schema = json!({"type": "object", "title": "Pet"});
    let post = json!({
        "description": "A pet is new", "responses": {},
        "requestBody": {"content": {"application/json": {"schema": schema}}},
    });
    let info = json!({"title": "Pets", "version": "1"});
    let spec = json!({"openapi": "3.1.0", "info": info, "webhooks": {&name: {"post": post}}});
    let calls = relay.svix.event_type();
    let tried = input(json!({"specRaw": spec.to_string(), "dryRun": true}))?;
    let tried = some(calls.import_openapi(tried, None).await?.data.to_modify)?;
    same(tried.iter().map(|each| &each.name).collect::<Vec<_>>(), vec![&name])?;
    refused(404, calls.get(name.clone()).await)?;
    let done = calls.import_openapi(input(json!({"spec": spec}))?, None).await?;
    same(&done.data.modified, &vec![name.clone()])?;
    let shown = calls.get(name).await?;
    same((&*shown.description, shown.schemas), ("A pet is new", Some(json!({"1": schema}))))?;
    let wrong = input(json!({"specRaw": "- not: a document"}))?;
    refused(422, calls.import_openapi(wrong, None).await)?;
    Ok(())
}
