//! Putting another index under the overlay.

use std::sync::{Arc, MutexGuard};

use crate::store::index::{Copied, Index, IndexError};
use crate::store::overlay::Overlay;

/// An index that is being made to take the place of the one that counts.
pub struct Mirror {
    pub index: Arc<Index>,
    pub copied: Copied,
}

impl Overlay {
    /// Holds up what goes into the index while one is made to take its place.
    pub fn hold(&self) -> Pause<'_> {
        Pause { overlay: self, mirror: self.applying.lock().expect("no holder panics") }
    }
}

/// While this is there nothing goes into the index, so that another can be made equal to it.
pub struct Pause<'overlay> {
    overlay: &'overlay Overlay,
    mirror: MutexGuard<'overlay, Option<Mirror>>,
}

impl Pause<'_> {
    /// From now on what is copied is kept equal in `other`; in none when it is `None`.
    pub fn mirror(&mut self, other: Option<Arc<Index>>) {
        *self.mirror = other.map(|index| Mirror { index, copied: Copied::default() });
    }

    /// Copies the next rows into the mirror; `false` when there are none left, `None` when there is
    /// no mirror, not any more after it failed.
    pub fn copy_some(&mut self) -> Option<Result<bool, IndexError>> {
        let Mirror { index, copied } = self.mirror.as_mut()?;
        Some(self.overlay.index().copy_some(copied, index))
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
        let next = self.mirror.take()?.index;
        let mut rows = self.overlay.rows.write().expect("no reader panics");
        Some(std::mem::replace(&mut rows.index, next))
    }
}
