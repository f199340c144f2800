//! How endpoints stand, for who looks at them: what waits and what was tried last, within bounds.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::domain::application::Application;
use crate::domain::delivery::{Attempt, Outcome};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{EndpointId, Stamp};
use crate::domain::operational::HIDDEN;
use crate::domain::time::Timestamp;
use crate::store::keys;
use crate::store::records::AttemptRow;
use crate::store::{Shared, Store};

/// How much there is of what is made once and used for long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Applications.
    pub applications: u64,
    /// Their endpoints.
    pub endpoints: u64,
    /// Those of them that take no deliveries.
    pub disabled: u64,
    /// Endpoints, those of operational webhooks among them, that fail.
    pub failing: u64,
    /// Sources.
    pub sources: u64,
}

/// What waits for an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WaitingOf {
    /// Deliveries, due or not.
    pub count: u64,
    /// Whether there are no more than that.
    pub exact: bool,
    /// When the first of them was or is due.
    pub first_due: Option<Timestamp>,
}

/// The newest attempts at an endpoint, among as many as were looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LastAttempts {
    /// The last one.
    pub last: Option<Attempt>,
    /// The last that was answered 2xx.
    pub success: Option<Attempt>,
    /// The last that was not.
    pub failure: Option<Attempt>,
}

impl Store {
    /// How much there is; asks memory alone.
    pub fn census(&self) -> Census {
        let tables = self.shared.read_catalog();
        let hidden = tables.endpoints(HIDDEN);
        let (mut own, mut own_disabled) = (0, 0);
        hidden.for_each(|endpoint| {
            own += 1;
            own_disabled += usize::from(endpoint.disabled.is_some());
        });
        Census {
            applications: tables.applications().count() as u64,
            endpoints: (tables.endpoint_count() - own) as u64,
            disabled: (tables.disabled.len() - own_disabled) as u64,
            failing: tables.failing().count() as u64,
            sources: tables.sources().all().count() as u64,
        }
    }

    /// Bytes of disk that the data folder takes; asks the file system.
    pub fn used_bytes(&self) -> u64 {
        self.shared.place.used_bytes()
    }

    /// Since when the endpoint fails, `None` while it is well.
    pub fn failing_since(&self, endpoint: EndpointId) -> Option<Timestamp> {
        self.shared.read_catalog().failing_since(endpoint)
    }

    /// Every endpoint that takes no deliveries, whoever disabled it.
    pub fn disabled_endpoints(&self) -> Vec<(Arc<Application>, Arc<Endpoint>)> {
        let tables = self.shared.read_catalog();
        tables.disabled.iter().filter_map(|id| tables.endpoint_by_id(*id)).collect()
    }

    /// Counts what waits for an endpoint, up to `most` of it; may wait for the disk.
    pub fn waiting_of(&self, endpoint: EndpointId, most: u64) -> WaitingOf {
        let mut waiting = WaitingOf { exact: true, ..WaitingOf::default() };
        let from = keys::due_of(endpoint);
        self.shared.overlay.scan(&from, &from.after_prefix(), false, &mut |key, _| {
            if waiting.count == most {
                waiting.exact = false;
                return ControlFlow::Break(());
            }
            waiting.count += 1;
            let due = keys::due_parts(&key).map(|(_, due)| due);
            waiting.first_due = waiting.first_due.or(due);
            ControlFlow::Continue(())
        });
        waiting
    }

    /// The newest attempts at an endpoint among the last `most`; may wait for the disk.
    pub fn last_attempts(&self, endpoint: EndpointId, most: usize) -> LastAttempts {
        let mut found = LastAttempts::default();
        self.shared.attempts_back(endpoint, Timestamp::default(), most, &mut |attempt| {
            match attempt.outcome {
                Outcome::Delivered => _ = found.success.get_or_insert_with(|| attempt.clone()),
                // Its transformation said that there was nothing to send.
                Outcome::Dropped => {}
                _ => _ = found.failure.get_or_insert_with(|| attempt.clone()),
            }
            found.last.get_or_insert(attempt);
            match (&found.success, &found.failure) {
                (Some(_), Some(_)) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        found
    }

    /// Visits the attempts at an endpoint that were recorded since, newest first, `most` of them at
    /// most; gives the time of the last one visited when there are more. May wait for the disk.
    pub fn attempts_since(
        &self,
        endpoint: EndpointId,
        since: Timestamp,
        most: usize,
        visit: &mut dyn FnMut(&Attempt),
    ) -> Option<Timestamp> {
        let (mut left, mut last) = (most, None);
        let mut cut = false;
        self.shared.attempts_back(endpoint, since, most.saturating_add(1), &mut |attempt| {
            cut = left == 0;
            if cut {
                return ControlFlow::Break(());
            }
            left -= 1;
            last = Some(attempt.id.time());
            visit(&attempt);
            ControlFlow::Continue(())
        });
        last.filter(|_| cut)
    }
}

impl Shared {
    fn attempts_back(
        &self,
        endpoint: EndpointId,
        since: Timestamp,
        most: usize,
        visit: &mut dyn FnMut(Attempt) -> ControlFlow<()>,
    ) {
        let from = keys::attempt_at(endpoint, Stamp::first_at(since));
        let to = keys::attempts(endpoint).after_prefix();
        let mut left = most;
        self.overlay.scan(&from, &to, true, &mut |key, value| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            let row: AttemptRow = self.decode(&key, &value);
            visit(row.attempt)
        });
    }
}
