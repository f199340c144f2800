//! Applications, endpoints, which of them fail, sources and event types, all of them in memory:
//! accepting a message asks for every endpoint of its application.
//!
//! The writer has tables of its own that it changes at once; what readers see is changed when the
//! record is durable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use crate::domain::application::Application;
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::id::{ApplicationId, EndpointId, KeyId, SourceId};
use crate::domain::operational::HIDDEN;
use crate::domain::source::Source;
use crate::domain::time::Timestamp;
use crate::domain::token::OperatorKey;
use crate::store::aliases::{AliasRow, Aliases, Named};
use crate::store::failing::FailingRow;
use crate::store::keys::{self, Key};
use crate::store::overlay::Overlay;
use crate::store::pages::page_of;
use crate::store::records::{self, EndpointRow, RecordError, SourceRow};
use crate::store::seal::Sealer;
use crate::store::sources::Sources;
use crate::store::{ApplicationReference, EndpointReference, Page, PageRequest, Reference};

/// One thing of the catalog set or removed.
#[derive(Clone, Debug)]
pub enum CatalogChange {
    /// An application; removing it removes what it owns.
    Application(ApplicationId, Option<Arc<Application>>),
    /// An endpoint.
    Endpoint(ApplicationId, EndpointId, Option<Arc<Endpoint>>),
    /// An event type.
    EventType(String, Option<Arc<EventType>>),
    /// An endpoint that fails, and since when.
    Failing(EndpointId, Option<Timestamp>),
    /// A further name, and where it is looked for.
    Alias(Option<ApplicationId>, String, Option<Named>),
    /// An operator key.
    OperatorKey(KeyId, Option<Arc<OperatorKey>>),
    /// A source.
    Source(SourceId, Option<Arc<Source>>),
}

struct Tenant {
    application: Arc<Application>,
    endpoints: BTreeMap<EndpointId, Arc<Endpoint>>,
    uids: HashMap<String, EndpointId>,
}

/// The catalog at one moment. The hidden application of the operational webhooks is always in it,
/// without a row of its own.
pub struct Tables {
    tenants: BTreeMap<ApplicationId, Tenant>,
    uids: HashMap<String, ApplicationId>,
    owners: HashMap<EndpointId, ApplicationId>,
    aliases: Aliases,
    event_types: BTreeMap<String, Arc<EventType>>,
    failing: HashMap<EndpointId, Timestamp>,
    /// Endpoints that take no deliveries, whoever disabled them.
    pub(super) disabled: BTreeSet<EndpointId>,
    operator_keys: BTreeMap<KeyId, Arc<OperatorKey>>,
    sources: Sources,
}

impl Default for Tables {
    fn default() -> Tables {
        let application = Arc::new(hidden());
        let hidden = Tenant { application, endpoints: BTreeMap::new(), uids: HashMap::new() };
        Tables {
            tenants: BTreeMap::from([(HIDDEN, hidden)]),
            uids: HashMap::new(),
            owners: HashMap::new(),
            aliases: Aliases::default(),
            event_types: BTreeMap::new(),
            failing: HashMap::new(),
            disabled: BTreeSet::new(),
            operator_keys: BTreeMap::new(),
            sources: Sources::default(),
        }
    }
}

