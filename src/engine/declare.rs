//! Applying what `relay.toml` declares: applications, event types, endpoints, sources.
//!
//! All of it in one transaction, at start and on reload. What is declared is marked `managed` and
//! the API may not change it; what leaves the file is disabled (an endpoint) or archived (an event
//! type) and free to be changed again, never deleted.

mod noted;
pub mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::config::Config;
use crate::config::declared::{DeclaredApplication, DeclaredEndpoint, DeclaredEventType};
use crate::config::secrets::{Secrets, SourceSecrets};
use crate::config::source::DeclaredSource;
use crate::domain::application::Application;
use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::endpoint::{Disabled, Endpoint, EndpointKey, Transformation};
use crate::domain::endpoint_url::{parse_endpoint_url, split_user_info};
use crate::domain::event_type::EventType;
use crate::domain::headers::{AUTHORIZATION, set_header};
use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::signature::SigningKey;
use crate::domain::subscription::Subscription;
use crate::domain::time::Timestamp;
use crate::store::{Author, Reference, Refusal, Reply, Store, Transaction, WriteError};

/// The application of endpoints that name no other.
const DEFAULT: &str = "default";
/// A key that the file replaces signs this long beside the new one.
const OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// Bytes of a key that is made because the file gives none.
const KEY_BYTES: usize = 24;

/// What the file declares, checked.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// `[[application]]`.
    pub applications: Vec<DeclaredApplication>,
    /// `[[event_type]]`.
    pub event_types: Vec<DeclaredEventType>,
    /// `[[endpoint]]`, with its key if the file gives one.
    pub endpoints: Vec<(DeclaredEndpoint, Option<SigningKey>)>,
    /// `[[source]]`, with what is secret of it.
    pub sources: Vec<(DeclaredSource, SourceSecrets)>,
    /// `sources.rotation_overlap`.
    pub overlap: Duration,
}

impl Declared {
    /// What a configuration declares, with the keys it gives.
    pub fn of(config: &Config, secrets: &Secrets) -> Declared {
        let with_key = |endpoint: &DeclaredEndpoint| {
            let key = secrets.endpoint_key(&endpoint.application, &endpoint.uid).cloned();
            (endpoint.clone(), key)
        };
        let with_secrets = |source: &DeclaredSource| {
            let given = secrets.sources.get(&source.uid).cloned().unwrap_or_default();
            (source.clone(), given)
        };
        Declared {
            applications: config.applications.clone(),
            event_types: config.event_types.clone(),
            endpoints: config.endpoints.iter().map(with_key).collect(),
            sources: config.declared_sources.iter().map(with_secrets).collect(),
            overlap: config.sources.rotation_overlap.0,
        }
    }
}

/// Applies it; returns what changed, a line each.
pub fn apply(store: &Store, declared: Declared) -> Result<Vec<String>, WriteError> {
    let (sender, changes) = mpsc::channel();
    store.write_blocking(None, move |transaction| {
        let changes = change(transaction, &declared)?;
        if !changes.is_empty() {
            transaction.note(noted::note(&changes));
        }
        // The receiver waits below.
        let _ = sender.send(changes);
        Ok(Reply::Done)
    })?;
    Ok(changes.try_recv().unwrap_or_default())
}

/// What applying it would change; changes nothing.
pub fn plan(store: &Store, declared: Declared) -> Result<Vec<String>, WriteError> {
    let (sender, changes) = mpsc::channel();
    let rolled_back = store.write_blocking(None, move |transaction| {
        // The receiver waits below.
        let _ = sender.send(change(transaction, &declared)?);
        Err(Refusal::NotFound)
    });
    match changes.try_recv() {
        Ok(changes) => Ok(changes),
        Err(_) => rolled_back.map(|_| Vec::new()),
    }
}

fn change(transaction: &mut Transaction<'_>, declared: &Declared) -> Result<Vec<String>, Refusal> {
    let mut changes = Vec::new();
    let owners = applications(transaction, declared, &mut changes)?;
    event_types(transaction, declared, &mut changes)?;
    let mut kept = BTreeSet::new();
    for (endpoint, key) in &declared.endpoints {
        let application = owners.get(&endpoint.application).copied().ok_or(Refusal::NotFound)?;
        kept.insert(put_endpoint(transaction, application, endpoint, key.as_ref(), &mut changes)?);
    }
    left_endpoints(transaction, &kept, &mut changes)?;
    sources::apply(transaction, &declared.sources, &owners, declared.overlap, &mut changes)?;
    Ok(changes)
}

