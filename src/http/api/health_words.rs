//! What is said of how an endpoint stands.

use std::time::Duration;

use super::endpoint_health::Seen;
use crate::domain::endpoint::Disabled;
use crate::domain::time::Timestamp;

/// Where nothing was tried for so long there is nothing to say of the receiver.
const IDLE_AFTER: Duration = Duration::from_secs(3_600);

/// How an endpoint stands; the worst to look at first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Status {
    /// Its deliveries are held, for its receiver is down.
    Parked,
    /// No attempt has succeeded since the last one that failed.
    Failing,
    /// Its receiver asked for a rest.
    Paused,
    /// More is due than its rate lets through.
    Throttled,
    /// It takes no deliveries.
    Disabled,
    /// It takes its deliveries.
    Healthy,
    /// Nothing waits, and nothing was tried for long.
    Idle,
}

impl Status {
    /// Those that a list of what is not well may hold.
    pub const UNWELL: [Status; 5] =
        [Status::Parked, Status::Failing, Status::Paused, Status::Throttled, Status::Disabled];

    /// What is to be said of what was seen.
    pub fn of(seen: &Seen) -> Status {
        let lane = seen.lane.as_ref();
        let last = seen.attempts.last.as_ref();
        let fresh = last.is_some_and(|last| seen.now.since(last.started_at) < IDLE_AFTER);
        let works = seen.waiting.count > 0 || lane.is_some_and(|lane| lane.in_flight > 0);
        if seen.endpoint.disabled.is_some() {
            Status::Disabled
        } else if lane.is_some_and(|lane| lane.parked.is_some()) {
            Status::Parked
        } else if lane.is_some_and(|lane| lane.rest_until.is_some()) {
            Status::Paused
        } else if seen.failing_since.is_some() {
            Status::Failing
        } else if lane.is_some_and(|lane| lane.throttled) {
            Status::Throttled
        } else if works || fresh {
            Status::Healthy
        } else {
            Status::Idle
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Status::Parked => "parked",
            Status::Failing => "failing",
            Status::Paused => "paused",
            Status::Throttled => "throttled",
            Status::Disabled => "disabled",
            Status::Healthy => "healthy",
            Status::Idle => "idle",
        }
    }
}

/// The same for people, with the times that belong to it.
pub(super) fn words(status: Status, seen: &Seen) -> String {
    let lane = seen.lane.as_ref();
    let since = |time: Option<Timestamp>| time.unwrap_or(seen.now);
    match status {
        Status::Disabled => disabled(seen).to_owned(),
        Status::Parked => {
            let parked = lane.and_then(|lane| lane.parked);
            let next = match parked.and_then(|(_, probe_at)| probe_at) {
                Some(at) if at > seen.now => format!("the next one goes to see at {at}"),
                Some(_) => "the next one that is due goes to see".to_owned(),
                None => "one is on its way to see".to_owned(),
            };
            let since = since(parked.map(|(since, _)| since));
            format!("its deliveries are held since {since}: too many failed; {next}")
        }
        Status::Paused => {
            let until = since(lane.and_then(|lane| lane.rest_until));
            format!("its receiver asked for nothing before {until} (Retry-After)")
        }
        Status::Failing => {
            format!("no attempt has succeeded since {}", since(seen.failing_since))
        }
        Status::Throttled => "more is due than its rate lets through".to_owned(),
        Status::Healthy => "it takes its deliveries".to_owned(),
        Status::Idle => "nothing waits, and nothing was tried within the last hour".to_owned(),
    }
}

fn disabled(seen: &Seen) -> &'static str {
    match seen.endpoint.disabled {
        Some(Disabled::Gone) => "it is disabled: it answered 410 Gone",
        Some(Disabled::Failing) => {
            "it is disabled: it failed for longer than delivery.disable_after"
        }
        Some(Disabled::LeftConfig) => "it is disabled: it left relay.toml",
        Some(Disabled::ByCaller) | None => "it is disabled by a caller of the API",
    }
}
