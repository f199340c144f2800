//! Messages: made, kept, found and taken away.

use serde_json::{Value, json};
use svix::api::{
    MessageAttemptListAttemptedMessagesOptions, MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions, MessageCreateOptions, MessageGetOptions, MessageListOptions,
};
use svix::models::{ApplicationOut, MessageAttemptOut, MessageOut, MessageStatus};

use crate::check::{Checked, Failure, Verdicts, input, refused, same};
use crate::page;
use crate::relay::{MANY, Relay, sorted, walk};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    let pages = pages(relay).await;
    let taken = |index: usize| match &pages {
        Ok(checked) => checked[index].map_err(|text| Failure::new(text.to_owned())),
        Err(failure) => Err(Failure::new(format!("{failure:?}"))),
    };
    verdicts.check("v1.message.list", async { taken(0) }).await;
    verdicts.check("v1.message-attempt.list-by-endpoint", async { taken(1) }).await;
    verdicts.check("v1.message-attempt.list-attempted-messages", async { taken(2) }).await;
    verdicts.check("v1.message.create", create(relay)).await;
    verdicts.check("v1.message.create", create_twice_with_one_key(relay)).await;
    verdicts.check("v1.message.create", create_with_its_application(relay)).await;
    verdicts.check("v1.message.create", create_kept_too_long(relay)).await;
    verdicts.check("v1.message.create", create_to_subscribers_only(relay)).await;
    verdicts.check("v1.message.get", get(relay)).await;
    verdicts.check("v1.message.precheck", precheck(relay)).await;
    verdicts.check("v1.message.expunge-content", expunge_content(relay)).await;
    verdicts.check("v1.message.bulk-expunge", bulk_expunge(relay)).await;
    verdicts.check("v1.message.expunge-all-contents", expunge_all_contents(relay)).await;
    verdicts.check("v1.message-attempt.get", attempt_get(relay)).await;
    verdicts.check("v1.message-attempt.expunge-content", attempt_expunge(relay)).await;
}

/// Whether each of the three lists of one endpoint's messages has all of them.
async fn pages(relay: &Relay) -> Result<[Result<(), &'static str>; 3], Failure> {
    let app = relay.application().await?;
    let endpoint = relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?.id;
    let mut sent = Vec::new();
    for number in 0..MANY {
        sent.push(relay.send(&app, json!({"payload": {"n": number}})).await?.id);
    }
    for message in &sent {
        relay.settled(&app, message, 1).await?;
    }
    let limit = Some(60);
    let messages = walk(async |iterator| {
        let options = MessageListOptions { limit, iterator, ..Default::default() };
        Ok(page!(relay.svix.message().list(app.id.clone(), Some(options)).await?, id))
    });
    let calls = relay.svix.message_attempt();
    let attempts = walk(async |iterator| {
        let options = MessageAttemptListByEndpointOptions { limit, iterator, ..Default::default() };
        let (app, endpoint) = (app.id.clone(), endpoint.clone());
        Ok(page!(calls.list_by_endpoint(app, endpoint, Some(options)).await?, msg_id))
    });
    let attempted = walk(async |iterator| {
        let options =
            MessageAttemptListAttemptedMessagesOptions { limit, iterator, ..Default::default() };
        let (app, endpoint) = (app.id.clone(), endpoint.clone());
        Ok(page!(calls.list_attempted_messages(app, endpoint, Some(options)).await?, id))
    });
    let walked = [messages.await?, attempts.await?, attempted.await?];
    let sent = sorted(sent);
    Ok(walked.map(|ids| (sorted(ids) == sent).then_some(()).ok_or("not all that was sent")))
}

