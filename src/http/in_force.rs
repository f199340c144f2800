//! What a reload changes of the settings, as it is in force.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Config;
use crate::config::portal::Logo;
use crate::config::shown::Origins;
use crate::domain::redact::Redaction;

/// The settings with what the last reload took of newer ones; clones share it.
#[derive(Clone)]
pub struct InForce(Arc<RwLock<Settings>>);

#[derive(Clone)]
struct Settings {
    config: Arc<Config>,
    origins: Arc<Origins>,
    redaction: Arc<Redaction>,
    logo: Option<Arc<Logo>>,
}

impl Settings {
    fn new(config: Arc<Config>, origins: Arc<Origins>) -> Settings {
        let redaction = Arc::new(config.redact.redaction());
        // It was there when the settings were checked, a moment ago.
        let logo = config.portal.read_logo().unwrap_or_else(|error| {
            tracing::error!(error, "the portal has no logo");
            None
        });
        Settings { config, origins, redaction, logo: logo.map(Arc::new) }
    }
}

impl InForce {
    /// As they were loaded at the start, and where from.
    pub fn new(config: Arc<Config>, origins: Origins) -> InForce {
        InForce(Arc::new(RwLock::new(Settings::new(config, Arc::new(origins)))))
    }

    /// All of them.
    pub fn config(&self) -> Arc<Config> {
        self.get().config
    }

    /// What of content is not shown.
    pub fn redaction(&self) -> Arc<Redaction> {
        self.get().redaction
    }

    /// The logo of the portal, as the file was when the settings were taken.
    pub fn logo(&self) -> Option<Arc<Logo>> {
        self.get().logo
    }

    /// Where each of them comes from.
    pub fn origins(&self) -> Arc<Origins> {
        self.get().origins
    }

    /// From now on these.
    pub fn set(&self, config: Config, origins: Origins) {
        let settings = Settings::new(Arc::new(config), Arc::new(origins));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn get(&self) -> Settings {
        // It is replaced as a whole, whoever panicked.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
