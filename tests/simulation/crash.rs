//! How a process ends and begins again, and what must be there then.

use relay::engine::scheduler::{Input, Scheduler};
use relay::store::{OpenError, ReclaimError, Reply, Transaction};

use crate::reading::read;
use crate::reference::{Broken, Reference, hold};
use crate::world::World;

/// Starts that may end in a crash themselves.
const FALSE_STARTS: u32 = 4;

impl World {
    /// The process dies now, or in the course of one of its next operations on the disk.
    pub fn fall(&mut self) -> Result<(), Broken> {
        if self.random.one_in(3) {
            return self.restart();
        }
        let operations = self.random.below(16);
        self.note(|| format!("dies in {operations} operations"));
        self.machine.disk.die_in(Some(operations));
        Ok(())
    }

    /// The process ends and starts again, some time later by its own clock or the wall's.
    pub fn restart(&mut self) -> Result<(), Broken> {
        self.take_in()?;
        self.process.stepped.end();
        let mut tries = 0;
        self.process = loop {
            self.fall_down();
            let again = self.faults && tries < FALSE_STARTS && self.random.one_in(3);
            let operations = self.random.below(12);
            self.machine.disk.die_in(again.then_some(operations));
            tries += 1;
            match self.machine.start(false) {
                Ok(process) => break process,
                Err(_) if self.machine.disk.is_dead() => self.count("false start"),
                Err(error) => return Err(format!("I1: it does not open: {error}")),
            }
        };
        self.machine.disk.die_in(None);
        self.count(if self.process.rebuilt { "rebuilt" } else { "trusted" });
        self.begin_anew()
    }

    /// What the process leaves behind.
    fn fall_down(&mut self) {
        let long = self.faults && self.swarm.jumps && self.random.one_in(2);
        let away = if long { 86_400_000 } else { 5_000 };
        let away = self.random.between(1, away);
        self.machine.pass(away);
        if self.swarm.power_cuts && self.faults && self.random.one_in(2) {
            self.count("power cut");
            self.note(|| "power cut".to_owned());
            self.machine.disk.power_cut();
            let kept = self.random.below(self.machine.rows.len() as u64 + 1) as usize;
            self.machine.rows.tear(kept);
        } else {
            self.count("crash");
            self.note(|| "crash".to_owned());
            self.machine.disk.killed();
            // In the midst of rows that went in together, too.
            self.machine.rows.lose(self.random.below(400) as usize);
        }
    }

    /// A new process goes on with what the store holds.
    fn begin_anew(&mut self) -> Result<(), Broken> {
        let last = self.now;
        self.now = self.process.store.now();
        self.note(|| format!("opened, last was {last}"));
        let found = read(&self.process.store, &self.applications)?;
        self.model.recovered(&found, false)?;
        self.events.clear();
        self.flights.clear();
        self.write_at = None;
        self.stopping = false;
        self.disturbed = self.now;
        self.was_full = self.was_full.min(self.now);
        self.reference = match self.swarm.jumps {
            true => Reference::default(),
            false => std::mem::take(&mut self.reference).restarted(),
        };
        self.scheduler = Scheduler::new(self.swarm.settings.clone(), self.random.next());
        self.carry_on();
        let lanes = self.process.store.lanes();
        self.step(Input::Lanes(lanes))
    }

    /// Compares everything with the model.
    pub fn compare(&mut self) -> Result<(), Broken> {
        let found = read(&self.process.store, &self.applications)?;
        let gone = self.model.durable.compare(&found, self.model.reclaimed, false)?;
        gone.into_iter().for_each(|id| self.model.durable.forget(id));
        Ok(())
    }

    /// A graceful stop; the process starts again when all has ended.
    pub fn stop(&mut self) -> Result<(), Broken> {
        self.note(|| "drain".to_owned());
        self.stopping = true;
        self.reference.drain();
        self.step(Input::Drain)
    }

    /// The stop has ended: everything is synced, and the process starts again.
    pub fn drained(&mut self) -> Result<(), Broken> {
        self.count("drained");
        let still = self.reference.in_flight();
        hold(self.stopping && still == 0, || format!("drained with {still} in flight"))?;
        let stopped = self.process.stepped.stop();
        self.take_in()?;
        match stopped {
            Ok(()) => {
                self.model.pending.retain(|_, pending| pending.loose);
                self.sound()?;
            }
            Err(error) => self.note(|| format!("the stop fails: {error}")),
        }
        self.restart()
    }

    /// `relay repair` finds nothing wrong with what a stop left.
    fn sound(&mut self) -> Result<(), Broken> {
        self.count("checked");
        let report = self.machine.check().map_err(|error| error.to_string())?;
        let account = report.account.filter(|account| account.holds());
        hold(report.is_sound() && account.is_some(), || format!("repair says {report:#?}"))
    }

