//! Background tasks: a row each, gone on with in steps of one transaction, so that a crash repeats
//! nothing and leaves nothing out.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use crate::domain::delivery::{Delivery, DeliveryId, State, Trigger};
use crate::domain::id::{ApplicationId, EndpointId, MessageId, Stamp, TaskId};
use crate::domain::message::Message;
use crate::domain::operational::HIDDEN;
use crate::domain::task::{EndpointWork, Progress, ReplayFilter, Standing, Task, Work};
use crate::domain::time::Timestamp;
use crate::store::keys::{self, Key};
use crate::store::records::{self, AttemptRow, MessageRow};
use crate::store::transaction::Transaction;
use crate::store::{
    Notice, Page, PageRequest, Ready, Reference, Refusal, Shared, Store, StoredMessage, WriteError,
};

/// Messages looked at in one step; other writes go between two steps.
const STEP: usize = 256;

/// Which tasks a list shows.
pub struct TaskFilter<'filter> {
    /// Those for which this is true.
    pub passes: &'filter dyn Fn(&Task) -> bool,
    /// About this application.
    pub application: Option<ApplicationId>,
}

impl Transaction<'_> {
    /// Begins a background task; the engine goes on with it once this is durable.
    pub fn start_task(&mut self, work: Work) -> Task {
        let (id, now) = (TaskId::new(self.mint()), self.now());
        let task = Task::new(id, work, now);
        self.put_row(keys::task(id), records::encode(&task), true);
        self.notify(Notice::TaskStarted(id));
        task
    }

    /// Ends a task that is running: its next step does nothing more. What it had done stays.
    pub fn cancel_task(&mut self, id: TaskId) -> Result<Task, Refusal> {
        let mut task: Task = self.record(&keys::task(id)).ok_or(Refusal::NotFound)?;
        match task.progress {
            Progress::Running(_) | Progress::Behind(_) => {
                task.progress = Progress::Cancelled;
                task.updated_at = self.now();
                self.put_row(keys::task(id), records::encode(&task), false);
            }
            Progress::Cancelled => {}
            Progress::Finished | Progress::Failed(_) => {
                let words = "the task has ended: there is nothing left to cancel";
                return Err(Refusal::Conflict(words.to_owned()));
            }
        }
        Ok(task)
    }

    /// Does the task's work for these messages but for the unwanted ones, and keeps how far it is;
    /// `next` goes on behind them, `None` when they were the last.
    fn go_on(
        &mut self,
        id: TaskId,
        messages: Vec<StoredMessage>,
        unwanted: &HashSet<MessageId>,
        next: Option<(ApplicationId, MessageId)>,
    ) -> bool {
        let Some(mut task) = self.record::<Task>(&keys::task(id)) else { return false };
        if !task.is_running() {
            return false;
        }
        task.updated_at = self.now();
        task.progress = match self.obstacle(&task.work) {
            Some(why) => Progress::Failed(why),
            None => {
                let (mut next, most) = (next, self.record_max() / 2);
                for (number, stored) in messages.iter().enumerate() {
                    task.looked_at += 1;
                    if !unwanted.contains(&stored.message.id)
                        && self.work_on(&task.work, stored, &mut task.counts)
                    {
                        task.done += 1;
                    }
                    // Each may change thousands of deliveries: the rest is left to the next step.
                    if self.record_length() > most && number + 1 < messages.len() {
                        next = Some((stored.message.application, stored.message.id));
                        break;
                    }
                }
                next.map_or(Progress::Finished, |next| Progress::Running(Some(next)))
            }
        };
        self.put_row(keys::task(id), records::encode(&task), false);
        task.is_running()
    }

    /// Why a task can't go on.
    fn obstacle(&self, work: &Work) -> Option<String> {
        match work {
            Work::Recover(work)
            | Work::RecoverWaiting(work)
            | Work::ReplayMissing(work)
            | Work::BulkReplay(work, _) => {
                let endpoint = Reference::Id(work.endpoint);
                let found = self.endpoint(work.application, &endpoint);
                found.is_err().then(|| "the endpoint was deleted".to_owned())
            }
            Work::PurgeContent { application } => {
                let found = self.application(&Reference::Id(*application));
                found.is_err().then(|| "the application was deleted".to_owned())
            }
            Work::CountByApplication { .. } | Work::CountByEventType => None,
            // They go their own ways, by applications, by dead letters and by rows.
            Work::Broadcast { .. } | Work::DeadLetters(_) | Work::Reseal => None,
        }
    }

    /// Returns whether anything was done for the message.
    fn work_on(
        &mut self,
        work: &Work,
        stored: &StoredMessage,
        counts: &mut BTreeMap<String, u64>,
    ) -> bool {
        let message = &stored.message;
        // What the operator is told, and what goes to every application, is no tenant's.
        if message.application == HIDDEN {
            return false;
        }
        match work {
            Work::Recover(work) => {
                if self.waits(stored, work).is_some() {
                    *counts.entry("waiting".to_owned()).or_default() += 1;
                }
                self.recover(stored, work)
            }
            Work::RecoverWaiting(work) => self.recover(stored, work) || self.hurry(stored, work),
            Work::ReplayMissing(work) => self.replay_missing(stored, work),
            Work::BulkReplay(work, filter) => self.replay_again(stored, work, filter),
            Work::CountByApplication { applications, .. } => {
                let counted =
                    applications.is_empty() || applications.contains(&message.application);
                if counted {
                    let name = self.writer.shared.ids.text(message.application);
                    *counts.entry(name).or_default() += 1;
                }
                counted
            }
            Work::CountByEventType => {
                *counts.entry(message.event_type.clone()).or_default() += 1;
                true
            }
            Work::PurgeContent { .. } => {
                self.writer.shared.expunged.add_up_to(message, self.now());
                self.expunge_message(stored)
            }
            Work::Broadcast { .. } | Work::DeadLetters(_) | Work::Reseal => false,
        }
    }

    /// A dead delivery is put back, with its whole schedule before it.
    fn recover(&mut self, stored: &StoredMessage, work: &EndpointWork) -> bool {
        let Some((id, held)) = self.newest_delivery(&stored.message, work) else { return false };
        let (Some(held), State::Dead(_)) = (&held, state_of(held.as_ref())) else { return false };
        if stored.body.is_gone() {
            return false;
        }
        self.put_back(stored, id, held.clone())
    }

    fn replay_missing(&mut self, stored: &StoredMessage, work: &EndpointWork) -> bool {
        self.newest_delivery(&stored.message, work).is_none()
            && self.replay(&stored.message, work.endpoint).is_ok()
    }

    fn replay_again(
        &mut self,
        stored: &StoredMessage,
        work: &EndpointWork,
        filter: &ReplayFilter,
    ) -> bool {
        let Some((_, held)) = self.newest_delivery(&stored.message, work) else { return false };
        let standing = Standing::of(state_of(held.as_ref()));
        let last = held.and_then(|held| held.attempt_ids.last().copied());
        let status_code = || {
            let row: AttemptRow = self.record(&keys::attempt(work.endpoint, last?))?;
            Some(row.attempt.status_code)
        };
        let meant = filter.passes(&stored.message)
            && filter.standing.is_none_or(|wanted| wanted == standing)
            && filter.status_code_class.is_none_or(|class| {
                status_code().is_some_and(|status_code| status_code / 100 == class / 100)
            });
        meant && self.replay(&stored.message, work.endpoint).is_ok()
    }

    /// The last of the deliveries of a message to the endpoint, with its row if it has one; `None`
    /// when there was never one.
    pub(super) fn newest_delivery(
        &self,
        message: &Message,
        work: &EndpointWork,
    ) -> Option<(DeliveryId, Option<Delivery>)> {
        let id = self.newest(message, work.endpoint)?;
        Some((id, self.record(&keys::delivery(id))))
    }

    /// Makes a new delivery of a message to an endpoint; refuses what has gone, with its segment or
    /// by being expunged.
    pub fn replay(
        &mut self,
        message: &Message,
        endpoint: EndpointId,
    ) -> Result<(DeliveryId, Timestamp), Refusal> {
        self.endpoint(message.application, &Reference::Id(endpoint))?;
        let key = keys::message(message.application, message.id);
        let row: MessageRow = self.record(&key).ok_or(Refusal::NotFound)?;
        if row.body.is_gone() {
            return Err(Refusal::Conflict("the content was expunged".to_owned()));
        }
        let mut replays = self.replays(message.id);
        let last = self.newest(message, endpoint).map_or(0, |id| id.replay);
        let replay = last.checked_add(1).ok_or_else(|| {
            Refusal::Conflict("this message was replayed too often to this endpoint".to_owned())
        })?;
        replays.insert(endpoint, replay);
        self.put_row(keys::replays(message.id), records::encode(&replays), false);
        let id = DeliveryId { message: message.id, endpoint, replay };
        let due = row.message.first_due().max(self.now());
        let first = self.record(&keys::delivery(DeliveryId { replay: 0, ..id }));
        let order_key = first.and_then(|first: Delivery| first.order_key);
        let delivery = Delivery { order_key, ..Delivery::waiting(due) };
        let stored = StoredMessage::from(row);
        self.queue(&stored, id, &delivery, true);
        Ok((id, due))
    }

    pub(super) fn queue(
        &mut self,
        stored: &StoredMessage,
        id: DeliveryId,
        delivery: &Delivery,
        new: bool,
    ) {
        self.put_row(keys::delivery(id), records::encode(delivery), new);
        self.put_row(keys::due(id, delivery.due), bytes::Bytes::new(), true);
        self.notify(Notice::Ready(Ready {
            message: stored.clone(),
            endpoint: id.endpoint,
            replay: id.replay,
            due: delivery.due,
            attempts: 0,
            trigger: Trigger::Scheduled,
            group: self.group_of(id.endpoint, delivery.order_key),
        }));
        self.counted().deliveries += 1;
    }
}

