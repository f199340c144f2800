//! Sources, by the calls that the library has for ingesting.

use serde_json::{Value, json};
use svix::api::{IngestSourceCreateOptions, IngestSourceListOptions};
use svix::models::{IngestSourceOut, Ordering};

use crate::check::{Checked, Failure, Verdicts, holds, input, refused, same};
use crate::page;
use crate::relay::{Relay, sorted, walk};

pub async fn all(relay: &Relay, verdicts: &mut Verdicts) {
    verdicts.check("v1.source.list", list(relay)).await;
    verdicts.check("v1.source.create", create(relay)).await;
    verdicts.check("v1.source.create", create_twice_with_one_key(relay)).await;
    verdicts.check("v1.source.get", get(relay)).await;
    verdicts.check("v1.source.update", update(relay)).await;
    verdicts.check("v1.source.delete", delete(relay)).await;
    verdicts.check("v1.source.rotate-token", rotate_token(relay)).await;
}

/// What both know, with what each asks for.
fn kinds() -> Vec<Value> {
    let signed = ["docusign", "github", "hubspot", "shopify", "slack", "stripe", "zoom"];
    let mut kinds: Vec<Value> =
        signed.iter().map(|kind| json!({"type": kind, "config": {"secret": "a secret"}})).collect();
    let key = format!("whsec_{}", "S".repeat(32));
    kinds.push(json!({"type": "svix", "config": {"secret": key}}));
    let config = json!({"secret": "a secret", "verifyToken": "a token"});
    kinds.push(json!({"type": "meta", "config": config}));
    kinds.push(json!({"type": "generic-webhook"}));
    kinds
}

async fn made(relay: &Relay, mut kind: Value) -> Result<IngestSourceOut, Failure> {
    kind["uid"] = relay.name().into();
    kind["name"] = "Zoë".into();
    Ok(relay.svix.ingest().source().create(input(kind)?, None).await?)
}

fn unsigned() -> Value {
    json!({"type": "generic-webhook"})
}

async fn list(relay: &Relay) -> Checked {
    let mut ids = Vec::new();
    for kind in kinds() {
        ids.push(made(relay, kind).await?.id);
    }
    for order in [Ordering::Ascending, Ordering::Descending] {
        let walked = walk(async |iterator| {
            let (limit, order) = (Some(3), Some(order));
            let options = IngestSourceListOptions { limit, iterator, order };
            Ok(page!(relay.svix.ingest().source().list(Some(options)).await?, id))
        })
        .await?;
        holds(ids.iter().all(|id| walked.contains(id)), "what was created does not come back")?;
        let mut expected = sorted(walked.clone());
        if order == Ordering::Descending {
            expected.reverse();
        }
        same(walked, expected)?;
    }
    Ok(())
}

async fn create(relay: &Relay) -> Checked {
    for mut kind in kinds() {
        let uid = relay.name();
        kind["uid"] = uid.clone().into();
        kind["name"] = "Zoë".into();
        kind["metadata"] = json!({"team": "a"});
        let calls = relay.svix.ingest();
        let source = calls.source().create(input(kind.clone())?, None).await?;
        same((&*source.name, source.uid.as_deref()), ("Zoë", Some(&*uid)))?;
        same(source.metadata.get("team").map(String::as_str), Some("a"))?;
        let url = source.ingest_url.unwrap_or_default();
        holds(url.contains("/in/"), &format!("no URL to post to: {url:?}"))?;
        same(&*refused(409, calls.source().create(input(kind)?, None).await)?, "conflict")?;
    }
    Ok(())
}

async fn create_twice_with_one_key(relay: &Relay) -> Checked {
    let mut fields = unsigned();
    fields["name"] = relay.name().into();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let idempotency_key = Some(fields["name"].to_string());
        let options = Some(IngestSourceCreateOptions { idempotency_key });
        let input = input(fields.clone())?;
        ids.push(relay.svix.ingest().source().create(input, options).await?.id);
    }
    same(&ids[0], &ids[1])
}

async fn get(relay: &Relay) -> Checked {
    let calls = relay.svix.ingest();
    for kind in kinds() {
        let source = made(relay, kind).await?;
        same(calls.source().get(source.id.clone()).await?, source.clone())?;
        same(calls.source().get(source.uid.clone().unwrap_or_default()).await?, source)?;
    }
    same(&*refused(404, calls.source().get("nobody".to_owned()).await)?, "not_found")
}

async fn update(relay: &Relay) -> Checked {
    let calls = relay.svix.ingest();
    let source = made(relay, unsigned()).await?;
    let fields = json!({
        "name": "Changed", "uid": source.uid, "type": "stripe", "config": {"secret": "a secret"},
    });
    let changed = calls.source().upsert(source.id.clone(), input(fields)?).await?;
    same((&changed.id, &*changed.name), (&source.id, "Changed"))?;
    same(&changed.ingest_url, &source.ingest_url)?;
    same(calls.source().get(source.id).await?, changed)
}

async fn delete(relay: &Relay) -> Checked {
    let calls = relay.svix.ingest();
    let source = made(relay, unsigned()).await?;
    calls.source().delete(source.uid.unwrap_or_default()).await?;
    refused(404, calls.source().get(source.id.clone()).await)?;
    refused(404, calls.source().delete(source.id).await)?;
    Ok(())
}

async fn rotate_token(relay: &Relay) -> Checked {
    let calls = relay.svix.ingest();
    let source = made(relay, unsigned()).await?;
    let rotated = Some(calls.source().rotate_token(source.id.clone(), None).await?.ingest_url);
    holds(rotated != source.ingest_url, "the URL is the old one")?;
    same(calls.source().get(source.id).await?.ingest_url, rotated)
}
