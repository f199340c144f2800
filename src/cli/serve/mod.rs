//! `relay serve`: puts the parts together, runs them until a signal, and takes them apart again.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use super::failure::{Exit, Failure};
use super::{Common, Outcome, owner};
use crate::config::Config;
use crate::config::load::{FlagValue, Loaded};
use crate::config::shown::Origins;
use crate::domain::endpoint_url::parse_endpoint_url;
use crate::domain::time::Clock;
use crate::engine::alert::Tally;
use crate::engine::clock::EngineClock;
use crate::engine::driver::{Channel, Engine, Event};
use crate::engine::guard::AddressGuard;
use crate::engine::janitor::Janitor;
use crate::engine::minutes::{MinuteFigures, Minutes};
use crate::engine::scheduler::Settings;
use crate::engine::tasks::{TaskChannel, Tasks};
use crate::engine::transport::UreqTransport;
use crate::http::auth::Access;
use crate::http::in_force::InForce;
use crate::http::server;
use crate::http::state::{CheckUrl, Readiness, State, TRIES};
use crate::metrics::Metrics;
use crate::store::disk::RealDisk;
use crate::store::{self, Notice, Opened, Options, Running, Store};
use crate::telemetry;

pub(super) mod alerts;
pub(super) mod keys;
mod parts;
mod reload;
mod service;
mod setup;
mod waiting_room;

use alerts::Alerting;
use keys::Keys;

/// The arguments of `relay serve`.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ServeArguments {
    /// Listen here instead of server.listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Keep the data here instead of data.dir
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
}

impl ServeArguments {
    fn load(&self, common: &Common) -> Result<Loaded, Failure> {
        let flag = |flag, setting, value: &Option<String>| {
            value.clone().map(|value| FlagValue { flag, setting, value })
        };
        let flags = [
            flag("--listen", ("server", "listen"), &self.listen),
            flag("--data", ("data", "dir"), &self.data),
        ];
        common.load(flags.into_iter().flatten().collect())
    }
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(arguments: &ServeArguments, common: &Common) -> Outcome {
    let loaded = arguments.load(common)?;
    let level = telemetry::start(&loaded.config.log).map_err(Failure::failed)?;
    telemetry::end_on_panic(telemetry::Spared {
        index_thread: store::INDEX_OPEN_THREAD,
        request_source: Some(server::REQUEST_DECODER),
    });
    let folder = loaded.config.data.dir.clone();
    let relay = Relay::start(loaded).map_err(|failure| owner::explain(failure, &folder))?;
    let reloading = reload::Reloading {
        level,
        common: common.clone(),
        arguments: arguments.clone(),
        store: relay.store.clone(),
        in_force: relay.state.in_force.clone(),
        transport: Arc::clone(&relay.transport),
        alerts: Arc::clone(&relay.alerts),
    };
    relay.serve(reloading)
}

/// A relay with all of its threads but the HTTP server's.
pub(super) struct Relay {
    config: Arc<Config>,
    address: SocketAddr,
    /// Until the server has it: it is closed when that stops, so that nobody waits for an answer.
    listener: Option<TcpListener>,
    /// When it was told to stop.
    stopping: Arc<OnceLock<Instant>>,
    store: Store,
    running: Running,
    engine: Engine,
    janitor: Janitor,
    tasks: Tasks,
    minutes: MinuteFigures,
    alerts: Arc<Alerting>,
    transport: Arc<UreqTransport>,
    state: State,
}

/// This binary, which runs scripts too.
const PROGRAM: &str = "/proc/self/exe";

impl Relay {
    /// Opens the data folder and starts delivering what waits in it.
    pub(super) fn start(loaded: Loaded) -> Result<Relay, Failure> {
        let config = Arc::new(loaded.config.clone());
        let listener = parts::listen(&config)?;
        let address = listener.local_addr()?;
        let keys = Keys::find_or_make(&config.data.dir, &loaded.secrets)?;
        let (channel, task_channel) = (Channel::default(), TaskChannel::default());
        let (metrics, tally) = (Metrics::new(), Arc::<Tally>::default());
        let notify = notify(&channel, &task_channel, &tally);
        let (opened, clock) = open(&config, &keys, notify, &listener, &metrics)?;
        for loss in &opened.accepted {
            tracing::warn!(%loss, "given up");
        }
        let (store, running) = opened.start();
        let minutes = Minutes::new(store.clone(), metrics.clone());
        parts::declare(&store, &loaded)?;
        let guard = parts::guard(&config, address);
        let ways = parts::ways(&config, &guard, &clock)?;
        let transport = Arc::clone(&ways.transport);
        let scripts = parts::scripts(&config);
        let engine = Engine::start(
            Settings::from(&config.delivery),
            seed(),
            parts::attempter(&config, address, (&store, &scripts, &clock, &transport)),
            channel,
            metrics.clone(),
        );
        let tasks = Tasks::start(store.clone(), task_channel, &metrics.workers);
        let intake = parts::intake(&config, &store, &clock, address, &transport);
        parts::report(&store, &intake, &metrics);
        let janitor = parts::janitor(&config, &store, &intake, &metrics);
        // Behind the first look at the space that is left.
        let parts = (&store, &engine, &intake);
        let alerts = Arc::new(Alerting::start(&loaded, address, tally, ways, parts, &metrics)?);
        let state = State {
            store: store.clone(),
            intake,
            scripts,
            tries: Arc::new(Semaphore::new(TRIES)),
            clock,
            config: Arc::clone(&config),
            in_force: InForce::new(Arc::clone(&config), Origins::from(&loaded)),
            access: Arc::new(access(&config, &keys)),
            check_url: check_url(guard),
            metrics,
            minutes: minutes.clone(),
            scheduler: engine.handle(),
            readiness: Readiness::default(),
        };
        Ok(Relay {
            config,
            address,
            listener: Some(listener),
            stopping: Arc::default(),
            store,
            running,
            engine,
            janitor,
            tasks,
            minutes: MinuteFigures::start(minutes),
            alerts,
            transport,
            state,
        })
    }

