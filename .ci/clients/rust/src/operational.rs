//! Operational webhooks, pollers and transformations.

use serde_json::{Value, json};
use svix::api::{
    MessagePollerConsumerPollOptions, MessagePollerPollOptions,
    OperationalWebhookEndpointListOptions,
};
use svix::models::{ApplicationOut, OperationalWebhookEndpointOut, PollingEndpointOut};

use crate::check::{Checked, Failure, Verdicts, holds, input, refused, same};
use crate::receiver::Hook;
use crate::relay::{Relay, ago, verified};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    verdicts.check("v1.operational-webhook-endpoint.create", create(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.create", tells_of_deliveries(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.list", list(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.get", get(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.update", update(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.delete", delete(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.get-secret", get_secret(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.rotate-secret", rotate_secret(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.get-headers", headers(relay)).await;
    verdicts.check("v1.operational-webhook-endpoint.update-headers", headers(relay)).await;
    verdicts.check("v1.message-poller.poll", poll(relay)).await;
    verdicts.check("v1.message-poller.consumer-poll", consumer_poll(relay)).await;
    verdicts.check("v1.message-poller.consumer-seek", consumer_seek(relay)).await;
    verdicts.check("v1.endpoint.transformation-get", transformation_get(relay)).await;
    verdicts.check("v1.endpoint.patch-transformation", transformation_patch(relay)).await;
}

/// A disabled one unless `fields` say otherwise.
async fn made(
    relay: &Relay,
    hook: &Hook,
    fields: Value,
) -> Result<OperationalWebhookEndpointOut, Failure> {
    let mut all = json!({"url": hook.url, "uid": relay.name(), "disabled": true});
    for (name, value) in fields.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    Ok(relay.svix.operational_webhook().endpoint().create(input(all)?, None).await?)
}

/// What is told arrives, signed, of the kinds that were asked for.
async fn create(relay: &Relay) -> Checked {
    let mut hook = relay.receiver.hook(204);
    let kinds = ["endpoint.created", "endpoint.deleted"];
    let told = made(relay, &hook, json!({"eventTypes": kinds, "disabled": false})).await?;
    let parent = relay.svix.operational_webhook();
    let calls = parent.endpoint();
    let secret = calls.get_secret(told.id.clone()).await?.key;
    let app = relay.application().await?;
    let endpoint = relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?.id;
    let change = input(json!({"description": "B"}))?;
    relay.svix.endpoint().patch(app.id.clone(), endpoint.clone(), change).await?;
    relay.svix.endpoint().delete(app.id.clone(), endpoint.clone()).await?;
    for kind in kinds {
        let arrival = hook.take().await?;
        verified(&secret, &arrival)?;
        let body: Value = serde_json::from_slice(&arrival.body)?;
        same((&body["type"], &body["data"]["endpointId"]), (&json!(kind), &json!(endpoint)))?;
        same(&body["data"]["appUid"], &json!(app.uid))?;
    }
    Ok(calls.delete(told.id).await?)
}

/// An endpoint that is gone: its delivery is given up, and it is disabled.
async fn tells_of_deliveries(relay: &Relay) -> Checked {
    let mut hook = relay.receiver.hook(204);
    let kinds = ["endpoint.disabled", "endpoint.updated", "message.attempt.exhausted"];
    let told_to = made(relay, &hook, json!({"eventTypes": kinds, "disabled": false})).await?.id;
    let app = relay.application().await?;
    let gone = relay.endpoint(&app, &relay.receiver.hook(410), json!({})).await?.id;
    let sent = relay.send(&app, json!({"eventId": "e1"})).await?.id;
    let change = input(json!({"description": "B"}))?;
    relay.svix.endpoint().patch(app.id.clone(), gone.clone(), change).await?;
    let mut told = std::collections::BTreeMap::new();
    for _ in kinds {
        let body: Value = serde_json::from_slice(&hook.take().await?.body)?;
        told.insert(body["type"].as_str().unwrap_or_default().to_owned(), body["data"].clone());
    }
    same(told.keys().collect::<Vec<_>>(), kinds.iter().collect::<Vec<_>>())?;
    let exhausted = &told["message.attempt.exhausted"];
    same((&exhausted["msgId"], &exhausted["msgEventId"]), (&json!(sent), &json!("e1")))?;
    same(&exhausted["lastAttempt"]["responseStatusCode"], &json!(410))?;
    same(told["endpoint.disabled"]["failSince"].is_string(), true)?;
    same(relay.svix.endpoint().get(app.id, gone).await?.disabled, Some(true))?;
    Ok(relay.svix.operational_webhook().endpoint().delete(told_to).await?)
}

async fn list(relay: &Relay) -> Checked {
    let hook = relay.receiver.hook(204);
    let parent = relay.svix.operational_webhook();
    let calls = parent.endpoint();
    let ids = [made(relay, &hook, json!({})).await?.id, made(relay, &hook, json!({})).await?.id];
    let listed = calls.list(None).await?.data;
    for id in &ids {
        holds(listed.iter().any(|each| each.id == *id), "what was created does not come back")?;
    }
    let page = |iterator| OperationalWebhookEndpointListOptions {
        limit: Some(1),
        iterator,
        ..Default::default()
    };
    let first = calls.list(Some(page(None))).await?;
    let second = calls.list(Some(page(first.iterator))).await?;
    holds(first.data[0].id != second.data[0].id, "one comes twice")?;
    for id in ids {
        calls.delete(id).await?;
    }
    Ok(())
}

async fn get(relay: &Relay) -> Checked {
    let made = made(relay, &relay.receiver.hook(204), json!({})).await?;
    let parent = relay.svix.operational_webhook();
    same(&parent.endpoint().get(made.id.clone()).await?, &made)?;
    same(&parent.endpoint().get(made.uid.clone().unwrap_or_default()).await?, &made)?;
    refused(404, parent.endpoint().get("nobody".to_owned()).await)?;
    Ok(())
}

async fn update(relay: &Relay) -> Checked {
    let made = made(relay, &relay.receiver.hook(204), json!({})).await?;
    let fields = json!({"url": made.url, "uid": made.uid, "description": "B", "disabled": true});
    let parent = relay.svix.operational_webhook();
    let changed = parent.endpoint().upsert(made.id.clone(), input(fields)?).await?;
    same((changed.id, &*changed.description), (made.id, "B"))
}

async fn delete(relay: &Relay) -> Checked {
    let made = made(relay, &relay.receiver.hook(204), json!({})).await?;
    let parent = relay.svix.operational_webhook();
    parent.endpoint().delete(made.id.clone()).await?;
    refused(404, parent.endpoint().get(made.id).await)?;
    Ok(())
}

async fn get_secret(relay: &Relay) -> Checked {
    let secret = format!("whsec_{}", "B".repeat(32));
    let made = made(relay, &relay.receiver.hook(204), json!({"secret": secret})).await?;
    let parent = relay.svix.operational_webhook();
    same(parent.endpoint().get_secret(made.id).await?.key, secret)
}

async fn rotate_secret(relay: &Relay) -> Checked {
    let mut hook = relay.receiver.hook(204);
    let told = made(relay, &hook, json!({"disabled": false})).await?.id;
    let parent = relay.svix.operational_webhook();
    let calls = parent.endpoint();
    let old = calls.get_secret(told.clone()).await?.key;
    calls.rotate_secret(told.clone(), input(json!({}))?, None).await?;
    let new = calls.get_secret(told.clone()).await?.key;
    holds(old != new, "the secret is the old one")?;
    let app = relay.application().await?;
    relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?;
    let arrival = hook.take().await?;
    verified(&old, &arrival)?;
    verified(&new, &arrival)?;
    Ok(calls.delete(told).await?)
}

async fn headers(relay: &Relay) -> Checked {
    let id = made(relay, &relay.receiver.hook(204), json!({})).await?.id;
    let parent = relay.svix.operational_webhook();
    let headers = json!({"headers": {"x-team": "ops", "authorization": "hush"}});
    parent.endpoint().set_headers(id.clone(), input(headers)?).await?;
    let shown = parent.endpoint().get_headers(id).await?;
    let expected = json!({"headers": {"x-team": "ops"}, "sensitive": ["authorization"]});
    let found = json!({"headers": shown.headers, "sensitive": shown.sensitive});
    same(found.to_string().to_lowercase(), expected.to_string())
}

/// An application with a sink that sees some of its messages.
async fn polled(relay: &Relay) -> Result<ApplicationOut, Failure> {
    let app = relay.application().await?;
    let fields = json!({"uid": "sink", "disabled": true, "eventTypes": ["news.*"]});
    relay.endpoint(&app, &relay.receiver.hook(204), fields).await?;
    relay.send(&app, json!({"eventType": "other"})).await?;
    for number in 0..4 {
        let event_id = format!("n{number}");
        relay.send(&app, json!({"eventType": "news.own", "eventId": event_id})).await?;
    }
    Ok(app)
}

fn event_ids(page: &PollingEndpointOut) -> Vec<&str> {
    page.data.iter().filter_map(|message| message.event_id.as_deref()).collect()
}

async fn poll(relay: &Relay) -> Checked {
    let app = polled(relay).await?;
    let poll = async |limit, iterator, event_type| {
        let options =
            MessagePollerPollOptions { limit, iterator, event_type, ..Default::default() };
        let (app, sink) = (app.id.clone(), "sink".to_owned());
        relay.svix.message().poller().poll(app, sink, Some(options)).await
    };
    let page = poll(Some(3), None, None).await?;
    same((event_ids(&page), page.done), (vec!["n0", "n1", "n2"], false))?;
    let rest = poll(None, Some(page.iterator), None).await?;
    same((event_ids(&rest), rest.done), (vec!["n3"], true))?;
    let other = poll(None, None, Some("news.other".to_owned())).await?;
    same(event_ids(&other).len(), 0)
}

async fn consume(
    relay: &Relay,
    app: &ApplicationOut,
    limit: u64,
    iterator: Option<String>,
) -> Result<PollingEndpointOut, Failure> {
    let options = MessagePollerConsumerPollOptions { limit: Some(limit), iterator };
    let (sink, consumer) = ("sink".to_owned(), "worker".to_owned());
    let message = relay.svix.message();
    Ok(message.poller().consumer_poll(app.id.clone(), sink, consumer, Some(options)).await?)
}

async fn consumer_poll(relay: &Relay) -> Checked {
    let app = polled(relay).await?;
    let first = consume(relay, &app, 3, None).await?;
    same((event_ids(&first), first.done), (vec!["n0", "n1", "n2"], false))?;
    let again = consume(relay, &app, 3, None).await?;
    same(event_ids(&again), vec!["n0", "n1", "n2"])?;
    let rest = consume(relay, &app, 3, Some(first.iterator)).await?;
    same((event_ids(&rest), rest.done), (vec!["n3"], true))
}

async fn consumer_seek(relay: &Relay) -> Checked {
    let app = polled(relay).await?;
    let first = consume(relay, &app, 4, None).await?;
    consume(relay, &app, 4, Some(first.iterator)).await?;
    let (sink, consumer) = ("sink".to_owned(), "worker".to_owned());
    let back = input(json!({"after": ago(1)}))?;
    let message = relay.svix.message();
    message.poller().consumer_seek(app.id.clone(), sink, consumer, back, None).await?;
    same(event_ids(&consume(relay, &app, 4, None).await?), vec!["n0", "n1", "n2", "n3"])
}

async fn transformation_get(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let id = relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?.id;
    let shown = relay.svix.endpoint().transformation().get(app.id, id).await?;
    same((shown.enabled.unwrap_or(false), shown.code), (false, None))
}

async fn transformation_patch(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let id = relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?.id;
    let change = input(json!({"code": "function handler(w) { return w }"}))?;
    Ok(relay.svix.endpoint().transformation().patch(app.id, id, change).await?)
}
