//! Every route of the server, as a table: the server is built from it, and [`all`] lists it, so
//! that tests hold `docs/openapi.json` to what is really there and walk every call.

use std::sync::Arc;

use actix_web::dev::{HttpServiceFactory, ServiceRequest};
use actix_web::http::{Method, Uri};
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, HttpMessage, HttpResponse, Resource, Responder, web};

use crate::http::error::ApiError;
use crate::http::{api, auth, docs, intake, ops, permissions, portal, ui};

/// What stands before every path that asks for a key.
const API: &str = "/api/v1";
/// Where client libraries of the Svix API look for sources.
const INGEST: &str = "/ingest/api/v1";

/// One call that the server takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// `GET`, `POST` and so on.
    pub method: Method,
    /// From the root of the server on, with names in braces; a slash at its end changes nothing.
    pub path: String,
    /// Whether it asks for a key or token.
    pub guarded: bool,
}

/// Every call of the API; any other is answered 404, or 405 where the path is known.
pub fn all() -> Vec<Route> {
    let list = |table: Routes, prefix: &str, guarded: bool| {
        let calls = table.0.into_iter().flat_map(|listed| {
            listed.methods.into_iter().map(move |method| (method, listed.path.clone()))
        });
        calls
            .map(|(method, path)| Route { method, path: format!("{prefix}{path}"), guarded })
            .collect::<Vec<_>>()
    };
    [list(open(), "", false), list(guarded(), API, true)].concat()
}

/// The route that a request was found to be for, as [`Route::path`] has it.
#[derive(Clone)]
pub(super) struct Matched(pub Arc<str>);

/// Puts them all into a server. They are tried one after the other, each path with a hole in it by
/// a regular expression: what every message passes through stands first.
pub(super) fn register(config: &mut web::ServiceConfig) {
    let mut unguarded = open();
    intake::routes(&mut unguarded);
    add(config, unguarded);
    config.service(guard(API, guarded()));
    // The same calls by the path that client libraries have for them.
    let mut ingest = Routes::default();
    api::sources(&mut ingest);
    config.service(guard(INGEST, ingest));
    let mut pages = Routes::default();
    ui::routes(&mut pages);
    add(config, pages);
}

/// Routes that stand in no scope.
fn add(config: &mut web::ServiceConfig, routes: Routes) {
    for listed in routes.0 {
        let matched = Matched(listed.path.into());
        config.service(listed.resource.wrap(from_fn(move |request: ServiceRequest, next| {
            request.extensions_mut().insert(matched.clone());
            Next::call(&next, request)
        })));
    }
}

/// Calls that need a key, below `prefix`.
fn guard(prefix: &'static str, routes: Routes) -> impl HttpServiceFactory + 'static {
    let scope = web::scope(prefix).wrap(from_fn(auth::require)).default_service(web::to(unknown));
    routes.0.into_iter().fold(scope, |scope, listed| {
        let matched = Matched(format!("{prefix}{}", listed.path).into());
        scope.service(listed.resource.wrap(from_fn(move |request: ServiceRequest, next| {
            request.extensions_mut().insert(matched.clone());
            let matched = matched.clone();
            async move { permissions::require(&matched.0[prefix.len()..], request, next).await }
        })))
    })
}

/// Lets a slash at the end of a path change nothing. Only routing looks at what this leaves: the
/// URL that a provider may have signed is the one that was asked for.
pub(super) fn trim(request: &mut ServiceRequest) {
    let uri = request.uri();
    let Some(path) = uri.path().strip_suffix('/').filter(|path| !path.is_empty()) else { return };
    if let Ok(trimmed) = Uri::try_from(path) {
        request.match_info_mut().get_mut().update(&trimmed);
    }
}

/// What needs no key.
fn open() -> Routes {
    let mut routes = Routes::default();
    ops::routes(&mut routes);
    docs::routes(&mut routes);
    portal::routes(&mut routes);
    api::open_routes(&mut routes);
    routes
}

/// What needs one.
fn guarded() -> Routes {
    let mut routes = Routes::default();
    api::routes(&mut routes);
    routes
}

/// Paths in the order in which they are matched.
#[derive(Default)]
pub(super) struct Routes(Vec<Listed>);

impl Routes {
    /// Adds a path.
    pub fn service(&mut self, listed: Listed) -> &mut Routes {
        self.0.push(listed);
        self
    }

    /// Adds what another part of the API has.
    pub fn configure(&mut self, add: impl FnOnce(&mut Routes)) -> &mut Routes {
        add(self);
        self
    }
}

/// A path with its handlers, and what is told of it.
pub(super) struct Listed {
    path: String,
    methods: Vec<Method>,
    resource: Resource,
}

/// One path and what it does for each method; other methods are answered 405.
pub(super) struct At(Listed);

pub(super) fn at(path: &str) -> At {
    At(Listed { path: path.to_owned(), methods: Vec::new(), resource: web::resource(path) })
}

impl At {
    pub fn get<H, A>(self, handler: H) -> At
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest + 'static,
    {
        self.on(Method::GET, handler)
    }

    pub fn head<H, A>(self, handler: H) -> At
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest + 'static,
    {
        self.on(Method::HEAD, handler)
    }

    pub fn post<H, A>(self, handler: H) -> At
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest + 'static,
    {
        self.on(Method::POST, handler)
    }

    pub fn put<H, A>(self, handler: H) -> At
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest + 'static,
    {
        self.on(Method::PUT, handler)
    }

    pub fn patch<H, A>(self, handler: H) -> At
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest + 'static,
    {
        self.on(Method::PATCH, handler)
    }

    pub fn delete<H, A>(self, handler: H) -> At
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    pub fn into_resource(self) -> Listed {
        let At(Listed { path, methods, resource }) = self;
        let allowed = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let refuse = move || std::future::ready(not_allowed(&allowed));
        Listed { path, methods, resource: resource.default_service(web::to(refuse)) }
    }

    pub fn on<H, A>(self, method: Method, handler: H) -> At
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest + 'static,
    {
        let At(Listed { path, mut methods, resource }) = self;
        methods.push(method.clone());
        let resource = resource.route(web::method(method).to(handler));
        At(Listed { path, methods, resource })
    }
}

fn not_allowed(allowed: &str) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(allowed.to_owned()))
}

/// What is answered where there is nothing.
pub(super) async fn unknown() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("there is nothing at this path".to_owned()))
}
