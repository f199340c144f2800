//! Applications, and errors as the library's own types.

use std::collections::BTreeMap;

use serde_json::json;
use svix::api::{ApplicationCreateOptions, ApplicationListOptions};
use svix::models::Ordering;

use crate::check::{Checked, Verdicts, holds, input, refused, same};
use crate::page;
use crate::relay::{MANY, Relay, sorted, walk};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    verdicts.check("v1.health.get", health_get(relay)).await;
    verdicts.check("v1.application.list", list(relay)).await;
    verdicts.check("v1.application.create", create(relay)).await;
    verdicts.check("v1.application.create", create_twice_with_one_key(relay)).await;
    verdicts.check("v1.application.create", get_or_create(relay)).await;
    verdicts.check("v1.application.get", get(relay)).await;
    verdicts.check("v1.application.update", update(relay)).await;
    verdicts.check("v1.application.patch", patch(relay)).await;
    verdicts.check("v1.application.delete", delete(relay)).await;
}

async fn health_get(relay: &Relay) -> Checked {
    Ok(relay.svix.health().get().await?)
}

async fn list(relay: &Relay) -> Checked {
    let mut made = Vec::new();
    for _ in 0..MANY {
        made.push(relay.application().await?.id);
    }
    for order in [Ordering::Ascending, Ordering::Descending] {
        let walked = walk(async |iterator| {
            let limit = Some(100);
            let order = Some(order);
            let options = ApplicationListOptions { limit, iterator, order, ..Default::default() };
            Ok(page!(relay.svix.application().list(Some(options)).await?, id))
        })
        .await?;
        holds(made.iter().all(|id| walked.contains(id)), "what was created does not come back")?;
        let mut expected = sorted(walked.clone());
        if order == Ordering::Descending {
            expected.reverse();
        }
        same(walked, expected)?;
    }
    let over = ApplicationListOptions { limit: Some(251), ..Default::default() };
    refused(422, relay.svix.application().list(Some(over)).await)?;
    Ok(())
}

async fn create(relay: &Relay) -> Checked {
    let calls = relay.svix.application();
    let uid = relay.name();
    let fields = json!({"name": "Zoë", "uid": uid, "throttleRate": 50, "metadata": {"a": "b"}});
    let made = calls.create(input(fields)?, None).await?;
    let shown = calls.get(uid.clone()).await?;
    same((&shown.id, &*shown.name, shown.throttle_rate), (&made.id, "Zoë", Some(50)))?;
    same(shown.metadata, BTreeMap::from([("a".to_owned(), "b".to_owned())]))?;
    let twin = input(json!({"name": "Twin", "uid": uid}))?;
    same(refused(409, calls.create(twin, None).await)?, "conflict")?;
    same(refused(422, calls.create(input(json!({"name": ""}))?, None).await)?, "body.name")?;
    let large = |bytes: usize| input(json!({"name": "Full", "metadata": {"a": "b".repeat(bytes)}}));
    calls.create(large(4095)?, None).await?;
    refused(422, calls.create(large(4096)?, None).await)?;
    Ok(())
}

async fn create_twice_with_one_key(relay: &Relay) -> Checked {
    let idempotency_key = Some(relay.name());
    let create = async |name: &str| {
        let options = ApplicationCreateOptions { idempotency_key: idempotency_key.clone() };
        let fields = svix::models::ApplicationIn::new(name.to_owned());
        relay.svix.application().create(fields, Some(options)).await
    };
    let made = create("one").await?;
    same(create("one").await?.id, made.id)?;
    refused(409, create("two").await)?;
    Ok(())
}

async fn get_or_create(relay: &Relay) -> Checked {
    let uid = relay.name();
    let one = input(json!({"name": "One", "uid": uid}))?;
    let two = input(json!({"name": "Two", "uid": uid}))?;
    let made = relay.svix.application().get_or_create(one, None).await?;
    let again = relay.svix.application().get_or_create(two, None).await?;
    same((again.id, &*again.name), (made.id, "One"))
}

async fn get(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let calls = relay.svix.application();
    same(&calls.get(app.id.clone()).await?, &app)?;
    same(&calls.get(app.uid.clone().unwrap_or_default()).await?, &app)?;
    same(refused(404, calls.get("nobody".to_owned()).await)?, "not_found")?;
    let stranger = relay.svix.with_token("not a token".to_owned());
    let refusal = refused(401, stranger.application().get(app.id).await)?;
    same(refusal, "authentication_failed")
}

async fn update(relay: &Relay) -> Checked {
    let uid = relay.name();
    let calls = relay.svix.application();
    let fields = input(json!({"name": "Made", "uid": uid, "metadata": {"a": "b"}}))?;
    let made = calls.upsert(uid.clone(), fields).await?;
    let fields = input(json!({"name": "Changed", "uid": uid}))?;
    let again = calls.upsert(uid, fields).await?;
    same((again.id, &*again.name, again.metadata), (made.id, "Changed", BTreeMap::new()))
}

async fn patch(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let calls = relay.svix.application();
    let patched = calls.patch(app.id.clone(), input(json!({"throttleRate": 9}))?).await?;
    same((&patched.name, patched.throttle_rate), (&app.name, Some(9)))?;
    same(&patched.uid, &app.uid)?;
    let patched = calls.patch(app.id.clone(), input(json!({"name": "New", "uid": null}))?).await?;
    same((&*patched.name, patched.throttle_rate, patched.uid), ("New", Some(9), None))?;
    refused(404, calls.get(app.uid.unwrap_or_default()).await)?;
    Ok(())
}

async fn delete(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let message = relay.send(&app, json!({})).await?;
    relay.svix.application().delete(app.id.clone()).await?;
    refused(404, relay.svix.application().get(app.id.clone()).await)?;
    refused(404, relay.svix.message().get(app.id.clone(), message.id, None).await)?;
    refused(404, relay.svix.application().delete(app.id).await)?;
    Ok(())
}