/// Owns the endpoints of the operational webhooks.
fn hidden() -> Application {
    Application {
        id: HIDDEN,
        uid: None,
        name: "operational webhooks".to_owned(),
        throttle_rate: None,
        metadata: BTreeMap::new(),
        managed: true,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

/// All but the hidden one.
fn is_shown(tenant: &Tenant) -> bool {
    tenant.application.id != HIDDEN
}

impl Tables {
    /// The catalog as overlay and index hold it.
    pub fn read(overlay: &Overlay, sealer: &Sealer) -> Result<Tables, RecordError> {
        let (mut tables, mut failed) = (Tables::default(), None);
        let all = keys::catalog();
        overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| match read_row(
            &key, &value, sealer,
        ) {
            Ok(change) => {
                change.map(|change| tables.set(change));
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        });
        failed.map_or(Ok(tables), Err)
    }

    /// Makes a change and returns the one that takes it back. An application goes only when its
    /// endpoints are gone.
    pub fn set(&mut self, change: CatalogChange) -> CatalogChange {
        match change {
            CatalogChange::Application(id, new) => {
                let old = self.set_application(id, new);
                CatalogChange::Application(id, old)
            }
            CatalogChange::Endpoint(application, id, new) => {
                let old = self.set_endpoint(application, id, new);
                CatalogChange::Endpoint(application, id, old)
            }
            CatalogChange::EventType(name, new) => {
                let old = match new {
                    Some(new) => self.event_types.insert(name.clone(), new),
                    None => self.event_types.remove(&name),
                };
                CatalogChange::EventType(name, old)
            }
            CatalogChange::Failing(endpoint, new) => {
                let old = match new {
                    Some(since) => self.failing.insert(endpoint, since),
                    None => self.failing.remove(&endpoint),
                };
                CatalogChange::Failing(endpoint, old)
            }
            CatalogChange::Alias(owner, name, new) => {
                let old = self.aliases.set(owner, &name, new);
                CatalogChange::Alias(owner, name, old)
            }
            CatalogChange::OperatorKey(id, new) => {
                let old = match new {
                    Some(key) => self.operator_keys.insert(id, key),
                    None => self.operator_keys.remove(&id),
                };
                CatalogChange::OperatorKey(id, old)
            }
            CatalogChange::Source(id, new) => CatalogChange::Source(id, self.sources.set(id, new)),
        }
    }

    fn set_application(
        &mut self,
        id: ApplicationId,
        new: Option<Arc<Application>>,
    ) -> Option<Arc<Application>> {
        let old = self.tenants.get(&id).map(|tenant| Arc::clone(&tenant.application));
        if let Some(uid) = old.as_ref().and_then(|old| old.uid.as_ref()) {
            self.uids.remove(uid);
        }
        match new {
            None => {
                let gone = self.tenants.remove(&id);
                debug_assert!(gone.is_none_or(|tenant| tenant.endpoints.is_empty()));
            }
            Some(application) => {
                if let Some(uid) = &application.uid {
                    self.uids.insert(uid.clone(), id);
                }
                match self.tenants.get_mut(&id) {
                    Some(tenant) => tenant.application = application,
                    None => {
                        let tenant = Tenant {
                            application,
                            endpoints: BTreeMap::new(),
                            uids: HashMap::new(),
                        };
                        self.tenants.insert(id, tenant);
                    }
                }
            }
        }
        old
    }

    fn set_endpoint(
        &mut self,
        application: ApplicationId,
        id: EndpointId,
        new: Option<Arc<Endpoint>>,
    ) -> Option<Arc<Endpoint>> {
        let tenant = self.tenants.get_mut(&application)?;
        let old = tenant.endpoints.remove(&id);
        if let Some(uid) = old.as_ref().and_then(|old| old.uid.as_ref()) {
            tenant.uids.remove(uid);
        }
        self.disabled.remove(&id);
        match new {
            None => {
                self.owners.remove(&id);
            }
            Some(endpoint) => {
                if let Some(uid) = &endpoint.uid {
                    tenant.uids.insert(uid.clone(), id);
                }
                self.owners.insert(id, application);
                self.disabled.extend(endpoint.disabled.is_some().then_some(id));
                tenant.endpoints.insert(id, endpoint);
            }
        }
        old
    }

    /// The application, by id, uid or alias.
    pub fn application(&self, reference: &ApplicationReference) -> Option<Arc<Application>> {
        let id = match reference {
            Reference::Id(id) => *id,
            Reference::Name(name) => match self.uids.get(name) {
                Some(id) => *id,
                None => self.aliases.application(name)?,
            },
        };
        Some(Arc::clone(&self.tenants.get(&id)?.application))
    }

    /// The endpoint of an application, by id, uid or alias.
    pub fn endpoint(
        &self,
        application: ApplicationId,
        reference: &EndpointReference,
    ) -> Option<Arc<Endpoint>> {
        let tenant = self.tenants.get(&application)?;
        let id = match reference {
            Reference::Id(id) => *id,
            Reference::Name(name) => match tenant.uids.get(name) {
                Some(id) => *id,
                None => self.aliases.endpoint(application, name)?,
            },
        };
        tenant.endpoints.get(&id).cloned()
    }

    /// The further names of an application or endpoint.
    pub fn aliases(&self, named: Named) -> Vec<String> {
        self.aliases.of(named)
    }

    /// The endpoint by id alone, with its application.
    pub fn endpoint_by_id(&self, id: EndpointId) -> Option<(Arc<Application>, Arc<Endpoint>)> {
        let tenant = self.tenants.get(self.owners.get(&id)?)?;
        Some((Arc::clone(&tenant.application), Arc::clone(tenant.endpoints.get(&id)?)))
    }

    /// The event type.
    pub fn event_type(&self, name: &str) -> Option<Arc<EventType>> {
        self.event_types.get(name).cloned()
    }

    /// Since when the endpoint fails, `None` while it is well.
    pub fn failing_since(&self, id: EndpointId) -> Option<Timestamp> {
        self.failing.get(&id).copied()
    }

    /// Every endpoint that fails, and since when.
    pub fn failing(&self) -> impl Iterator<Item = (EndpointId, Timestamp)> {
        self.failing.iter().map(|(id, since)| (*id, *since))
    }

    /// How many endpoints there are, those of the operational webhooks among them.
    pub fn endpoint_count(&self) -> usize {
        self.owners.len()
    }

    /// Every source.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Every operator key by id.
    pub fn operator_keys(&self) -> impl Iterator<Item = &Arc<OperatorKey>> {
        self.operator_keys.values()
    }

    /// Every application by id, but the hidden one.
    pub fn applications(&self) -> impl Iterator<Item = &Arc<Application>> {
        self.tenants.values().filter(|tenant| is_shown(tenant)).map(|tenant| &tenant.application)
    }

    /// The applications behind one, or all of them, by id, but the hidden one.
    pub fn applications_after(
        &self,
        after: Option<ApplicationId>,
    ) -> impl Iterator<Item = &Arc<Application>> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.tenants.range((after, Bound::Unbounded)).map(|(_, tenant)| tenant);
        behind.filter(|tenant| is_shown(tenant)).map(|tenant| &tenant.application)
    }

    /// Every endpoint of an application by id.
    pub fn endpoints(&self, application: ApplicationId) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.tenants.get(&application).into_iter().flat_map(|tenant| tenant.endpoints.values())
    }

    /// Every event type by name.
    pub fn event_types(&self) -> impl Iterator<Item = &Arc<EventType>> {
        self.event_types.values()
    }

    /// A page of applications, without the hidden one.
    pub fn list_applications(
        &self,
        page: &PageRequest<ApplicationId>,
    ) -> Page<Arc<Application>, ApplicationId> {
        page_of(&self.tenants, page, |tenant| {
            is_shown(tenant).then(|| Arc::clone(&tenant.application))
        })
    }

    /// A page of an application's endpoints.
    pub fn list_endpoints(
        &self,
        application: ApplicationId,
        page: &PageRequest<EndpointId>,
    ) -> Page<Arc<Endpoint>, EndpointId> {
        match self.tenants.get(&application) {
            Some(tenant) => page_of(&tenant.endpoints, page, |endpoint| Some(Arc::clone(endpoint))),
            None => Page { items: Vec::new(), done: true, scanned_to: None },
        }
    }

    /// A page of the event types that pass.
    pub fn list_event_types(
        &self,
        page: &PageRequest<String>,
        passes: impl Fn(&EventType) -> bool,
    ) -> Page<Arc<EventType>, String> {
        page_of(&self.event_types, page, |event_type| {
            passes(event_type).then(|| Arc::clone(event_type))
        })
    }
}