    /// The address it listens on.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn serve(self, reloading: reload::Reloading) -> Outcome {
        let deadline = self.config.data.read_deadline.0;
        let (store, engine) = (self.store.clone(), self.engine.handle());
        let workers = &self.state.metrics.workers;
        let watchdog = service::Watchdog::start(store, engine, deadline, workers);
        let status = format!("listening on http://{}", self.address());
        let link = setup::link(&self.state, self.address())?;
        let relay = self.answer(async move {
            let signals = Signals::listen();
            // Whoever is told so may send a signal at once.
            tracing::info!("{status}");
            service::ready(&status);
            if let Some(link) = link {
                setup::tell(&link);
            }
            signals.stop(reloading).await;
            tracing::info!("stopping: answering and delivering what is in flight");
            service::stopping();
        })?;
        watchdog.stop();
        relay.stop()
    }

    /// Answers requests until `shutdown` is done and what is in flight then is answered.
    pub(super) fn answer(
        mut self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Relay, Failure> {
        let (readiness, begun) = (self.state.readiness.clone(), Arc::clone(&self.stopping));
        let stopping = async move {
            shutdown.await;
            begun.get_or_init(Instant::now);
            readiness.hold("server", "stopping");
        };
        let listener = self.listener.take().expect("invariant: it serves once");
        let server = server::run(listener, self.state.clone(), stopping);
        actix_web::rt::System::new().block_on(server)?;
        Ok(self)
    }

    /// Delivers what is in flight, syncs everything.
    pub(super) fn stop(self) -> Outcome {
        let transport = Arc::clone(&self.transport);
        // Requests had the first part of it.
        let passed = self.stopping.get().map_or(Duration::ZERO, Instant::elapsed);
        let left = self.config.server.drain.0.saturating_sub(passed);
        self.alerts.ask_to_stop();
        self.engine.stop(left, || transport.shutdown());
        self.running.release_waiters();
        self.janitor.stop();
        self.tasks.stop();
        self.alerts.stop();
        // Behind all that counts.
        self.minutes.stop();
        self.running.stop().map_err(Failure::failed)?;
        tracing::info!("stopped");
        Ok(Exit::Success)
    }
}

/// The signals that a relay obeys once it serves; before that they end it, which loses nothing.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Signals {
        let listen = |kind| signal(kind).expect("a signal handler can be installed");
        Signals {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
            hang_up: listen(SignalKind::hangup()),
        }
    }

    /// Reloads when asked to until it is time to stop.
    async fn stop(mut self, reloading: reload::Reloading) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => reloading.reload().await,
            }
        }
        // A second signal waits for nothing: what is not finished is due at the next start. On a
        // thread of its own, for the runtime ends with the server and the deliveries go on.
        thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.expect("a runtime can be made").block_on(async {
                let mut signals = Signals::listen();
                tokio::select! {
                    _ = signals.terminate.recv() => {}
                    _ = signals.interrupt.recv() => {}
                }
            });
            tracing::warn!("a second signal: ending at once");
            std::process::exit(i32::from(Exit::Failed.code()));
        });
    }
}

