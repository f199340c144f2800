//! `/app`: tenants.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::call::Call;
use super::endpoint::check_rates;
use super::limits::{self, NAME_MAX, Problems};
use super::page;
use super::shapes::ApplicationOut;
use crate::domain::application::{Application, Metadata};
use crate::domain::id::{ApplicationId, Ids, Kind};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::{ApplicationReference, Author, Reference, Reply, Written};

/// A field of a patch: absent is `None`, present is `Some`, where null is left to `T`.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// ApplicationIn.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationIn {
    name: String,
    uid: Option<String>,
    throttle_rate: Option<u16>,
    rate_limit: Option<u16>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ApplicationPatch {
    #[serde(deserialize_with = "present")]
    name: Option<String>,
    #[serde(deserialize_with = "present")]
    uid: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    throttle_rate: Option<Option<u16>>,
    #[serde(deserialize_with = "present")]
    rate_limit: Option<Option<u16>>,
    #[serde(deserialize_with = "present")]
    metadata: Option<Metadata>,
}

/// What a caller may set of an application, after the limits were looked at.
#[derive(Clone)]
pub(super) struct Fields {
    pub name: String,
    pub uid: Option<String>,
    pub throttle_rate: Option<u16>,
    pub metadata: Metadata,
}

impl ApplicationIn {
    pub(super) fn check(self) -> Result<Fields, ApiError> {
        let mut problems = Problems::default();
        check_rates(self.throttle_rate, self.rate_limit, &mut problems);
        let fields = Fields {
            name: self.name,
            uid: self.uid,
            throttle_rate: self.throttle_rate.or(self.rate_limit),
            metadata: self.metadata.unwrap_or_default(),
        };
        check_name(&fields.name, &mut problems);
        check_rest(fields.uid.as_deref(), &fields.metadata, &mut problems);
        problems.finish()?;
        Ok(fields)
    }
}

impl ApplicationPatch {
    fn check(&self) -> Result<(), ApiError> {
        let mut problems = Problems::default();
        if let Some(name) = &self.name {
            check_name(name, &mut problems);
        }
        let uid = self.uid.as_ref().and_then(Option::as_deref);
        check_rates(self.throttle_rate.flatten(), self.rate_limit.flatten(), &mut problems);
        let none = Metadata::new();
        check_rest(uid, self.metadata.as_ref().unwrap_or(&none), &mut problems);
        problems.finish()
    }
}

fn check_name(name: &str, problems: &mut Problems) {
    problems.check(&["name"], limits::text(name, 1, NAME_MAX));
    if !name.is_empty() && name.trim().is_empty() {
        problems.add(&["name"], "must not be blank");
    }
}

fn check_rest(uid: Option<&str>, data: &Metadata, problems: &mut Problems) {
    if let Some(uid) = uid {
        problems.check(&["uid"], limits::name(uid));
    }
    problems.check(&["metadata"], limits::metadata(data));
}

impl Fields {
    /// Gives it the uid that the path names it by; another one of its own is refused.
    pub(super) fn named(mut self, uid: &str) -> Result<Fields, ApiError> {
        if self.uid.get_or_insert_with(|| uid.to_owned()) == uid {
            return Ok(self);
        }
        let words = format!("must be {uid:?} as in the path, or be left out");
        Err(ApiError::invalid(&["body", "application", "uid"], words))
    }

    pub(super) fn make(self, id: ApplicationId, now: Timestamp) -> Application {
        Application {
            id,
            uid: self.uid,
            name: self.name,
            throttle_rate: self.throttle_rate,
            metadata: self.metadata,
            managed: false,
            created_at: now,
            updated_at: now,
        }
    }
}

/// Row 1: every application, oldest first.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let request = page::request(&call.query()?, call.ids(), false)?;
    let page = call.store().list_applications(&request);
    let ids = call.ids();
    let name = |application: &Arc<Application>| application.id;
    page::json(ids, &request, page, name, |application| {
        Ok(serde_json::json!(ApplicationOut::new(ids, &application)))
    })
    .map(page::ok)
}

