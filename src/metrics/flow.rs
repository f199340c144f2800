//! What is counted for charts where it happens: additions to numbers that threads share, and
//! nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::figures::{BUCKETS, Counted, Latencies, bucket};

/// Counts since the start; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Flow(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    received: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            received: AtomicU64::default(),
            delivered: AtomicU64::default(),
            failed: AtomicU64::default(),
            latency: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl Flow {
    /// A request came to a source.
    pub fn received(&self) {
        add(&self.0.received);
    }

    /// An attempt was not answered 2xx.
    pub fn failed(&self) {
        add(&self.0.failed);
    }

    /// A delivery was answered 2xx, so long after it was due first, where that is known.
    pub fn delivered(&self, after: Option<Duration>) {
        add(&self.0.delivered);
        if let Some(after) = after {
            let millis = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
            add(&self.0.latency[usize::from(bucket(millis))]);
        }
    }

    /// All of them.
    pub fn counted(&self) -> Counted {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut latency = Latencies::default();
        for (bucket, count) in (0..).zip(&self.0.latency) {
            latency.add_to(bucket, read(count));
        }
        Counted {
            received: read(&self.0.received),
            delivered: read(&self.0.delivered),
            failed: read(&self.0.failed),
            latency,
            ..Counted::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_read() {
        let flow = Flow::default();
        flow.received();
        flow.failed();
        flow.clone().delivered(Some(Duration::from_millis(7)));
        flow.delivered(Some(Duration::MAX));
        flow.delivered(None);
        let counted = flow.counted();
        assert_eq!((counted.received, counted.failed, counted.delivered), (1, 1, 3));
        assert_eq!(counted.latency.quantile(0.5), Some(7));
        assert!(counted.latency.quantile(1.0).is_some_and(|most| most > 1 << 31));
    }
}
