//! How the messages and attempts of an endpoint stand, counted.

use std::ops::ControlFlow;

use crate::domain::delivery::Outcome;
use crate::domain::id::{ApplicationId, EndpointId, Stamp};
use crate::domain::subscription::Candidate;
use crate::domain::task::{Standing, Window};
use crate::store::keys::{self, Key};
use crate::store::records::{AttemptRow, MessageRow};
use crate::store::{AttemptFilter, PageRequest, PageStart, Shared, Store};

/// Rows looked at in one step; the index is let go between two steps.
const STEP: usize = 1_000;

/// Messages of an endpoint by how their last delivery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EndpointStats {
    /// Delivered.
    pub success: u64,
    /// Waiting or retrying.
    pub pending: u64,
    /// Dead.
    pub fail: u64,
    /// Taken back.
    pub cancelled: u64,
}

/// Attempts at an endpoint by how they ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AttemptStats {
    /// Answered 2xx.
    pub success: u64,
    /// All others.
    pub fail: u64,
}

impl Store {
    /// Whether a message would be matched to any endpoint if it came now.
    pub fn is_wanted(
        &self,
        application: ApplicationId,
        event_type: &str,
        channels: &[String],
    ) -> bool {
        self.shared.read_catalog().endpoints(application).any(|endpoint| {
            let candidate = Candidate { event_type, channels, source: None };
            endpoint.disabled.is_none() && endpoint.subscription.wants(&candidate)
        })
    }

    /// Counts the messages accepted in `window` that were matched or replayed to an endpoint;
    /// takes microseconds for each message of the application, so not on a thread that serves.
    pub fn endpoint_stats(
        &self,
        application: ApplicationId,
        endpoint: EndpointId,
        window: Window,
    ) -> EndpointStats {
        let at = |time| keys::message_at(application, Stamp::first_at(time));
        let mut stats = EndpointStats::default();
        self.shared.in_steps(at(window.since), at(window.until), &mut |key, value| {
            let row: MessageRow = self.shared.decode(&key, &value);
            let Some(id) = self.shared.newest(&row.message, endpoint) else { return };
            match Standing::of(self.shared.delivery(&row.message, id).state) {
                Standing::Success => stats.success += 1,
                Standing::Pending | Standing::Sending => stats.pending += 1,
                Standing::Fail => stats.fail += 1,
                Standing::Cancelled => stats.cancelled += 1,
            }
        });
        stats
    }

    /// Counts the attempts made at an endpoint in `window`; as dear as [`Store::endpoint_stats`].
    pub fn attempt_stats(&self, endpoint: EndpointId, window: Window) -> AttemptStats {
        let at = |time| keys::attempt_at(endpoint, Stamp::first_at(time));
        let mut stats = AttemptStats::default();
        self.shared.in_steps(at(window.since), at(window.until), &mut |key, value| {
            let row: AttemptRow = self.shared.decode(&key, &value);
            match row.attempt.outcome {
                Outcome::Delivered => stats.success += 1,
                _ => stats.fail += 1,
            }
        });
        stats
    }

    /// Counts the attempts made at an endpoint that pass; as dear as [`Store::endpoint_stats`], and
    /// more where the filter asks for what stands in their messages.
    pub fn count_endpoint_attempts(&self, endpoint: EndpointId, filter: &AttemptFilter) -> u64 {
        let mut count = 0;
        let mut start = PageStart::First;
        // Bounded by the attempts there are: each page begins behind the last one.
        loop {
            let page = PageRequest { limit: STEP, start, descending: false };
            let found = self.shared.list_endpoint_attempts(endpoint, filter, &page);
            count += found.items.len() as u64;
            let last = found.items.last().map(|stored| stored.attempt.id);
            match found.scanned_to.or(last) {
                Some(last) if !found.done => start = PageStart::After(last),
                _ => return count,
            }
        }
    }
}

impl Shared {
    /// Visits every row of a range, in steps.
    fn in_steps(&self, mut from: Key, to: Key, visit: &mut dyn FnMut(Key, bytes::Bytes)) {
        while from < to {
            let mut rows = Vec::with_capacity(STEP);
            self.overlay.scan(&from, &to, false, &mut |key, value| {
                rows.push((key, value));
                if rows.len() == STEP { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let Some((last, _)) = rows.last() else { return };
            from = last.successor();
            rows.into_iter().for_each(|(key, value)| visit(key, value));
        }
    }
}
