//! The free space of the disk, and what it means for those who send.

use super::Round;

impl Round {
    /// Looks at the free space, sets the figures of it, and says why messages are refused.
    pub(super) fn watch_space(&mut self) {
        if let Err(error) = self.store.keep_ballast() {
            tracing::warn!(%error, "no space can be kept aside for a start on a full disk");
        }
        let free = self.store.free_bytes().unwrap_or(u64::MAX);
        self.metrics.disk_free.set(i64::try_from(free).unwrap_or(i64::MAX));
        let figures = self.store.figures();
        for (gauge, number) in [
            (&self.metrics.store_overlay, figures.overlay_bytes),
            (&self.metrics.store_index, figures.index_bytes),
            (&self.metrics.data_folder, figures.folder_bytes),
        ] {
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
        self.metrics.untold.inc_by(figures.untold.saturating_sub(self.metrics.untold.get()));
        self.compactor.look(&self.store, figures.index_bytes);
        // What was set aside for opening and given up for it is not there to be filled.
        let needed = self.settings.min_free + self.store.ballast_lacking();
        let reason = if free < needed {
            Some(format!(
                "only {free} bytes are free on the disk and {needed} are to be left (data.min_free \
                 is {}): free some space, nothing was lost",
                self.settings.min_free
            ))
        } else if self.dense_until.is_some() && self.is_full() {
            Some(format!(
                "what waits to be delivered fills retention.max_bytes ({}): raise it, or mend or \
                 delete the endpoints that are down",
                self.settings.max_bytes
            ))
        } else {
            None
        };
        if reason.is_some() != self.said.is_some() {
            match &reason {
                Some(reason) => tracing::error!(%reason, "accepting nothing"),
                None => tracing::info!("accepting again"),
            }
        }
        self.said.clone_from(&reason);
        self.store.refuse(reason);
    }
}
