//! One message to every application: accepted once into the hidden one, and copied from there by a
//! background task, several applications in each step. How far it is stands in the record that has
//! the copies, so that a crash repeats none and leaves none out.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::id::{ApplicationId, MessageId, TaskId};
use crate::domain::message::Message;
use crate::domain::operational::HIDDEN;
use crate::domain::task::{Progress, Task, Work};
use crate::store::transaction::Transaction;
use crate::store::{
    NewMessage, Refusal, Store, StoreError, StoredMessage, WriteError, keys, records,
};

/// Applications in one step at most.
const STEP: usize = 64;
/// Bytes of one step beyond which it takes no further application.
const STEP_BYTES: usize = 1 << 20;
/// What the rows of a copy take beside its body, at most, and one more for each endpoint.
const ROWS_MAX: usize = 8 << 10;
const DUE_MAX: usize = 64;

/// What is copied.
pub(super) struct Source {
    stored: StoredMessage,
    body: Bytes,
    content_kept: Option<Duration>,
}

impl Transaction<'_> {
    /// Accepts a message for every application there is now; its own application is not looked at.
    /// The task that is returned makes the copies.
    pub fn broadcast(&mut self, new: NewMessage) -> Result<Task, Refusal> {
        let content_kept = new.content_kept;
        let new = NewMessage { application: HIDDEN, ..new };
        let message = self.accept_for(new, Vec::new())?.message.id;
        Ok(self.start_task(Work::Broadcast { message, content_kept }))
    }

    /// Copies it into the next applications; returns whether there are more.
    fn broadcast_step(&mut self, id: TaskId, source: Option<&Source>) -> Result<bool, Refusal> {
        let Some(mut task) = self.record::<Task>(&keys::task(id)) else { return Ok(false) };
        let Progress::Running(after) = task.progress else { return Ok(false) };
        task.progress = match source {
            None => Progress::Failed("the content of the message is gone".to_owned()),
            Some(source) => {
                let after = after.map(|(application, _)| application);
                let last = self.copy_to_some(&mut task, source, after)?;
                match last {
                    Some(last) => Progress::Running(Some((last, source.stored.message.id))),
                    None => Progress::Finished,
                }
            }
        };
        task.updated_at = self.now();
        self.put_row(keys::task(id), records::encode(&task), false);
        Ok(task.is_running())
    }

    /// Returns the last application that has been seen to, `None` when that was the last of all.
    fn copy_to_some(
        &mut self,
        task: &mut Task,
        source: &Source,
        after: Option<ApplicationId>,
    ) -> Result<Option<ApplicationId>, Refusal> {
        let tables = &self.writer.tables;
        // Those made later were not meant.
        let targets = tables.applications_after(after).map(|application| application.id);
        let targets = targets.take_while(|target| target.stamp() < task.id.stamp());
        let targets: Vec<_> = targets
            .take(STEP + 1)
            .map(|target| (target, tables.endpoints(target).count()))
            .collect();
        let mut last = after;
        for (count, (target, endpoints)) in targets.iter().enumerate() {
            let own = source.body.len() + ROWS_MAX + DUE_MAX * endpoints;
            let length = self.record_length() + own;
            if count == STEP || count > 0 && length > STEP_BYTES.min(self.record_max()) {
                return Ok(last);
            }
            let why = match length > self.record_max() {
                true => Some("too large"),
                false => self.copy_to(*target, source)?,
            };
            task.looked_at += 1;
            match why {
                None => task.done += 1,
                Some(why) => *task.counts.entry(why.to_owned()).or_default() += 1,
            }
            last = Some(*target);
        }
        Ok(None)
    }

    /// Returns why there is no copy, `None` when there is one.
    fn copy_to(
        &mut self,
        application: ApplicationId,
        source: &Source,
    ) -> Result<Option<&'static str>, Refusal> {
        let message = source.stored.message.as_ref().clone();
        let new = NewMessage {
            application,
            event_type: message.event_type,
            event_id: message.event_id,
            channels: message.channels,
            tags: message.tags,
            content_type: message.content_type,
            deliver_at: message.deliver_at,
            content_kept: source.content_kept,
            body: source.body.clone(),
            received: None,
            filtered: Default::default(),
        };
        match self.accept(new) {
            Ok(_) => Ok(None),
            Err(Refusal::Conflict(_)) => Ok(Some("eventId taken")),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a task still copies from this message.
    pub(super) fn is_broadcast(&self, message: &Message) -> bool {
        if message.application != HIDDEN || !message.endpoints.is_empty() {
            return false;
        }
        let all = keys::all_tasks();
        let mut found = false;
        let shared = &self.writer.shared;
        // The row of the task is in the record of the message, so that it is there to be found.
        shared.overlay.scan(&all, &all.after_prefix(), false, &mut |key, _| {
            let task: Option<Task> = self.record(&key);
            found = task.is_some_and(|task| task.is_running() && copies(&task.work, message.id));
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }
}

fn copies(work: &Work, id: MessageId) -> bool {
    matches!(work, Work::Broadcast { message, .. } if *message == id)
}

impl Store {
    /// Goes on with a broadcast by one step; returns whether there is more to do.
    pub(super) fn advance_broadcast(
        &self,
        id: TaskId,
        message: MessageId,
        content_kept: Option<Duration>,
    ) -> Result<bool, WriteError> {
        let source = self.broadcast_source(message, content_kept);
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                if let Some(reason) = transaction.writer.shared.refuses() {
                    return Err(Refusal::Full(reason).into());
                }
                Ok(transaction.broadcast_step(id, source.as_ref())?)
            })
        })?
    }

    fn broadcast_source(&self, id: MessageId, content_kept: Option<Duration>) -> Option<Source> {
        // The body may just have been carried out of a segment that is gone: then it stands
        // somewhere else now.
        for _ in 0..2 {
            let stored = self.shared.message_by_id(HIDDEN, id)?;
            match self.body(&stored.body) {
                Ok(body) => return Some(Source { stored, body, content_kept }),
                Err(StoreError::Expunged) => return None,
                Err(error) => tracing::warn!(%error, "the message of a broadcast can't be read"),
            }
        }
        None
    }
}
