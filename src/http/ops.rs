//! For whoever runs the relay: is it alive, is it ready, what does it count.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Data};
use serde_json::json;

use crate::http::routes::{Routes, at};
use crate::http::server::Shared;

/// `/healthz`, `/readyz`, `/metrics`.
pub(super) fn routes(routes: &mut Routes) {
    // Some probes ask by HEAD.
    routes
        .service(at("/healthz").get(alive).head(alive).into_resource())
        .service(at("/readyz").get(ready).head(ready).into_resource())
        .service(at("/metrics").get(metrics).into_resource());
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn ready(shared: Data<Shared>) -> HttpResponse {
    let reasons = shared.state.readiness.reasons();
    if reasons.is_empty() {
        return HttpResponse::Ok().json(json!({"status": "ready"}));
    }
    HttpResponse::ServiceUnavailable().json(json!({"status": "not ready", "reasons": reasons}))
}

async fn metrics(shared: Data<Shared>) -> HttpResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let store = shared.state.store.clone();
    // Rows of the index, which may have to be read from disk.
    let counts = web::block(move || (store.dead_letter_count(), store.waiting_deliveries())).await;
    if let Ok((dead, waiting)) = counts {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        shared.state.metrics.dead_letters.set(number(dead));
        shared.state.metrics.deliveries_waiting.set(number(waiting));
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .body(shared.state.metrics.text())
}
