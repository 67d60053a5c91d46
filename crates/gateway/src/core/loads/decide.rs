//! What happens next: rules that trip and release, orders whose turn has come, and what the bus said of them.

use super::load::{Load, Restore, state_of};
use super::rule::Verdict;
use super::{Act, Deed, Entry, Loads, Lock, Outcome, Switched, Trigger, mono};
use crate::Now;
use crate::core::line::later;
use ledger::act::{Cause, LoadState};
use units::{MeterId, Millis};

impl Loads {
    /// A rule tripped for a meter, or let go.
    pub(super) fn conclude(&mut self, now: Now, at: usize, meter: &MeterId, verdict: Verdict, acts: &mut Vec<Act>) {
        match verdict {
            Verdict::Trip(why) => self.trip(now, at, meter, why, acts),
            Verdict::Release if self.rules[at].switches() && self.rules[at].latch => {
                if let Some(watch) = self.watches.get_mut(&(at, meter.clone())) {
                    watch.stay();
                }
            }
            Verdict::Release => self.release(at, meter, acts),
        }
    }

    fn trip(&mut self, now: Now, at: usize, meter: &MeterId, why: String, acts: &mut Vec<Act>) {
        let rule = &self.rules[at];
        let (name, cause, latched) = (rule.name.clone(), cause_of(&rule.trigger), rule.latch);
        if !rule.switches() || !self.loads.contains_key(meter) {
            let outcome = if rule.dry_run { Outcome::WouldHave } else { Outcome::Warned };
            let mut entry = self.entry(now, meter.clone(), Deed::Off, (cause, name, why));
            entry.outcome = outcome;
            return self.end(now, entry, acts);
        }
        let Some(load) = self.loads.get_mut(meter) else { return };
        if load.locks.is_empty() {
            load.off_tried = false;
        }
        let lock = Lock {
            meter: meter.clone(),
            rule: name.clone(),
            since: now.community,
            why: why.clone(),
            latched,
            restore: false,
        };
        acts.push(Act::Lock(lock.clone()));
        load.locks.insert(name.clone(), lock);
        if load.state == Some(false) && load.under_way.is_none() {
            let mut entry = self.entry(now, meter.clone(), Deed::Off, (cause, name, why));
            entry.outcome = Outcome::NotNeeded;
            self.end(now, entry, acts);
        }
    }

    fn release(&mut self, at: usize, meter: &MeterId, acts: &mut Vec<Act>) {
        let (rule, by) = (self.rules[at].name.clone(), cause_of(&self.rules[at].trigger));
        let Some(load) = self.loads.get_mut(meter) else { return };
        let Some(lock) = load.locks.remove(&rule) else { return };
        acts.push(Act::Unlock { meter: meter.clone(), rule: rule.clone() });
        if !lock.restore {
            return;
        }
        if load.locks.is_empty() {
            load.restore = Some(Restore { by, rule });
        }
        // Others still hold it; the last of them to let go brings it back.
        for other in load.locks.values_mut().filter(|other| !other.restore) {
            other.restore = true;
            acts.push(Act::Lock(other.clone()));
        }
    }

    /// Hours of schedules, and whatever may go out now.
    pub(in crate::core) fn due(&mut self, now: Now, acts: &mut Vec<Act>) {
        for at in 0..self.rules.len() {
            let Trigger::Schedule(schedule) = self.rules[at].trigger else { continue };
            let holds = schedule.holds(&self.offsets, now.community);
            for meter in self.rules[at].meters.clone() {
                let watch = self.watches.get_mut(&(at, meter.clone()));
                let words = || "off at this hour by its schedule".to_owned();
                if let Some(verdict) = watch.and_then(|watch| watch.state(holds, words)) {
                    self.conclude(now, at, &meter, verdict, acts);
                }
            }
        }
        let meters: Vec<MeterId> = self.loads.keys().cloned().collect();
        // Off before on, so that what must not be on together never is.
        for meter in &meters {
            self.protect(now, meter, acts);
        }
        for meter in &meters {
            self.serve(now, meter, acts);
            self.look(now, meter, acts);
        }
    }

    /// What rules hold off goes off.
    fn protect(&mut self, now: Now, meter: &MeterId, acts: &mut Vec<Act>) {
        let Some(load) = self.loads.get_mut(meter) else { return };
        let Some(lock) = load.locked_by().cloned() else { return };
        if let Some(mut entry) = load.waiting.take_if(|entry| entry.deed == Deed::On) {
            entry.outcome = Outcome::Withdrawn(format!("rule `{}` holds the load off", lock.rule));
            self.end(now, entry, acts);
        }
        let Some(load) = self.loads.get_mut(meter) else { return };
        let may = load.under_way.is_none() && load.state != Some(false) && !load.off_tried;
        if !may || load.wait_for(mono(now), 1) > Millis::ZERO {
            return;
        }
        load.off_tried = true;
        let rule = self.rules.iter().find(|rule| rule.name == lock.rule);
        let by = rule.map_or(Cause::Protection, |rule| cause_of(&rule.trigger));
        let entry = self.entry(now, meter.clone(), Deed::Off, (by, lock.rule, lock.why));
        self.send(now, entry, acts);
    }

    /// A person's order, or a load that rules have let go.
    fn serve(&mut self, now: Now, meter: &MeterId, acts: &mut Vec<Act>) {
        let Some(load) = self.loads.get_mut(meter) else { return };
        if load.under_way.is_some() {
            return;
        }
        match (load.waiting.take(), load.restore.clone()) {
            (Some(entry), _) => self.serve_order(now, entry, acts),
            (None, Some(restore)) if load.locks.is_empty() => self.bring_back(now, meter, restore, acts),
            _ => {}
        }
    }

