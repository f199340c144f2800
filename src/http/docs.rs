//! The document of the API, `docs/openapi.json`, and the page at `/docs` that shows it; neither
//! needs a key, and the page nothing but this server.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::http::packed::{Packed, packed};
use crate::http::routes::{Routes, at};
use crate::http::server::Shared;

/// OpenAPI 3.1; where it is served it names `server.public_url` when that is set.
const DOCUMENT: Packed = packed!("openapi.json");
/// What of [`DOCUMENT`] a server with an address of its own replaces.
const SERVERS: &str = r#""servers": [{ "url": "/" }]"#;

const PAGE: &str = include_str!("../../templates/docs.html");
const STYLE: &str = include_str!("../../assets/docs.css");
const SCRIPT: &str = include_str!("../../assets/docs.js");

/// Scripts and styles of this server alone, and no text that becomes either.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

pub(super) fn routes(routes: &mut Routes) {
    let css = async || shown("text/css; charset=utf-8", STYLE);
    let script = async || shown("text/javascript; charset=utf-8", SCRIPT);
    routes
        .service(at("/api/v1/openapi.json").get(openapi).into_resource())
        .service(at("/docs").get(page).into_resource())
        .service(at("/docs/docs.css").get(css).into_resource())
        .service(at("/docs/docs.js").get(script).into_resource());
}

/// Byte for byte the file, but for the address where `server.public_url` says so.
async fn openapi(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, "application/json"));
    // Pages elsewhere may read it, as nothing in it is secret.
    answer.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    let Some(url) = &shared.state.config.server.public_url else {
        return DOCUMENT.answer(request.headers(), answer);
    };
    let servers = serde_json::json!([{ "url": url.as_str().trim_end_matches('/') }]);
    let document = String::from_utf8(DOCUMENT.unpack()).expect("invariant: it is text");
    answer.body(document.replacen(SERVERS, &format!("\"servers\": {servers}"), 1))
}

async fn page(request: HttpRequest) -> HttpResponse {
    if request.path().ends_with('/') {
        // The page's links are relative, so that a proxy may put it below any path.
        let place = (header::LOCATION, "../docs");
        return HttpResponse::PermanentRedirect().insert_header(place).finish();
    }
    shown("text/html; charset=utf-8", PAGE)
}

fn shown(content_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header((header::LINK, "<api/v1/openapi.json>; rel=\"service-desc\""))
        .body(text)
}
