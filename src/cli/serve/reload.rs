//! SIGHUP: what `relay.toml` declares, whom it tells, what it hides, how the portal looks, its
//! proxies and the log level are taken anew.

use std::sync::Arc;

use super::ServeArguments;
use super::alerts::Alerting;
use crate::cli::Common;
use crate::cli::failure::Failure;
use crate::config::Config;
use crate::config::load::Loaded;
use crate::config::shown::Origins;
use crate::engine::declare::{self, Declared};
use crate::engine::proxy::Proxies;
use crate::engine::transport::UreqTransport;
use crate::http::in_force::InForce;
use crate::store::Store;
use crate::telemetry::LogLevel;

/// What a reload reaches.
pub(super) struct Reloading {
    pub level: LogLevel,
    pub common: Common,
    pub arguments: ServeArguments,
    pub store: Store,
    pub in_force: InForce,
    pub transport: Arc<UreqTransport>,
    pub alerts: Arc<Alerting>,
}

impl Reloading {
    /// Reads the configuration again. When it is wrong the old one stays in force.
    pub async fn reload(&self) {
        let loaded = match self.arguments.load(&self.common) {
            Ok(loaded) => loaded,
            Err(Failure::Told { error, .. }) => {
                tracing::error!(%error, "the configuration was not reloaded");
                return;
            }
            Err(Failure::OutputClosed) => return,
        };
        if let Err(error) = self.level.change(&loaded.config.log.level) {
            tracing::error!(%error, "the log level stays");
        }
        // Before what is declared, for an endpoint may choose a new proxy.
        let settings = self.take(&loaded);
        let declared = Declared::of(&loaded.config, &loaded.secrets);
        let store = self.store.clone();
        let applied = tokio::task::spawn_blocking(move || declare::apply(&store, declared)).await;
        match applied {
            Ok(Ok(changes)) => {
                let (config, origins) = (self.in_force.config(), self.in_force.origins());
                self.in_force.set(config.declaring(&loaded.config), origins.as_ref().clone());
                let changes: Vec<_> = settings.into_iter().chain(changes).collect();
                for change in &changes {
                    tracing::info!(change, "relay.toml");
                }
                let changes = changes.len();
                tracing::info!(changes, "reloaded; other settings need a restart");
            }
            Ok(Err(error)) => tracing::error!(%error, "what relay.toml declares was not applied"),
            Err(error) => tracing::error!(%error, "what relay.toml declares was not applied"),
        }
    }

    /// Takes the settings that need no restart; a line for each that is another now.
    fn take(&self, loaded: &Loaded) -> Vec<String> {
        let old = self.in_force.config();
        let mut new = old.reloaded(&loaded.config);
        if let Err(Failure::Told { error, .. }) = self.alerts.reload(loaded) {
            tracing::error!(%error, "the alerts stay as they were");
            new.declared_alerts.clone_from(&old.declared_alerts);
            new.alerts = old.alerts.clone();
        }
        let proxies = self.transport.set_proxies(Proxies::new(&new));
        let changed = changed(&old, &new, proxies);
        let origins = self.in_force.origins().reloaded(&Origins::from(loaded));
        self.in_force.set(new, origins);
        changed
    }
}

fn changed(old: &Config, new: &Config, proxies: bool) -> Vec<String> {
    let alerts = old.declared_alerts != new.declared_alerts || old.alerts != new.alerts;
    let (redact, portal) = (old.redact != new.redact, old.portal != new.portal);
    [("alerts", alerts), ("redact", redact), ("portal", portal), ("proxies", proxies)]
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(what, _)| format!("{what}: changed"))
        .collect()
}
