//! Which deliveries wait for which, as the model has them.

use relay::domain::delivery::DeliveryId;
use relay::store::Verdict;

use crate::model::{Model, Ordered, Row, Write};

impl Model {
    /// A delivery that this one has to wait for.
    pub fn before(&self, id: DeliveryId) -> Option<DeliveryId> {
        let order = self.durable.endpoints.get(&id.endpoint)?.order;
        let own = self.durable.rows.get(&id)?;
        let event_type = |id: &DeliveryId| {
            self.durable.messages.get(&id.message).map(|kept| kept.message.event_type.clone())
        };
        let mut rows = self.durable.rows.iter();
        let found = rows.find(|(other, row)| {
            let tied = row.place == own.place && other.message < id.message;
            let earlier = row.place < own.place || tied && self.stands_first(other, row);
            let same = match order {
                Ordered::No => false,
                Ordered::Whole => true,
                Ordered::ByType => event_type(other) == event_type(&id),
            };
            row.waits() && earlier && same && other.endpoint == id.endpoint && !self.ends(**other)
        });
        found.map(|(id, _)| *id)
    }

    /// Whether what is on its way ends it, and would again if that got lost.
    fn ends(&self, id: DeliveryId) -> bool {
        self.pending.values().any(|pending| match pending.write {
            Write::Settle { delivery, verdict, .. } => {
                delivery == id && matches!(verdict, Verdict::Delivered | Verdict::Dropped)
            }
            Write::Expire(delivery) => delivery == id,
            _ => false,
        })
    }

    /// Whether it stands where its message was accepted. What a person put there in the same
    /// millisecond as another was accepted may go before or behind that.
    fn stands_first(&self, id: &DeliveryId, row: &Row) -> bool {
        let kept = self.durable.messages.get(&id.message);
        id.replay == 0 && kept.is_some_and(|kept| kept.message.first_due() == row.place)
    }
}
