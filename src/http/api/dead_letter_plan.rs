//! What would be done with dead letters, and how long it would take.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::application::Application;
use crate::domain::dead_letter::{DeadLetterAction, DeadLetterWork};
use crate::store::{DeadLetterPlan, Store};

/// What a plan answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanTold {
    count: u64,
    bytes: Option<u64>,
    estimated_seconds: Option<u64>,
    by_reason: BTreeMap<&'static str, u64>,
    skipped: Skipped,
    until: String,
}

#[derive(Serialize)]
struct Skipped {
    disabled: u64,
    expunged: u64,
}

/// Looks at every dead letter that may be meant; nothing is changed.
pub(super) fn told(store: &Store, application: &Application, work: &DeadLetterWork) -> PlanTold {
    let plan = store.plan_dead_letters(work);
    let rate = |endpoint| store.endpoint_by_id(endpoint).and_then(|found| found.1.throttle_rate);
    let is_sent = work.action == DeadLetterAction::Resend;
    let rates = plan.by_endpoint.iter().map(|(endpoint, count)| (*count, rate(*endpoint)));
    let seconds = seconds(&plan, application.throttle_rate, rates);
    PlanTold {
        count: plan.count,
        bytes: is_sent.then_some(plan.bytes),
        estimated_seconds: seconds.filter(|_| is_sent),
        by_reason: plan.by_reason,
        skipped: Skipped { disabled: plan.disabled, expunged: plan.expunged },
        until: work.filter.died.until.to_string(),
    }
}

/// How long the throttles make it take at least; `None` where nothing throttles some of it, for
/// how fast a receiver is nobody knows.
fn seconds(
    plan: &DeadLetterPlan,
    application: Option<u16>,
    endpoints: impl Iterator<Item = (u64, Option<u16>)>,
) -> Option<u64> {
    let at = |count: u64, rate: u16| count.div_ceil(u64::from(rate.max(1)));
    let together = application.map(|rate| at(plan.count, rate));
    let mut longest = together.unwrap_or(0);
    for (count, rate) in endpoints {
        let alone = rate.map(|rate| at(count, rate));
        longest = longest.max(alone.or(together)?);
    }
    Some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_throttle_counts() {
        let check = |application, endpoints: &[(u64, Option<u16>)], expected| {
            let count = endpoints.iter().map(|(count, _)| count).sum();
            let plan = DeadLetterPlan { count, ..DeadLetterPlan::default() };
            let found = seconds(&plan, application, endpoints.iter().copied());
            assert_eq!(found, expected, "{application:?} {endpoints:?}");
        };
        check(None, &[], Some(0));
        check(None, &[(10, None)], None);
        check(None, &[(10, Some(3))], Some(4));
        check(None, &[(10, Some(1)), (90, Some(10))], Some(10));
        check(None, &[(10, Some(1)), (1, None)], None);
        check(Some(10), &[(10, Some(1)), (90, None)], Some(10));
        check(Some(1), &[(10, Some(1)), (90, None)], Some(100));
    }
}
