//! What a reload changes of the settings, as it is in force.

use std::sync::{Arc, PoisonError, RwLock};

use crate::config::Config;
use crate::domain::redact::Redaction;

/// The settings with what the last reload took of newer ones; clones share it.
#[derive(Clone)]
pub struct InForce(Arc<RwLock<Settings>>);

#[derive(Clone)]
struct Settings {
    config: Arc<Config>,
    redaction: Arc<Redaction>,
}

impl Settings {
    fn new(config: Arc<Config>) -> Settings {
        let redaction = Arc::new(config.redact.redaction());
        Settings { config, redaction }
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
