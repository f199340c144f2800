//! The thread that alerts, and where alerts go.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::anyhow;

use super::parts::{self, Ways};
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::config::alert::DeclaredAlert;
use crate::config::load::Loaded;
use crate::domain::time::Clock;
use crate::engine::alert::{self, Alerts, Change, Outlet, Tally};
use crate::engine::clock::EngineClock;
use crate::engine::driver::{Engine, Handle};
use crate::engine::guard::{AddressGuard, own_addresses};
use crate::engine::intake::Intake;
use crate::http::public;
use crate::metrics::Metrics;
use crate::store::Store;

/// The thread that alerts, from the first time on that there is anybody to tell.
pub(super) struct Alerting {
    min_free: u64,
    relay: String,
    store: Store,
    scheduler: Handle,
    /// Counts whether there are any or not.
    tally: Arc<Tally>,
    ways: Ways,
    metrics: Metrics,
    thread: Mutex<Option<Alerts>>,
}

impl Alerting {
    /// Has the alerts of the file told.
    pub fn start(
        loaded: &Loaded,
        address: SocketAddr,
        tally: Arc<Tally>,
        ways: Ways,
        (store, engine, intake): (&Store, &Engine, &Intake),
        metrics: &Metrics,
    ) -> Result<Alerting, Failure> {
        intake.count_for(Arc::clone(&tally));
        let config = &loaded.config;
        let alerting = Alerting {
            min_free: config.data.min_free.0,
            relay: public::base(config.server.public_url.as_ref(), address),
            store: store.clone(),
            scheduler: engine.handle(),
            tally,
            ways,
            metrics: metrics.clone(),
            thread: Mutex::default(),
        };
        alerting.apply(loaded)?;
        Ok(alerting)
    }

    /// Has these told from now on, and no others.
    fn apply(&self, loaded: &Loaded) -> Result<(), Failure> {
        let (alerts, settings) = (outlets(loaded)?, loaded.config.alerts.clone());
        let ways = connected(&loaded.config, &self.ways);
        let mut thread = self.thread();
        match &*thread {
            Some(running) => running.change(Change { alerts, settings, ways }),
            None if alerts.is_empty() => {}
            None => {
                *thread = Some(Alerts::start(alert::Parts {
                    alerts,
                    settings,
                    min_free: self.min_free,
                    relay: self.relay.clone(),
                    store: self.store.clone(),
                    scheduler: self.scheduler.clone(),
                    tally: Arc::clone(&self.tally),
                    ways,
                    metrics: self.metrics.clone(),
                }));
            }
        }
        Ok(())
    }

    /// The same for a reload: what was counted while there was nobody to tell is nothing new.
    pub fn reload(&self, loaded: &Loaded) -> Result<(), Failure> {
        if self.thread().is_none() {
            self.tally.forget();
        }
        self.apply(loaded)
    }

    /// Has the thread end soon, without waiting for it.
    pub fn ask_to_stop(&self) {
        self.thread().iter().for_each(Alerts::ask_to_stop);
    }

    /// Ends it after what it is sending.
    pub fn stop(&self) {
        self.thread().take().into_iter().for_each(Alerts::stop);
    }

    fn thread(&self) -> MutexGuard<'_, Option<Alerts>> {
        self.thread.lock().expect("no holder panics")
    }
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