/// A delivery without a row was never tried.
fn state_of(held: Option<&Delivery>) -> State {
    held.map_or(State::Waiting, |held| held.state)
}

impl Store {
    /// The task.
    pub fn task(&self, id: TaskId) -> Option<Task> {
        let key = keys::task(id);
        self.shared.overlay.get(&key).map(|bytes| self.shared.decode(&key, &bytes))
    }

    /// Tasks by id.
    pub fn list_tasks(
        &self,
        filter: &TaskFilter<'_>,
        page: &PageRequest<TaskId>,
    ) -> Page<Task, TaskId> {
        self.shared.list_rows(
            keys::all_tasks(),
            page,
            |stamp| keys::task(TaskId::new(stamp)),
            |key| key.u64_at(1).map(|stamp| TaskId::new(Stamp(stamp))),
            |key, value| {
                let task: Task = self.shared.decode(key, value);
                let about = filter.application.is_none_or(|id| task.work.application() == Some(id));
                (about && (filter.passes)(&task)).then_some(task)
            },
        )
    }

    /// Tasks that have something left to do, oldest first.
    pub fn running_tasks(&self) -> Vec<TaskId> {
        let all = keys::all_tasks();
        let mut found = Vec::new();
        self.shared.overlay.scan(&all, &all.after_prefix(), false, &mut |key, value| {
            let task: Task = self.shared.decode(&key, &value);
            found.extend(task.is_running().then_some(task.id));
            ControlFlow::Continue(())
        });
        found
    }

