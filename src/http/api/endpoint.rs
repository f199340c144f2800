//! `/app/{app}/endpoint`: where messages go.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::application::{named, unexpected};
use super::call::Call;
use super::delivery_settings::DeliveryIn;
use super::egress::{Changer, settle};
use super::endpoint_secret::{draw_key, read_key};
use super::limits::{self, DESCRIPTION_MAX, Problems};
use super::page;
use super::shapes::EndpointOut;
use crate::config::Config;
use crate::domain::application::Metadata;
use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::endpoint::{Disabled, Endpoint, EndpointKey};
use crate::domain::endpoint_url::split_user_info;
use crate::domain::headers::{AUTHORIZATION, find_header, set_header};
use crate::domain::id::{ApplicationId, EndpointId, Ids};
use crate::domain::signature::SigningKey;
use crate::domain::subscription::Subscription;
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::http::state::CheckUrl;
use crate::store::{Author, EndpointReference, Refusal, Reply, Written};

pub(super) const ROTATE: &str = "is changed with POST …/secret/rotate";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointIn {
    url: String,
    description: Option<String>,
    uid: Option<String>,
    disabled: Option<bool>,
    event_types: Option<Vec<String>>,
    filter_types: Option<Vec<String>>,
    channels: Option<Vec<String>>,
    secret: Option<String>,
    throttle_rate: Option<u16>,
    rate_limit: Option<u16>,
    metadata: Option<Metadata>,
    headers: Option<BTreeMap<String, String>>,
    version: Option<u16>,
    sources: Option<Vec<String>>,
    filter: Option<Box<RawValue>>,
    delivery: Option<DeliveryIn>,
}

/// What a caller may set of an endpoint, after the limits were looked at.
pub(super) struct Fields {
    pub url: String,
    pub description: String,
    pub uid: Option<String>,
    pub disabled: bool,
    pub subscription: Subscription,
    pub throttle_rate: Option<u16>,
    /// PUT of the Svix API has none: what stands stays.
    pub delivery: Option<DeliverySettings>,
    pub metadata: Metadata,
    headers: Option<BTreeMap<String, String>>,
    /// User name and password of the URL, as a header says them.
    authorization: Option<String>,
    pub key: Option<SigningKey>,
}

impl EndpointIn {
    pub fn check(self, check_url: &CheckUrl) -> Result<Fields, ApiError> {
        let mut problems = Problems::default();
        check_rates(self.throttle_rate, self.rate_limit, &mut problems);
        if self.event_types.is_some() {
            check_unused(self.filter_types.clone(), &mut problems);
        }
        let event_types = either(self.event_types, self.filter_types);
        let (url, authorization) = read_url(&self.url, check_url, &mut problems);
        let named = |headers: &BTreeMap<_, _>| find_header(headers, AUTHORIZATION).is_some();
        if authorization.is_some() && self.headers.as_ref().is_some_and(named) {
            let words = "holds a user name or password beside an authorization header: \
                         leave one of them out";
            problems.add(&["url"], words);
        }
        let chosen = limits::subscription(event_types, self.channels, &mut problems);
        let subscription = Subscription {
            sources: limits::sources(self.sources, &mut problems),
            filter: limits::filter(self.filter.as_deref(), &mut problems),
            ..chosen
        };
        let fields = Fields {
            url,
            authorization,
            description: self.description.unwrap_or_default(),
            uid: self.uid,
            disabled: self.disabled.unwrap_or(false),
            subscription,
            throttle_rate: self.throttle_rate.or(self.rate_limit),
            delivery: self.delivery.map(|given| given.read(check_url, &mut problems)),
            metadata: self.metadata.unwrap_or_default(),
            headers: self.headers.map(|headers| limits::headers(headers, &mut problems)),
            key: self.secret.and_then(|text| read_key(&text, &["secret"], &mut problems)),
        };
        check_rest(&fields.description, fields.uid.as_deref(), &mut problems);
        problems.check(&["metadata"], limits::metadata(&fields.metadata));
        problems.check(&["version"], version(self.version));
        problems.finish()?;
        Ok(fields)
    }
}

pub(super) fn check_rest(description: &str, uid: Option<&str>, problems: &mut Problems) {
    problems.check(&["description"], limits::text(description, 0, DESCRIPTION_MAX));
    if let Some(uid) = uid {
        problems.check(&["uid"], limits::name(uid));
    }
}

/// The URL without user name and password, and what these are as a header: the URL is shown in
/// answers and logs, and they are not.
pub(super) fn read_url(
    text: &str,
    check_url: &CheckUrl,
    problems: &mut Problems,
) -> (String, Option<String>) {
    let read = split_user_info(text).map_err(|error| error.to_string());
    let read = read.and_then(|(bare, authorization)| Ok((check_url(&bare)?, authorization)));
    read.unwrap_or_else(|message| {
        problems.add(&["url"], message);
        (String::new(), None)
    })
}

/// The event types by the present name of their field or by the one of v1, and that name.
pub(super) fn either<T>(
    event_types: Option<T>,
    filter_types: Option<T>,
) -> (&'static str, Option<T>) {
    match event_types {
        Some(given) => ("eventTypes", Some(given)),
        None => ("filterTypes", filter_types),
    }
}

/// What stands beside its present name is not used, and has to be right all the same.
pub(super) fn check_unused(filter_types: Option<Vec<String>>, problems: &mut Problems) {
    limits::subscription(("filterTypes", filter_types), None, problems);
}

/// Messages a second, by the present name of the field and by the one of v1.
pub(super) fn check_rates(now: Option<u16>, v1: Option<u16>, problems: &mut Problems) {
    problems.check(&["throttleRate"], limits::throttle_rate(now));
    problems.check(&["rateLimit"], limits::throttle_rate(v1));
}

