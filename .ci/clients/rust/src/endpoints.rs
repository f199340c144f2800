//! Endpoints, their headers, secrets, figures and examples.

use std::collections::BTreeMap;

use serde_json::json;
use svix::api::{
    EndpointCreateOptions, EndpointGetStatsOptions, EndpointListOptions,
    MessageAttemptListAttemptedDestinationsOptions, MessageGetOptions,
};
use svix::models::{MessageStatus, Ordering};

use crate::check::{Checked, Verdicts, holds, input, refused, same, some};
use crate::page;
use crate::relay::{MANY, Relay, ago, sorted, verified, walk};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    verdicts.check("v1.endpoint.list", list(relay)).await;
    let destinations = "v1.message-attempt.list-attempted-destinations";
    verdicts.check(destinations, list_attempted_destinations(relay)).await;
    verdicts.check("v1.endpoint.create", create(relay)).await;
    verdicts.check("v1.endpoint.create", create_twice_with_one_key(relay)).await;
    verdicts.check("v1.endpoint.get", get(relay)).await;
    verdicts.check("v1.endpoint.update", update(relay)).await;
    verdicts.check("v1.endpoint.patch", patch(relay)).await;
    verdicts.check("v1.endpoint.delete", delete(relay)).await;
    verdicts.check("v1.endpoint.get-secret", rotate_secret(relay)).await;
    verdicts.check("v1.endpoint.rotate-secret", rotate_secret(relay)).await;
    verdicts.check("v1.endpoint.update-headers", update_headers(relay)).await;
    verdicts.check("v1.endpoint.get-headers", get_headers(relay)).await;
    verdicts.check("v1.endpoint.patch-headers", patch_headers(relay)).await;
    verdicts.check("v1.endpoint.get-stats", get_stats(relay)).await;
    verdicts.check("v1.endpoint.get-attempt-stats", get_attempt_stats(relay)).await;
    verdicts.check("v1.endpoint.send-example", send_example(relay)).await;
}

async fn list(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let hook = relay.receiver.hook(204);
    let mut made = Vec::new();
    for _ in 0..MANY {
        made.push(relay.endpoint(&app, &hook, json!({})).await?.id);
    }
    for order in [Ordering::Ascending, Ordering::Descending] {
        let walked = walk(async |iterator| {
            let options = EndpointListOptions { limit: Some(60), iterator, order: Some(order) };
            let list = relay.svix.endpoint().list(app.id.clone(), Some(options)).await?;
            holds(!format!("{list:?}").contains("whsec_"), "a secret in a list")?;
            Ok(page!(list, id))
        })
        .await?;
        let mut expected = sorted(made.clone());
        if order == Ordering::Descending {
            expected.reverse();
        }
        same(walked, expected)?;
    }
    Ok(())
}

async fn list_attempted_destinations(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let hook = relay.receiver.hook(500);
    let mut made = Vec::new();
    for _ in 0..MANY {
        made.push(relay.endpoint(&app, &hook, json!({})).await?.id);
    }
    let sent = relay.send(&app, json!({})).await?.id;
    let walked = walk(async |iterator| {
        let options = MessageAttemptListAttemptedDestinationsOptions { limit: Some(60), iterator };
        let calls = relay.svix.message_attempt();
        let (app, sent) = (app.id.clone(), sent.clone());
        Ok(page!(calls.list_attempted_destinations(app, sent, Some(options)).await?, id))
    })
    .await?;
    same(sorted(walked), sorted(made))?;
    let app = relay.application().await?;
    let endpoint = relay.endpoint(&app, &hook, json!({})).await?;
    let sent = relay.send(&app, json!({})).await?.id;
    let states = relay.settled(&app, &sent, 1).await?;
    same((&states[0].id, states[0].status), (&endpoint.id, MessageStatus::Fail))
}

