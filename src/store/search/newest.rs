//! Up to where each application has messages, so that who looks for the newest of ten thousand
//! applications does not ask all of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use crate::domain::id::{ApplicationId, Stamp};

/// Applications asked for in one go: who accepts messages waits for as many.
const STEP: usize = 256;
/// Applications that are gone and remembered still, at most.
const GONE_MAX: usize = 1_000;

/// No message of an application is newer than the stamp that it has here; one without a stamp may
/// have any.
#[derive(Default)]
pub struct Newest(Mutex<HashMap<ApplicationId, Stamp>>);

impl Newest {
    /// There is a message with this stamp, or none that is newer.
    pub fn raise(&self, application: ApplicationId, stamp: Stamp) {
        let mut known = self.lock();
        let newest = known.entry(application).or_default();
        *newest = stamp.max(*newest);
    }

    /// What is known of each, in their order. Nothing is remembered of applications beside them.
    pub fn of(&self, all: &[ApplicationId]) -> Vec<Option<Stamp>> {
        let mut found = Vec::with_capacity(all.len());
        for some in all.chunks(STEP) {
            let known = self.lock();
            found.extend(some.iter().map(|application| known.get(application).copied()));
        }
        found
    }

    /// Forgets applications that are not among these, where many are remembered.
    pub fn keep(&self, all: &[ApplicationId]) {
        let mut known = self.lock();
        if known.len() > all.len() + GONE_MAX {
            let all: HashSet<ApplicationId> = all.iter().copied().collect();
            known.retain(|application, _| all.contains(application));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ApplicationId, Stamp>> {
        self.0.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_grows_and_forgets_what_is_gone() {
        let newest = Newest::default();
        let application = |number: u64| ApplicationId::new(Stamp(number));
        newest.raise(application(1), Stamp(7));
        newest.raise(application(1), Stamp(5));
        newest.raise(application(2), Stamp(0));
        let asked = [application(1), application(2), application(3)];
        assert_eq!(newest.of(&asked), [Some(Stamp(7)), Some(Stamp(0)), None]);
        for number in 10..20 + GONE_MAX as u64 {
            newest.raise(application(number), Stamp(1));
        }
        newest.keep(&asked);
        assert_eq!(newest.of(&asked), [Some(Stamp(7)), Some(Stamp(0)), None]);
        assert_eq!(newest.of(&[application(10)]), [None]);
    }
}