    /// Goes on with a task by one step; returns whether there is more to do. Blocks until the step
    /// is durable.
    pub fn advance_task(&self, id: TaskId) -> Result<bool, WriteError> {
        let Some(task) = self.task(id) else { return Ok(false) };
        if !task.is_running() {
            return Ok(false);
        }
        if self.shared.overlay.bytes() > self.shared.overlay_limit {
            return Err(WriteError::Busy);
        }
        if let Work::Broadcast { message, content_kept } = task.work {
            return self.advance_broadcast(id, message, content_kept);
        }
        if task.work == Work::Reseal {
            return self.advance_reseal(id);
        }
        let after = match (&task.work, task.progress) {
            (Work::DeadLetters(work), Progress::Behind(after)) => {
                return self.advance_dead_letters(id, work, Some(after));
            }
            (Work::DeadLetters(work), _) => return self.advance_dead_letters(id, work, None),
            (_, Progress::Running(after)) => after,
            _ => None,
        };
        let (messages, next) = self.shared.next_messages(&task.work, after);
        let purges = matches!(task.work, Work::PurgeContent { .. });
        let purged: Vec<_> =
            messages.iter().filter(|_| purges).map(|one| one.message.clone()).collect();
        // Before the step is kept: one that is begun again does it again.
        purged.iter().try_for_each(|message| self.expunge_attempts_of(message))?;
        let unwanted = self.shared.unwanted(&task.work, &messages);
        let more = self.on_writer(move |writer| {
            writer.transact(|transaction| {
                if let Some(reason) = transaction.writer.shared.refuses() {
                    return Err(Refusal::Full(reason).into());
                }
                Ok(transaction.go_on(id, messages, &unwanted, next))
            })
        })??;
        // Those that ended between the two.
        purged.iter().try_for_each(|message| self.expunge_attempts_of(message))?;
        Ok(more)
    }
}

impl Shared {
    /// The next messages for a task, and behind which to go on after them.
    fn next_messages(
        &self,
        work: &Work,
        after: Option<(ApplicationId, MessageId)>,
    ) -> (Vec<StoredMessage>, Option<(ApplicationId, MessageId)>) {
        let (mut from, mut end) = match (work.application(), work.window()) {
            (Some(application), Some(window)) => (
                keys::message_at(application, Stamp::first_at(window.since)),
                keys::message_at(application, Stamp::first_at(window.until)),
            ),
            (Some(application), None) => {
                (keys::messages(application), keys::messages(application).after_prefix())
            }
            (None, _) => (keys::all_messages(), keys::all_messages().after_prefix()),
        };
        if let Some((application, message)) = after {
            from = from.max(keys::message(application, message).successor());
        }
        end = end.max(from);
        let window = work.window();
        let inside = |key: &Key| {
            let time = key.u64_at(9).map(|stamp| Stamp(stamp).time());
            window
                .zip(time)
                .is_none_or(|(window, time)| window.since <= time && time < window.until)
        };
        let (mut found, mut looked_at, mut last, mut more) = (Vec::new(), 0, None, false);
        self.overlay.scan(&from, &end, false, &mut |key, value| {
            if looked_at == STEP {
                more = true;
                return ControlFlow::Break(());
            }
            looked_at += 1;
            let row: MessageRow = self.decode(&key, &value);
            last = Some((row.message.application, row.message.id));
            if inside(&key) {
                found.push(row.into());
            }
            ControlFlow::Continue(())
        });
        (found, if more { last } else { None })
    }
}
