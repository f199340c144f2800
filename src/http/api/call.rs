//! One request on its way to a handler: who calls, what the path names, what is written.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use sha2::{Digest, Sha256};

use super::body::Body;
use super::limits::{IDEMPOTENCY_KEY_MAX, is_reference};
use super::query::Query;
use crate::domain::application::Application;
use crate::domain::audit::{Deed, Note};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{Ids, Kind};
use crate::domain::operational::HIDDEN;
use crate::domain::redact::Redaction;
use crate::domain::source::Source;
use crate::domain::time::Timestamp;
use crate::domain::token::Role;
use crate::http::audit;
use crate::http::auth::{Caller, Scope};
use crate::http::error::ApiError;
use crate::http::server::Shared;
use crate::store::{
    ApplicationReference, EndpointReference, Idempotency, MessageReference, Reference, Refusal,
    Reply, SourceReference, Store, StoredMessage, Transaction, Written,
};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How keys begin that client libraries make by themselves.
const AUTOMATIC: &str = "auto_";

/// A request whose caller is known.
pub struct Call {
    pub(in crate::http) request: HttpRequest,
    pub(in crate::http) shared: Data<Shared>,
    pub(in crate::http) caller: Caller,
    payload: Option<Payload>,
}

impl FromRequest for Call {
    type Error = ApiError;
    type Future = Ready<Result<Call, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(caller) = request.extensions().get::<Caller>().cloned() else {
            return ready(Err(ApiError::Unauthenticated));
        };
        ready(Ok(Call {
            request: request.clone(),
            shared: Shared::of(request),
            caller,
            payload: Some(payload.take()),
        }))
    }
}

impl Call {
    /// The store.
    pub fn store(&self) -> &Store {
        &self.shared.state.store
    }

    /// Turns ids into text and back.
    pub fn ids(&self) -> &Ids {
        self.store().ids()
    }

    /// The time that callers mean: that of the wall clock, which may be ahead of engine time
    /// (docs/storage.md), and never behind it.
    pub fn wall(&self) -> Timestamp {
        let clock = &self.shared.state.clock;
        clock.now().max(clock.wall())
    }

    /// What of content is not shown.
    pub fn redaction(&self) -> Arc<Redaction> {
        self.shared.state.in_force.redaction()
    }

    /// The query parameters.
    pub fn query(&self) -> Result<Query, ApiError> {
        Query::parse(self.request.query_string())
    }

    /// The whole body; only the first call gives it.
    pub async fn body(&mut self) -> Result<Body, ApiError> {
        let payload = self.payload.take().unwrap_or(Payload::None);
        Body::read(&self.request, payload, &self.shared).await
    }

    /// Refuses a caller that may not see everything: operators may, and who is read-only.
    pub fn sees_everything(&self) -> Result<(), ApiError> {
        match self.caller.scope {
            Scope::Everything(_) => Ok(()),
            Scope::Application(_) => Err(ApiError::Forbidden),
        }
    }

    /// Refuses a caller that may not change everything, nor see secrets: operators alone may.
    pub fn changes_everything(&self) -> Result<(), ApiError> {
        match self.caller.scope {
            Scope::Everything(Role::Operator) => Ok(()),
            Scope::Everything(Role::ReadOnly) => Err(ApiError::ReadOnly),
            Scope::Application(_) => Err(ApiError::Forbidden),
        }
    }

