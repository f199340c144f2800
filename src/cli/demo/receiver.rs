//! The demo's receiver: what a receiver of webhooks has to do, and a bad moment on purpose.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::cli::failure::Failure;
use crate::cli::token::wall_clock;
use crate::domain::signature::{SignedHeaders, VerifyingKey, verify};

/// The receiver fails while it handles the message of this number,
pub const BAD_MOMENT: u64 = 3;
/// so many times.
pub const FAILURES: u32 = 2;

/// Verifies, handles each message once, and remembers.
#[derive(Clone)]
pub struct Receiver {
    key: VerifyingKey,
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
}

/// What came under one `webhook-id`.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// Requests whose signature was right.
    pub verified: u32,
    /// Requests whose signature was not.
    pub refused: u32,
    /// Whether the message was handled; a second time it is only acknowledged.
    pub handled: bool,
}

impl Receiver {
    /// One that verifies with this key.
    pub fn new(key: VerifyingKey) -> Receiver {
        Receiver { key, seen: Arc::default() }
    }

    /// What came under a `webhook-id`.
    pub fn seen(&self, id: &str) -> Seen {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(id).copied().unwrap_or_default()
    }

    /// Answers until told to stop.
    pub fn serve(&self, listener: TcpListener, stop: oneshot::Receiver<()>) -> Result<(), Failure> {
        let receiver = Data::new(self.clone());
        let app =
            move || App::new().app_data(receiver.clone()).route("/hook", web::post().to(take));
        let system = actix_web::rt::System::new();
        // The sender may as well be gone.
        let stopped = async move { drop(stop.await) };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .shutdown_signal(stopped);
        system.block_on(async { server.listen(listener)?.run().await })?;
        Ok(())
    }

    fn status(&self, request: &HttpRequest, body: &[u8]) -> u16 {
        let header = |name: &'static str| request.headers().get(name)?.to_str().ok();
        let Ok(headers) = SignedHeaders::find(header) else { return 400 };
        let Ok(now) = wall_clock() else { return 500 };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(headers.id.to_owned()).or_default();
        if verify(&self.key, headers, body, now).is_err() {
            seen.refused += 1;
            return 401;
        }
        seen.verified += 1;
        let payload: Value = serde_json::from_slice(body).unwrap_or_default();
        if payload["number"] == BAD_MOMENT && seen.verified <= FAILURES {
            return 500;
        }
        seen.handled = true;
        200
    }
}

async fn take(receiver: Data<Receiver>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let status = receiver.status(&request, &body);
    let status = actix_web::http::StatusCode::from_u16(status);
    HttpResponse::build(status.unwrap_or_default()).finish()
}
