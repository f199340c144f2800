//! `/app/{app}/endpoint/{endpoint}/transformation`: no endpoint has one yet; what would make one is
//! answered 501, never ignored.

use actix_web::HttpResponse;
use serde_json::json;

use super::call::Call;
use crate::http::error::ApiError;

/// No endpoint has one.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.endpoint(&*call.application()?)?;
    Ok(HttpResponse::Ok().json(json!({
        "code": null, "enabled": false, "variables": null, "updatedAt": null,
    })))
}

/// Transformations come with a later version.
pub(super) async fn later(call: Call) -> Result<HttpResponse, ApiError> {
    call.endpoint(&*call.application()?)?;
    let what = format!("{} {}", call.request.method(), call.request.path());
    Err(ApiError::NotImplemented(format!("this relay can't do {what} yet; nothing was changed")))
}
