//! Resend, recover and replay reach a real receiver; background tasks are awaited.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use svix::api::{BackgroundTaskListOptions, MessageAttemptListByMsgOptions};
use svix::models::{ApplicationOut, BackgroundTaskStatus, BackgroundTaskType, MessageStatus};

use crate::check::{Checked, Failure, Verdicts, holds, input, refused, same};
use crate::page;
use crate::receiver::Hook;
use crate::relay::{Relay, ago, sorted, until};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    verdicts.check("v1.message-attempt.resend", resend(relay)).await;
    verdicts.check("v1.endpoint.recover", recover(relay)).await;
    verdicts.check("v1.endpoint.replay-missing", replay_missing(relay)).await;
    verdicts.check("v1.endpoint.bulk-replay", bulk_replay(relay)).await;
    verdicts.check("v1.background-task.get", task_get(relay)).await;
    verdicts.check("v1.background-task.list", task_list(relay)).await;
}

/// An endpoint that failed messages, and now takes them.
struct Failed {
    app: ApplicationOut,
    endpoint: String,
    hook: Hook,
    sent: Vec<String>,
}

async fn failed(relay: &Relay, count: usize) -> Result<Failed, Failure> {
    let app = relay.application().await?;
    let mut hook = relay.receiver.hook(500);
    let endpoint = relay.endpoint(&app, &hook, json!({})).await?.id;
    let mut sent = Vec::new();
    for _ in 0..count {
        sent.push(relay.send(&app, json!({})).await?.id);
    }
    for message in &sent {
        relay.settled(&app, message, 1).await?;
    }
    hook.take_ids(2 * count).await?;
    hook.status.store(204, Ordering::SeqCst);
    Ok(Failed { app, endpoint, hook, sent: sorted(sent) })
}

async fn resend(relay: &Relay) -> Checked {
    let Failed { app, endpoint, mut hook, sent } = failed(relay, 1).await?;
    let calls = relay.svix.message_attempt();
    let message = sent[0].clone();
    calls.resend(app.id.clone(), message.clone(), endpoint, None).await?;
    same(hook.take_ids(1).await?, sent)?;
    let attempt = until(async || {
        let status = Some(MessageStatus::Success);
        let options = MessageAttemptListByMsgOptions { status, ..Default::default() };
        let (app, message) = (app.id.clone(), message.clone());
        Ok(calls.list_by_msg(app, message, Some(options)).await?.data.pop())
    })
    .await?;
    same(attempt.trigger_type as i64, 1)?;
    let nowhere = "ep_nothing".to_owned();
    refused(404, calls.resend(app.id.clone(), message.clone(), nowhere, None).await)?;
    Ok(())
}

async fn recover(relay: &Relay) -> Checked {
    let Failed { app, endpoint, mut hook, sent } = failed(relay, 3).await?;
    let calls = relay.svix.endpoint();
    let begin = async |hours| {
        let window = input(json!({"since": ago(hours)}))?;
        Ok::<_, Failure>(calls.recover(app.id.clone(), endpoint.clone(), window, None).await)
    };
    let begun = begin(1).await??;
    same(begun.task, BackgroundTaskType::EndpointRecover)?;
    relay.finished(&begun.id).await?;
    same(&hook.take_ids(3).await?, &sent)?;
    for message in &sent {
        let states = relay.settled(&app, message, 1).await?;
        same(states[0].status, MessageStatus::Success)?;
    }
    let stats = calls.get_stats(app.id.clone(), endpoint.clone(), None).await?;
    same((stats.success, stats.fail), (3, 0))?;
    let again = begin(1).await??;
    same(&relay.finished(&again.id).await?.data["done"], &json!(0))?;
    refused(422, begin(15 * 24).await?)?;
    Ok(())
}

