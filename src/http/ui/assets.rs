//! `/assets/{version}/{name}`: the style and the scripts of the pages, by exact name. They are in
//! the binary; the version is a digest of them all, so that browsers may keep what they have.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use crate::http::error::ApiError;
use crate::http::packed::{Packed, packed};
use crate::http::routes::{Routes, at};
use crate::http::server::Shared;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! assets {
    ($($kind:ident $name:literal),+ $(,)?) => {
        [$(($name, $kind, packed!($name))),+]
    };
}

/// Name, content type, content.
const ASSETS: &[(&str, &str, Packed)] = &assets![
    CSS "ui.css",
    SVG "icon.svg",
    SCRIPT "theme.js",
    SCRIPT "dom.js",
    SCRIPT "api.js",
    SCRIPT "format.js",
    SCRIPT "parts.js",
    SCRIPT "forms.js",
    SCRIPT "chart.js",
    SCRIPT "shell.js",
    SCRIPT "sign-in.js",
    SCRIPT "setup.js",
    SCRIPT "overview.js",
    SCRIPT "attempts.js",
    SCRIPT "message.js",
    SCRIPT "messages.js",
    SCRIPT "dead-letters.js",
    SCRIPT "live.js",
    SCRIPT "words.js",
    SCRIPT "finder.js",
    SCRIPT "applications.js",
    SCRIPT "application.js",
    SCRIPT "application-portal.js",
    SCRIPT "application-usage.js",
    SCRIPT "endpoint-attempts.js",
    SCRIPT "endpoint.js",
    SCRIPT "endpoint-actions.js",
    SCRIPT "endpoint-form.js",
    SCRIPT "endpoint-headers.js",
    SCRIPT "endpoint-lists.js",
    SCRIPT "endpoint-transform.js",
    SCRIPT "sources.js",
    SCRIPT "source.js",
    SCRIPT "source-form.js",
    SCRIPT "source-requests.js",
    SCRIPT "request.js",
    SCRIPT "event-types.js",
    SCRIPT "event-type.js",
    SCRIPT "people-signed-in.js",
    SCRIPT "people.js",
    SCRIPT "audit.js",
    SCRIPT "config.js",
    SCRIPT "workers.js",
    SCRIPT "tasks.js",
    CSS "portal.css",
    SCRIPT "portal.js",
    SCRIPT "portal-place.js",
    SCRIPT "portal-parts.js",
    SCRIPT "portal-endpoints.js",
    SCRIPT "portal-endpoint.js",
    SCRIPT "portal-endpoint-form.js",
    SCRIPT "portal-endpoint-sent.js",
    SCRIPT "portal-choose.js",
    SCRIPT "portal-filter.js",
    SCRIPT "portal-messages.js",
    SCRIPT "portal-message.js",
    SCRIPT "portal-dead-letters.js",
    SCRIPT "portal-event-types.js",
    SCRIPT "portal-verify.js",
    SCRIPT "portal-snippets.js",
];

/// The scripts of pages, each with all the modules that it imports or they do.
const MODULES: &[(&str, &[&str])] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// Names that version: hexadecimal digits of a SHA-256.
const VERSION_DIGITS: usize = 12;
/// While the version is in the URL, what is behind it never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The version of the assets in this binary.
#[derive(Clone, Debug)]
pub struct Version(String);

impl Version {
    /// A digest of every name and content.
    pub fn new() -> Version {
        let mut digest = Sha256::new();
        for (name, _, packed) in ASSETS {
            digest.update((name.len() as u64).to_be_bytes());
            digest.update(name);
            digest.update((packed.0.len() as u64).to_be_bytes());
            digest.update(packed.0);
        }
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Version(hex[..VERSION_DIGITS].to_owned())
    }

    /// As it stands in URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Version {
    fn default() -> Version {
        Version::new()
    }
}

/// What a page asks for together with its script, so that a browser finds no import of an import
/// later, one way to the server and back each (HTML, 4.6.8.12, `modulepreload`).
pub(in crate::http) fn modules(script: &str) -> &'static [&'static str] {
    MODULES.iter().find(|(name, _)| *name == script).map_or(&[], |(_, needed)| needed)
}

/// Whether pages can ask for it.
#[cfg(test)]
pub(super) fn is_known(name: &str) -> bool {
    ASSETS.iter().any(|(known, ..)| *known == name)
}

pub(super) fn routes(routes: &mut Routes) {
    routes.service(at("/assets/{version}/{name}").get(asset).into_resource());
}

async fn asset(
    request: HttpRequest,
    shared: Data<Shared>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let (_, kind, packed) = found.ok_or_else(ApiError::not_found)?;
    // A page of the binary before this one, still open, gets the present script and asks anew.
    let kept = if version == shared.assets.as_str() { FOR_EVER } else { "no-cache" };
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, *kind));
    answer.insert_header((header::CACHE_CONTROL, kept));
    Ok(packed.answer(request.headers(), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_import_is_there() {
        for (name, kind, packed) in ASSETS.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            let text = String::from_utf8(packed.unpack()).unwrap();
            let imports = text.lines().filter_map(|line| line.split_once(" from './"));
            for (_, rest) in imports {
                let wanted = rest.trim_end_matches("';");
                let there = ASSETS.iter().any(|(known, ..)| *known == wanted);
                assert!(there, "{name} ({kind}) imports {wanted}, which is no asset");
            }
        }
    }

    #[test]
    fn a_page_names_every_module_once() {
        let found = modules("endpoint.js");
        assert!(found.contains(&"api.js"), "imported by itself: {found:?}");
        assert!(found.contains(&"forms.js"), "imported by one of those: {found:?}");
        for (script, needed) in MODULES {
            for (at, name) in needed.iter().enumerate() {
                assert!(is_known(name), "{script} needs {name}, which is no asset");
                assert!(!needed[..at].contains(name), "{script} names {name} twice");
            }
        }
        assert_eq!(modules("theme.js"), [""; 0], "it imports nothing");
    }

    #[test]
    fn text_only_becomes_text() {
        let ways = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
            "srcdoc",
            "createContextualFragment",
        ];
        for (name, _, packed) in ASSETS {
            let text = String::from_utf8(packed.unpack()).unwrap();
            for way in ways {
                assert!(!text.contains(way), "{name} has {way}: use h() of dom.js");
            }
        }
    }

    #[test]
    fn the_version_is_short_and_always_the_same() {
        assert_eq!(Version::new().as_str(), Version::default().as_str());
        assert_eq!(Version::new().as_str().len(), VERSION_DIGITS);
    }
}