fn read_row(
    key: &Key,
    value: &[u8],
    sealer: &Sealer,
) -> Result<Option<CatalogChange>, RecordError> {
    let change = match key.as_bytes().get(1) {
        Some(b'a') => {
            let application: Application = records::decode(value)?;
            CatalogChange::Application(application.id, Some(Arc::new(application)))
        }
        Some(b'e') => {
            let endpoint = records::decode::<EndpointRow>(value)?.open(key, sealer)?;
            let (application, id) = (endpoint.application, endpoint.id);
            CatalogChange::Endpoint(application, id, Some(Arc::new(endpoint)))
        }
        Some(b't') => {
            let event_type: EventType = records::decode(value)?;
            CatalogChange::EventType(event_type.name.clone(), Some(Arc::new(event_type)))
        }
        Some(b'f') => {
            let row: FailingRow = records::decode(value)?;
            CatalogChange::Failing(row.endpoint, Some(row.since))
        }
        Some(b'n') => {
            let AliasRow { name, named } = records::decode(value)?;
            let owner = named.endpoint.map(|_| named.application);
            CatalogChange::Alias(owner, name, Some(named))
        }
        Some(b'o') => {
            let key: OperatorKey = records::decode(value)?;
            CatalogChange::OperatorKey(key.id, Some(Arc::new(key)))
        }
        Some(b's') => {
            let source = records::decode::<SourceRow>(value)?.open(key, sealer)?;
            CatalogChange::Source(source.id, Some(Arc::new(source)))
        }
        // A named value of the store itself.
        _ => return Ok(None),
    };
    Ok(Some(change))
}