/// Tells of what is durable whoever works with it.
fn notify(
    channel: &Channel,
    tasks: &TaskChannel,
    tally: &Arc<Tally>,
) -> Box<dyn Fn(Vec<Notice>) + Send + Sync> {
    let (events, tasks, tally) = (channel.sender.clone(), tasks.listener(), Arc::clone(tally));
    // Whoever hears of it begins to listen later; nothing is lost meanwhile.
    Box::new(move |notices: Vec<Notice>| {
        tasks.hear(&notices);
        tally.hear(&notices);
        drop(events.send(Event::Notices(notices)));
    })
}

fn open(
    config: &Config,
    keys: &Keys,
    notify: Box<dyn Fn(Vec<Notice>) + Send + Sync>,
    listener: &TcpListener,
    metrics: &Metrics,
) -> Result<(Opened, Arc<dyn Clock>), Failure> {
    let room = waiting_room::WaitingRoom::new(listener.try_clone()?);
    let (made, clock) = std::sync::mpsc::channel();
    let progress = room.progress();
    let syncs = metrics.journal_sync_duration.clone();
    let writer = metrics.workers.add("writer", "appends to the journal and syncs it");
    let opened = store::open(Options {
        folder: config.data.dir.clone(),
        disk: Arc::new(RealDisk),
        segment_size: config.data.segment_size.0,
        index_cache: config.data.index_cache.0,
        overlay: usize::try_from(config.data.overlay.0).unwrap_or(usize::MAX),
        order_lookahead: config.delivery.order_lookahead,
        sealing: keys.sealing.clone(),
        clock: Box::new(move |floor| {
            let clock: Arc<dyn Clock> = Arc::new(EngineClock::going_on(floor));
            // The receiver waits below.
            let _ = made.send(Arc::clone(&clock));
            clock
        }),
        notify,
        progress: Box::new(move |record| {
            progress(record);
            service::replaying(record);
        }),
        on_sync: Box::new(move |took| {
            syncs.observe(took.as_secs_f64());
            writer.ran(took);
        }),
        accept_loss: false,
        simulated: None,
    });
    room.close();
    let opened = opened.map_err(failure)?;
    let clock = clock.recv().expect("opening made the clock");
    Ok((opened, clock))
}

/// What to tell of a data folder that does not open.
pub(super) fn failure(error: store::OpenError) -> Failure {
    match error {
        store::OpenError::InUse(_) => Failure::new(Exit::Temporary, error)
            .hint("one process serves a data folder: stop the other one, or set data.dir"),
        store::OpenError::Lost(_) => Failure::failed(error).hint(
            "restore a backup, or give up these records and serve the rest with: \
             relay repair --accept-loss",
        ),
        error => Failure::failed(error),
    }
}

fn access(config: &Config, keys: &Keys) -> Access {
    let digest = Sha256::digest(keys.operator_key.expose()).into();
    let networks = config.server.trusted_proxies.clone();
    let mut access = Access::new(vec![digest], keys.jwt_secret.clone(), networks);
    access.origin.clone_from(&keys.origin);
    access
}

fn check_url(guard: Arc<AddressGuard>) -> CheckUrl {
    Arc::new(move |text| {
        let url = parse_endpoint_url(text).map_err(|error| error.to_string())?;
        guard.check_url(&url).map_err(|blocked| blocked.to_string())?;
        Ok(url.to_string())
    })
}

fn seed() -> u64 {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).expect("the kernel gives random bytes");
    u64::from_le_bytes(seed)
}