/// v1 client libraries send a version; it changes nothing.
pub(super) fn version(version: Option<u16>) -> Result<(), String> {
    if version == Some(0) { Err("must be at least 1".to_owned()) } else { Ok(()) }
}

/// A reason that stands already is not overwritten by one more `disabled: true`.
pub(super) fn disable(disabled: bool, before: Option<Disabled>) -> Option<Disabled> {
    disabled.then(|| before.unwrap_or(Disabled::ByCaller))
}

impl Fields {
    /// The headers that were given, or else those that stand, with what the URL held.
    pub fn headers_or(&self, standing: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut headers = self.headers.as_ref().unwrap_or(standing).clone();
        if let Some(value) = &self.authorization {
            set_header(&mut headers, AUTHORIZATION.to_owned(), value.clone());
        }
        headers
    }

    /// An endpoint of its own, with the key that was given or else `key`.
    pub fn make(
        self,
        application: ApplicationId,
        id: EndpointId,
        key: SigningKey,
        now: Timestamp,
    ) -> Endpoint {
        Endpoint {
            id,
            application,
            headers: self.headers_or(&BTreeMap::new()),
            uid: self.uid,
            url: self.url,
            description: self.description,
            subscription: self.subscription,
            disabled: disable(self.disabled, None),
            throttle_rate: self.throttle_rate,
            delivery: self.delivery.unwrap_or_default(),
            metadata: self.metadata,
            transformation: None,
            keys: vec![EndpointKey { key: self.key.unwrap_or(key), expires_at: None }],
            managed: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// Keeps the keys, which only a rotation changes, and the headers when none are given: PUT of
    /// the Svix API has neither.
    fn update(
        self,
        old: &Endpoint,
        now: Timestamp,
        changer: &Changer<'_>,
    ) -> Result<Endpoint, Refusal> {
        let given = self.delivery.is_some();
        let current = old.keys.first().map(|current| &current.key);
        if self.key.is_some() && self.key.as_ref() != current {
            return Err(Refusal::Invalid {
                location: vec!["body".to_owned(), "secret".to_owned()],
                message: ROTATE.to_owned(),
            });
        }
        let mut new = Endpoint {
            headers: self.headers_or(&old.headers),
            uid: self.uid,
            url: self.url,
            description: self.description,
            subscription: self.subscription,
            disabled: disable(self.disabled, old.disabled),
            throttle_rate: self.throttle_rate,
            delivery: self.delivery.unwrap_or_else(|| old.delivery.clone()),
            metadata: self.metadata,
            updated_at: now,
            ..old.clone()
        };
        settle(&mut new, Some(old), given, changer)?;
        Ok(new)
    }
}

/// Row 7: the endpoints of an application, newest first.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let request = page::request(&call.query()?, call.ids(), true)?;
    let page = call.store().list_endpoints(application.id, &request);
    let ids = call.ids();
    let name = |endpoint: &Arc<Endpoint>| endpoint.id;
    page::json(ids, &request, page, name, |endpoint| {
        Ok(serde_json::json!(EndpointOut::new(ids, &endpoint)))
    })
    .map(page::ok)
}

/// Row 8.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let body = call.body().await?;
    let fields = body.json::<EndpointIn>()?.check(&call.shared.state.check_url)?;
    let key = draw_key()?;
    let (config, operator) = changer(&call);
    let written = call
        .write_once(&body, move |transaction| {
            let id = EndpointId::new(transaction.mint());
            let mut endpoint = fields.make(application.id, id, key, transaction.now());
            settle(&mut endpoint, None, true, &Changer { config: &config, operator })?;
            let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created: true })
        })
        .await?;
    answer(call.ids(), written)
}

/// Row 9.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = call.endpoint(&*call.owner()?)?;
    Ok(HttpResponse::Ok().json(EndpointOut::new(call.ids(), &endpoint)))
}

/// Row 10: changes it, or makes it when it is not there.
pub(super) async fn put(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let reference: EndpointReference = call.reference("endpoint")?;
    let body = call.body().await?;
    let fields = body.json::<EndpointIn>()?.check(&call.shared.state.check_url)?;
    let key = draw_key()?;
    let (config, operator) = changer(&call);
    let written = call
        .write(move |transaction| {
            let now = transaction.now();
            let changer = Changer { config: &config, operator };
            let (endpoint, created) = match transaction.endpoint(application.id, &reference) {
                Ok(old) => {
                    let new = fields.update(&old, now, &changer)?;
                    let uid = named(new.uid.clone(), &reference, old.uid.as_ref());
                    (Endpoint { uid, ..new }, false)
                }
                Err(_) => {
                    let id = EndpointId::new(transaction.mint());
                    let mut new = fields.make(application.id, id, key, now);
                    settle(&mut new, None, true, &changer)?;
                    (Endpoint { uid: named(new.uid.clone(), &reference, None), ..new }, true)
                }
            };
            let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created })
        })
        .await?;
    answer(call.ids(), written)
}

/// What a [`Changer`] of this call is made of.
pub(super) fn changer(call: &Call) -> (Arc<Config>, bool) {
    (call.shared.state.in_force.config(), call.changes_everything().is_ok())
}

/// Row 12: deletes it; what waits for it is cancelled.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let reference: EndpointReference = call.reference("endpoint")?;
    call.write(move |transaction| {
        let id = transaction.endpoint(application.id, &reference)?.id;
        transaction.delete_endpoint(application.id, id, Author::Caller)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) fn answer(ids: &Ids, written: Written) -> Result<HttpResponse, ApiError> {
    let Reply::Endpoint { endpoint, created } = written.reply else {
        return Err(unexpected(&written.reply));
    };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(EndpointOut::new(ids, &endpoint)))
}
