//! Every filter of every list of messages and attempts.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use svix::api::{
    MessageAttemptListAttemptedMessagesOptions, MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions, MessageListOptions,
};
use svix::models::{ApplicationOut, MessageOut, MessageStatus, StatusCodeClass};

use crate::check::{Checked, Failure, Verdicts, holds, same};
use crate::relay::Relay;

/// Three messages unlike each other, to an endpoint that takes them and one that fails.
struct Mixed {
    app: ApplicationOut,
    good: String,
    bad: String,
    sent: Vec<MessageOut>,
}

/// What all of the lists can be asked for.
#[derive(Clone, Default)]
struct Wanted {
    channel: Option<String>,
    tag: Option<String>,
    event_types: Option<BTreeSet<String>>,
    before: Option<DateTime<Utc>>,
    after: Option<DateTime<Utc>>,
}

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    let mixed = match mixed(relay).await {
        Ok(mixed) => mixed,
        Err(failure) => return verdicts.check("v1.message.list", async { Err(failure) }).await,
    };
    verdicts.check("v1.message.list", messages(relay, &mixed)).await;
    verdicts.check("v1.message-attempt.list-by-endpoint", by_endpoint(relay, &mixed)).await;
    verdicts.check("v1.message-attempt.list-by-msg", by_message(relay, &mixed)).await;
    let attempted = "v1.message-attempt.list-attempted-messages";
    verdicts.check(attempted, attempted_messages(relay, &mixed)).await;
}

