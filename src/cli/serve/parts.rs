//! The parts of a relay that its configuration makes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use url::Url;

use super::PROGRAM;
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::config::load::Loaded;
use crate::domain::time::Clock;
use crate::engine::access_token::AccessTokens;
use crate::engine::attempt::Attempter;
use crate::engine::declare::{self, Declared};
use crate::engine::guard::{AddressGuard, own_addresses};
use crate::engine::intake::Intake;
use crate::engine::janitor::{Janitor, JanitorSettings};
use crate::engine::permission::Permissions;
use crate::engine::provider_keys::ProviderKeys;
use crate::engine::proxy::Proxies;
use crate::engine::resolver::{GuardedResolver, system_lookup};
use crate::engine::script::Scripts;
use crate::engine::tls::Tls;
use crate::engine::transport::{TransportSettings, UreqTransport};
use crate::http::public;
use crate::metrics::Metrics;
use crate::store::Store;

pub(super) fn listen(config: &Config) -> Result<TcpListener, Failure> {
    let listen = || -> io::Result<TcpListener> {
        let listener = TcpListener::bind(config.server.listen)?;
        // A second time, for the standard library lets 128 connections wait.
        let backlog = i32::try_from(config.server.backlog).unwrap_or(i32::MAX);
        rustix::net::listen(&listener, backlog)?;
        Ok(listener)
    };
    listen().map_err(|error| {
        let hint = listen_hint(error.kind());
        let words = format!("can't listen on {}", config.server.listen);
        Failure::failed(anyhow::Error::from(error).context(words)).hint(hint)
    })
}

fn listen_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "another program listens there: take another port with --listen 127.0.0.1:9080, \
             RELAY__SERVER__LISTEN or server.listen; commands find that relay with \
             RELAY_SERVER=http://127.0.0.1:9080"
        }
        io::ErrorKind::PermissionDenied => {
            "a port below 1024 is for root: take another one (server.listen) with a proxy in \
             front, or give relay CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => {
            "server.listen names an address of this machine; 0.0.0.0 and [::] are all of them"
        }
        _ => "set server.listen",
    }
}

pub(super) fn guard(config: &Config, address: SocketAddr) -> Arc<AddressGuard> {
    Arc::new(AddressGuard::new(config.guard.allow.clone(), own_addresses(&[address])))
}

pub(super) fn scripts(config: &Config) -> Arc<Scripts> {
    let transforms = &config.transforms;
    Arc::new(Scripts::new(transforms.into(), transforms.processes, PROGRAM.into()))
}

/// What makes attempts.
pub(super) fn attempter(
    config: &Config,
    address: SocketAddr,
    (store, scripts, clock, transport): (
        &Store,
        &Arc<Scripts>,
        &Arc<dyn Clock>,
        &Arc<UreqTransport>,
    ),
) -> Attempter {
    Attempter {
        store: store.clone(),
        scripts: Arc::clone(scripts),
        transport: Arc::clone(transport) as _,
        tokens: tokens(config, clock, transport),
        permissions: permissions(config, address),
        clock: Arc::clone(clock),
        names: config.delivery.headers,
        timeout: config.delivery.timeout.0,
        response_limit: response_limit(config),
    }
}

fn tokens(config: &Config, clock: &Arc<dyn Clock>, transport: &Arc<UreqTransport>) -> AccessTokens {
    let timeout = config.egress.token_timeout.0;
    AccessTokens::new(Arc::clone(transport) as _, Arc::clone(clock), timeout)
}

pub(super) fn intake(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    address: SocketAddr,
    transport: &Arc<UreqTransport>,
) -> Intake {
    let base = public::base(config.server.public_url.as_ref(), address);
    let keys = ProviderKeys::new(Arc::clone(transport) as _, Arc::clone(clock));
    Intake::new(store.clone(), Arc::clone(clock), &base, config.sources.clone(), keys)
}

/// Asks receivers in the name of the host that the outside reaches this relay by.
fn permissions(config: &Config, address: SocketAddr) -> Arc<Permissions> {
    let base = public::base(config.server.public_url.as_ref(), address);
    let host = Url::parse(&base).ok().and_then(|url| url.host_str().map(str::to_owned));
    Arc::new(Permissions::new(&host.unwrap_or_else(|| address.ip().to_string())))
}

/// What connections are made by, all under one guard.
pub(super) struct Ways {
    /// Posts.
    pub transport: Arc<UreqTransport>,
    /// Looks up where mail servers are.
    pub resolver: Arc<GuardedResolver>,
    /// For what is dated.
    pub clock: Arc<dyn Clock>,
}

pub(super) fn ways(
    config: &Config,
    guard: &Arc<AddressGuard>,
    clock: &Arc<dyn Clock>,
) -> Result<Ways, Failure> {
    let resolver = GuardedResolver::new(Arc::clone(guard), Box::new(system_lookup));
    let (resolver, clock) = (Arc::new(resolver), Arc::clone(clock));
    let settings = TransportSettings {
        timeout: config.delivery.timeout.0,
        response_limit: response_limit(config),
        max_idle: config.delivery.threads,
        tls: Tls::new(Vec::new()).map_err(Failure::failed)?,
        proxies: Proxies::new(config),
    };
    let transport = UreqTransport::new(settings, Arc::clone(&resolver), Arc::clone(&clock));
    Ok(Ways { transport: Arc::new(transport), resolver, clock })
}

/// Applies what the file declares.
pub(super) fn declare(store: &Store, loaded: &Loaded) -> Result<(), Failure> {
    let declared = Declared::of(&loaded.config, &loaded.secrets);
    for change in declare::apply(store, declared).map_err(Failure::failed)? {
        tracing::info!(change, "relay.toml");
    }
    Ok(())
}

/// The thread that looks after space and age.
pub(super) fn janitor(
    config: &Config,
    store: &Store,
    intake: &Intake,
    metrics: &Metrics,
) -> Janitor {
    let settings = JanitorSettings {
        max_age: config.retention.max_age.0,
        max_bytes: config.retention.max_bytes.0,
        min_free: config.data.min_free.0,
        compact_above: config.data.compact_above.0,
        audit_age: config.retention.audit_age.0,
        audit_entries: config.retention.audit_entries,
    };
    Janitor::start(settings, store.clone(), intake.clone(), metrics.clone())
}

/// Has those tell of themselves that are made without knowing whom to tell.
pub(super) fn report(store: &Store, intake: &Intake, metrics: &Metrics) {
    let workers = &metrics.workers;
    store.report_apply(workers.add("apply", "moves rows from memory into the index"));
    let fetches = "fetches keys of providers when a request needs one, while others wait";
    intake.keys().report_to(workers.add("key-fetch", fetches));
}

/// Bytes of an answer's body that are kept.
fn response_limit(config: &Config) -> usize {
    usize::try_from(config.delivery.response_limit.0).unwrap_or(usize::MAX)
}
