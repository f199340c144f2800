//! Every call of the API with its path, by resource.

use actix_web::HttpResponse;

use super::{
    accounting, application, attempt, attempt_history, audit_log, broadcast, config, dead_letter,
    dry_run, endpoint, endpoint_headers, endpoint_health, endpoint_patch, endpoint_secret,
    environment, environment_import, event_type, example, explain, expunge, figures, listener,
    live, message, message_search, openapi_import, overview, poller, poller_lease, replay, request,
    sealing_key, session, sign_in_link, signed_in, source, stats, task, token_key, token_portal,
    token_session, transformation, workers,
};
use crate::http::routes::{Routes, at};

/// Every route that needs a key; a slash at the end of a path changes nothing.
pub(in crate::http) fn routes(routes: &mut Routes) {
    routes
        .service(at("/app/{app}/msg").get(message::list).post(message::create).into_resource())
        .configure(applications)
        .configure(endpoints)
        .configure(messages)
        .configure(dead_letters)
        .configure(pollers)
        .configure(followers)
        .configure(transformations)
        .configure(sources)
        .configure(event_types)
        .configure(operations)
        .configure(operational_webhooks)
        .configure(tokens);
}

/// Whether it answers at all, for anybody.
pub(in crate::http) fn open_routes(routes: &mut Routes) {
    let alive = async || HttpResponse::NoContent().finish();
    routes
        .service(at("/api/v1/health").get(alive).into_resource())
        .service(at("/api/v1/health/ping").get(alive).into_resource())
        // Who comes says who it is in the body.
        .service(
            at("/api/v1/auth/session").post(session::create).delete(session::end).into_resource(),
        )
        .service(at("/api/v1/auth/sign-in-link/redeem").post(sign_in_link::redeem).into_resource());
}

fn applications(routes: &mut Routes) {
    routes
        .service(at("/app").get(application::list).post(application::create).into_resource())
        .service(
            at("/app/{app}")
                .get(application::get)
                .put(application::put)
                .patch(application::patch)
                .delete(application::delete)
                .into_resource(),
        );
}

fn endpoints(routes: &mut Routes) {
    routes
        .service(
            at("/app/{app}/endpoint").get(endpoint::list).post(endpoint::create).into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}")
                .get(endpoint::get)
                .put(endpoint::put)
                .patch(endpoint_patch::patch)
                .delete(endpoint::delete)
                .into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/secret").get(endpoint_secret::get).into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/secret/rotate")
                .post(endpoint_secret::rotate)
                .into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/headers")
                .get(endpoint_headers::get)
                .put(endpoint_headers::put)
                .patch(endpoint_headers::patch)
                .into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/send-example").post(example::send).into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/msg").get(message::list_of_endpoint).into_resource(),
        )
        .configure(endpoint_figures)
        .service(at("/app/{app}/endpoint/{endpoint}/recover").post(replay::recover).into_resource())
        .service(
            at("/app/{app}/endpoint/{endpoint}/replay-missing")
                .post(replay::replay_missing)
                .into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/bulk-replay")
                .post(replay::bulk_replay)
                .into_resource(),
        );
}

/// How an endpoint stands, in numbers.
fn endpoint_figures(routes: &mut Routes) {
    routes
        .service(at("/app/{app}/endpoint/{endpoint}/stats").get(stats::of_endpoint).into_resource())
        .service(
            at("/app/{app}/endpoint/{endpoint}/attempt-stats")
                .get(stats::of_attempts)
                .into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/attempt-history")
                .get(attempt_history::get)
                .into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/health").get(endpoint_health::get).into_resource(),
        );
}

