//! `/portal`: where the links of `app-portal-access` lead. The portal itself comes with the
//! dashboard; until then a page says so. The key is in the link's fragment, which no browser sends.

use std::net::SocketAddr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use url::Url;

use crate::http::public;
use crate::http::routes::{Routes, at};

/// Below `server.public_url`.
const PATH: &str = "/portal";
const PAGE: &str = include_str!("../../templates/portal.html");
/// Nothing but the text.
const POLICY: &str = "default-src 'none'; img-src data:; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

pub(super) fn routes(routes: &mut Routes) {
    routes.service(at(PATH).get(page).into_resource());
}

/// A link that opens the portal with `token`: below `public_url`, else where the server listens.
pub(super) fn link(public_url: Option<&Url>, listening: SocketAddr, token: &str) -> String {
    let base = public::base(public_url, listening);
    format!("{base}{PATH}#key={token}")
}

async fn page(request: HttpRequest) -> HttpResponse {
    if request.path().ends_with('/') {
        // The page's links are relative; a browser takes the fragment along.
        let place = (header::LOCATION, "../portal");
        return HttpResponse::PermanentRedirect().insert_header(place).finish();
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let check = |public_url: Option<&str>, listening: &str, expected: &str| {
            let public_url = public_url.map(|url| Url::parse(url).unwrap());
            let link = link(public_url.as_ref(), listening.parse().unwrap(), "tk_1");
            assert_eq!(link, expected);
        };
        check(Some("https://h.example"), "127.0.0.1:1", "https://h.example/portal#key=tk_1");
        check(Some("https://h.example/r/"), "127.0.0.1:1", "https://h.example/r/portal#key=tk_1");
        check(None, "127.0.0.1:8080", "http://127.0.0.1:8080/portal#key=tk_1");
        check(None, "0.0.0.0:8080", "http://127.0.0.1:8080/portal#key=tk_1");
        check(None, "[::]:8080", "http://[::1]:8080/portal#key=tk_1");
    }
}