async fn create(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let mut hook = relay.receiver.hook(204);
    relay.endpoint(&app, &hook, json!({})).await?;
    let calls = relay.svix.message();
    let payload = json!({"type": "a.b", "data": {"to": "Zoë", "number": 1042}});
    let body = json!({
        "eventType": "a.b", "payload": payload, "eventId": "e1", "channels": ["eu"], "tags": ["t"],
    });
    let content =
        |wanted| MessageCreateOptions { with_content: Some(wanted), ..Default::default() };
    let sent = calls.create(app.id.clone(), input(body.clone())?, Some(content(true))).await?;
    same((&sent.payload, sent.event_id.as_deref()), (&payload, Some("e1")))?;
    let arrival = hook.take().await?;
    same((arrival.id(), &*arrival.header("content-type")), (sent.id, "application/json"))?;
    same(&serde_json::from_slice::<Value>(&arrival.body)?, &payload)?;
    same(refused(409, calls.create(app.id.clone(), input(body)?, None).await)?, "conflict")?;
    let wrong = input(json!({"eventType": "a b", "payload": {}}))?;
    let wrong = refused(422, calls.create(app.id.clone(), wrong, None).await)?;
    same(wrong, "body.eventType")?;
    let body = input(json!({"eventType": "a.b", "payload": payload}))?;
    same(calls.create(app.id, body, Some(content(false))).await?.payload, json!({}))
}

async fn create_twice_with_one_key(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let mut hook = relay.receiver.hook(204);
    relay.endpoint(&app, &hook, json!({})).await?;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let idempotency_key = Some("once".to_owned());
        let options = MessageCreateOptions { idempotency_key, ..Default::default() };
        let body = input(json!({"eventType": "a.b", "payload": {"n": 1}}))?;
        ids.push(relay.svix.message().create(app.id.clone(), body, Some(options)).await?.id);
    }
    same(&ids[0], &ids[1])?;
    ids[1] = relay.send(&app, json!({})).await?.id;
    same(hook.take_ids(2).await?, sorted(ids))?;
    same(relay.svix.message().list(app.id, None).await?.data.len(), 2)
}

async fn create_with_its_application(relay: &Relay) -> Checked {
    let uid = relay.name();
    let mut body = json!({"eventType": "a.b", "payload": {}});
    let calls = relay.svix.message();
    refused(404, calls.create(uid.clone(), input(body.clone())?, None).await)?;
    body["application"] = json!({"name": "On the fly", "uid": uid});
    calls.create(uid.clone(), input(body)?, None).await?;
    same(relay.svix.application().get(uid).await?.name, "On the fly")
}

/// The relay of this run keeps messages 30 days.
async fn create_kept_too_long(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    relay.send(&app, json!({"payloadRetentionPeriod": 30})).await?;
    let body = input(json!({"eventType": "a.b", "payload": {}, "payloadRetentionPeriod": 31}))?;
    let refusal = refused(422, relay.svix.message().create(app.id, body, None).await)?;
    same(refusal, "body.payloadRetentionPeriod")
}

async fn create_to_subscribers_only(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let hook = relay.receiver.hook(204);
    for fields in [
        json!({"uid": "exact", "eventTypes": ["a.b"]}),
        json!({"uid": "other", "eventTypes": ["c.d"]}),
        json!({"uid": "eu", "channels": ["eu"]}),
        json!({"uid": "all"}),
        json!({"uid": "off", "disabled": true}),
    ] {
        relay.endpoint(&app, &hook, fields).await?;
    }
    for (fields, expected) in [
        (json!({}), vec!["all", "exact"]),
        (json!({"eventType": "c.d", "channels": ["eu"]}), vec!["all", "eu", "other"]),
    ] {
        let sent = relay.send(&app, fields).await?;
        let states = relay.settled(&app, &sent.id, expected.len()).await?;
        let uids = states.into_iter().filter_map(|state| state.uid).collect();
        same(sorted(uids), expected)?;
    }
    Ok(())
}

async fn payload(relay: &Relay, app: &ApplicationOut, id: &str) -> Result<MessageOut, Failure> {
    let options = MessageGetOptions { with_content: Some(true) };
    Ok(relay.svix.message().get(app.id.clone(), id.to_owned(), Some(options)).await?)
}

async fn get(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let sent = relay.send(&app, json!({"eventId": "e1", "payload": {"n": 1}})).await?;
    let shown = payload(relay, &app, "e1").await?;
    same((&shown.id, shown.payload, &*shown.event_type), (&sent.id, json!({"n": 1}), "a.b"))?;
    let other = relay.application().await?;
    refused(404, relay.svix.message().get(other.id, sent.id.clone(), None).await)?;
    let bare = MessageGetOptions { with_content: Some(false) };
    let bare = relay.svix.message().get(app.id, sent.id, Some(bare)).await?;
    same(bare.payload, json!({}))
}