fn messages(routes: &mut Routes) {
    // Before the path that takes any message's name.
    routes
        .configure(contents)
        .service(at("/msg/broadcast").post(broadcast::create).into_resource())
        .service(at("/message-search").get(message_search::all).into_resource())
        .service(at("/app/{app}/message-search").get(message_search::own).into_resource())
        .service(at("/app/{app}/msg/{msg}").get(message::get).into_resource())
        .service(at("/app/{app}/msg/{msg}/explain").get(explain::explain).into_resource())
        .service(at("/app/{app}/msg/{msg}/endpoint").get(attempt::destinations).into_resource())
        .service(
            at("/app/{app}/msg/{msg}/endpoint/{endpoint}/resend")
                .post(attempt::resend)
                .into_resource(),
        )
        .service(at("/app/{app}/msg/{msg}/attempt/{attempt}").get(attempt::get).into_resource())
        .service(
            at("/app/{app}/attempt/endpoint/{endpoint}")
                .get(attempt::list_of_endpoint)
                .into_resource(),
        )
        .service(
            at("/app/{app}/attempt/endpoint/{endpoint}/count")
                .get(attempt::count_of_endpoint)
                .into_resource(),
        )
        .service(at("/app/{app}/attempt/msg/{msg}").get(attempt::list_of_message).into_resource());
}

fn contents(routes: &mut Routes) {
    routes
        .service(at("/app/{app}/msg/{msg}/content").delete(expunge::message).into_resource())
        .service(
            at("/app/{app}/msg/{msg}/attempt/{attempt}/content")
                .delete(expunge::attempt)
                .into_resource(),
        )
        .service(at("/app/{app}/msg/precheck/active").post(message::precheck).into_resource())
        .service(
            at("/app/{app}/msg/{msg}/attempt/{attempt}/headers")
                .get(attempt::headers)
                .into_resource(),
        )
        .service(at("/app/{app}/msg/bulk-expunge").post(expunge::bulk).into_resource())
        .service(at("/app/{app}/msg/expunge-all-contents").post(expunge::all).into_resource());
}

fn dead_letters(routes: &mut Routes) {
    routes
        .service(at("/dead-letter").get(dead_letter::list_all).into_resource())
        .service(at("/app/{app}/dead-letter").get(dead_letter::list).into_resource())
        .service(at("/app/{app}/dead-letter/resend").post(dead_letter::resend).into_resource())
        .service(at("/app/{app}/dead-letter/purge").post(dead_letter::purge).into_resource());
}

fn event_types(routes: &mut Routes) {
    routes
        .service(at("/event-type/import/openapi").post(openapi_import::import).into_resource())
        .service(at("/event-type").get(event_type::list).post(event_type::create).into_resource())
        .service(
            at("/event-type/{name}")
                .get(event_type::get)
                .put(event_type::put)
                .patch(event_type::patch)
                .delete(event_type::delete)
                .into_resource(),
        );
}

fn operations(routes: &mut Routes) {
    routes
        .service(at("/stats/accounting").get(accounting::get).into_resource())
        .service(at("/stats/overview").get(overview::get).into_resource())
        .service(at("/stats/endpoints").get(endpoint_health::list).into_resource())
        .service(at("/stats/history").get(figures::history).into_resource())
        .service(at("/stats/usage/app").post(stats::by_application).into_resource())
        .service(at("/stats/usage/event-types").put(stats::by_event_type).into_resource())
        .service(at("/background-task").get(task::list).into_resource())
        .service(at("/background-task/{task}").get(task::get).into_resource())
        .service(at("/background-task/{task}/cancel").post(task::cancel).into_resource())
        .service(
            at("/environment/export")
                .get(environment::export)
                .post(environment::export)
                .into_resource(),
        )
        .service(at("/audit-log").get(audit_log::list).into_resource())
        .service(at("/environment/import").post(environment_import::import).into_resource())
        .service(at("/config").get(config::get).into_resource())
        .service(at("/workers").get(workers::get).into_resource())
        .service(at("/config/plan").post(config::plan).into_resource())
        .service(at("/sealing-key").get(sealing_key::get).into_resource())
        .service(at("/sealing-key/rotate").post(sealing_key::rotate).into_resource());
}

fn tokens(routes: &mut Routes) {
    routes
        .service(at("/auth/key").get(token_key::list).post(token_key::create).into_resource())
        .service(at("/auth/key/{key}").delete(token_key::revoke).into_resource())
        .service(at("/auth/key/{key}/session").get(signed_in::sessions).into_resource())
        .service(
            at("/auth/key/{key}/session/{session}").delete(signed_in::end_session).into_resource(),
        )
        .service(
            at("/auth/sign-in-link")
                .get(signed_in::links)
                .post(sign_in_link::create)
                .into_resource(),
        )
        .service(at("/auth/sign-in-link/{link}").delete(signed_in::end_link).into_resource())
        .service(at("/auth/app-portal-access/{app}").post(token_portal::access).into_resource())
        .service(at("/auth/app/{app}/expire-all").post(token_portal::expire_all).into_resource())
        .service(at("/auth/whoami").get(token_session::whoami).into_resource())
        .service(at("/auth/logout").post(token_session::logout).into_resource());
}

