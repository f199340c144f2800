//! Who may make which call, beside the table of the routes: what the token of an application needs
//! for each, and what is open to who is read-only. What stands in neither table is for operators
//! alone, so that a new route that changes something is closed until somebody opens it here.

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::domain::token::Capability::{
    CreateAttempts, ManageEndpoint, ManageEndpointSecret, ManageTransformations, ViewBase,
    ViewEndpointSecret,
};
use crate::domain::token::{Capability, Role};
use crate::http::auth::{Caller, Scope};
use crate::http::error::ApiError;
use crate::http::server::Shared;
use crate::http::session;

/// What a call asks of an application's token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// That it is good.
    Nothing,
    /// That it was made with this.
    One(Capability),
}

const fn one(capability: Capability) -> Need {
    Need::One(capability)
}

/// Method, path below `/api/v1` as the routes have it, and what is needed.
pub const TABLE: [(&str, &str, Need); 56] = [
    ("GET", "/auth/whoami", Need::Nothing),
    ("POST", "/auth/logout", Need::Nothing),
    ("GET", "/app/{app}", one(ViewBase)),
    ("GET", "/app/{app}/endpoint", one(ViewBase)),
    ("POST", "/app/{app}/endpoint", one(ManageEndpoint)),
    ("GET", "/app/{app}/endpoint/{endpoint}", one(ViewBase)),
    ("PUT", "/app/{app}/endpoint/{endpoint}", one(ManageEndpoint)),
    ("PATCH", "/app/{app}/endpoint/{endpoint}", one(ManageEndpoint)),
    ("DELETE", "/app/{app}/endpoint/{endpoint}", one(ManageEndpoint)),
    ("GET", "/app/{app}/endpoint/{endpoint}/secret", one(ViewEndpointSecret)),
    ("POST", "/app/{app}/endpoint/{endpoint}/secret/rotate", one(ManageEndpointSecret)),
    // The names; their values with ManageEndpoint alone.
    ("GET", "/app/{app}/endpoint/{endpoint}/headers", one(ViewBase)),
    ("PUT", "/app/{app}/endpoint/{endpoint}/headers", one(ManageEndpoint)),
    ("PATCH", "/app/{app}/endpoint/{endpoint}/headers", one(ManageEndpoint)),
    ("GET", "/app/{app}/msg/{msg}/attempt/{attempt}/headers", one(ViewBase)),
    ("POST", "/app/{app}/endpoint/{endpoint}/send-example", one(CreateAttempts)),
    ("GET", "/app/{app}/endpoint/{endpoint}/msg", one(ViewBase)),
    ("GET", "/app/{app}/endpoint/{endpoint}/stats", one(ViewBase)),
    ("GET", "/app/{app}/endpoint/{endpoint}/attempt-stats", one(ViewBase)),
    ("GET", "/app/{app}/endpoint/{endpoint}/attempt-history", one(ViewBase)),
    ("GET", "/app/{app}/endpoint/{endpoint}/health", one(ViewBase)),
    ("POST", "/app/{app}/endpoint/{endpoint}/recover", one(CreateAttempts)),
    ("POST", "/app/{app}/endpoint/{endpoint}/replay-missing", one(CreateAttempts)),
    ("POST", "/app/{app}/endpoint/{endpoint}/bulk-replay", one(CreateAttempts)),
    ("GET", "/app/{app}/msg", one(ViewBase)),
    ("GET", "/app/{app}/message-search", one(ViewBase)),
    ("POST", "/app/{app}/msg/precheck/active", one(ViewBase)),
    ("GET", "/app/{app}/msg/{msg}", one(ViewBase)),
    ("GET", "/app/{app}/msg/{msg}/explain", one(ViewBase)),
    ("GET", "/app/{app}/msg/{msg}/endpoint", one(ViewBase)),
    ("POST", "/app/{app}/msg/{msg}/endpoint/{endpoint}/resend", one(CreateAttempts)),
    ("GET", "/app/{app}/msg/{msg}/attempt/{attempt}", one(ViewBase)),
    ("GET", "/app/{app}/attempt/endpoint/{endpoint}", one(ViewBase)),
    ("GET", "/app/{app}/attempt/msg/{msg}", one(ViewBase)),
    ("GET", "/app/{app}/attempt/endpoint/{endpoint}/count", one(ViewBase)),
    ("GET", "/app/{app}/dead-letter", one(ViewBase)),
    ("POST", "/app/{app}/dead-letter/resend", one(CreateAttempts)),
    // Who may delete an endpoint may give up what was meant for it.
    ("POST", "/app/{app}/dead-letter/purge", one(ManageEndpoint)),
    ("GET", "/app/{app}/poller/{sink}", one(ViewBase)),
    // Reading as a consumer moves it on, which others by its name see.
    ("GET", "/app/{app}/poller/{sink}/consumer/{consumer}", one(ManageEndpoint)),
    ("POST", "/app/{app}/poller/{sink}/consumer/{consumer}/seek", one(ManageEndpoint)),
    ("GET", "/app/{app}/polling-endpoint/{sink}/consumer/{consumer}", one(ManageEndpoint)),
    ("POST", "/app/{app}/polling-endpoint/{sink}/consumer/{consumer}/commit", one(ManageEndpoint)),
    // The bytes as they are with ManageEndpoint alone.
    ("GET", "/app/{app}/live", one(ViewBase)),
    ("GET", "/app/{app}/listener/{listener}", one(ManageEndpoint)),
    ("PUT", "/app/{app}/listener/{listener}", one(ManageEndpoint)),
    ("DELETE", "/app/{app}/listener/{listener}", one(ManageEndpoint)),
    ("GET", "/app/{app}/endpoint/{endpoint}/transformation", one(ViewBase)),
    ("PATCH", "/app/{app}/endpoint/{endpoint}/transformation", one(ManageTransformations)),
    ("POST", "/app/{app}/endpoint/{endpoint}/transformation/simulate", one(ManageTransformations)),
    ("POST", "/app/{app}/endpoint/{endpoint}/dry-run", one(ManageTransformations)),
    ("GET", "/event-type", one(ViewBase)),
    ("GET", "/event-type/{name}", one(ViewBase)),
    ("GET", "/background-task", one(ViewBase)),
    ("GET", "/background-task/{task}", one(ViewBase)),
    ("POST", "/background-task/{task}/cancel", one(CreateAttempts)),
];