async fn mixed(relay: &Relay) -> Result<Mixed, Failure> {
    let app = relay.application().await?;
    let (takes, fails) = (relay.receiver.hook(204), relay.receiver.hook(500));
    let good = relay.endpoint(&app, &takes, json!({})).await?.id;
    let bad = relay.endpoint(&app, &fails, json!({})).await?.id;
    let mut sent = Vec::new();
    for fields in [
        json!({"eventType": "a.one", "channels": ["eu"], "tags": ["x"], "payload": {"n": 1}}),
        json!({"eventType": "a.two", "channels": ["us"], "tags": ["y"], "payload": {"n": 2}}),
        json!({"eventType": "a.three", "payload": {"n": 3}}),
    ] {
        let message = relay.send(&app, fields).await?;
        // one after the other, so that times tell them apart
        relay.settled(&app, &message.id, 2).await?;
        sent.push(message);
    }
    Ok(Mixed { app, good, bad, sent })
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn names(values: &[&str]) -> Option<BTreeSet<String>> {
    Some(values.iter().map(|value| (*value).to_owned()).collect())
}

/// What every list selects; `ids_of` gives the messages that a list has.
async fn check_common(
    mixed: &Mixed,
    ids_of: impl AsyncFn(Wanted) -> Result<Vec<String>, Failure>,
) -> Checked {
    let millisecond = TimeDelta::milliseconds(1);
    let last = mixed.sent[2].timestamp;
    let one = Wanted::default;
    for (wanted, expected) in [
        (one(), vec![0, 1, 2]),
        (Wanted { channel: text("eu"), ..one() }, vec![0]),
        (Wanted { channel: text("nowhere"), ..one() }, vec![]),
        (Wanted { tag: text("y"), ..one() }, vec![1]),
        (Wanted { event_types: names(&["a.one", "a.three"]), ..one() }, vec![0, 2]),
        (Wanted { event_types: names(&["none"]), ..one() }, vec![]),
        (Wanted { after: Some(last - millisecond), ..one() }, vec![2]),
        (Wanted { before: Some(last), ..one() }, vec![0, 1]),
        (Wanted { tag: text("x"), event_types: names(&["a.two"]), ..one() }, vec![]),
    ] {
        let ids = ids_of(wanted).await?;
        let has = |number: &usize| ids.contains(&mixed.sent[*number].id);
        same((0..3).filter(has).collect::<Vec<_>>(), expected)?;
    }
    Ok(())
}

async fn messages(relay: &Relay, mixed: &Mixed) -> Checked {
    let list = async |options| relay.svix.message().list(mixed.app.id.clone(), Some(options)).await;
    check_common(mixed, async |wanted| {
        let Wanted { channel, tag, event_types, before, after } = wanted;
        let options =
            MessageListOptions { channel, tag, event_types, before, after, ..Default::default() };
        Ok(list(options).await?.data.into_iter().map(|message| message.id).collect())
    })
    .await?;
    for (with_content, newest) in [(true, json!({"n": 3})), (false, json!({}))] {
        let options = MessageListOptions { with_content: Some(with_content), ..Default::default() };
        same(&list(options).await?.data[0].payload, &newest)?;
    }
    Ok(())
}

async fn by_endpoint(relay: &Relay, mixed: &Mixed) -> Checked {
    let calls = relay.svix.message_attempt();
    let list = async |endpoint: &str, options| {
        let (app, endpoint) = (mixed.app.id.clone(), endpoint.to_owned());
        calls.list_by_endpoint(app, endpoint, Some(options)).await.map(|list| list.data)
    };
    type Options = MessageAttemptListByEndpointOptions;
    check_common(mixed, async |wanted| {
        let Wanted { channel, tag, event_types, before, after } = wanted;
        let options = Options { channel, tag, event_types, before, after, ..Default::default() };
        let found = list(&mixed.good, options).await?;
        Ok(found.into_iter().map(|attempt| attempt.msg_id).collect())
    })
    .await?;
    for (status, class, count) in [
        (None, None, 6),
        (Some(MessageStatus::Fail), None, 6),
        (Some(MessageStatus::Success), None, 0),
        (None, Some(StatusCodeClass::Code5xx), 6),
        (None, Some(StatusCodeClass::Code2xx), 0),
    ] {
        let options = Options { status, status_code_class: class, ..Default::default() };
        same(list(&mixed.bad, options).await?.len(), count)?;
    }
    for wanted in [true, false] {
        let options =
            Options { with_msg: Some(wanted), with_content: Some(wanted), ..Default::default() };
        for attempt in list(&mixed.bad, options).await? {
            same((attempt.msg.is_some(), attempt.response == "answer"), (wanted, wanted))?;
        }
    }
    Ok(())
}

async fn by_message(relay: &Relay, mixed: &Mixed) -> Checked {
    let first = &mixed.sent[0];
    let one = MessageAttemptListByMsgOptions::default;
    let list = async |options| {
        let (app, message) = (mixed.app.id.clone(), first.id.clone());
        relay.svix.message_attempt().list_by_msg(app, message, Some(options)).await
    };
    type Options = MessageAttemptListByMsgOptions;
    for (options, good, bad) in [
        (one(), 1, 2),
        (Options { endpoint_id: Some(mixed.good.clone()), ..one() }, 1, 0),
        (Options { endpoint_id: Some(mixed.bad.clone()), ..one() }, 0, 2),
        (Options { status: Some(MessageStatus::Success), ..one() }, 1, 0),
        (Options { status: Some(MessageStatus::Fail), ..one() }, 0, 2),
        (Options { status_code_class: Some(StatusCodeClass::Code5xx), ..one() }, 0, 2),
        (Options { channel: text("eu"), tag: text("x"), ..one() }, 1, 2),
        (Options { channel: text("us"), ..one() }, 0, 0),
        (Options { event_types: names(&["a.two"]), ..one() }, 0, 0),
        (Options { after: Some(mixed.sent[2].timestamp), ..one() }, 0, 0),
        (Options { before: Some(first.timestamp), ..one() }, 0, 0),
    ] {
        let found = list(options).await?.data;
        let count = |id: &str| found.iter().filter(|attempt| attempt.endpoint_id == id).count();
        same((count(&mixed.good), count(&mixed.bad)), (good, bad))?;
    }
    let page = list(Options { limit: Some(2), ..one() }).await?;
    same((page.data.len(), page.done), (2, false))?;
    let rest = list(Options { limit: Some(2), iterator: page.iterator, ..one() }).await?;
    same((rest.data.len(), rest.done), (1, true))?;
    let back = list(Options { limit: Some(2), iterator: rest.prev_iterator, ..one() }).await?;
    holds(back.data == page.data, "the page before is another one")
}

async fn attempted_messages(relay: &Relay, mixed: &Mixed) -> Checked {
    let calls = relay.svix.message_attempt();
    let list = async |endpoint: &str, options| {
        let (app, endpoint) = (mixed.app.id.clone(), endpoint.to_owned());
        calls.list_attempted_messages(app, endpoint, Some(options)).await.map(|list| list.data)
    };
    type Options = MessageAttemptListAttemptedMessagesOptions;
    check_common(mixed, async |wanted| {
        let Wanted { channel, tag, event_types, before, after } = wanted;
        let options = Options { channel, tag, event_types, before, after, ..Default::default() };
        let found = list(&mixed.good, options).await?;
        Ok(found.into_iter().map(|message| message.id).collect())
    })
    .await?;
    for (status, count) in [(MessageStatus::Fail, 3), (MessageStatus::Success, 0)] {
        let options = Options { status: Some(status), ..Default::default() };
        same(list(&mixed.bad, options).await?.len(), count)?;
    }
    Ok(())
}
