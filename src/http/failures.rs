//! Wrong keys, counted by address: guessing is made slow.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// Wrong keys that one address may send in a [`WINDOW`].
pub const FAILURES_MAX: u32 = 20;
/// How long they are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Failed sign-ins that the audit log is told of in an [`HOUR`], from whatever addresses: whoever
/// fails on purpose must not fill it.
pub const NOTED_MAX: u32 = 60;
/// How long those are counted.
pub const HOUR: Duration = Duration::from_secs(3_600);
/// Addresses remembered at once; the oldest goes for a new one.
pub const ADDRESSES_MAX: usize = 4_096;

struct Count {
    since: Timestamp,
    failures: u32,
    /// One of them stands in the audit log.
    noted: bool,
}

/// Failures in the current window of each address.
#[derive(Default)]
pub(super) struct Failures {
    counts: Mutex<HashMap<IpAddr, Count>>,
    /// Since when, and how many, the audit log was told of.
    noted: Mutex<(Timestamp, u32)>,
}

impl Failures {
    /// Seconds for which a wrong key from this address is answered with 429, `None` when it is not.
    pub fn blocked(&self, address: IpAddr, now: Timestamp) -> Option<u64> {
        let counts = self.counts();
        let count = counts.get(&network(address))?;
        let passed = now.since(count.since);
        (count.failures >= FAILURES_MAX && passed < WINDOW)
            .then(|| (WINDOW - passed).as_millis().div_ceil(1_000) as u64)
    }

    /// Remembers a wrong key; returns whether it is the last one that is told so for a while.
    pub fn record(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.counts();
        let address = network(address);
        if counts.len() >= ADDRESSES_MAX && !counts.contains_key(&address) {
            counts.retain(|_, count| now.since(count.since) < WINDOW);
        }
        if counts.len() >= ADDRESSES_MAX && !counts.contains_key(&address) {
            let oldest = counts.iter().min_by_key(|(_, count)| count.since);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                counts.remove(&oldest);
            }
        }
        let count =
            counts.entry(address).or_insert(Count { since: now, failures: 0, noted: false });
        if now.since(count.since) >= WINDOW {
            *count = Count { since: now, failures: 0, noted: false };
        }
        count.failures += 1;
        count.failures == FAILURES_MAX
    }

    /// Whether the audit log is told of the failure that was just recorded: of one in the window of
    /// an address, and of so many in an hour.
    pub fn note(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.counts();
        let Some(count) = counts.get_mut(&network(address)).filter(|count| !count.noted) else {
            return false;
        };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(noted.0) >= HOUR {
            *noted = (now, 0);
        }
        count.noted = noted.1 < NOTED_MAX;
        noted.1 += u32::from(count.noted);
        count.noted
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        // The counts are whole after every step, whoever panicked.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One customer has a /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_a_minute() {
        let failures = Failures::default();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let start = Timestamp::from_millis(1_000_000);
        for number in 1..=FAILURES_MAX {
            assert_eq!(failures.blocked(address, start), None);
            assert_eq!(failures.record(address, start), number == FAILURES_MAX);
        }
        assert_eq!(failures.blocked(address, start), Some(60));
        assert_eq!(failures.blocked(neighbour, start), Some(60), "the same /64");
        assert_eq!(failures.blocked("192.0.2.1".parse().unwrap(), start), None);
        assert_eq!(failures.blocked(address, start + Duration::from_millis(59_001)), Some(1));
        assert_eq!(failures.blocked(address, start + WINDOW), None);
        failures.record(address, start + WINDOW);
        assert_eq!(failures.blocked(address, start + WINDOW), None, "a new window");
    }

    #[test]
    fn what_the_audit_log_is_told() {
        let failures = Failures::default();
        let start = Timestamp::from_millis(10_000_000);
        let fails = |address: IpAddr, now| {
            failures.record(address, now);
            failures.note(address, now)
        };
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(fails(one, start));
        assert!(!fails(one, start + Duration::from_secs(59)), "one in a window");
        assert!(fails(one, start + WINDOW));
        let many = (0..200_u32).filter(|number| fails(IpAddr::from(number.to_be_bytes()), start));
        assert_eq!(many.count(), NOTED_MAX as usize - 2);
        assert!(!fails(one, start + 2 * WINDOW), "so many in an hour");
        assert!(fails(one, start + HOUR + WINDOW));
    }

    #[test]
    fn the_table_is_bounded() {
        let failures = Failures::default();
        for number in 0..ADDRESSES_MAX as u32 + 100 {
            let now = Timestamp::from_millis(u64::from(number));
            failures.record(IpAddr::from(number.to_be_bytes()), now);
        }
        assert_eq!(failures.counts().len(), ADDRESSES_MAX);
        assert!(!failures.counts().contains_key(&IpAddr::from([0, 0, 0, 0])), "the oldest went");
    }
}
