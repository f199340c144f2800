//! What every request handler can reach.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::config::Config;
use crate::domain::time::Clock;
use crate::engine::driver::Handle;
use crate::engine::intake::Intake;
use crate::engine::minutes::Minutes;
use crate::engine::script::Scripts;
use crate::http::auth::Access;
use crate::http::in_force::InForce;
use crate::metrics::Metrics;
use crate::store::Store;

/// Reads an endpoint's URL: its normal form, or what is wrong with it.
pub type CheckUrl = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// What the server is given; clones share it.
#[derive(Clone)]
pub struct State {
    /// Where everything is kept.
    pub store: Store,
    /// Engine time, and wall time for tokens.
    pub clock: Arc<dyn Clock>,
    /// The settings as they were loaded at the start,
    pub config: Arc<Config>,
    /// and those that a reload changes.
    pub in_force: InForce,
    /// Who may call.
    pub access: Arc<Access>,
    /// Parses an endpoint's URL and asks the address guard.
    pub check_url: CheckUrl,
    /// Decides about requests to sources.
    pub intake: Intake,
    /// Tells how lanes stand.
    pub scheduler: Handle,
    /// Runs transformations.
    pub scripts: Arc<Scripts>,
    /// What is tried, beside what is delivered: two at once, so that it takes neither the threads
    /// nor the processes that deliveries and requests wait for.
    pub tries: Arc<Semaphore>,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// What of them is kept by the minute.
    pub minutes: Minutes,
    /// Whether requests should be sent here.
    pub readiness: Readiness,
}

/// How much is tried at once.
pub const TRIES: usize = 2;

/// Reasons not to be ready, by part; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Readiness {
    /// The part `what` is not ready, and why, in words.
    pub fn hold(&self, what: &'static str, why: impl Into<String>) {
        self.reasons_mut().insert(what, why.into());
    }

    /// The part `what` is ready again.
    pub fn clear(&self, what: &'static str) {
        self.reasons_mut().remove(what);
    }

    /// What keeps the relay from being ready; empty when it is.
    pub fn reasons(&self) -> BTreeMap<&'static str, String> {
        self.reasons_mut().clone()
    }

    fn reasons_mut(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        // A map of reasons is whole after every step, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
