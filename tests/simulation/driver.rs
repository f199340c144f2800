//! Does what the scheduler asks for, as the real driver does, and dies between any two of it.

use relay::domain::delivery::DeadReason;
use relay::engine::scheduler::{Finished, Input, Output};
use relay::store::{Ready, Verdict};

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
        self.scheduler.step(self.now, Input::Finished(finished), &mut outputs);
        match outputs.first() {
            Some(Output::Settle { delivery, trigger, verdict })
                if *delivery == finished.delivery =>
            {
                let said = (*trigger, *verdict);
                self.reference.settle(&self.swarm.settings, &finished, said, self.now)?;
            }
            other => return Err(format!("{finished:?} was answered by {other:?}")),
        }
        self.obey(outputs).map(|_| ())
    }

    /// True when the process died on the way.
    pub fn step_may_crash(&mut self, input: Input) -> Result<bool, Broken> {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.scheduler.step(self.now, input, &mut outputs);
        let wake = self.scheduler.next_wake();
        hold(wake.is_none_or(|at| at > self.now), || format!("it would spin: wake at {wake:?}"))?;
        self.obey(outputs)
    }

    fn obey(&mut self, mut outputs: Vec<Output>) -> Result<bool, Broken> {
        for output in outputs.drain(..) {
            if self.faults && self.random.one_in(self.swarm.crash * 4) {
                self.crash()?;
                return Ok(true);
            }
            self.do_one(output)?;
        }
        self.outputs = outputs;
        Ok(false)
    }

    fn do_one(&mut self, output: Output) -> Result<(), Broken> {
        let late = if self.swarm.late_answers { self.random.below(60) } else { 0 };
        match output {
            Output::Send(ready) => self.send(ready)?,
            Output::Settle { delivery, trigger, verdict } => {
                self.count(named(verdict));
                self.note(|| format!("settle {delivery:?} {trigger:?} {verdict:?}"));
                self.store.settle(delivery, trigger, verdict);
                self.written();
            }
            Output::Expire(id) => {
                self.count("expired");
                self.note(|| format!("expire {id:?}"));
                hold(self.swarm.settings.expire_after.is_some(), || "expired".to_owned())?;
                self.reference.expired(id, self.now);
                self.store.expire(id);
                self.written();
            }
            Output::Feed { endpoint, until, limit } => {
                self.count("page");
                hold(until <= self.now, || "a page of the future".to_owned())?;
                self.note(|| format!("feed {endpoint:?} {limit}"));
                self.after(late, Event::ReadPage { endpoint, until, limit });
            }
            Output::Look(endpoint) => self.after(late, Event::Look(endpoint)),
            Output::Disable { endpoint, why } => {
                self.count("disabled");
                self.after(late, Event::Disable { endpoint, why });
            }
            Output::Drained => self.drained()?,
        }
        Ok(())
    }

    fn send(&mut self, ready: Ready) -> Result<(), Broken> {
        self.note(|| format!("send {:?} {:?} {}", ready.delivery(), ready.trigger, ready.attempts));
        self.reference.send(&self.swarm.settings, &self.store, &ready, self.now)?;
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
            retry_after: reply.retry_after,
        };
        let millis = reply.duration.as_millis() as u64;
        self.after(millis, Event::Answer(finished));
        Ok(())
    }
}

fn named(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::RetryAt(_) => "retried",
        Verdict::Unchanged => "unchanged",
        Verdict::Dead(DeadReason::Exhausted) => "exhausted",
        Verdict::Dead(DeadReason::Gone) => "gone",
        Verdict::Dead(DeadReason::Blocked) => "blocked",
        Verdict::Dead(_) => "dead",
    }
}