fn applications(
    transaction: &mut Transaction<'_>,
    declared: &Declared,
    changes: &mut Vec<String>,
) -> Result<BTreeMap<String, ApplicationId>, Refusal> {
    let mut wanted: BTreeMap<String, DeclaredApplication> = declared
        .applications
        .iter()
        .map(|application| (application.uid.clone(), application.clone()))
        .collect();
    let by_endpoints = declared.endpoints.iter().map(|(endpoint, _)| endpoint.application.clone());
    let by_sources = declared.sources.iter().map(|(source, _)| source.application.clone());
    let implied =
        by_endpoints.chain(by_sources).chain(wanted.is_empty().then(|| DEFAULT.to_owned()));
    for uid in implied.collect::<Vec<_>>() {
        wanted.entry(uid.clone()).or_insert_with(|| DeclaredApplication {
            uid,
            name: None,
            throttle_rate: None,
            metadata: BTreeMap::new(),
        });
    }
    let mut owners = BTreeMap::new();
    for (uid, application) in &wanted {
        owners.insert(uid.clone(), put_application(transaction, application, changes)?);
    }
    for application in transaction.applications() {
        if application.managed && !owners.values().any(|id| *id == application.id) {
            let name = application.uid.clone().unwrap_or_default();
            let free = Application { managed: false, ..application.as_ref().clone() };
            transaction.put_application(free, Author::Config)?;
            changes.push(format!("application {name}: left the file, kept"));
        }
    }
    Ok(owners)
}

fn put_application(
    transaction: &mut Transaction<'_>,
    declared: &DeclaredApplication,
    changes: &mut Vec<String>,
) -> Result<ApplicationId, Refusal> {
    let uid = &declared.uid;
    let now = transaction.now();
    let old = transaction.application(&Reference::Name(uid.clone())).ok();
    let mut new = match &old {
        Some(old) => old.as_ref().clone(),
        None => Application {
            id: ApplicationId::new(transaction.mint()),
            uid: Some(uid.clone()),
            name: String::new(),
            throttle_rate: None,
            metadata: BTreeMap::new(),
            managed: true,
            created_at: now,
            updated_at: now,
        },
    };
    new.name = declared.name.clone().unwrap_or_else(|| uid.clone());
    new.throttle_rate = declared.throttle_rate;
    new.metadata.clone_from(&declared.metadata);
    new.managed = true;
    let id = new.id;
    match old {
        Some(old) if *old == new => return Ok(id),
        Some(old) => changes.push(format!("application {uid}: {}", changed(old.managed))),
        None => changes.push(format!("application {uid}: new")),
    }
    new.updated_at = now;
    transaction.put_application(new, Author::Config)?;
    Ok(id)
}

fn event_types(
    transaction: &mut Transaction<'_>,
    declared: &Declared,
    changes: &mut Vec<String>,
) -> Result<(), Refusal> {
    let now = transaction.now();
    for wanted in &declared.event_types {
        let old = transaction.event_type(&wanted.name).ok();
        let mut new = match &old {
            Some(old) => old.as_ref().clone(),
            None => EventType {
                name: wanted.name.clone(),
                description: String::new(),
                archived: false,
                deprecated: false,
                schemas: None,
                feature_flags: Vec::new(),
                group_name: None,
                managed: true,
                created_at: now,
                updated_at: now,
            },
        };
        new.description.clone_from(&wanted.description);
        (new.managed, new.archived) = (true, false);
        match old {
            Some(old) if *old == new => continue,
            Some(old) => {
                changes.push(format!("event type {}: {}", wanted.name, changed(old.managed)));
            }
            None => changes.push(format!("event type {}: new", wanted.name)),
        }
        new.updated_at = now;
        transaction.put_event_type(new, Author::Config)?;
    }
    for held in transaction.event_types() {
        let named = declared.event_types.iter().any(|wanted| wanted.name == held.name);
        if held.managed && !named {
            changes.push(format!("event type {}: left the file, archived", held.name));
            let archived = EventType {
                managed: false,
                archived: true,
                updated_at: now,
                ..held.as_ref().clone()
            };
            transaction.put_event_type(archived, Author::Config)?;
        }
    }
    Ok(())
}