    fn serve_order(&mut self, now: Now, mut entry: Entry, acts: &mut Vec<Act>) {
        let on = entry.deed == Deed::On;
        if on && self.next_on > mono(now) {
            if let Some(load) = self.loads.get_mut(&entry.meter) {
                load.waiting = Some(entry);
            }
            return;
        }
        // Since it was taken another load may have come on, or the relay may have used its hour.
        let limits = self.loads.get_mut(&entry.meter).map_or(Ok(()), |load| load.check_limits(mono(now), on));
        let refused = limits.and_then(|()| if on { self.check_interlock(&entry.meter) } else { Ok(()) });
        match refused {
            Ok(()) => self.send(now, entry, acts),
            Err(refusal) => {
                entry.outcome = Outcome::Withdrawn(refusal.to_string());
                self.end(now, entry, acts);
            }
        }
    }

    /// What was on when rules began to hold it off comes on again, as soon as its limits and its turn allow.
    fn bring_back(&mut self, now: Now, meter: &MeterId, restore: Restore, acts: &mut Vec<Act>) {
        if self.next_on > mono(now) || self.check_interlock(meter).is_err() {
            return;
        }
        let Some(load) = self.loads.get_mut(meter) else { return };
        // Not blindly: only what is known to be off.
        if load.state != Some(false) || load.check_limits(mono(now), true).is_err() {
            return;
        }
        load.restore = None;
        let why = "its cause is gone; the load was on before".to_owned();
        let entry = self.entry(now, meter.clone(), Deed::On, (restore.by, restore.rule, why));
        self.send(now, entry, acts);
    }

    /// The entry is stored, then the command goes out, once.
    fn send(&mut self, now: Now, mut entry: Entry, acts: &mut Vec<Act>) {
        let on = entry.deed == Deed::On;
        entry.outcome = Outcome::Sent;
        self.write(entry.clone(), acts);
        if on {
            self.next_on = later(mono(now), self.stagger);
        }
        let Some(load) = self.loads.get_mut(&entry.meter) else { return };
        load.count(mono(now), Millis::ZERO, on);
        acts.push(Act::Switch { place: load.relay.place, on, number: entry.number });
        load.under_way = Some(entry);
    }

    /// The state of a relay that nobody has read for a while.
    fn look(&mut self, now: Now, meter: &MeterId, acts: &mut Vec<Act>) {
        let Some(load) = self.loads.get_mut(meter) else { return };
        let idle = load.relay.reads_back && load.under_way.is_none() && !load.reading;
        if idle && load.read_from <= mono(now) {
            load.reading = true;
            acts.push(Act::Read { place: load.relay.place });
        }
    }

    /// The bus has carried out a command, or could not.
    pub(in crate::core) fn switched(&mut self, now: Now, switched: Switched, acts: &mut Vec<Act>) {
        let Switched { number, before, after, result } = switched;
        let is_it = |load: &&mut Load| load.under_way.as_ref().is_some_and(|entry| entry.number == number);
        let Some(load) = self.loads.values_mut().find(is_it) else { return };
        let Some(mut entry) = load.under_way.take() else { return };
        let on = entry.deed == Deed::On;
        if before.is_some() {
            entry.before = state_of(before);
        }
        entry.after = state_of(after);
        entry.outcome = match (result, after) {
            (_, Some(after)) if after == on => Outcome::Switched,
            (Ok(()), Some(_)) => Outcome::Failed("the meter took the command, but its relay did not move".to_owned()),
            (Ok(()), None) if load.relay.reads_back => {
                Outcome::Failed("the meter took the command, but its relay could not be read back".to_owned())
            }
            (Ok(()), None) => Outcome::Unconfirmed,
            (Err(reason), _) => Outcome::Failed(reason),
        };
        // Of a relay that cannot be read, what it was told is all that is known.
        let told = (entry.outcome == Outcome::Unconfirmed).then_some(on);
        load.learn(mono(now), after.or(told));
        if !on && entry.by != Cause::Person && entry.before == LoadState::On && entry.outcome.is_stated() {
            for lock in load.locks.values_mut().filter(|lock| !lock.restore) {
                lock.restore = true;
                acts.push(Act::Lock(lock.clone()));
            }
            // The rule let go while its command was on the line.
            if load.locks.is_empty() && !self.rules.iter().any(|rule| rule.name == entry.who && rule.latch) {
                load.restore = Some(Restore { by: entry.by, rule: entry.who.clone() });
            }
        }
        self.end(now, entry, acts);
    }

    /// A relay's state was read; `None` when it could not be.
    pub(in crate::core) fn state_read(
        &mut self,
        now: Now,
        place: (usize, usize),
        state: Option<bool>,
        acts: &mut Vec<Act>,
    ) {
        let Some(load) = self.loads.values_mut().find(|load| load.relay.place == place) else { return };
        load.reading = false;
        load.learn(mono(now), state);
        for mut entry in std::mem::take(&mut load.cut_off) {
            entry.outcome = Outcome::Unknown;
            entry.after = state_of(state);
            self.end(now, entry, acts);
        }
    }

    /// When it next wants a tick to read a state; what waits for a turn or a limit is looked at with any tick.
    pub(in crate::core) fn wake_at(&self) -> Option<Millis> {
        let idle = |load: &&Load| load.relay.reads_back && load.under_way.is_none() && !load.reading;
        self.loads.values().filter(idle).map(|load| load.read_from).min()
    }
}

/// What the ledger calls it.
const fn cause_of(trigger: &Trigger) -> Cause {
    match trigger {
        Trigger::Schedule(_) => Cause::Schedule,
        Trigger::Value(_) | Trigger::EnergyUsedUp { .. } => Cause::Protection,
    }
}
