//! SIGHUP: what `relay.toml` declares and the log level are taken anew.

use super::ServeArguments;
use crate::cli::Common;
use crate::cli::failure::Failure;
use crate::engine::declare::{self, Declared};
use crate::store::Store;
use crate::telemetry::LogLevel;

/// What a reload reaches.
pub(super) struct Reloading {
    pub level: LogLevel,
    pub common: Common,
    pub arguments: ServeArguments,
    pub store: Store,
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
        let declared = Declared::of(&loaded.config, &loaded.secrets);
        let store = self.store.clone();
        let applied = tokio::task::spawn_blocking(move || declare::apply(&store, declared)).await;
        match applied {
            Ok(Ok(changes)) => {
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
}