/// Row 2: makes one; with `get_if_exists` the one that has the uid is given instead.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let get_if_exists = call.query()?.flag("get_if_exists", false)?;
    let body = call.body().await?;
    let fields = body.json::<ApplicationIn>()?.check()?;
    let written = call
        .write_once(&body, move |transaction| {
            if get_if_exists
                && let Some(uid) = &fields.uid
                && let Ok(application) =
                    transaction.application(&ApplicationReference::Name(uid.clone()))
            {
                return Ok(Reply::Application { application, created: false });
            }
            let id = ApplicationId::new(transaction.mint());
            let application = fields.make(id, transaction.now());
            let application = transaction.put_application(application, Author::Caller)?;
            Ok(Reply::Application { application, created: true })
        })
        .await?;
    answer(call.ids(), written)
}

/// Row 3.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    Ok(HttpResponse::Ok().json(ApplicationOut::new(call.ids(), &application)))
}

/// Row 4: changes it, or makes it when it is not there.
pub(super) async fn put(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let reference: ApplicationReference = call.reference("app")?;
    let body = call.body().await?;
    let fields = body.json::<ApplicationIn>()?.check()?;
    let written = call
        .write(move |transaction| {
            let now = transaction.now();
            let (application, created) = match transaction.application(&reference) {
                Ok(old) => {
                    let new = Application {
                        managed: old.managed,
                        created_at: old.created_at,
                        ..fields.make(old.id, now)
                    };
                    (
                        Application { uid: named(new.uid, &reference, old.uid.as_ref()), ..new },
                        false,
                    )
                }
                Err(_) => {
                    let new = fields.make(ApplicationId::new(transaction.mint()), now);
                    (Application { uid: named(new.uid, &reference, None), ..new }, true)
                }
            };
            let application = transaction.put_application(application, Author::Caller)?;
            Ok(Reply::Application { application, created })
        })
        .await?;
    answer(call.ids(), written)
}

/// The uid after a PUT whose body has none and whose path names one: that of the path, so that the
/// same call again changes the same thing.
pub(super) fn named<K: Kind>(
    given: Option<String>,
    path: &Reference<K>,
    old: Option<&String>,
) -> Option<String> {
    match (given, path) {
        (Some(given), _) => Some(given),
        (None, Reference::Name(name)) => Some(old.unwrap_or(name).clone()),
        (None, Reference::Id(_)) => None,
    }
}

/// Row 5: changes what is given; null takes away what may be missing.
pub(super) async fn patch(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let reference: ApplicationReference = call.reference("app")?;
    let body = call.body().await?;
    let patch: ApplicationPatch = body.json()?;
    patch.check()?;
    let written = call
        .write(move |transaction| {
            let mut application = Application::clone(&*transaction.application(&reference)?);
            application.name = patch.name.unwrap_or(application.name);
            application.uid = patch.uid.unwrap_or(application.uid);
            let rate = patch.throttle_rate.or(patch.rate_limit);
            application.throttle_rate = rate.unwrap_or(application.throttle_rate);
            application.metadata = patch.metadata.unwrap_or(application.metadata);
            application.updated_at = transaction.now();
            let application = transaction.put_application(application, Author::Caller)?;
            Ok(Reply::Application { application, created: false })
        })
        .await?;
    answer(call.ids(), written)
}

/// Row 6: deletes it with its endpoints.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let reference: ApplicationReference = call.reference("app")?;
    call.write(move |transaction| {
        let id = transaction.application(&reference)?.id;
        transaction.delete_application(id, Author::Caller)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn answer(ids: &Ids, written: Written) -> Result<HttpResponse, ApiError> {
    let Reply::Application { application, created } = written.reply else {
        return Err(unexpected(&written.reply));
    };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(ApplicationOut::new(ids, &application)))
}

/// A reply of another kind than the write made.
pub(super) fn unexpected(reply: &Reply) -> ApiError {
    let kind = match reply {
        Reply::Application { .. } => "an application",
        Reply::Endpoint { .. } => "an endpoint",
        Reply::EventType { .. } => "an event type",
        Reply::Message(_) => "a message",
        Reply::Task(_) => "a task",
        Reply::Shown { .. } => "a secret",
        Reply::Source { .. } => "a source",
        Reply::Received(_) => "a request",
        Reply::Done => "nothing",
    };
    ApiError::Internal(format!("the store remembered {kind} for a write that made something else"))
}