    /// A path parameter, as the router decoded it.
    pub fn parameter(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// What a path parameter names.
    pub fn reference<K: Kind>(&self, parameter: &str) -> Result<Reference<K>, ApiError> {
        let text = self.parameter(parameter);
        if !is_reference(text) {
            return Err(ApiError::not_found());
        }
        Ok(Reference::read(self.ids(), text))
    }

    /// The application in the path, when the caller may see it.
    pub fn application(&self) -> Result<Arc<Application>, ApiError> {
        let reference: ApplicationReference = self.reference("app")?;
        let found = self.store().application(&reference);
        match (&self.caller.scope, found) {
            (_, Some(found)) if self.caller.may_see(self.store(), &found) => Ok(found),
            // Whether another tenant's application is there is not told.
            (Scope::Application(_), _) => Err(ApiError::Forbidden),
            (Scope::Everything(_), _) => Err(ApiError::not_found()),
        }
    }

    /// The application whose endpoints the path is about: the one that it names, or, where it names
    /// none, the hidden one of the operational webhooks, for whoever sees everything.
    pub fn owner(&self) -> Result<Arc<Application>, ApiError> {
        if self.request.match_info().get("app").is_some() {
            return self.application();
        }
        self.sees_everything()?;
        self.store().application(&Reference::Id(HIDDEN)).ok_or_else(ApiError::not_found)
    }

    /// The application that the caller's token is for.
    pub fn own_application(&self) -> Result<Arc<Application>, ApiError> {
        let Scope::Application(name) = &self.caller.scope else { return Err(ApiError::Forbidden) };
        let reference = ApplicationReference::read(self.ids(), name);
        self.store().application(&reference).ok_or(ApiError::Forbidden)
    }

    /// The source in the path.
    pub fn source(&self) -> Result<Arc<Source>, ApiError> {
        let reference: SourceReference = self.reference("source")?;
        self.store().source(&reference).ok_or_else(ApiError::not_found)
    }

    /// The endpoint in the path.
    pub fn endpoint(&self, application: &Application) -> Result<Arc<Endpoint>, ApiError> {
        let reference: EndpointReference = self.reference("endpoint")?;
        self.store().endpoint(application.id, &reference).ok_or_else(ApiError::not_found)
    }

    /// The message in the path.
    pub fn message(&self, application: &Application) -> Result<StoredMessage, ApiError> {
        let reference: MessageReference = self.reference("msg")?;
        self.store().message(application.id, &reference).ok_or_else(ApiError::not_found)
    }

    /// What the audit log is told of this call.
    pub fn note(&self) -> Note {
        audit::note(&self.request, &self.shared, audit::actor(&self.caller), Deed::Change)
    }

    /// Writes once, however often the same `Idempotency-Key` comes; `body` is what it came with.
    /// The audit log has the call with what it changes, or neither is there.
    pub async fn write_once<W>(&self, body: &Body, work: W) -> Result<Written, ApiError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        let key = self.idempotency(body)?;
        Ok(self.store().write(key, noted(self.note(), work)).await?)
    }

    /// The same for what the audit log is not told of: messages that are accepted, which are there
    /// to be listed themselves.
    pub async fn accept_once<W>(&self, body: &Body, work: W) -> Result<Written, ApiError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        let key = self.idempotency(body)?;
        Ok(self.store().write(key, work).await?)
    }

    /// Refuses an `Idempotency-Key` that is none where the call may be repeated anyway.
    pub fn check_key(&self, body: &Body) -> Result<(), ApiError> {
        self.idempotency(body).map(|_| ())
    }

    /// Writes; for methods that may be repeated anyway. The audit log has it too.
    pub async fn write<W>(&self, work: W) -> Result<Written, ApiError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
    {
        Ok(self.store().write(None, noted(self.note(), work)).await?)
    }

    fn idempotency(&self, body: &Body) -> Result<Option<Idempotency>, ApiError> {
        let Some(value) = self.request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let key = value.to_str().unwrap_or_default().trim();
        let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX || !printable {
            let words = format!("has 1 to {IDEMPOTENCY_KEY_MAX} printable ASCII characters");
            return Err(ApiError::invalid(&["header", IDEMPOTENCY_KEY], words));
        }
        let intake = &self.shared.state.config.intake;
        let automatic = key.starts_with(AUTOMATIC);
        let window = if automatic { intake.auto_key_window } else { intake.key_window };
        let path = self.request.path().trim_end_matches('/');
        let mut scope = Sha256::new();
        for part in [&self.caller.owner, self.request.method().as_str(), path, key] {
            scope.update((part.len() as u64).to_be_bytes());
            scope.update(part);
        }
        Ok(Some(Idempotency {
            scope: scope.finalize().into(),
            request: Sha256::digest(&body.bytes).into(),
            window: window.0,
        }))
    }

    /// Runs a read that may wait for the disk away from the threads that serve.
    pub async fn read<T, R>(self, read: R) -> Result<T, ApiError>
    where
        T: Send + 'static,
        R: FnOnce(&Store) -> Result<T, ApiError> + Send + 'static,
    {
        let store = self.store().clone();
        web::block(move || read(&store))
            .await
            .unwrap_or_else(|_| Err(ApiError::Busy("the relay is stopping".to_owned())))
    }
}

/// The work, and an entry of the audit log with what it did.
fn noted<W>(note: Note, work: W) -> impl FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal>
where
    W: FnOnce(&mut Transaction<'_>) -> Result<Reply, Refusal> + Send + 'static,
{
    move |transaction| {
        let reply = work(transaction)?;
        transaction.note(note);
        Ok(reply)
    }
}
