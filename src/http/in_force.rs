//! What a reload changes of the settings, as it is in force.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Config;
use crate::config::portal::Logo;
use crate::domain::redact::Redaction;

/// The settings with what the last reload took of newer ones; clones share it.
#[derive(Clone)]
pub struct InForce(Arc<RwLock<Settings>>);

#[derive(Clone)]
struct Settings {
    config: Arc<Config>,
    redaction: Arc<Redaction>,
    logo: Option<Arc<Logo>>,
}

impl Settings {
    fn new(config: Arc<Config>) -> Settings {
        let redaction = Arc::new(config.redact.redaction());
        // It was there when the settings were checked, a moment ago.
        let logo = config.portal.read_logo().unwrap_or_else(|error| {
            tracing::error!(error, "the portal has no logo");
            None
        });
        Settings { config, redaction, logo: logo.map(Arc::new) }
    }
}

impl InForce {
    /// As they were loaded at the start.
    pub fn new(config: Arc<Config>) -> InForce {
        InForce(Arc::new(RwLock::new(Settings::new(config))))
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

    /// From now on these.
    pub fn set(&self, config: Arc<Config>) {
        let settings = Settings::new(config);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn get(&self) -> Settings {
        // It is replaced as a whole, whoever panicked.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
