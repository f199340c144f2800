//! The pages that people see: shells that hold no data, and the style and the scripts that fill
//! them. All they show and do is a call of the public API, made by the browser.

pub mod assets;
mod pages;

use crate::http::routes::Routes;

pub use pages::paths;
pub(super) use pages::{answer, missing};

/// Every page, and what pages are made of.
pub(super) fn routes(routes: &mut Routes) {
    pages::routes(routes);
    assets::routes(routes);
}

/// Scripts, styles and calls of this server alone, and no text that becomes either
/// (CSP level 3, Trusted Types); `ancestors` may show the page in a frame.
fn policy(ancestors: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}; \
         require-trusted-types-for 'script'"
    )
}