/// Endpoints that the operator is told at: the handlers are those of any endpoint.
fn operational_webhooks(routes: &mut Routes) {
    routes
        .service(
            at("/operational-webhook/endpoint")
                .get(endpoint::list)
                .post(endpoint::create)
                .into_resource(),
        )
        .service(
            at("/operational-webhook/endpoint/{endpoint}")
                .get(endpoint::get)
                .put(endpoint::put)
                .delete(endpoint::delete)
                .into_resource(),
        )
        .service(
            at("/operational-webhook/endpoint/{endpoint}/secret")
                .get(endpoint_secret::get)
                .into_resource(),
        )
        .service(
            at("/operational-webhook/endpoint/{endpoint}/secret/rotate")
                .post(endpoint_secret::rotate)
                .into_resource(),
        )
        .service(
            at("/operational-webhook/endpoint/{endpoint}/headers")
                .get(endpoint_headers::get)
                .put(endpoint_headers::put)
                .into_resource(),
        );
}

fn followers(routes: &mut Routes) {
    routes
        .service(at("/live").get(live::everything).into_resource())
        .service(at("/app/{app}/live").get(live::of_application).into_resource())
        .service(at("/source/{source}/live").get(live::of_source).into_resource())
        .service(at("/listener").get(listener::list).into_resource())
        .service(
            at("/listener/{listener}")
                .get(listener::get)
                .put(listener::put)
                .delete(listener::delete)
                .into_resource(),
        )
        .service(
            at("/app/{app}/listener/{listener}")
                .get(listener::get)
                .put(listener::put)
                .delete(listener::delete)
                .into_resource(),
        );
}

fn pollers(routes: &mut Routes) {
    routes
        .service(at("/app/{app}/poller/{sink}").get(poller::poll).into_resource())
        .service(
            at("/app/{app}/poller/{sink}/consumer/{consumer}")
                .get(poller::consumer_poll)
                .into_resource(),
        )
        .service(
            at("/app/{app}/poller/{sink}/consumer/{consumer}/seek")
                .post(poller::seek)
                .into_resource(),
        )
        .service(
            at("/app/{app}/polling-endpoint/{sink}/consumer/{consumer}")
                .get(poller_lease::poll)
                .into_resource(),
        )
        .service(
            at("/app/{app}/polling-endpoint/{sink}/consumer/{consumer}/commit")
                .post(poller_lease::commit)
                .into_resource(),
        );
}

/// Also found below `/ingest`, where client libraries look for them.
pub(in crate::http) fn sources(routes: &mut Routes) {
    routes
        .service(at("/source-type").get(source::types).into_resource())
        .service(at("/source").get(source::list).post(source::create).into_resource())
        .service(
            at("/source/{source}")
                .get(source::get)
                .put(source::put_one)
                .patch(source::patch)
                .delete(source::delete)
                .into_resource(),
        )
        .service(at("/source/{source}/token/rotate").post(source::rotate_token).into_resource())
        .service(at("/source/{source}/dry-run").post(dry_run::of_source).into_resource())
        .service(at("/source/{source}/request").get(request::list).into_resource())
        .service(at("/source/{source}/request/release").post(request::release_all).into_resource())
        .service(at("/source/{source}/request/{request}").get(request::get).into_resource())
        .service(
            at("/source/{source}/request/{request}/content")
                .delete(expunge::request)
                .into_resource(),
        )
        .service(
            at("/source/{source}/request/{request}/release").post(request::release).into_resource(),
        );
}

fn transformations(routes: &mut Routes) {
    routes
        .service(
            at("/app/{app}/endpoint/{endpoint}/dry-run").post(dry_run::of_endpoint).into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/transformation")
                .get(transformation::get)
                .patch(transformation::patch)
                .into_resource(),
        )
        .service(
            at("/app/{app}/endpoint/{endpoint}/transformation/simulate")
                .post(transformation::simulate)
                .into_resource(),
        );
}
