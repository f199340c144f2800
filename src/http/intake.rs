//! `/in/{token}`: where providers post to. Verified, held against the ledger, appended and synced,
//! then answered.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use std::future::{Ready, ready};

use crate::domain::received::{Head, Verdict};
use crate::domain::source::Source;
use crate::engine::intake::PATH;
use crate::http::api::body::Body;
use crate::http::error::ApiError;
use crate::http::routes::{Routes, at};
use crate::http::server::Shared;
use crate::metrics::ReceivedLabels;
use crate::store::{Decision, NewRequest, Reply};

/// What a refused request is answered where neither source nor provider says otherwise.
const REFUSED: u16 = 401;
/// What a sender may know of why: nothing.
const REFUSAL: &str = r#"{"code":"refused","detail":"the request was not accepted"}"#;
/// What a log line has in the place of a path with a token.
pub(super) const HIDDEN: &str = "/in/(hidden)";

pub(super) fn routes(routes: &mut Routes) {
    for path in [format!("{PATH}{{token}}"), format!("{PATH}{{token}}/{{rest:.*}}")] {
        let listed = at(&path)
            .get(receive)
            .head(receive)
            .post(receive)
            .put(receive)
            .patch(receive)
            .delete(receive)
            .on(Method::OPTIONS, receive);
        routes.service(listed.into_resource());
    }
}

/// A request with its body still to come.
struct Coming {
    request: HttpRequest,
    payload: Payload,
}

impl FromRequest for Coming {
    type Error = ApiError;
    type Future = Ready<Result<Coming, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Coming { request: request.clone(), payload: payload.take() }))
    }
}

async fn receive(coming: Coming) -> Result<HttpResponse, ApiError> {
    let Coming { request, payload } = coming;
    let shared = Shared::of(&request);
    let token = request.match_info().get("token").unwrap_or_default().to_owned();
    let source = shared.state.store.source_by_token(&token).ok_or_else(ApiError::not_found)?;
    let most = shared.state.config.intake.max_body.0;
    let most = source.max_body.map_or(most, |own| own.min(most));
    let body = Body::read_any(&request, payload, &shared, most).await?;
    let head = head(&request, &shared);
    let intake = &shared.state.intake;
    let takes = source.methods.contains(&head.method);
    if !takes {
        return Err(ApiError::MethodNotAllowed(source.methods.join(", ")));
    }
    let new = intake.decide(&source, &token, head, body.bytes.clone());
    settle(&shared, source, token, new).await
}

/// Makes what was decided durable and answers.
async fn settle(
    shared: &web::Data<Shared>,
    source: Arc<Source>,
    token: String,
    mut new: NewRequest,
) -> Result<HttpResponse, ApiError> {
    let state = &shared.state;
    let count = |verdict: &Verdict| {
        let labels = ReceivedLabels { verdict: verdict.word() };
        state.metrics.received.get_or_create(&labels).inc();
    };
    if let Decision::Keep(verdict @ Verdict::Refused { .. }) = &new.decision {
        let verdict = verdict.clone();
        count(&verdict);
        if !state.intake.may_keep(source.id, new.body.len() as u64) {
            return Ok(answer(&source, &verdict));
        }
        let (intake, of) = (state.intake.clone(), Arc::clone(&source));
        // It costs some dozens of verifications: away from the threads that serve.
        let explained = web::block(move || {
            intake.explain(&of, &token, &mut new);
            new
        });
        new = explained.await.map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))?;
        let quarantine = state.intake.quarantine();
        let kept = state.store.write(None, move |transaction| {
            Ok(Reply::Received(Box::new(transaction.receive(new, &quarantine)?)))
        });
        if let Err(error) = kept.await {
            tracing::debug!(%error, "a refused request is not kept");
        }
        return Ok(answer(&source, &verdict));
    }
    if matches!(new.decision, Decision::Take(_)) && state.store.has_filters(source.application) {
        let (store, of) = (state.store.clone(), Arc::clone(&source));
        let filtered = web::block(move || {
            new.filtered = store.filter_request(&of, &new);
            new
        });
        new = filtered.await.map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))?;
    }
    let quarantine = state.intake.quarantine();
    let written = state.store.write(None, move |transaction| {
        Ok(Reply::Received(Box::new(transaction.receive(new, &quarantine)?)))
    });
    let written = written.await?;
    let Reply::Received(received) = &written.reply else {
        return Err(ApiError::Internal("a request became something else".to_owned()));
    };
    count(&received.verdict);
    if received.verdict == Verdict::Accepted {
        state.metrics.messages_accepted.inc();
    }
    Ok(answer(&source, &received.verdict))
}

/// What the source says, else what the provider expects.
fn answer(source: &Source, verdict: &Verdict) -> HttpResponse {
    if let Verdict::Refused { .. } = verdict {
        let status = source.refusal_status.unwrap_or(REFUSED);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
        return HttpResponse::build(status)
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .body(REFUSAL);
    }
    match &source.reply {
        None => HttpResponse::Ok().finish(),
        Some(reply) => {
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
            let mut response = HttpResponse::build(status);
            for (name, value) in &reply.headers {
                response.insert_header((name.as_str(), value.as_str()));
            }
            response.body(reply.body.clone())
        }
    }
}

fn head(request: &HttpRequest, shared: &Shared) -> Head {
    let headers = request.headers();
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    // The path as it was sent: what is behind the token may be signed.
    let path = request.uri().path();
    let rest = path.strip_prefix(PATH).and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    Head {
        method: request.method().as_str().to_owned(),
        path: rest.unwrap_or_default().to_owned(),
        query: request.query_string().to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        peer: shared.state.access.client(request.peer_addr(), headers),
    }
}
