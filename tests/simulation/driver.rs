//! Does what the scheduler asks for, as the real driver does, and dies between any two of it.

use relay::domain::delivery::{AttemptContent, DeadReason, Trigger};
use relay::engine::scheduler::{Finished, Input, Output};
use relay::store::{Ready, Settlement, Verdict};

use crate::model::Write;
use crate::receiver::Receiver;
use crate::reference::{Broken, hold};
use crate::world::{Event, World};

impl World {
    /// One input, and all that the scheduler wants done.
    pub fn step(&mut self, input: Input) -> Result<(), Broken> {
        self.step_may_crash(input).map(|_| ())
    }

    /// A sender is done.
    pub fn step_finished(&mut self, finished: Finished) -> Result<(), Broken> {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.scheduler.step(self.now, Input::Finished(finished.clone()), &mut outputs);
        match outputs.first() {
            Some(Output::Settle { delivery, trigger, verdict })
                if *delivery == finished.delivery =>
            {
                let said = (*trigger, *verdict);
                self.reference.settle(&self.swarm.settings, &finished, said, self.now)?;
                self.made(&finished, said);
            }
            other => return Err(format!("{finished:?} was answered by {other:?}")),
        }
        self.obey(outputs, 1).map(|_| ())
    }

    /// True when the process died on the way.
    pub fn step_may_crash(&mut self, input: Input) -> Result<bool, Broken> {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.scheduler.step(self.now, input, &mut outputs);
        let wake = self.scheduler.next_wake();
        hold(wake.is_none_or(|at| at > self.now), || format!("it would spin: wake at {wake:?}"))?;
        self.obey(outputs, 0)
    }

    fn obey(&mut self, mut outputs: Vec<Output>, from: usize) -> Result<bool, Broken> {
        for output in outputs.drain(..).skip(from) {
            if self.faults && self.random.one_in(self.swarm.crash * 4) {
                self.restart()?;
                return Ok(true);
            }
            if self.do_one(output)? {
                return Ok(true);
            }
        }
        self.outputs = outputs;
        Ok(false)
    }

    /// Records the attempt that a sender has made.
    fn made(&mut self, finished: &Finished, (trigger, verdict): (Trigger, Verdict)) {
        let Some((ready, started_at)) = self.flights.remove(&finished.delivery) else { return };
        let delivery = finished.delivery;
        self.count(named(verdict));
        self.note(|| format!("settle {delivery:?} {trigger:?} {verdict:?}"));
        let length = *self.random.pick(&[0, 40, 300]).expect("a length");
        self.settle(Settlement {
            delivery,
            due: ready.due,
            first_due: ready.message.message.first_due(),
            trigger,
            started_at,
            duration_ms: finished.duration.as_millis() as u32,
            status_code: finished.status_code,
            outcome: finished.outcome,
            verdict,
            content: AttemptContent { response_body: vec![7; length], ..Default::default() },
        });
    }

    /// True when the process ended with it.
    fn do_one(&mut self, output: Output) -> Result<bool, Broken> {
        let late = if self.swarm.late_answers { self.random.below(60) } else { 0 };
        match output {
            Output::SendTogether(all) => return Err(format!("{all:?}: no endpoint asks for it")),
            Output::Send(ready) => self.send(ready)?,
            Output::Settle { delivery, .. } => {
                return Err(format!("{delivery:?} is settled without an attempt"));
            }
            Output::Expire(id) => {
                self.count("expired");
                self.note(|| format!("expire {id:?}"));
                hold(self.swarm.settings.expire_after.is_some(), || "expired".to_owned())?;
                self.reference.expired(id, self.now);
                self.on_its_way(Write::Expire(id));
                self.process.store.expire(id);
            }
            Output::Feed { endpoint, until, limit, held } => {
                self.count("page");
                hold(until <= self.now, || "a page of the future".to_owned())?;
                self.note(|| format!("feed {endpoint:?} {limit}"));
                self.after(late, Event::ReadPage { endpoint, until, limit, held });
            }
            Output::Look(endpoint) => self.after(late, Event::Look(endpoint)),
            Output::Disable { endpoint, why } => {
                self.count("disabled");
                self.after(late, Event::Disable { endpoint, why });
            }
            Output::Drained => {
                self.drained()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn send(&mut self, ready: Ready) -> Result<(), Broken> {
        self.note(|| format!("send {:?} {:?} {}", ready.delivery(), ready.trigger, ready.attempts));
        self.reference.send(&self.swarm.settings, &self.model, &ready, self.now)?;
        self.read_body(&ready)?;
        self.flights.insert(ready.delivery(), (ready.clone(), self.now));
        if self.faults && self.random.one_in(self.swarm.release) {
            let late = self.random.below(20);
            self.after(late, Event::Released(ready));
            return Ok(());
        }
        let receiver = self.receivers.get(&ready.endpoint).cloned();
        let receiver = receiver.filter(|_| self.faults).unwrap_or_else(Receiver::well);
        let reply = receiver.reply(&mut self.random, self.now);
        let finished = Finished {
            delivery: ready.delivery(),
            outcome: reply.outcome,
            status_code: reply.status_code,
            duration: reply.duration,
            held: reply.duration,
            retry_after: reply.retry_after,
            asks: None,
            retry_schedule: None,
            moved: false,
        };
        let millis = reply.duration.as_millis() as u64;
        self.after(millis, Event::Answer(finished));
        Ok(())
    }
}

impl World {
    /// A sender signs and sends the bytes that were accepted.
    fn read_body(&mut self, ready: &Ready) -> Result<(), Broken> {
        let message = &ready.message.message;
        let Some(kept) = self.model.durable.messages.get(&message.id) else { return Ok(()) };
        let body = self.process.store.body_to_send(ready);
        if self.machine.disk.is_dead() {
            return Ok(());
        }
        let body = body.map_err(|error| format!("I14: the body of {:?}: {error}", message.id))?;
        hold(Some(&body) == kept.body.as_ref(), || format!("I14: another body: {:?}", message.id))
    }
}

fn named(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::RetryAt(_) => "retried",
        Verdict::Unchanged => "unchanged",
        Verdict::Dropped => "dropped",
        Verdict::Dead(DeadReason::Exhausted) => "exhausted",
        Verdict::Dead(DeadReason::Gone) => "gone",
        Verdict::Dead(DeadReason::Blocked) => "blocked",
        Verdict::Dead(_) => "dead",
    }
}
