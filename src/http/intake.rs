//! `/in/{token}`: where providers post to. Verified, held against the ledger, appended and synced,
//! then answered.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use bytes::Bytes;

use crate::domain::provider::Answer;
use crate::domain::received::{Head, ReceivedRequest, Verdict};
use crate::domain::source::Source;
use crate::engine::intake::{Decided, PATH};
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

/// A request whose source is known.
struct Arrival {
    shared: web::Data<Shared>,
    source: Arc<Source>,
    token: String,
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
    let arrival = Arrival { shared, source, token };
    match arrival.decide(head, body.bytes.clone()).await? {
        Decided::Event(new) => arrival.take(new).await,
        Decided::Handshake { new, answer, confirm } => arrival.shake(*new, answer, confirm).await,
        Decided::Refused { new, status } => arrival.refuse(new, status).await,
        Decided::OtherMethod => Err(ApiError::MethodNotAllowed(arrival.source.methods.join(", "))),
        Decided::Fetch(_) => Err(no_key()),
    }
}

/// The provider sends it again.
fn no_key() -> ApiError {
    ApiError::Busy("a key that verifies this request can't be fetched now".to_owned())
}

fn stopping() -> ApiError {
    ApiError::Busy("the relay is stopping".to_owned())
}

impl Arrival {
    /// Decides, with the key that it takes fetched if need be.
    async fn decide(&self, head: Head, body: Bytes) -> Result<Decided, ApiError> {
        let (source, token) = (&self.source, self.token.as_str());
        let takes = source.methods.contains(&head.method);
        let intake = &self.shared.state.intake;
        let first = intake.decide(source, token, head.clone(), body.clone(), takes);
        let Decided::Fetch(url) = first else { return Ok(first) };
        let (fetches, wants) = (intake.clone(), Arc::clone(source));
        let fetched = web::block(move || fetches.fetch(&wants, &url));
        let fetched = fetched.await.map_err(|_| stopping())?;
        if let Err(error) = fetched {
            tracing::warn!(source = source.name, error, "a provider's key can't be fetched");
            return Err(no_key());
        }
        Ok(intake.decide(source, token, head, body, takes))
    }

    fn count(&self, verdict: &Verdict) {
        self.shared.state.intake.count(self.source.id, verdict);
        let labels = ReceivedLabels { verdict: verdict.word() };
        self.shared.state.metrics.received.get_or_create(&labels).inc();
        self.shared.state.metrics.flow.received();
    }

    async fn store(&self, new: NewRequest) -> Result<ReceivedRequest, ApiError> {
        let state = &self.shared.state;
        let most = state.intake.most_waiting();
        let written = state.store.write(None, move |transaction| {
            Ok(Reply::Received(Box::new(transaction.receive(new, &most)?)))
        });
        match written.await?.reply {
            Reply::Received(received) => Ok(*received),
            _ => Err(ApiError::Internal("a request became something else".to_owned())),
        }
    }

    /// An event: durable before it is answered.
    async fn take(&self, mut new: NewRequest) -> Result<HttpResponse, ApiError> {
        let state = &self.shared.state;
        let matched = matches!(new.decision, Decision::Take(_));
        if matched && state.store.looks_inside(self.source.application) {
            let (store, source) = (state.store.clone(), Arc::clone(&self.source));
            let filtered = web::block(move || {
                new.filtered = store.filter_request(&source, &new);
                new
            });
            new = filtered.await.map_err(|_| stopping())?;
        }
        let received = self.store(new).await?;
        self.count(&received.verdict);
        if received.verdict == Verdict::Accepted {
            state.metrics.messages_accepted.inc();
        }
        Ok(self.reply())
    }

    /// What the source says to what is taken, else what the provider expects.
    fn reply(&self) -> HttpResponse {
        let row = self.source.verification.row();
        let (status, headers, body) = match (&self.source.reply, row) {
            (Some(reply), _) => (reply.status, &reply.headers, &reply.body),
            (None, Some(row)) => (row.reply.status, &row.reply.headers, &row.reply.body),
            (None, None) => return HttpResponse::Ok().json(serde_json::json!({})),
        };
        let mut response = HttpResponse::build(status_of(status, StatusCode::OK));
        for (name, value) in headers {
            response.insert_header((name.as_str(), value.as_str()));
        }
        response.body(body.clone())
    }

    /// A handshake; it is shown among the requests while there is room for it.
    async fn shake(
        &self,
        new: NewRequest,
        answer: Answer,
        confirm: Option<String>,
    ) -> Result<HttpResponse, ApiError> {
        self.count(&Verdict::Handshake);
        if let Some(url) = confirm {
            let (intake, source) = (self.shared.state.intake.clone(), self.source.id);
            let called = web::block(move || intake.keys().call(source, &url));
            let called = called.await.map_err(|_| stopping())?;
            if let Err(error) = called {
                tracing::warn!(source = self.source.name, error, "a handshake is not confirmed");
                return Err(ApiError::Busy("the confirmation failed; try again".to_owned()));
            }
        }
        let length = new.body.len() as u64;
        // What hands over a secret is answered once the secret is kept.
        if new.adopt.is_some() {
            self.store(new).await?;
        } else if self.shared.state.intake.may_keep(self.source.id, length)
            && let Err(error) = self.store(new).await
        {
            tracing::debug!(%error, "a handshake is not kept");
        }
        let mut response = HttpResponse::build(status_of(answer.status, StatusCode::OK));
        for (name, value) in answer.headers {
            response.insert_header((name, value));
        }
        Ok(response.body(answer.body))
    }

    /// What is refused is kept within bounds, with what would have made it pass.
    async fn refuse(
        &self,
        mut new: NewRequest,
        status: Option<u16>,
    ) -> Result<HttpResponse, ApiError> {
        if let Decision::Keep(verdict) = &new.decision {
            self.count(verdict);
        }
        let intake = self.shared.state.intake.clone();
        if intake.may_keep(self.source.id, new.length()) {
            let (source, token) = (Arc::clone(&self.source), self.token.clone());
            // It costs some dozens of verifications: away from the threads that serve.
            let explained = web::block(move || {
                intake.explain(&source, &token, &mut new);
                new
            });
            if let Err(error) = self.store(explained.await.map_err(|_| stopping())?).await {
                tracing::debug!(%error, "a refused request is not kept");
            }
        }
        let row = self.source.verification.row().map(|row| row.refusal);
        let status = self.source.refusal_status.or(status).or(row).unwrap_or(REFUSED);
        Ok(HttpResponse::build(status_of(status, StatusCode::UNAUTHORIZED))
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .body(REFUSAL))
    }
}

fn status_of(status: u16, otherwise: StatusCode) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(otherwise)
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