async fn create(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let calls = relay.svix.endpoint();
    let hook = relay.receiver.hook(204);
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let fields = json!({
        "uid": "books", "eventTypes": ["a.b"], "channels": ["eu"], "throttleRate": 7,
        "description": "Books", "metadata": {"a": "b"}, "disabled": false,
        "secret": secret, "headers": {"X-Team": "books"},
    });
    let made = relay.endpoint(&app, &hook, fields).await?;
    let shown = calls.get(app.id.clone(), "books".to_owned()).await?;
    same((&shown.id, &shown.url, &*shown.description), (&made.id, &hook.url, "Books"))?;
    same((shown.throttle_rate, shown.disabled), (Some(7), Some(false)))?;
    let names = (some(shown.event_types)?.pop_first(), some(shown.channels)?.pop_first());
    same((names.0.as_deref(), names.1.as_deref()), (Some("a.b"), Some("eu")))?;
    same(calls.get_secret(app.id.clone(), made.id.clone()).await?.key, secret)?;
    let headers = calls.get_headers(app.id.clone(), made.id).await?.headers;
    same(headers.into_values().collect::<Vec<_>>(), vec!["books"])?;
    let wrong = calls.create(app.id.clone(), input(json!({"url": "nonsense"}))?, None).await;
    same(refused(422, wrong)?, "body.url")?;
    let twin = input(json!({"url": hook.url, "uid": "books"}))?;
    refused(409, calls.create(app.id.clone(), twin, None).await)?;
    let large = input(json!({"url": hook.url, "metadata": {"a": "b".repeat(4096)}}))?;
    refused(422, calls.create(app.id, large, None).await)?;
    let nowhere = input(json!({"url": hook.url}))?;
    refused(404, calls.create("nobody".to_owned(), nowhere, None).await)?;
    Ok(())
}

async fn create_twice_with_one_key(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let url = relay.receiver.hook(204).url;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let options = EndpointCreateOptions { idempotency_key: Some("once".to_owned()) };
        let fields = input(json!({"url": url}))?;
        ids.push(relay.svix.endpoint().create(app.id.clone(), fields, Some(options)).await?.id);
    }
    same(&ids[0], &ids[1])?;
    same(relay.svix.endpoint().list(app.id, None).await?.data.len(), 1)
}

async fn get(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let made = relay.endpoint(&app, &relay.receiver.hook(204), json!({"uid": "books"})).await?;
    let calls = relay.svix.endpoint();
    same(&calls.get(some(app.uid.clone())?, "books".to_owned()).await?, &made)?;
    same(&calls.get(app.id, made.id.clone()).await?, &made)?;
    let other = relay.application().await?;
    refused(404, calls.get(other.id, made.id).await)?;
    Ok(())
}

async fn update(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let url = relay.receiver.hook(204).url;
    let calls = relay.svix.endpoint();
    let fields = input(json!({"url": url, "uid": "books", "eventTypes": ["a.b"]}))?;
    let made = calls.upsert(app.id.clone(), "books".to_owned(), fields).await?;
    let fields = input(json!({"url": url, "uid": "books", "description": "B"}))?;
    let again = calls.upsert(app.id.clone(), "books".to_owned(), fields).await?;
    same((again.id, &*again.description, again.event_types), (made.id, "B", None))?;
    same(calls.list(app.id, None).await?.data.len(), 1)
}

async fn patch(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let fields = json!({"eventTypes": ["a.b"], "channels": ["eu"], "throttleRate": 5});
    let id = relay.endpoint(&app, &relay.receiver.hook(204), fields).await?.id;
    let calls = relay.svix.endpoint();
    let change = input(json!({"description": "B", "channels": null}))?;
    let patched = calls.patch(app.id.clone(), id.clone(), change).await?;
    same((&*patched.description, patched.channels), ("B", None))?;
    same((patched.event_types.is_some(), patched.throttle_rate), (true, Some(5)))?;
    let change = input(json!({"eventTypes": null, "disabled": true}))?;
    let patched = calls.patch(app.id, id, change).await?;
    same((patched.event_types, patched.disabled), (None, Some(true)))?;
    same(patched.description, "B")
}

async fn delete(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let id = relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?.id;
    let calls = relay.svix.endpoint();
    calls.delete(app.id.clone(), id.clone()).await?;
    refused(404, calls.get(app.id.clone(), id).await)?;
    same(calls.list(app.id, None).await?.data.len(), 0)
}

async fn rotate_secret(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let mut hook = relay.receiver.hook(204);
    let id = relay.endpoint(&app, &hook, json!({})).await?.id;
    let calls = relay.svix.endpoint();
    let key = async || calls.get_secret(app.id.clone(), id.clone()).await.map(|secret| secret.key);
    let old = key().await?;
    let answer = calls.rotate_secret(app.id.clone(), id.clone(), input(json!({}))?, None).await?;
    let new = key().await?;
    same((&answer.key, old != new), (&new, true))?;
    let own = format!("whsec_{}", "A".repeat(32));
    let change = input(json!({"key": own}))?;
    calls.rotate_secret(app.id.clone(), id.clone(), change, None).await?;
    same(&key().await?, &own)?;
    relay.send(&app, json!({})).await?;
    let arrival = hook.take().await?;
    for secret in [old, new, own] {
        verified(&secret, &arrival)?;
    }
    let other = format!("whsec_{}", "C".repeat(32));
    holds(verified(&other, &arrival).is_err(), "verified with another secret")?;
    let short = input(json!({"key": "whsec_short"}))?;
    refused(422, calls.rotate_secret(app.id.clone(), id.clone(), short, None).await)?;
    Ok(())
}

