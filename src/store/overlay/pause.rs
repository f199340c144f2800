//! Putting another index under the overlay.

use std::sync::{Arc, MutexGuard};

use crate::store::index::Index;
use crate::store::overlay::Overlay;

impl Overlay {
    /// Holds up what goes into the index while one is made to take its place.
    pub fn hold(&self) -> Pause<'_> {
        Pause { overlay: self, mirror: self.applying.lock().expect("no holder panics") }
    }
}

/// While this is there nothing goes into the index, so that another can be made equal to it.
pub struct Pause<'overlay> {
    overlay: &'overlay Overlay,
    mirror: MutexGuard<'overlay, Option<Arc<Index>>>,
}

impl Pause<'_> {
    /// From now on rows go into `other` too; into none when it is `None`.
    pub fn mirror(&mut self, other: Option<Arc<Index>>) {
        *self.mirror = other;
    }

    /// Whether rows go into another index too: not any more after it failed.
    pub fn is_mirrored(&self) -> bool {
        self.mirror.is_some()
    }

    /// The number up to which the index is complete.
    pub fn applied(&self) -> u64 {
        self.overlay.read().applied
    }

    /// The mirror takes the place of the index; returns that one.
    pub fn switch(mut self) -> Option<Arc<Index>> {
        let next = self.mirror.take()?;
        let mut rows = self.overlay.rows.write().expect("no reader panics");
        Some(std::mem::replace(&mut rows.index, next))
    }
}
