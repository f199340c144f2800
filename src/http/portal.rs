//! `/portal`: where the links of `app-portal-access` lead. One page, filled by its scripts with
//! calls of the API; the key is in the link's fragment, which no browser sends. How it looks is a
//! setting, and so is who may show it in a frame.

use std::net::SocketAddr;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use url::Url;

use crate::config::HeaderNames;
use crate::config::portal::{Color, Portal, Theme};
use crate::http::error::ApiError;
use crate::http::routes::{Routes, at};
use crate::http::server::Shared;
use crate::http::{public, ui};

/// Below `server.public_url`.
const PATH: &str = "/portal";
/// A logo that is opened by itself runs nothing and asks for nothing.
const LOGO_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox; \
                           frame-ancestors 'none'";
/// What stands on buttons, on light ground and on dark: what is coloured well enough for text on
/// its ground is so for these too.
const ON_ACCENT: [Color; 2] = [Color(0xff, 0xff, 0xff), Color(0x0c, 0x14, 0x24)];

/// `templates/portal.html`.
#[derive(Template)]
#[template(path = "portal.html")]
struct Shell<'a> {
    version: &'a str,
    /// What its script imports.
    modules: &'a [&'a str],
    name: &'a str,
    /// `light`, `dark`, or nothing where the system decides.
    theme: &'a str,
    logo: bool,
    /// Whose names the signature's headers have: `standard`, `svix` or `both`.
    headers: &'a str,
}

pub(super) fn routes(routes: &mut Routes) {
    routes
        .service(at(PATH).get(page).into_resource())
        .service(at("/portal/theme.css").get(theme).into_resource())
        .service(at("/portal/logo").get(logo).into_resource());
}

/// A link that opens the portal with `token`: below `public_url`, else where the server listens.
pub(super) fn link(public_url: Option<&Url>, listening: SocketAddr, token: &str) -> String {
    let base = public::base(public_url, listening);
    format!("{base}{PATH}#key={token}")
}

async fn page(request: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, ApiError> {
    if request.path().ends_with('/') {
        // The page's links are relative; a browser takes the fragment along.
        let place = (header::LOCATION, "../portal");
        return Ok(HttpResponse::PermanentRedirect().insert_header(place).finish());
    }
    let config = shared.state.in_force.config();
    let portal = &config.portal;
    let theme = match portal.theme {
        Theme::System => "",
        Theme::Light => "light",
        Theme::Dark => "dark",
    };
    let logo = shared.state.in_force.logo().is_some();
    let headers = match config.delivery.headers {
        HeaderNames::Standard => "standard",
        HeaderNames::Svix => "svix",
        HeaderNames::Both => "both",
    };
    let version = shared.assets.as_str();
    let modules = ui::assets::modules("portal.js");
    let shell = Shell { version, modules, name: &portal.name, theme, logo, headers };
    ui::answer(&shell, &ancestors(portal))
}

/// Who may show it in a frame, as a policy says it.
fn ancestors(portal: &Portal) -> String {
    let origins: Vec<String> = portal.frame_ancestors.iter().map(ToString::to_string).collect();
    if origins.is_empty() { "'none'".to_owned() } else { origins.join(" ") }
}

/// The colours of `relay.toml`, as the policy of the page permits no styles in it.
async fn theme(shared: Data<Shared>) -> HttpResponse {
    let config = shared.state.in_force.config();
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/css; charset=utf-8"))
        .body(style(&config.portal))
}

fn style(portal: &Portal) -> String {
    let [on_light, on_dark] = ON_ACCENT;
    let rule = |color, on| format!("{{ --accent: {color}; --on-accent: {on}; }}");
    let (light, dark) = (rule(portal.accent, on_light), rule(portal.accent_dark, on_dark));
    format!(
        ":root {light}\n:root[data-theme=\"dark\"] {dark}\n\
         @media (prefers-color-scheme: dark) {{ :root:not([data-theme=\"light\"]) {dark} }}\n"
    )
}

async fn logo(shared: Data<Shared>) -> Result<HttpResponse, ApiError> {
    let logo = shared.state.in_force.logo().ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, logo.kind))
        .insert_header((header::CONTENT_SECURITY_POLICY, LOGO_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(logo.bytes.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::portal::{CONTRAST_MIN, GROUNDS};

    /// What is demanded of a colour is measured on the grounds that the pages have.
    #[test]
    fn the_grounds_are_those_of_the_style() {
        let style = include_str!("../../assets/ui/ui.css");
        let [light, dark] = GROUNDS;
        assert!(style.contains(&format!("--sunken: {light};")), "{light}");
        assert_eq!(style.matches(&format!("--raised: {dark};")).count(), 2, "{dark}");
        let Portal { accent, accent_dark, .. } = Portal::default();
        assert!(style.contains(&format!("--accent: {accent};")), "{accent}");
        assert_eq!(style.matches(&format!("--accent: {accent_dark};")).count(), 2);
    }

    /// Every colour that passes is told from what stands on it.
    #[test]
    fn buttons_can_be_read() {
        let mut passed = [0; 2];
        for step in 0..32_u32.pow(3) {
            let part = |shift: u32| u8::try_from((step >> shift & 31) * 255 / 31).unwrap();
            let color = Color(part(0), part(5), part(10));
            for at in [0, 1] {
                if color.contrast(GROUNDS[at]) >= CONTRAST_MIN {
                    passed[at] += 1;
                    assert!(color.contrast(ON_ACCENT[at]) >= CONTRAST_MIN, "{color}");
                }
            }
        }
        assert!(passed.iter().all(|count| *count > 1_000), "{passed:?}");
    }

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
