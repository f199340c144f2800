//! `/event-type`: the catalogue of what can happen.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::application::{present, unexpected};
use super::call::Call;
use super::limits::{self, DESCRIPTION_MAX, FEATURE_FLAGS_MAX, Problems, SCHEMAS_MAX};
use super::page;
use super::schema;
use super::shapes::EventTypeOut;
use crate::domain::event_type::EventType;
use crate::http::error::ApiError;
use crate::store::{Author, Refusal, Reply, Written};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventTypeIn {
    pub name: Option<String>,
    description: String,
    archived: Option<bool>,
    deprecated: Option<bool>,
    schemas: Option<Box<RawValue>>,
    feature_flag: Option<String>,
    feature_flags: Option<Vec<String>>,
    group_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct EventTypePatch {
    #[serde(deserialize_with = "present")]
    description: Option<String>,
    #[serde(deserialize_with = "present")]
    archived: Option<bool>,
    #[serde(deserialize_with = "present")]
    deprecated: Option<bool>,
    #[serde(deserialize_with = "present")]
    schemas: Option<Option<Box<RawValue>>>,
    #[serde(deserialize_with = "present")]
    feature_flag: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    feature_flags: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    group_name: Option<Option<String>>,
}

/// What a caller may set of an event type, after the limits were looked at.
pub(super) struct Fields {
    pub description: String,
    pub archived: bool,
    pub deprecated: bool,
    pub schemas: Option<String>,
    pub feature_flags: Vec<String>,
    pub group_name: Option<String>,
}

impl EventTypeIn {
    pub fn check(self) -> Result<Fields, ApiError> {
        let mut problems = Problems::default();
        check_flag(self.feature_flag.as_deref(), &mut problems);
        let listed = self.feature_flags.clone().unwrap_or_default();
        let flags = self.feature_flags.or(self.feature_flag.map(|flag| vec![flag]));
        let fields = Fields {
            description: self.description,
            archived: self.archived.unwrap_or(false),
            deprecated: self.deprecated.unwrap_or(false),
            schemas: self.schemas.as_deref().map(text_of),
            feature_flags: flags.unwrap_or_default(),
            group_name: self.group_name,
        };
        let description = limits::text(&fields.description, 0, DESCRIPTION_MAX);
        problems.check(&["description"], description);
        let (schemas, group) = (fields.schemas.as_deref(), fields.group_name.as_deref());
        check_rest(&[], schemas, &listed, group, &mut problems);
        problems.finish()?;
        Ok(fields)
    }
}

impl Fields {
    /// Looks at the limits; `place` is where in the body they stand.
    pub fn check(&self, place: &[&str], problems: &mut Problems) {
        let description = limits::text(&self.description, 0, DESCRIPTION_MAX);
        problems.check(&[place, &["description"]].concat(), description);
        let (schemas, group) = (self.schemas.as_deref(), self.group_name.as_deref());
        check_rest(place, schemas, &self.feature_flags, group, problems);
    }

    /// The event type; one that `relay.toml` declares is not made so.
    pub fn make(self, name: String, now: crate::domain::time::Timestamp) -> EventType {
        EventType {
            name,
            description: self.description,
            archived: self.archived,
            deprecated: self.deprecated,
            schemas: self.schemas,
            feature_flags: self.feature_flags,
            group_name: self.group_name,
            managed: false,
            created_at: now,
            updated_at: now,
        }
    }
}

fn text_of(value: &RawValue) -> String {
    value.get().to_owned()
}

/// The flag by the name of v1, which stands for a list of one.
fn check_flag(flag: Option<&str>, problems: &mut Problems) {
    if let Some(flag) = flag {
        problems.check(&["featureFlag"], limits::name(flag));
    }
}

fn check_rest(
    place: &[&str],
    schemas: Option<&str>,
    flags: &[String],
    group: Option<&str>,
    problems: &mut Problems,
) {
    if let Some(schemas) = schemas {
        problems.check(&[place, &["schemas"]].concat(), check_schemas(schemas));
    }
    let location = [place, &["featureFlags"]].concat();
    if flags.len() > FEATURE_FLAGS_MAX {
        problems.add(&location, format!("must have at most {FEATURE_FLAGS_MAX} items"));
    }
    for flag in flags {
        problems.check(&location, limits::name(flag));
    }
    if let Some(group) = group {
        problems.check(&[place, &["groupName"]].concat(), limits::name(group));
    }
}

/// Schemas by version: an object of objects.
fn check_schemas(text: &str) -> Result<(), String> {
    if text.len() > SCHEMAS_MAX {
        return Err(format!("must have at most {SCHEMAS_MAX} bytes"));
    }
    let read: Result<BTreeMap<String, serde_json::Map<String, serde_json::Value>>, _> =
        serde_json::from_str(text);
    read.map(|_| ()).map_err(|error| format!("must be JSON schemas by version: {error}"))
}

/// Row 32: event types by name; archived ones with `include_archived`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let query = call.query()?;
    let with_archived = query.flag("include_archived", false)?;
    let with_content = query.flag("with_content", false)?;
    let request = page::request::<String>(&query, call.ids(), false)?;
    let passes = |event_type: &EventType| {
        (with_archived || !event_type.archived) && call.caller.sees(event_type)
    };
    let page = call.store().list_event_types(&request, passes);
    let name = |event_type: &Arc<EventType>| event_type.name.clone();
    page::json(call.ids(), &request, page, name, |event_type| {
        serde_json::value::to_raw_value(&EventTypeOut::new(&event_type, with_content))
            .map_err(|error| ApiError::Internal(error.to_string()))
    })
    .map(page::ok)
}