async fn update_headers(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let mut hook = relay.receiver.hook(204);
    let id = relay.endpoint(&app, &hook, json!({})).await?.id;
    let calls = relay.svix.endpoint();
    for headers in
        [json!({"X-One": "1", "X-Two": "2"}), json!({"X-Two": "3", "Authorization": "Bearer hush"})]
    {
        let headers = input(json!({"headers": headers}))?;
        calls.set_headers(app.id.clone(), id.clone(), headers).await?;
    }
    relay.send(&app, json!({})).await?;
    let arrival = hook.take().await?;
    let sent = ["x-one", "x-two", "authorization"].map(|name| arrival.header(name));
    same(sent, ["", "3", "Bearer hush"])?;
    let reserved = input(json!({"headers": {"webhook-id": "1"}}))?;
    refused(422, calls.set_headers(app.id, id, reserved).await)?;
    Ok(())
}

fn lower(headers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
}

async fn get_headers(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let fields = json!({"headers": {"X-Team": "books", "Authorization": "Bearer hush"}});
    let id = relay.endpoint(&app, &relay.receiver.hook(204), fields).await?.id;
    let shown = relay.svix.endpoint().get_headers(app.id, id).await?;
    same(json!(lower(shown.headers)), json!({"x-team": "books"}))?;
    let sensitive = shown.sensitive.into_iter().map(|name| name.to_lowercase());
    same(sensitive.collect::<Vec<_>>(), vec!["authorization"])
}

async fn patch_headers(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let fields = json!({"headers": {"X-One": "1", "X-Two": "2"}});
    let id = relay.endpoint(&app, &relay.receiver.hook(204), fields).await?.id;
    let calls = relay.svix.endpoint();
    for change in
        [json!({"headers": {"X-Three": "3"}}), json!({"headers": {}, "deleteHeaders": ["X-One"]})]
    {
        calls.patch_headers(app.id.clone(), id.clone(), input(change)?).await?;
    }
    let shown = calls.get_headers(app.id, id).await?.headers;
    same(json!(lower(shown)), json!({"x-two": "2", "x-three": "3"}))
}

async fn get_stats(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let id = relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?.id;
    for _ in 0..3 {
        let sent = relay.send(&app, json!({})).await?.id;
        relay.settled(&app, &sent, 1).await?;
    }
    let stats = relay.svix.endpoint().get_stats(app.id.clone(), id.clone(), None).await?;
    same((stats.success, stats.pending, stats.sending, stats.fail), (3, 0, 0, 0))?;
    let before = EndpointGetStatsOptions { since: Some(ago(2)), until: Some(ago(1)) };
    same(relay.svix.endpoint().get_stats(app.id, id, Some(before)).await?.success, 0)
}

async fn get_attempt_stats(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let id = relay.endpoint(&app, &relay.receiver.hook(500), json!({})).await?.id;
    let sent = relay.send(&app, json!({})).await?.id;
    relay.settled(&app, &sent, 1).await?;
    let stats = relay.svix.endpoint().get_attempt_stats(app.id, id, None).await?;
    same((stats.success, stats.fail, stats.canceled), (0, 2, 0))
}

async fn send_example(relay: &Relay) -> Checked {
    let schema = json!({"type": "object", "examples": [{"number": 1}, {"number": 2}]});
    let event_type = relay.event_type(json!({"schemas": {"1": schema}})).await?.name;
    let app = relay.application().await?;
    let mut hook = relay.receiver.hook(204);
    let fields = json!({"eventTypes": ["something.else"]});
    let id = relay.endpoint(&app, &hook, fields).await?.id;
    let calls = relay.svix.endpoint();
    let example = input(json!({"eventType": event_type}))?;
    let sent = calls.send_example(app.id.clone(), id.clone(), example, None).await?;
    let options = MessageGetOptions { with_content: Some(true) };
    let message = relay.svix.message().get(app.id.clone(), sent.id.clone(), Some(options)).await?;
    same(message.payload, json!({"number": 1}))?;
    same(hook.take().await?.id(), sent.id)?;
    let unknown = input(json!({"eventType": "not.there"}))?;
    same(refused(422, calls.send_example(app.id, id, unknown, None).await)?, "body.eventType")
}