fn put_endpoint(
    transaction: &mut Transaction<'_>,
    application: ApplicationId,
    declared: &DeclaredEndpoint,
    key: Option<&SigningKey>,
    changes: &mut Vec<String>,
) -> Result<EndpointId, Refusal> {
    let now = transaction.now();
    let name = format!("endpoint {}/{}", declared.application, declared.uid);
    let old = transaction.endpoint(application, &Reference::Name(declared.uid.clone())).ok();
    let mut new = match &old {
        Some(old) => old.as_ref().clone(),
        None => Endpoint {
            id: EndpointId::new(transaction.mint()),
            application,
            uid: Some(declared.uid.clone()),
            url: String::new(),
            description: String::new(),
            subscription: Subscription::default(),
            disabled: None,
            throttle_rate: None,
            delivery: DeliverySettings::default(),
            metadata: BTreeMap::new(),
            headers: BTreeMap::new(),
            transformation: None,
            keys: Vec::new(),
            managed: true,
            created_at: now,
            updated_at: now,
        },
    };
    let (bare, authorization) =
        split_user_info(&declared.url).map_err(|error| invalid("url", &error))?;
    let url = parse_endpoint_url(&bare).map_err(|error| invalid("url", &error))?;
    new.url = url.to_string();
    new.description.clone_from(&declared.description);
    new.subscription = Subscription::parse(declared.event_types.clone(), declared.channels.clone())
        .map_err(|error| invalid("subscription", &error))?;
    new.subscription.sources.clone_from(&declared.sources);
    let filter = declared.filter().map_err(|error| invalid("filter", &error))?;
    new.subscription.filter = filter.map(Arc::new);
    new.transformation = transformation(declared, new.transformation, now)?;
    new.headers.clone_from(&declared.headers);
    if let Some(value) = authorization {
        set_header(&mut new.headers, AUTHORIZATION.to_owned(), value);
    }
    new.throttle_rate = declared.throttle_rate;
    new.delivery = declared.delivery().map_err(|(field, message)| Refusal::Invalid {
        location: vec!["endpoint".to_owned(), field.to_owned()],
        message,
    })?;
    new.metadata.clone_from(&declared.metadata);
    new.managed = true;
    new.disabled = match (declared.disabled, new.disabled) {
        (true, _) => Some(Disabled::ByCaller),
        // Disabled because it was gone or failing: a person looks at that, not a reload.
        (false, Some(why @ (Disabled::Gone | Disabled::Failing))) => Some(why),
        (false, _) => None,
    };
    set_key(&mut new.keys, key, now + OVERLAP);
    let id = new.id;
    match old {
        Some(old) if *old == new => return Ok(id),
        Some(old) => changes.push(format!("{name}: {}", changed(old.managed))),
        None => changes.push(format!("{name}: new")),
    }
    new.updated_at = now;
    transaction.put_endpoint(new, Author::Config)?;
    Ok(id)
}

/// The declared transformation; it keeps its time while it is the same.
fn transformation(
    declared: &DeclaredEndpoint,
    old: Option<Arc<Transformation>>,
    now: Timestamp,
) -> Result<Option<Arc<Transformation>>, Refusal> {
    let read = declared.transform().map_err(|(field, message)| Refusal::Invalid {
        location: vec!["endpoint".to_owned(), field.to_owned()],
        message,
    })?;
    Ok(read.map(|transform| {
        let variables = declared.variables.clone();
        let updated_at = old.as_ref().map_or(now, |old| old.updated_at);
        let same = Transformation { transform, enabled: true, variables, updated_at };
        match old {
            Some(old) if *old == same => old,
            _ => Arc::new(Transformation { updated_at: now, ..same }),
        }
    }))
}

fn invalid(field: &str, error: &dyn std::error::Error) -> Refusal {
    let location = vec!["endpoint".to_owned(), field.to_owned()];
    Refusal::Invalid { location, message: error.to_string() }
}

fn set_key(keys: &mut Vec<EndpointKey>, wanted: Option<&SigningKey>, old_until: Timestamp) {
    let current = keys.first().map(|held| held.key.clone());
    let wanted = match (wanted, &current) {
        (None, Some(_)) => return,
        (None, None) => fresh_key(),
        (Some(wanted), current) if current.as_ref() == Some(wanted) => return,
        (Some(wanted), _) => wanted.clone(),
    };
    if let Some(held) = keys.first_mut() {
        held.expires_at = Some(old_until);
    }
    keys.insert(0, EndpointKey { key: wanted, expires_at: None });
}

fn fresh_key() -> SigningKey {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    SigningKey::hmac(&bytes)
}

fn left_endpoints(
    transaction: &mut Transaction<'_>,
    kept: &BTreeSet<EndpointId>,
    changes: &mut Vec<String>,
) -> Result<(), Refusal> {
    let now = transaction.now();
    for application in transaction.applications() {
        for endpoint in transaction.endpoints(application.id) {
            if !endpoint.managed || kept.contains(&endpoint.id) {
                continue;
            }
            let owner = application.uid.clone().unwrap_or_default();
            let uid = endpoint.uid.clone().unwrap_or_default();
            changes.push(format!("endpoint {owner}/{uid}: left the file, disabled"));
            let disabled = Endpoint {
                managed: false,
                disabled: Some(Disabled::LeftConfig),
                updated_at: now,
                ..endpoint.as_ref().clone()
            };
            transaction.put_endpoint(disabled, Author::Config)?;
        }
    }
    Ok(())
}

/// What is said of one that was there before.
fn changed(was_managed: bool) -> &'static str {
    if was_managed { "changed" } else { "was made by the API, from now on the file's" }
}
