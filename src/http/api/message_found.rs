//! What a search has found, and how it is shown.

use serde::Serialize;

use super::shapes::{self, MessageOut};
use crate::store::{Reference, Store, StoredMessage};

/// Where a message was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Match {
    /// `id`, `attempt`, `endpoint`, `eventId` or `body`.
    field: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<String>,
}

impl Match {
    /// By its id, or one that goes with it.
    pub fn of(field: &'static str) -> Match {
        Match { field, excerpt: None }
    }

    /// In its body; the excerpt is of what is shown of it.
    pub fn in_body(excerpt: String) -> Match {
        Match { field: "body", excerpt: Some(excerpt) }
    }
}

/// Deliveries of a message, replays too, by how they stand.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    success: usize,
    pending: usize,
    sending: usize,
    fail: usize,
    canceled: usize,
}

impl Counts {
    /// Looks each of them up.
    pub fn of(store: &Store, stored: &StoredMessage) -> Counts {
        let mut counts = Counts::default();
        for (_, delivery) in store.deliveries(stored) {
            let status = shapes::status(delivery.state).0;
            if let Some(count) = counts.by_status().into_iter().nth(usize::from(status)) {
                *count += 1;
            }
        }
        counts
    }

    /// How many have a status, 0 to 4.
    pub fn with(mut self, status: u8) -> usize {
        let count = self.by_status().into_iter().nth(usize::from(status));
        count.map_or(0, |count| *count)
    }

    fn by_status(&mut self) -> [&mut usize; 5] {
        let Counts { success, pending, sending, fail, canceled } = self;
        [success, pending, fail, sending, canceled]
    }
}

/// A message, and where it was found when something was looked for.
pub(super) struct Found {
    pub stored: StoredMessage,
    pub matched: Option<Match>,
    pub counts: Counts,
}

/// MessageOut, and what a list over many applications has more.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundOut {
    #[serde(flatten)]
    message: MessageOut,
    app_id: String,
    app_name: String,
    #[serde(rename = "match")]
    matched: Option<Match>,
    deliveries: Counts,
}

/// As it is shown, without its content.
pub(super) fn shown(store: &Store, found: Found) -> FoundOut {
    let Found { stored, matched, counts } = found;
    let id = stored.message.application;
    let application = store.application(&Reference::Id(id));
    FoundOut {
        message: MessageOut::new(store.ids(), &stored.message, None),
        app_id: store.ids().text(id),
        // It may have been deleted just now.
        app_name: application.map(|owner| owner.name.clone()).unwrap_or_default(),
        matched,
        deliveries: counts,
    }
}
