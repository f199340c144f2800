//! The shells of the dashboard's pages. Whoever asks gets them: without a key they stay empty.

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::assets::modules;
use super::policy;
use crate::http::error::ApiError;
use crate::http::routes::{Routes, at, unknown};
use crate::http::server::Shared;

const HTML: &str = "text/html";

/// A page of the dashboard.
struct Page {
    path: &'static str,
    title: &'static str,
    /// The entry of the navigation that it belongs to.
    section: &'static str,
    /// The script that fills it.
    script: &'static str,
}

const fn page(
    path: &'static str,
    title: &'static str,
    section: &'static str,
    script: &'static str,
) -> Page {
    Page { path, title, section, script }
}

const PAGES: &[Page] = &[
    page("/", "Overview", "overview", "overview.js"),
    page("/applications", "Applications", "applications", "applications.js"),
    page("/applications/{app}", "Application", "applications", "application.js"),
    page("/applications/{app}/endpoints/{endpoint}", "Endpoint", "applications", "endpoint.js"),
    page("/applications/{app}/messages/{message}", "Message", "messages", "message.js"),
    page("/messages", "Messages", "messages", "messages.js"),
    page("/live", "Live", "live", "live.js"),
    page("/sources", "Sources", "sources", "sources.js"),
    page("/sources/{source}", "Source", "sources", "source.js"),
    page("/sources/{source}/requests/{request}", "Request", "sources", "request.js"),
    page("/dead-letters", "Dead letters", "dead-letters", "dead-letters.js"),
    page("/event-types", "Event types", "event-types", "event-types.js"),
    page("/event-types/{name}", "Event type", "event-types", "event-type.js"),
    page("/people", "People", "people", "people.js"),
    page("/audit", "Audit log", "audit", "audit.js"),
    page("/config", "Configuration", "config", "config.js"),
    page("/workers", "Workers", "workers", "workers.js"),
    page("/tasks", "Background tasks", "tasks", "tasks.js"),
];

/// What stands in the navigation: section, words, place.
const NAVIGATION: &[Entry] = &[
    ("overview", "Overview", ""),
    ("applications", "Applications", "applications"),
    ("messages", "Messages", "messages"),
    ("live", "Live", "live"),
    ("sources", "Sources", "sources"),
    ("dead-letters", "Dead letters", "dead-letters"),
    ("event-types", "Event types", "event-types"),
];

/// What stands behind `Settings` in it: what one looks at less often.
const SETTINGS: &[Entry] = &[
    ("people", "People", "people"),
    ("audit", "Audit log", "audit"),
    ("config", "Configuration", "config"),
    ("workers", "Workers", "workers"),
    ("tasks", "Background tasks", "tasks"),
];

/// Section, words, place.
type Entry = (&'static str, &'static str, &'static str);

/// The shell of every page, `templates/page.html`.
#[derive(Template)]
#[template(path = "page.html")]
struct Shell<'a> {
    /// From the page to the root of the server: empty or some `../`, so that a proxy may put the
    /// relay below any path.
    root: &'a str,
    version: &'a str,
    title: &'a str,
    section: &'a str,
    script: &'a str,
    /// What the script imports.
    modules: &'a [&'a str],
    navigation: &'a [Entry],
    settings: &'a [Entry],
    /// What the path names, for the script.
    names: Vec<(String, String)>,
}

/// A page before anybody is signed in, `templates/entrance.html`.
#[derive(Template)]
#[template(path = "entrance.html")]
struct Entrance<'a> {
    root: &'a str,
    version: &'a str,
    title: &'a str,
    script: &'a str,
    modules: &'a [&'a str],
}

/// Where there is nothing, `templates/missing.html`.
#[derive(Template)]
#[template(path = "missing.html")]
struct Missing<'a> {
    root: &'a str,
    version: &'a str,
    title: &'a str,
}

/// Path, title and script of those.
const ENTRANCES: &[(&str, &str, &str)] =
    &[("/sign-in", "Sign in", "sign-in.js"), ("/setup", "Set up", "setup.js")];

/// The paths of all pages.
pub fn paths() -> impl Iterator<Item = &'static str> {
    let entrances = ENTRANCES.iter().map(|(path, ..)| *path);
    PAGES.iter().map(|page| page.path).chain(entrances)
}

pub(super) fn routes(routes: &mut Routes) {
    for page in PAGES {
        let handler =
            async move |request: HttpRequest, shared: Data<Shared>| show(page, &request, &shared);
        routes.service(at(page.path).get(handler).into_resource());
    }
    for (path, title, script) in ENTRANCES {
        let handler = async move |request: HttpRequest, shared: Data<Shared>| {
            let (root, version) = (&root(request.path()), shared.assets.as_str());
            let modules = modules(script);
            answer(&Entrance { root, version, title, script, modules }, "'none'")
        };
        routes.service(at(path).get(handler).into_resource());
    }
}

/// What is answered where there is nothing: words to whoever takes pages (RFC 9110, section
/// 12.5.1), as browsers do that somebody typed an address into, the error of the API to all others.
pub(in crate::http) async fn missing(
    request: HttpRequest,
    shared: Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let accepted = request.headers().get_all(header::ACCEPT);
    let page = accepted.filter_map(|value| value.to_str().ok()).any(|text| text.contains(HTML));
    if !page || request.method() != Method::GET {
        return unknown().await;
    }
    let (root, version) = (&root(request.path()), shared.assets.as_str());
    let mut found = answer(&Missing { root, version, title: "Nothing here" }, "'none'")?;
    *found.status_mut() = StatusCode::NOT_FOUND;
    found.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(found)
}

/// From a page at `path` back to the root.
pub(super) fn root(path: &str) -> String {
    "../".repeat(path.matches('/').count().saturating_sub(1))
}

fn show(page: &Page, request: &HttpRequest, shared: &Shared) -> Result<HttpResponse, ApiError> {
    let found = request.match_info().iter();
    let names = found.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let shell = Shell {
        root: &root(request.path()),
        version: shared.assets.as_str(),
        title: page.title,
        section: page.section,
        script: page.script,
        modules: modules(page.script),
        navigation: NAVIGATION,
        settings: SETTINGS,
        names,
    };
    answer(&shell, "'none'")
}

/// A shell as an answer; `ancestors` may show it in a frame.
pub(in crate::http) fn answer(
    shell: &impl Template,
    ancestors: &str,
) -> Result<HttpResponse, ApiError> {
    let text = shell.render().map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy(ancestors)))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_to_the_root() {
        let check = |path: &str, expected: &str| assert_eq!(root(path), expected, "{path}");
        check("/", "");
        check("/applications", "");
        check("/applications/", "../");
        check("/applications/a/messages/b", "../../../");
    }

    #[test]
    fn every_page_has_its_script() {
        for page in PAGES {
            let there = super::super::assets::is_known(page.script);
            assert!(there, "{} wants {}", page.path, page.script);
            let mut sections = NAVIGATION.iter().chain(SETTINGS);
            let known = sections.any(|(section, ..)| *section == page.section);
            assert!(known, "{} stands below {}", page.path, page.section);
        }
    }
}