async fn precheck(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let hook = relay.receiver.hook(204);
    relay.endpoint(&app, &hook, json!({"eventTypes": ["a.b"]})).await?;
    for (event_type, active) in [("a.b", true), ("c.d", false)] {
        let wanted = input(json!({"eventType": event_type}))?;
        same(relay.svix.message().precheck(app.id.clone(), wanted, None).await?.active, active)?;
    }
    Ok(())
}

/// Three messages, `Relay::send`; then which of them are gone.
async fn three(relay: &Relay, app: &ApplicationOut) -> Result<Vec<String>, Failure> {
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(relay.send(app, json!({})).await?.id);
    }
    Ok(sent)
}

async fn gone(relay: &Relay, app: &ApplicationOut, sent: &[String]) -> Result<Vec<bool>, Failure> {
    let mut gone = Vec::new();
    for id in sent {
        gone.push(payload(relay, app, id).await?.payload == json!({"expired": true}));
    }
    Ok(gone)
}

async fn expunge_content(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let sent = three(relay, &app).await?;
    relay.svix.message().expunge_content(app.id.clone(), sent[1].clone()).await?;
    same(gone(relay, &app, &sent).await?, [false, true, false])?;
    let nothing = "msg_nothing".to_owned();
    refused(404, relay.svix.message().expunge_content(app.id, nothing).await)?;
    Ok(())
}

async fn bulk_expunge(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let sent = three(relay, &app).await?;
    let ids = input(json!({"ids": &sent[..2]}))?;
    let done = relay.svix.message().bulk_expunge_content(app.id.clone(), ids, None).await?;
    same(done.results.len(), 2)?;
    same(gone(relay, &app, &sent).await?, [true, true, false])
}

async fn expunge_all_contents(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let sent = three(relay, &app).await?;
    let begun = relay.svix.message().expunge_all_contents(app.id.clone(), None).await?;
    relay.finished(&begun.id).await?;
    same(gone(relay, &app, &sent).await?, [true; 3])
}

/// A message and its two failed attempts.
async fn attempted(
    relay: &Relay,
    app: &ApplicationOut,
) -> Result<(String, Vec<MessageAttemptOut>), Failure> {
    relay.endpoint(app, &relay.receiver.hook(503), json!({})).await?;
    let sent = relay.send(app, json!({})).await?.id;
    relay.settled(app, &sent, 1).await?;
    let options = MessageAttemptListByMsgOptions { with_content: Some(true), ..Default::default() };
    let calls = relay.svix.message_attempt();
    let attempts = calls.list_by_msg(app.id.clone(), sent.clone(), Some(options)).await?.data;
    same(attempts.len(), 2)?;
    Ok((sent, attempts))
}

async fn attempt_get(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let (sent, attempts) = attempted(relay, &app).await?;
    let calls = relay.svix.message_attempt();
    let shown = calls.get(app.id.clone(), sent.clone(), attempts[0].id.clone(), None).await?;
    same((&shown.msg_id, &shown.endpoint_id), (&sent, &attempts[0].endpoint_id))?;
    same((shown.response_status_code, &*shown.response), (503, "answer"))?;
    same((shown.status, shown.trigger_type as i64), (MessageStatus::Fail, 0))?;
    refused(404, calls.get(app.id, sent, "atmpt_nothing".to_owned(), None).await)?;
    Ok(())
}

async fn attempt_expunge(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let (sent, attempts) = attempted(relay, &app).await?;
    let calls = relay.svix.message_attempt();
    calls.expunge_content(app.id.clone(), sent.clone(), attempts[0].id.clone()).await?;
    let mut kept = Vec::new();
    for attempt in attempts {
        let shown = calls.get(app.id.clone(), sent.clone(), attempt.id, None).await?;
        kept.push(shown.response == "answer");
    }
    same(kept, [false, true])
}
