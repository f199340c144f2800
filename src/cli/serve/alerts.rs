//! The thread that alerts, and where alerts go.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::anyhow;

use super::parts::{self, Ways};
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::config::alert::DeclaredAlert;
use crate::config::load::Loaded;
use crate::domain::time::Clock;
use crate::engine::alert::{self, Alerts, Outlet, Tally};
use crate::engine::clock::EngineClock;
use crate::engine::driver::Engine;
use crate::engine::guard::{AddressGuard, own_addresses};
use crate::engine::intake::Intake;
use crate::http::public;
use crate::metrics::Metrics;
use crate::store::Store;

/// What counts for alerts, when there are any.
pub(super) fn tally(config: &Config) -> Option<Arc<Tally>> {
    (!config.declared_alerts.is_empty()).then(Arc::default)
}

/// Starts the thread, when there is anybody to tell.
pub(super) fn start(
    loaded: &Loaded,
    address: SocketAddr,
    tally: Option<Arc<Tally>>,
    ways: &Ways,
    (store, engine, intake): (&Store, &Engine, &Intake),
    metrics: &Metrics,
) -> Result<Option<Alerts>, Failure> {
    let Some(tally) = tally else { return Ok(None) };
    intake.count_for(Arc::clone(&tally));
    let config = &loaded.config;
    Ok(Some(Alerts::start(alert::Parts {
        alerts: outlets(loaded)?,
        settings: config.alerts.clone(),
        min_free: config.data.min_free.0,
        relay: public::base(config.server.public_url.as_ref(), address),
        store: store.clone(),
        scheduler: engine.handle(),
        tally,
        ways: connected(config, ways),
        metrics: metrics.clone(),
    })))
}

/// Every entry with its destination.
pub(in crate::cli) fn outlets(loaded: &Loaded) -> Result<Vec<(DeclaredAlert, Outlet)>, Failure> {
    let alerts = loaded.config.declared_alerts.iter();
    let outlets = alerts.map(|alert| {
        let secrets = loaded.secrets.alerts.get(&alert.name).cloned().unwrap_or_default();
        let outlet = Outlet::of(alert, &secrets);
        let named = |error| Failure::failed(anyhow!("the alert {}: {error}", alert.name));
        Ok((alert.clone(), outlet.map_err(named)?))
    });
    outlets.collect()
}

/// The ways of a process that does not serve, under the guard of one that does.
pub(in crate::cli) fn ways(config: &Config) -> Result<alert::Ways, Failure> {
    let own = own_addresses(&[config.server.listen]);
    let guard = Arc::new(AddressGuard::new(config.guard.allow.clone(), own));
    let clock: Arc<dyn Clock> = Arc::new(EngineClock::going_on(Default::default()));
    Ok(connected(config, &parts::ways(config, &guard, &clock)?))
}

fn connected(config: &Config, ways: &Ways) -> alert::Ways {
    alert::Ways {
        transport: Arc::clone(&ways.transport) as _,
        resolver: Arc::clone(&ways.resolver),
        clock: Arc::clone(&ways.clock),
        timeout: config.alerts.timeout.0,
    }
}
