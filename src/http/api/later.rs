//! Calls that the Svix API has and this relay does not have yet: answered 501, never ignored.

use actix_web::HttpResponse;

use super::at;
use super::call::Call;
use crate::http::error::ApiError;
use crate::http::routes::Routes;

pub(super) fn routes(routes: &mut Routes) {
    routes
        .service(at("/auth/app-portal-access/{app}").post(later_for_operators).into_resource())
        .service(at("/auth/logout").post(later).into_resource());
}

async fn later(call: Call) -> Result<HttpResponse, ApiError> {
    let what = format!("{} {}", call.request.method(), call.request.path());
    Err(ApiError::NotImplemented(format!("this relay can't do {what} yet; nothing was changed")))
}

async fn later_for_operators(call: Call) -> Result<HttpResponse, ApiError> {
    call.operator_only()?;
    later(call).await
}