/// Calls that are no GET and change nothing of what is kept but the caller's own sign-in: open to
/// who is read-only.
pub const LOOKING: [(&str, &str); 7] = [
    ("POST", "/auth/logout"),
    ("POST", "/app/{app}/msg/precheck/active"),
    ("POST", "/app/{app}/endpoint/{endpoint}/transformation/simulate"),
    ("POST", "/app/{app}/endpoint/{endpoint}/dry-run"),
    ("POST", "/source/{source}/dry-run"),
    ("POST", "/environment/export"),
    ("POST", "/config/plan"),
];

/// GETs that move a reader on, which others by its name see.
pub const MOVING: [&str; 2] = [
    "/app/{app}/poller/{sink}/consumer/{consumer}",
    "/app/{app}/polling-endpoint/{sink}/consumer/{consumer}",
];

/// GETs whose answer is a secret.
pub const SECRET: [&str; 2] =
    ["/app/{app}/endpoint/{endpoint}/secret", "/operational-webhook/endpoint/{endpoint}/secret"];

/// Whether a call changes anything that is kept.
pub fn changes(method: &str, path: &str) -> bool {
    if method == "GET" { MOVING.contains(&path) } else { !LOOKING.contains(&(method, path)) }
}

/// Whether who is read-only may make the call.
pub fn open_to_readers(method: &str, path: &str) -> bool {
    let secret = method == "GET" && SECRET.contains(&path);
    !changes(method, path) && !secret
}

/// What the call needs; `None` when no token of an application may make it.
pub fn needed(method: &str, path: &str) -> Option<Need> {
    let mut rows = TABLE.iter();
    rows.find(|(known, of, _)| *known == method && *of == path).map(|(_, _, need)| *need)
}

/// Lets a call through that its caller may make; `path` is that of the route.
pub(super) async fn require<B: MessageBody>(
    path: &str,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let shared = Shared::of(request.request());
    let refused = match request.extensions().get::<Caller>() {
        Some(caller) => {
            let (method, headers) = (request.method(), request.headers());
            let call = (method, path);
            let foreign = session::check_call(caller, &shared.state.config, call, headers).err();
            foreign.or_else(|| refusal(caller, method.as_str(), path))
        }
        None => Some(ApiError::Unauthenticated),
    };
    match refused {
        Some(error) => Err(error.into()),
        None => next.call(request).await,
    }
}

fn refusal(caller: &Caller, method: &str, path: &str) -> Option<ApiError> {
    match caller.scope {
        Scope::Everything(Role::Operator) => return None,
        Scope::Everything(Role::ReadOnly) => {
            return (!open_to_readers(method, path)).then_some(ApiError::ReadOnly);
        }
        Scope::Application(_) => {}
    }
    match needed(method, path) {
        Some(Need::Nothing) => None,
        None => Some(ApiError::Forbidden),
        Some(Need::One(wanted)) => {
            (!caller.capabilities.allow(wanted)).then(|| ApiError::Lacks(wanted.name()))
        }
    }
}
