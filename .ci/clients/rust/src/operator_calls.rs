//! Tokens, figures and the environment: what the operator alone may call.

use serde_json::{Value, json};
use svix::api::Svix;
use svix::models::ApplicationOut;

use crate::check::{Checked, Failure, Verdicts, holds, input, refused, same, some};
use crate::relay::{Relay, ago};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    verdicts.check("v1.authentication.app-portal-access", portal_access(relay)).await;
    verdicts.check("v1.authentication.logout", logout(relay)).await;
    verdicts.check("v1.authentication.expire-all", expire_all(relay)).await;
    verdicts.check("v1.authentication.whoami", whoami(relay)).await;
    verdicts.check("v1.statistics.aggregate-app-stats", app_stats(relay)).await;
    verdicts.check("v1.statistics.aggregate-event-types", event_types(relay)).await;
    verdicts.check("v1.environment.export", export(relay)).await;
    verdicts.check("v1.environment.import", import(relay)).await;
}

/// A caller with a token of the application alone.
async fn scoped(relay: &Relay, app: &ApplicationOut, fields: Value) -> Result<Svix, Failure> {
    let calls = relay.svix.authentication();
    let access = calls.app_portal_access(app.id.clone(), input(fields)?, None).await?;
    holds(access.url.starts_with("http"), "no URL")?;
    Ok(relay.svix.with_token(access.token))
}

async fn portal_access(relay: &Relay) -> Checked {
    let (app, other) = (relay.application().await?, relay.application().await?);
    let own = scoped(relay, &app, json!({"expiry": 3600})).await?;
    same(own.application().get(app.id.clone()).await?.id, app.id.clone())?;
    let endpoint = || input(json!({"url": relay.receiver.hook(204).url}));
    own.endpoint().create(app.id.clone(), endpoint()?, None).await?;
    holds(own.application().get(other.id.clone()).await.is_err(), "reaches another application")?;
    holds(own.endpoint().list(other.id, None).await.is_err(), "reaches another application")?;
    let mine = input(json!({"name": "Mine"}))?;
    refused(403, own.application().create(mine, None).await)?;
    let viewer = scoped(relay, &app, json!({"capabilities": ["ViewBase"]})).await?;
    viewer.endpoint().list(app.id.clone(), None).await?;
    refused(403, viewer.endpoint().create(app.id, endpoint()?, None).await)?;
    Ok(())
}

async fn logout(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let own = scoped(relay, &app, json!({})).await?;
    own.endpoint().list(app.id.clone(), None).await?;
    own.authentication().logout(None).await?;
    refused(401, own.endpoint().list(app.id, None).await)?;
    Ok(())
}

async fn expire_all(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let own = scoped(relay, &app, json!({})).await?;
    let calls = relay.svix.authentication();
    calls.expire_all(app.id.clone(), input(json!({"expiry": 0}))?, None).await?;
    refused(401, own.endpoint().list(app.id.clone(), None).await)?;
    let own = scoped(relay, &app, json!({})).await?;
    own.endpoint().list(app.id, None).await?;
    Ok(())
}

async fn whoami(relay: &Relay) -> Checked {
    same(relay.svix.authentication().whoami().await?.app_id, None)?;
    let app = relay.application().await?;
    let own = scoped(relay, &app, json!({})).await?;
    same(own.authentication().whoami().await?.app_id, Some(app.id))
}

async fn app_stats(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    for _ in 0..3 {
        relay.send(&app, json!({})).await?;
    }
    let window = json!({"since": ago(1), "until": ago(-1), "appIds": [app.uid, "nobody"]});
    let begun = relay.svix.statistics().aggregate_app_stats(input(window)?, None).await?;
    same(json!(begun.unresolved_app_ids), json!(["nobody"]))?;
    same(&relay.finished(&begun.id).await?.data["counts"], &json!({app.id: 3}))
}

async fn event_types(relay: &Relay) -> Checked {
    let app = relay.application().await?;
    let event_type = relay.name();
    for _ in 0..2 {
        relay.send(&app, json!({"eventType": event_type})).await?;
    }
    let begun = relay.svix.statistics().aggregate_event_types().await?;
    same(&relay.finished(&begun.id).await?.data["counts"][&event_type], &json!(2))
}

async fn export(relay: &Relay) -> Checked {
    let made = relay.event_type(json!({"description": "Exported", "schemas": {"1": {}}})).await?;
    let environment = relay.svix.environment().export(None).await?;
    let found = environment.event_types.iter().find(|each| each.name == made.name);
    same(some(found)?, &made)?;
    holds(!format!("{environment:?}").contains("whsec_"), "a secret in the document")
}

async fn import(relay: &Relay) -> Checked {
    let name = relay.name();
    for description in ["Imported", "Again"] {
        let event_type = json!({"name": name, "description": description});
        let environment = input(json!({"eventTypes": [event_type]}))?;
        relay.svix.environment().import(environment, None).await?;
        same(relay.svix.event_type().get(name.clone()).await?.description, description)?;
    }
    let wrong = input(json!({"eventTypes": [{"name": "not a name", "description": ""}]}))?;
    refused(422, relay.svix.environment().import(wrong, None).await)?;
    Ok(())
}
