//! What is fetched for many and held for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::time::Clock;
use crate::engine::transport::Transport;

/// The way something is fetched by, and what is held of it.
pub(super) struct Fetched<T> {
    /// That of the deliveries.
    pub transport: Arc<dyn Transport>,
    /// Says how long it was held.
    pub clock: Arc<dyn Clock>,
    held: Mutex<T>,
}

impl<T: Default> Fetched<T> {
    /// Nothing is held yet.
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Fetched<T> {
        Fetched { transport, clock, held: Mutex::default() }
    }

    /// What is held, for one thread at a time.
    pub fn held(&self) -> MutexGuard<'_, T> {
        // Maps are whole after every step, whoever panicked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