async fn replay_missing(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(relay.send(&app, json!({})).await?.id);
    }
    let mut hook = relay.receiver.hook(204);
    let endpoint = relay.endpoint(&app, &hook, json!({})).await?.id;
    for expected in [3, 0] {
        let window = input(json!({"since": ago(1)}))?;
        let calls = relay.svix.endpoint();
        let begun = calls.replay_missing(app.id.clone(), endpoint.clone(), window, None).await?;
        same(&relay.finished(&begun.id).await?.data["done"], &json!(expected))?;
    }
    same(hook.take_ids(3).await?, sorted(sent))?;
    let last = relay.send(&app, json!({})).await?.id;
    same(hook.take_ids(1).await?, [last])
}

async fn bulk_replay(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let mut hook = relay.receiver.hook(204);
    let endpoint = relay.endpoint(&app, &hook, json!({})).await?.id;
    let mut sent = Vec::new();
    for fields in [
        json!({"eventType": "a.one", "tags": ["x"], "channels": ["eu"]}),
        json!({"eventType": "a.two", "tags": ["y"], "channels": ["us"]}),
    ] {
        sent.push(relay.send(&app, fields).await?.id);
        hook.take().await?;
    }
    for (mut wanted, expected) in [
        (json!({}), &sent[..]),
        (json!({"eventTypes": ["a.one"]}), &sent[..1]),
        (json!({"tag": "y"}), &sent[1..]),
        (json!({"channel": "eu"}), &sent[..1]),
        (json!({"eventTypes": ["none"]}), &[]),
    ] {
        wanted["since"] = json!(ago(1));
        let calls = relay.svix.endpoint();
        let wanted = input(wanted)?;
        let begun = calls.bulk_replay(app.id.clone(), endpoint.clone(), wanted, None).await?;
        let done = relay.finished(&begun.id).await?.data["done"].clone();
        same(done, Value::from(expected.len()))?;
        same(hook.take_ids(expected.len()).await?, sorted(expected.to_vec()))?;
    }
    Ok(())
}

async fn task_get(relay: &Relay) -> Checked {
    let Failed { app, endpoint, .. } = failed(relay, 1).await?;
    let window = input(json!({"since": ago(1)}))?;
    let begun = relay.svix.endpoint().recover(app.id, endpoint, window, None).await?;
    relay.finished(&begun.id).await?;
    let shown = relay.svix.background_task().get(begun.id.clone()).await?;
    same((shown.id, shown.status), (begun.id, BackgroundTaskStatus::Finished))?;
    same((shown.task, &shown.data["done"]), (BackgroundTaskType::EndpointRecover, &json!(1)))?;
    refused(404, relay.svix.background_task().get("qtask_nothing".to_owned()).await)?;
    Ok(())
}

async fn task_list(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let endpoint = relay.endpoint(&app, &relay.receiver.hook(204), json!({})).await?.id;
    let mut made = Vec::new();
    for _ in 0..5 {
        let window = input(json!({"since": ago(1)}))?;
        let calls = relay.svix.endpoint();
        let begun = calls.recover(app.id.clone(), endpoint.clone(), window, None).await?;
        relay.finished(&begun.id).await?;
        made.insert(0, begun.id);
    }
    let list = async |limit, iterator| {
        let options = BackgroundTaskListOptions {
            task: Some(BackgroundTaskType::EndpointRecover),
            order: Some(svix::models::Ordering::Descending),
            limit: Some(limit),
            iterator,
            ..Default::default()
        };
        Ok::<_, Failure>(page!(relay.svix.background_task().list(Some(options)).await?, id))
    };
    same(&list(5, None).await?.ids, &made)?;
    let page = list(2, None).await?;
    let rest = list(3, page.iterator).await?;
    same([&page.ids[..], &rest.ids[..]].concat(), &made[..])?;
    same(list(2, rest.prev_iterator).await?.ids, page.ids)?;
    let status = Some(BackgroundTaskStatus::Running);
    let options = BackgroundTaskListOptions { status, ..Default::default() };
    let running = relay.svix.background_task().list(Some(options)).await?.data;
    holds(running.iter().all(|task| !made.contains(&task.id)), "what ended is listed as running")
}
