//! The HTTP server: its limits, its routes, its graceful stop.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpServer};
use tokio::sync::{Semaphore, watch};

use crate::domain::time::Timestamp;
use crate::http::api::token_secret::Mint;
use crate::http::connections::Connections;
use crate::http::failures::Failures;
use crate::http::schemas::Schemas;
use crate::http::state::State;
use crate::http::ui::assets::Version;
use crate::http::{observe, routes, ui};

/// How long a connection without a request stays open.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Threads for list reads of all workers together.
const BLOCKING_THREADS: usize = 32;

/// Where the library below panics over a header whose name is longer than 64 KiB, before anything
/// of ours sees the request: the library's name and the source file (actix-http 3.20).
pub const REQUEST_DECODER: (&str, &str) = ("actix-http-", "/src/h1/decoder.rs");

/// [`State`] with what the server itself counts.
pub(super) struct Shared {
    pub state: State,
    pub failures: Failures,
    pub schemas: Schemas,
    /// Those that are open.
    pub connections: Arc<Connections>,
    /// Bytes of request bodies that may still come into memory.
    pub body_bytes: Arc<Semaphore>,
    /// Live streams that may still be opened.
    pub live_streams: Arc<Semaphore>,
    /// Whether the server stops: live streams end.
    pub stopping: watch::Sender<bool>,
    /// Makes keys and tokens.
    pub mint: Mint,
    /// What pages are made of has this version.
    pub assets: Version,
    /// When it began to serve.
    pub started_at: Timestamp,
    request_ids: AtomicU64,
    request_prefix: u64,
}

impl Shared {
    fn new(state: State) -> Shared {
        let most = state.config.intake.max_in_flight.0.max(state.config.intake.max_body.0);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let mut random = [0; 8];
        // Only a name: without randomness requests are still counted.
        let _ = getrandom::fill(&mut random);
        let limits = &state.config.server;
        let connections = Connections::new(limits.max_connections, limits.write_timeout.0);
        let live_streams = limits.live_streams.min(Semaphore::MAX_PERMITS);
        Shared {
            started_at: state.clock.now(),
            state,
            assets: Version::new(),
            mint: Mint::new(),
            failures: Failures::default(),
            schemas: Schemas::default(),
            connections: Arc::new(connections),
            body_bytes: Arc::new(Semaphore::new(most)),
            live_streams: Arc::new(Semaphore::new(live_streams)),
            stopping: watch::Sender::new(false),
            request_ids: AtomicU64::new(0),
            request_prefix: u64::from_be_bytes(random),
        }
    }

    pub fn of(request: &HttpRequest) -> Data<Shared> {
        let shared: Option<&Data<Shared>> = request.app_data();
        shared.expect("invariant: every route is served with the shared state").clone()
    }

    pub fn next_request_id(&self) -> String {
        let number = self.request_ids.fetch_add(1, Ordering::Relaxed);
        format!("req_{:016x}{number:08x}", self.request_prefix)
    }
}

/// Serves on `listener` until `shutdown` is done, then answers what is in flight for at most
/// `server.drain` and ends. Runs on any tokio runtime; `server.workers` threads of its own
/// serve.
pub async fn run(
    listener: TcpListener,
    state: State,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let config = Arc::clone(&state.config);
    let workers = config.server.workers.max(1);
    let shared = Data::new(Shared::new(state));
    let counter = shared.connections.counter();
    let stopping = shared.clone();
    let shutdown = async move {
        shutdown.await;
        // They end now; nothing else would end them before the time for stopping is over.
        stopping.stopping.send_replace(true);
    };
    HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .wrap(from_fn(observe::observe))
            .configure(routes::register)
            .default_service(web::to(ui::missing))
    })
    .on_connect(counter)
    .workers(workers)
    .max_connections(config.server.max_connections.div_ceil(workers))
    .worker_max_blocking_threads(BLOCKING_THREADS.div_ceil(workers))
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .client_request_timeout(config.server.head_timeout.0)
    // What is left of a body that was refused is read and dropped for so long (see `linger`).
    .client_disconnect_timeout(config.server.body_timeout.0)
    .shutdown_timeout(config.server.drain.0.as_secs())
    .disable_signals()
    .shutdown_signal(shutdown)
    .listen(listener)?
    .run()
    .await
}
