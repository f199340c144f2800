//! The relay that is driven, what checks prepare in it, and waits.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use svix::api::{Svix, SvixOptions};
use svix::models::{
    ApplicationOut, BackgroundTaskOut, BackgroundTaskStatus, EndpointOut, EventTypeOut,
    MessageEndpointOut, MessageOut, MessageStatus,
};

use crate::check::{Checked, Failure, holds, input, same, some};
use crate::receiver::{BOUND, Hook, Receiver};

pub const MANY: usize = 250;
const PREFIX: &str = "rs2";

/// A page of a list: what it has, by name.
pub struct Page {
    pub ids: Vec<String>,
    pub iterator: Option<String>,
    pub prev_iterator: Option<String>,
    pub done: bool,
}

/// Makes a [`Page`] of a list of the library, with one of the fields of what it has.
#[macro_export]
macro_rules! page {
    ($list:expr, $field:ident) => {{
        let list = $list;
        $crate::relay::Page {
            ids: list.data.iter().map(|item| item.$field.clone()).collect(),
            iterator: list.iterator.clone(),
            prev_iterator: list.prev_iterator.clone(),
            done: list.done,
        }
    }};
}

pub struct Relay {
    pub svix: Svix,
    pub receiver: Receiver,
    names: AtomicU32,
}

impl Relay {
    pub async fn start() -> Result<Self, Failure> {
        let server_url = Some(std::env::var("RELAY_SERVER")?);
        let options = SvixOptions { server_url, timeout: Some(BOUND), ..SvixOptions::default() };
        let svix = Svix::new(std::env::var("RELAY_TOKEN")?, Some(options));
        Ok(Self { svix, receiver: Receiver::start().await?, names: AtomicU32::new(0) })
    }

    /// A name that nothing else has, with `.` or `-` before its number.
    pub fn name(&self) -> String {
        format!("{PREFIX}.n{}", self.names.fetch_add(1, Ordering::SeqCst))
    }

    pub async fn application(&self) -> Result<ApplicationOut, Failure> {
        let uid = self.name();
        let fields = input(json!({"name": uid, "uid": uid}))?;
        Ok(self.svix.application().create(fields, None).await?)
    }

    pub async fn endpoint(
        &self,
        app: &ApplicationOut,
        hook: &Hook,
        mut fields: Value,
    ) -> Result<EndpointOut, Failure> {
        fields["url"] = hook.url.clone().into();
        Ok(self.svix.endpoint().create(app.id.clone(), input(fields)?, None).await?)
    }

    pub async fn event_type(&self, mut fields: Value) -> Result<EventTypeOut, Failure> {
        fields["name"] = self.name().into();
        if fields["description"].is_null() {
            fields["description"] = "".into();
        }
        Ok(self.svix.event_type().create(input(fields)?, None).await?)
    }

    pub async fn send(&self, app: &ApplicationOut, fields: Value) -> Result<MessageOut, Failure> {
        let mut message = json!({"eventType": "a.b", "payload": {"type": "a.b"}});
        for (name, value) in some(fields.as_object())? {
            message[name] = value.clone();
        }
        Ok(self.svix.message().create(app.id.clone(), input(message)?, None).await?)
    }

    /// The message's deliveries, once each has ended.
    pub async fn settled(
        &self,
        app: &ApplicationOut,
        message: &str,
        count: usize,
    ) -> Result<Vec<MessageEndpointOut>, Failure> {
        let attempts = self.svix.message_attempt();
        until(async || {
            let (app, message) = (app.id.clone(), message.to_owned());
            let found = attempts.list_attempted_destinations(app, message, None).await?.data;
            let waits = [MessageStatus::Pending, MessageStatus::Sending];
            let ended = found.iter().all(|state| !waits.contains(&state.status));
            Ok((ended && found.len() == count).then_some(found))
        })
        .await
    }

    /// The background task, once it has ended well.
    pub async fn finished(&self, id: &str) -> Result<BackgroundTaskOut, Failure> {
        until(async || {
            let task = self.svix.background_task().get(id.to_owned()).await?;
            holds(task.status != BackgroundTaskStatus::Failed, "the task failed")?;
            Ok((task.status == BackgroundTaskStatus::Finished).then_some(task))
        })
        .await
    }
}

/// What `condition` gives, asked until it is something.
pub async fn until<T>(
    condition: impl AsyncFn() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let end = tokio::time::Instant::now() + BOUND;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while tokio::time::Instant::now() < end {
        if let Some(found) = condition().await? {
            return Ok(found);
        }
        ticks.tick().await;
    }
    Err(Failure::new(format!("waited {BOUND:?}")))
}

/// All items of a list, read forward; then back again, page by page, from the last.
pub async fn walk(
    page_of: impl AsyncFn(Option<String>) -> Result<Page, Failure>,
) -> Result<Vec<String>, Failure> {
    let mut pages = vec![page_of(None).await?];
    while !some(pages.last())?.done {
        holds(pages.len() <= 1000, "pages without end")?;
        let iterator = some(pages.last())?.iterator.clone();
        pages.push(page_of(iterator).await?);
    }
    for index in (1..pages.len()).rev() {
        let back = page_of(pages[index].prev_iterator.clone()).await?;
        same(&back.ids, &pages[index - 1].ids)?;
    }
    let items: Vec<String> = pages.into_iter().flat_map(|page| page.ids).collect();
    same(sorted(items.clone()).windows(2).filter(|pair| pair[0] == pair[1]).count(), 0)?;
    Ok(items)
}

pub fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items
}

pub fn ago(hours: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::hours(hours)
}

/// Verifies what arrived, with the library's own `Webhook`.
pub fn verified(secret: &str, arrival: &crate::receiver::Arrival) -> Checked {
    Ok(svix::webhooks::Webhook::new(secret)?.verify(&arrival.body, &arrival.headers)?)
}