    /// Another sealing key; there may be a rotation already, or too many older keys.
    pub fn rotate(&mut self) {
        self.note(|| "rotate".to_owned());
        let begin = |transaction: &mut Transaction<'_>| {
            Ok(Reply::Task(Box::new(transaction.rotate_sealing_key()?)))
        };
        if self.process.store.submit(None, begin, drop).is_ok() {
            self.write_at = Some(self.write_at.map_or(self.now, |at| at.min(self.now)));
        }
    }

    /// What the janitor does now and then.
    pub fn tidy(&mut self) -> Result<(), Broken> {
        if self.reclaiming {
            return Ok(());
        }
        let store = self.process.store.clone();
        // What fails here is tried again; a process that ended is found out.
        let _ = store.checkpoint();
        let _ = store.tidy();
        for task in store.running_tasks() {
            if let Ok(false) = store.advance_task(task) {
                self.count("resealed");
            }
        }
        self.listen()?;
        if self.swarm.segments == 0 || self.over {
            return Ok(());
        }
        let store = self.process.store.clone();
        let Ok(Some(oldest)) = store.oldest_segment() else { return Ok(()) };
        let many = self.machine.segments().len() > self.swarm.segments;
        if !many && !self.is_past(oldest.ended) {
            return Ok(());
        }
        self.note(|| format!("reclaim {oldest:?}"));
        self.model.reclaimed = self.model.reclaimed.max(oldest.ended);
        while self.process.stepped.apply() {}
        self.reclaiming = true;
        let mut broken = Ok(());
        let reclaimed = store.reclaim(oldest, &mut |_| {
            if broken.is_ok() {
                broken = self.meanwhile();
            }
            true
        });
        self.reclaiming = false;
        broken?;
        if self.machine.disk.is_dead() {
            return self.listen();
        }
        self.listen()?;
        match reclaimed {
            Ok(_) => {
                self.count("reclaimed");
                self.compare_at_rest()
            }
            Err(ReclaimError::Write(_)) => Ok(()),
            Err(_) if self.full || self.over => Ok(()),
            Err(error) => Err(format!("{error}")),
        }
    }

    /// Between two steps of the janitor other things go on.
    fn meanwhile(&mut self) -> Result<(), Broken> {
        self.listen()?;
        for _ in 0..self.random.below(3) {
            if !self.over {
                self.next(true)?;
            }
        }
        Ok(())
    }

    /// Nothing that waits went with its segment.
    fn compare_at_rest(&mut self) -> Result<(), Broken> {
        if self.model.pending.is_empty() { self.compare() } else { Ok(()) }
    }

    /// The run ends with damaged files: all of it is told, or nothing is lost.
    pub fn damage(&mut self) -> Result<(), Broken> {
        self.let_write()?;
        self.take_in()?;
        if self.process.stepped.has_ended() || self.reclaiming {
            return Ok(());
        }
        self.over = true;
        self.process.stepped.end();
        self.machine.disk.killed();
        self.machine.disk.set_full(false);
        let segments = self.machine.segments();
        let Some(path) = self.random.pick(&segments).cloned() else { return Ok(()) };
        // Nothing but its own records tells what the newest held.
        let newest = segments.last() == Some(&path);
        let way = if newest { 2 } else { self.random.below(8) };
        let random = &mut self.random;
        match way {
            0 => self.machine.disk.lose(&path),
            1 => self.machine.disk.damage(&path, |bytes| {
                let sector = random.below(bytes.len() as u64 / 512) as usize * 512;
                bytes[sector..sector + 512].fill(0);
            }),
            _ => self.machine.disk.damage(&path, |bytes| {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
                let at = random.below(end as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }),
        }
        if self.random.one_in(2) {
            self.machine.disk.lose(&self.machine.checkpoint());
        }
        self.note(|| format!("damaged {}, way {way}", path.display()));
        match self.machine.start(false) {
            Ok(process) => {
                self.count("damage seen through");
                let found = read(&process.store, &self.applications)?;
                self.model.recovered(&found, true)
            }
            Err(OpenError::Lost(losses)) => {
                self.count("damage told");
                let process = self.machine.start(true);
                let process = process.map_err(|error| format!("{losses:?}, then {error}"))?;
                hold(process.lost > 0, || format!("{losses:?} were given up and not told"))?;
                process.mend().map_err(|error| format!("not mended: {error}"))?;
                let found = read(&process.store, &self.applications)?;
                let known = &self.model.durable.messages;
                for (id, kept) in &found.messages {
                    let same = known.get(id).is_none_or(|held| {
                        held.message == kept.message && (kept.body.is_none() || held == kept)
                    });
                    hold(same, || format!("I14: {kept:?} is not what was accepted"))?;
                }
                hold(process.store.account().holds(), || "the account does not hold".to_owned())
            }
            Err(error) => Err(format!("damage ends the start: {error}")),
        }
    }
}
