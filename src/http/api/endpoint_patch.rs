//! PATCH of an endpoint: what is given changes, null takes away what may be missing.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::application::present;
use super::call::Call;
use super::delivery_settings::DeliveryIn;
use super::egress::{Changer, settle};
use super::endpoint::{
    ROTATE, answer, changer, check_rates, check_rest, check_unused, disable, either, read_url,
    version,
};
use super::limits::{self, Problems};
use crate::domain::application::Metadata;
use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::{AUTHORIZATION, set_header};
use crate::domain::subscription::Subscription;
use crate::http::error::ApiError;
use crate::http::state::CheckUrl;
use crate::store::{Author, EndpointReference, Reply};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct EndpointPatch {
    #[serde(deserialize_with = "present")]
    url: Option<String>,
    #[serde(deserialize_with = "present")]
    description: Option<String>,
    #[serde(deserialize_with = "present")]
    uid: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    disabled: Option<bool>,
    #[serde(deserialize_with = "present")]
    event_types: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    filter_types: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    channels: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    secret: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    throttle_rate: Option<Option<u16>>,
    #[serde(deserialize_with = "present")]
    rate_limit: Option<Option<u16>>,
    #[serde(deserialize_with = "present")]
    metadata: Option<Metadata>,
    #[serde(deserialize_with = "present")]
    version: Option<u16>,
    #[serde(deserialize_with = "present")]
    sources: Option<Option<Vec<String>>>,
    #[serde(deserialize_with = "present")]
    filter: Option<Option<Box<RawValue>>>,
    #[serde(deserialize_with = "present")]
    delivery: Option<Option<DeliveryIn>>,
}

/// What a patch says that is read from its fields.
struct PatchRead {
    /// One list that is not given is empty.
    subscription: Subscription,
    /// User name and password of the URL, as a header says them.
    authorization: Option<String>,
    /// What null says is as usual.
    delivery: Option<DeliverySettings>,
}

impl EndpointPatch {
    /// Checks every field and brings the URL into its normal form.
    fn check(&mut self, check_url: &CheckUrl) -> Result<PatchRead, ApiError> {
        let mut problems = Problems::default();
        let mut authorization = None;
        if let Some(url) = &mut self.url {
            (*url, authorization) = read_url(url, check_url, &mut problems);
        }
        let description = self.description.as_deref().unwrap_or_default();
        let uid = self.uid.as_ref().and_then(Option::as_deref);
        check_rest(description, uid, &mut problems);
        check_rates(self.throttle_rate.flatten(), self.rate_limit.flatten(), &mut problems);
        let metadata = self.metadata.as_ref().map_or(Ok(()), limits::metadata);
        problems.check(&["metadata"], metadata);
        problems.check(&["version"], version(self.version));
        if self.secret.as_ref().is_some_and(Option::is_some) {
            problems.add(&["secret"], ROTATE);
        }
        if self.event_types.is_some() {
            check_unused(self.filter_types.clone().flatten(), &mut problems);
        }
        let (field, event_types) = either(self.event_types.take(), self.filter_types.take());
        self.event_types = event_types.clone();
        let event_types = (field, event_types.flatten());
        let channels = self.channels.clone().flatten();
        let chosen = limits::subscription(event_types, channels, &mut problems);
        let filter = self.filter.as_ref().and_then(Option::as_deref);
        let subscription = Subscription {
            sources: limits::sources(self.sources.clone().flatten(), &mut problems),
            filter: limits::filter(filter, &mut problems),
            ..chosen
        };
        let delivery = self.delivery.take().map(|given| match given {
            Some(given) => given.read(check_url, &mut problems),
            None => DeliverySettings::default(),
        });
        problems.finish()?;
        Ok(PatchRead { subscription, authorization, delivery })
    }

    fn apply(self, read: PatchRead, endpoint: &mut Endpoint) {
        let PatchRead { subscription, authorization, delivery } = read;
        if let Some(url) = self.url {
            endpoint.url = url;
        }
        if let Some(value) = authorization {
            set_header(&mut endpoint.headers, AUTHORIZATION.to_owned(), value);
        }
        if let Some(description) = self.description {
            endpoint.description = description;
        }
        if let Some(uid) = self.uid {
            endpoint.uid = uid;
        }
        if let Some(disabled) = self.disabled {
            endpoint.disabled = disable(disabled, endpoint.disabled);
        }
        if self.event_types.is_some() {
            endpoint.subscription.event_types = subscription.event_types;
        }
        if self.channels.is_some() {
            endpoint.subscription.channels = subscription.channels;
        }
        if self.sources.is_some() {
            endpoint.subscription.sources = subscription.sources;
        }
        if self.filter.is_some() {
            endpoint.subscription.filter = subscription.filter;
        }
        if let Some(rate) = self.throttle_rate.or(self.rate_limit) {
            endpoint.throttle_rate = rate;
        }
        if let Some(delivery) = delivery {
            endpoint.delivery = delivery;
        }
        if let Some(metadata) = self.metadata {
            endpoint.metadata = metadata;
        }
    }
}

/// Row 11: changes what is given; null takes away what may be missing.
pub(super) async fn patch(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.owner()?;
    let reference: EndpointReference = call.reference("endpoint")?;
    let body = call.body().await?;
    let mut patch: EndpointPatch = body.json()?;
    let read = patch.check(&call.shared.state.check_url)?;
    let (config, operator) = changer(&call);
    let written = call
        .write(move |transaction| {
            let old = transaction.endpoint(application.id, &reference)?;
            let mut endpoint = Endpoint::clone(&old);
            let given = read.delivery.is_some();
            patch.apply(read, &mut endpoint);
            let changer = Changer { config: &config, operator };
            settle(&mut endpoint, Some(&old), given, &changer)?;
            endpoint.updated_at = transaction.now();
            let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created: false })
        })
        .await?;
    answer(call.ids(), written)
}