/// Row 33: makes one, or takes an archived one back into use.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let input: EventTypeIn = body.json()?;
    let name = input.name.clone().unwrap_or_default();
    let mut problems = Problems::default();
    problems.check(&["name"], limits::event_type(&name));
    problems.finish()?;
    let fields = input.check()?;
    schema::check_versions(fields.schemas.as_deref()).await?;
    let written = call
        .write_once(&body, move |transaction| {
            let old = transaction.event_type(&name).ok();
            if old.as_ref().is_some_and(|old| !old.archived) {
                let words = format!("an event type named {name} exists already");
                return Err(Refusal::Conflict(words));
            }
            let mut event_type = fields.make(name, transaction.now());
            if let Some(old) = old {
                (event_type.created_at, event_type.managed) = (old.created_at, old.managed);
            }
            let event_type = transaction.put_event_type(event_type, Author::Caller)?;
            Ok(Reply::EventType { event_type, created: true })
        })
        .await?;
    answer(written)
}

/// Row 34.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let found = call.store().event_type(call.parameter("name"));
    let found = found.filter(|event_type| call.caller.sees(event_type));
    let event_type = found.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(EventTypeOut::new(&event_type, true)))
}

/// Row 35: changes it, or makes it when it is not there.
pub(super) async fn put(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let name = call.parameter("name").to_owned();
    limits::event_type(&name).map_err(|message| ApiError::invalid(&["path", "name"], message))?;
    let body = call.body().await?;
    let fields = body.json::<EventTypeIn>()?.check()?;
    schema::check_versions(fields.schemas.as_deref()).await?;
    let written = call
        .write(move |transaction| {
            let old = transaction.event_type(&name).ok();
            let created = old.is_none();
            let mut event_type = fields.make(name, transaction.now());
            if let Some(old) = old {
                (event_type.created_at, event_type.managed) = (old.created_at, old.managed);
            }
            let event_type = transaction.put_event_type(event_type, Author::Caller)?;
            Ok(Reply::EventType { event_type, created })
        })
        .await?;
    answer(written)
}

/// Row 36: changes what is given; null takes away what may be missing.
pub(super) async fn patch(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let name = call.parameter("name").to_owned();
    let body = call.body().await?;
    let input: EventTypePatch = body.json()?;
    let mut problems = Problems::default();
    check_flag(input.feature_flag.as_ref().and_then(Option::as_deref), &mut problems);
    let listed = input.feature_flags.clone().flatten().unwrap_or_default();
    let flag = input.feature_flag.map(|flag| flag.map(|flag| vec![flag]));
    let flags = input.feature_flags.or(flag).map(Option::unwrap_or_default);
    let schemas =
        input.schemas.map(|schemas| schemas.as_deref().map(text_of).filter(|text| text != "null"));
    let group = input.group_name;
    let description = input.description;
    if let Some(description) = &description {
        problems.check(&["description"], limits::text(description, 0, DESCRIPTION_MAX));
    }
    check_rest(
        &[],
        schemas.as_ref().and_then(Option::as_deref),
        &listed,
        group.as_ref().and_then(Option::as_deref),
        &mut problems,
    );
    problems.finish()?;
    schema::check_versions(schemas.as_ref().and_then(Option::as_deref)).await?;
    let written = call
        .write(move |transaction| {
            let mut event_type = EventType::clone(&*transaction.event_type(&name)?);
            event_type.description = description.unwrap_or(event_type.description);
            event_type.archived = input.archived.unwrap_or(event_type.archived);
            event_type.deprecated = input.deprecated.unwrap_or(event_type.deprecated);
            event_type.schemas = schemas.unwrap_or(event_type.schemas);
            event_type.feature_flags = flags.unwrap_or(event_type.feature_flags);
            event_type.group_name = group.unwrap_or(event_type.group_name);
            event_type.updated_at = transaction.now();
            let event_type = transaction.put_event_type(event_type, Author::Caller)?;
            Ok(Reply::EventType { event_type, created: false })
        })
        .await?;
    answer(written)
}

/// Row 37: archives it; with `expunge` it is gone.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let name = call.parameter("name").to_owned();
    let expunge = call.query()?.flag("expunge", false)?;
    call.write(move |transaction| {
        if expunge {
            transaction.delete_event_type(&name, Author::Caller)?;
            return Ok(Reply::Done);
        }
        let mut event_type = EventType::clone(&*transaction.event_type(&name)?);
        event_type.archived = true;
        event_type.updated_at = transaction.now();
        transaction.put_event_type(event_type, Author::Caller)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn answer(written: Written) -> Result<HttpResponse, ApiError> {
    let Reply::EventType { event_type, created } = written.reply else {
        return Err(unexpected(&written.reply));
    };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(EventTypeOut::new(&event_type, true)))
}
