//! Dead letters many at once: a plan of what would be done with them, and the steps of doing it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::dead_letter::{DeadLetter, DeadLetterAction, DeadLetterWork};
use crate::domain::id::{ApplicationId, DeadLetterId, EndpointId, Stamp, TaskId};
use crate::domain::task::{Progress, Task, Work};
use crate::store::keys::{self, dead_letters as rows};
use crate::store::records;
use crate::store::transaction::Transaction;
use crate::store::{Reference, Refusal, Shared, Store, WriteError};

/// Dead letters looked at in one step; other writes go between two steps.
const STEP: usize = 128;

/// What would be done, and what is passed over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeadLetterPlan {
    /// How many are meant.
    pub count: u64,
    /// Bytes of their bodies, each counted as often as it would be sent.
    pub bytes: u64,
    /// By reason, as it is told.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// By endpoint.
    pub by_endpoint: BTreeMap<EndpointId, u64>,
    /// Not meant, for the endpoint is disabled and would be sent nothing.
    pub disabled: u64,
    /// Not meant, for the content was expunged and there is nothing to send.
    pub expunged: u64,
}

/// Whether something is done with a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Judged {
    /// It is, and its body has so many bytes.
    Meant(u64),
    Unmeant,
    Disabled,
    Expunged,
}

/// What one step looks at.
struct Step {
    letters: Vec<(DeadLetterId, DeadLetter, Judged)>,
    /// Whether others follow.
    more: bool,
}

impl Transaction<'_> {
    /// Does a task's work for some dead letters and keeps how far it is; returns whether there is
    /// more to do.
    fn dead_letter_step(&mut self, id: TaskId, step: Step) -> bool {
        let Some(mut task) = self.record::<Task>(&keys::task(id)) else { return false };
        let Work::DeadLetters(work) = &task.work else { return false };
        if !task.is_running() {
            return false;
        }
        let (application, action) = (work.application, work.action);
        task.updated_at = self.now();
        task.progress = match self.application(&Reference::Id(application)) {
            Err(_) => Progress::Failed("the application was deleted".to_owned()),
            Ok(_) => match self.do_some(&mut task, application, action, step) {
                Some(last) => Progress::Behind(last),
                None => Progress::Finished,
            },
        };
        self.put_row(keys::task(id), records::encode(&task), false);
        task.is_running()
    }

    /// Returns behind which to go on, `None` when those were the last.
    fn do_some(
        &mut self,
        task: &mut Task,
        application: ApplicationId,
        action: DeadLetterAction,
        step: Step,
    ) -> Option<DeadLetterId> {
        let most = self.record_max() / 2;
        let mut last = None;
        for (id, letter, judged) in step.letters {
            if last.is_some() && self.record_length() > most {
                return last;
            }
            last = Some(id);
            task.looked_at += 1;
            let counted = match judged {
                Judged::Meant(_) if self.take_dead_letter(application, id, action) => {
                    task.done += 1;
                    letter.reason.told()
                }
                Judged::Meant(_) | Judged::Unmeant => continue,
                Judged::Disabled => "disabled",
                Judged::Expunged => "expunged",
            };
            *task.counts.entry(counted.to_owned()).or_default() += 1;
        }
        last.filter(|_| step.more)
    }
}

impl Store {
    /// What a task would do now; nothing is changed. Takes microseconds for each dead letter of
    /// the application, so not on a thread that serves.
    pub fn plan_dead_letters(&self, work: &DeadLetterWork) -> DeadLetterPlan {
        let mut plan = DeadLetterPlan::default();
        let mut after = None;
        // Bounded by the dead letters there are: each step begins behind the last one.
        loop {
            let step = self.shared.next_dead_letters(work, after);
            after = step.letters.last().map(|(id, _, _)| *id);
            for (_, letter, judged) in step.letters {
                match judged {
                    Judged::Meant(bytes) => {
                        plan.count += 1;
                        plan.bytes += bytes;
                        *plan.by_reason.entry(letter.reason.told()).or_default() += 1;
                        *plan.by_endpoint.entry(letter.delivery.endpoint).or_default() += 1;
                    }
                    Judged::Unmeant => {}
                    Judged::Disabled => plan.disabled += 1,
                    Judged::Expunged => plan.expunged += 1,
                }
            }
            if !step.more {
                return plan;
            }
        }
    }

    /// Goes on with a task by one step; returns whether there is more to do.
    pub(super) fn advance_dead_letters(
        &self,
        id: TaskId,
        work: &DeadLetterWork,
        after: Option<DeadLetterId>,
    ) -> Result<bool, WriteError> {
        let step = self.shared.next_dead_letters(work, after);
        self.on_writer(move |writer| {
            writer.transact(|transaction| {
                if let Some(reason) = transaction.writer.shared.refuses() {
                    return Err(Refusal::Full(reason).into());
                }
                Ok(transaction.dead_letter_step(id, step))
            })
        })?
    }
}

impl Shared {
    fn next_dead_letters(&self, work: &DeadLetterWork, after: Option<DeadLetterId>) -> Step {
        let at = |stamp| rows::one(work.application, DeadLetterId::new(stamp));
        let died = work.filter.died;
        let mut from = at(Stamp::first_at(died.since));
        if let Some(after) = after {
            from = from.max(at(after.stamp()).successor());
        }
        let end = at(Stamp::first_at(died.until)).max(from);
        let (mut letters, mut more) = (Vec::new(), false);
        self.overlay.scan(&from, &end, false, &mut |key, value| {
            if letters.len() == STEP {
                more = true;
                return ControlFlow::Break(());
            }
            if let Some((_, id)) = rows::parts(&key) {
                let letter: DeadLetter = self.decode(&key, &value);
                letters.push((id, letter, Judged::Unmeant));
            }
            ControlFlow::Continue(())
        });
        for (_, letter, judged) in &mut letters {
            *judged = self.judge(work, letter);
        }
        Step { letters, more }
    }

    fn judge(&self, work: &DeadLetterWork, letter: &DeadLetter) -> Judged {
        let delivery = letter.delivery;
        let endpoint = self.read_catalog().endpoint_by_id(delivery.endpoint);
        let Some((_, endpoint)) = endpoint.filter(|_| work.filter.passes(letter)) else {
            return Judged::Unmeant;
        };
        let is_sent = work.action == DeadLetterAction::Resend;
        if !is_sent && !work.filter.is_by_message() {
            return Judged::Meant(0);
        }
        match self.message_by_id(work.application, delivery.message) {
            Some(stored) if work.filter.passes_message(&stored.message) => match is_sent {
                true if endpoint.disabled.is_some() => Judged::Disabled,
                true if stored.body.is_gone() => Judged::Expunged,
                _ => Judged::Meant(u64::from(stored.body.length())),
            },
            _ => Judged::Unmeant,
        }
    }
}
