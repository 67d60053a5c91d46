//! Loads: orders of people, rules that protect, and the relays that carry both out.
//!
//! Invariants: an entry is in the journal before its command may reach the line; a command is sent once and never
//! repeated blindly; the state is read back. A rule that holds a load off is stored too, so that a latch outlives a stop.
//! Protection needs neither node nor database: it is decided here, on each believed reading at once. No sequence of
//! readings makes a relay switch more often than its limits say, and a latch is never released by itself.

mod decide;
mod journal;
mod load;
mod order;
mod outbox;
mod rule;
mod schedule;
mod statement;
mod view;

use crate::Now;
pub use journal::{Deed, Entry, JournalWrite, Lock, Outcome, StoredJournal};
use ledger::Offset;
use ledger::act::{Cause, LoadState};
use load::{Load, Relay};
pub use order::{KEY_BYTES_MAX, Order, Refusal, Reset, state_name};
use order::{check_text, shortened};
pub(super) use outbox::Controls;
use rule::Watch;
pub use rule::{Limit, Rule, Side, Trigger};
pub use schedule::Schedule;
pub(super) use statement::control_statement;
use std::collections::{BTreeMap, VecDeque};
use units::{EnergyBalance, MeterId, Millis, Quantity, Reading};
pub use view::{LoadView, LockView, RuleView};

/// Over which a relay's switchings are counted.
pub(super) const HOUR: Millis = Millis::from_minutes(60);
/// How often a relay's state is read though nobody switches it here: somebody may, at the meter itself.
pub(super) const STATE_EVERY: Millis = Millis::from_minutes(5);
/// Pause before a state that could not be read is asked for again.
pub(super) const STATE_RETRY: Millis = Millis::from_seconds(30);
/// Entries kept in memory for pages and for repeated orders: some days of a house.
pub(super) const RECENT_MAX: usize = 256;
/// A load that draws more than this is on, whatever its relay was told: more than any meter's own error at no load.
const DRAWS_CURRENT_UA: i64 = 50_000;

/// What a relay may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadLimits {
    /// How long the load stays off before it may be switched on: a compressor needs minutes.
    pub min_off: Millis,
    /// How long it stays on before a person or a schedule may switch it off; protection does not wait.
    pub min_on: Millis,
    /// Switchings in any hour, 2 or more; the last of them is kept for protection.
    pub switches_per_hour: u32,
    /// Meters whose load must not be on together with this one.
    pub never_with: Vec<MeterId>,
}

impl Default for LoadLimits {
    /// A relay in a meter is made for some ten thousand switchings.
    fn default() -> Self {
        Self { min_off: Millis::from_seconds(5), min_on: Millis::ZERO, switches_per_hour: 12, never_with: Vec::new() }
    }
}

/// Rules and limits of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protection {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The limits of single meters; the others have the usual ones.
    pub limits: BTreeMap<MeterId, LoadLimits>,
    /// Least time between two loads that are switched on, over the whole gateway: motors and heaters that start together
    /// trip the main fuse.
    pub stagger: Millis,
}

/// A meter with a relay, as the buses list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RelayPlace {
    pub(super) meter: MeterId,
    pub(super) place: (usize, usize),
    pub(super) reads_back: bool,
    pub(super) poll_every: Millis,
}

/// What the loads want done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Write an entry; one with an outcome that went out becomes a statement too.
    Entry(Entry),
    /// Write a lock.
    Lock(Lock),
    /// Take a lock away.
    Unlock { meter: MeterId, rule: String },
    /// Send a command, after everything before this is stored.
    Switch { place: (usize, usize), on: bool, number: u64 },
    /// Read a relay's state.
    Read { place: (usize, usize) },
}

/// What came of a command on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switched {
    pub(super) number: u64,
    pub(super) before: Option<bool>,
    pub(super) after: Option<bool>,
    pub(super) result: Result<(), String>,
}

/// All loads of a gateway.
#[derive(Debug)]
pub(super) struct Loads {
    loads: BTreeMap<MeterId, Load>,
    /// Meters without a relay, and how old their readings may be: rules on trial and warnings watch them too.
    meters: BTreeMap<MeterId, Millis>,
    rules: Vec<Rule>,
    watches: BTreeMap<(usize, MeterId), Watch>,
    offsets: Vec<Offset>,
    stagger: Millis,
    /// No load is switched on before.
    next_on: Millis,
    last_number: u64,
    recent: VecDeque<Entry>,
    /// What is stored, until the first step tells the time.
    stored: Option<StoredJournal>,
}

impl Loads {
    pub(super) fn new(
        protection: Protection,
        offsets: Vec<Offset>,
        meters: &[(MeterId, Millis)],
        relays: Vec<RelayPlace>,
    ) -> Self {
        let Protection { rules, mut limits, stagger } = protection;
        interlock_both_ways(&mut limits);
        let mut loads = BTreeMap::new();
        for RelayPlace { meter, place, reads_back, poll_every } in relays {
            let relay = Relay { place, reads_back, fresh: fresh(poll_every) };
            let limits = limits.remove(&meter).unwrap_or_default();
            loads.insert(meter.clone(), Load::new(meter, relay, limits));
        }
        let watched = rules.iter().enumerate();
        let watched = watched.flat_map(|(at, rule)| rule.meters.iter().map(move |meter| (at, meter.clone())));
        Self {
            loads,
            meters: meters.iter().map(|(meter, poll_every)| (meter.clone(), fresh(*poll_every))).collect(),
            watches: watched.map(|key| (key, Watch::default())).collect(),
            rules,
            offsets,
            stagger,
            next_on: Millis::ZERO,
            last_number: 0,
            recent: VecDeque::new(),
            stored: None,
        }
    }

    /// Goes on from the journal, with the next step.
    pub(super) fn resume(&mut self, stored: StoredJournal) {
        self.last_number = stored.last_number;
        self.recent = stored.entries.iter().rev().take(RECENT_MAX).rev().cloned().collect();
        self.stored = Some(stored);
    }

    /// Takes up what was stored, now that the time is known.
    pub(super) fn begin(&mut self, now: Now, acts: &mut Vec<Act>) {
        let Some(stored) = self.stored.take() else { return };
        for lock in stored.locks {
            self.take_up_lock(lock, acts);
        }
        for entry in stored.entries {
            self.take_up_entry(now, entry, acts);
        }
    }

    /// A rule that the configuration no longer has, or that no longer switches, holds nothing off.
    fn take_up_lock(&mut self, lock: Lock, acts: &mut Vec<Act>) {
        let at = self
            .rules
            .iter()
            .position(|rule| rule.name == lock.rule && rule.switches() && rule.meters.contains(&lock.meter));
        let watch = at.and_then(|at| self.watches.get_mut(&(at, lock.meter.clone())));
        match (watch, self.loads.get_mut(&lock.meter)) {
            (Some(watch), Some(load)) => {
                *watch = Watch::resumed();
                // What was sent before the stop is not sent again before the state was read.
                load.off_tried = true;
                load.locks.insert(lock.rule.clone(), lock);
            }
            _ => acts.push(Act::Unlock { meter: lock.meter, rule: lock.rule }),
        }
    }

    fn take_up_entry(&mut self, now: Now, mut entry: Entry, acts: &mut Vec<Act>) {
        let Some(load) = self.loads.get_mut(&entry.meter) else { return };
        let elapsed = now.community.since(entry.ended.unwrap_or(entry.time));
        if entry.outcome.is_stated() || entry.outcome == Outcome::Sent {
            load.count(mono(now), elapsed, entry.deed == Deed::On);
        }
        match entry.outcome {
            Outcome::Waiting => {
                entry.outcome = Outcome::Withdrawn("the gateway was stopped before its turn came".to_owned());
                self.end(now, entry, acts);
            }
            Outcome::Sent if load.relay.reads_back => load.cut_off.push(entry),
            Outcome::Sent => {
                entry.outcome = Outcome::Unknown;
                self.end(now, entry, acts);
            }
            // Of a relay that cannot be read the last command is all that is known.
            Outcome::Unconfirmed if !load.relay.reads_back => load.state = Some(entry.deed == Deed::On),
            Outcome::Failed(_) | Outcome::Unknown if !load.relay.reads_back => load.state = None,
            _ => {}
        }
    }

    /// An order of a person. Gives its number; what follows comes with [`Loads::due`].
    pub(super) fn order(&mut self, now: Now, order: Order, acts: &mut Vec<Act>) -> Result<u64, Refusal> {
        check_text(&order.who, &order.why, order.key.as_deref())?;
        if let Some(number) = self.same_order(&order) {
            return Ok(number);
        }
        if !order.on {
            // Who wants it off does not want it back on when a rule lets go.
            self.keep_off(&order.meter, acts);
        }
        self.check_order(now, &order)?;
        let Order { meter, on, who, why, key } = order;
        let mut entry = self.entry(now, meter.clone(), Deed::switch(on), (Cause::Person, who, why));
        entry.key = key;
        let number = entry.number;
        let Some(load) = self.loads.get_mut(&meter) else { return Err(Refusal::UnknownMeter(meter)) };
        load.waiting = Some(entry.clone());
        // An order that need not wait is written once, as it goes out.
        if on && self.next_on > mono(now) {
            self.write(entry, acts);
        }
        Ok(number)
    }

    fn same_order(&self, order: &Order) -> Option<u64> {
        let key = order.key.as_ref()?;
        let waiting = self.loads.values().flat_map(|load| load.waiting.iter().chain(&load.under_way));
        let same = |entry: &&Entry| entry.meter == order.meter && entry.key.as_ref() == Some(key);
        waiting.chain(&self.recent).find(same).map(|entry| entry.number)
    }

    fn check_order(&mut self, now: Now, order: &Order) -> Result<(), Refusal> {
        let (meter, on) = (&order.meter, order.on);
        let is_known = self.meters.contains_key(meter);
        let Some(load) = self.loads.get_mut(meter) else {
            let meter = meter.clone();
            return Err(if is_known { Refusal::NoRelay(meter) } else { Refusal::UnknownMeter(meter) });
        };
        if let Some(order) = load.busy_with() {
            return Err(Refusal::Busy { meter: meter.clone(), order });
        }
        if on && let Some(lock) = load.locked_by() {
            let (rule, latched) = (lock.rule.clone(), lock.latched);
            return Err(Refusal::Locked { meter: meter.clone(), rule, latched });
        }
        if load.state == Some(on) {
            return Err(Refusal::Already { meter: meter.clone(), on });
        }
        load.check_limits(mono(now), on)?;
        if on { self.check_interlock(meter) } else { Ok(()) }
    }

    /// Whether every load that must not be on together with this one is off.
    fn check_interlock(&self, meter: &MeterId) -> Result<(), Refusal> {
        let others = self.loads.get(meter).into_iter().flat_map(|load| &load.limits.never_with);
        for other in others.filter_map(|other| self.loads.get(other)) {
            if other.may_be_on() {
                let (meter, other, state) = (meter.clone(), other.meter.clone(), other.known());
                return Err(Refusal::Interlock { meter, other, state });
            }
        }
        Ok(())
    }

    /// A person takes back the latches of a meter's load. What is still wrong trips anew; nothing is switched on by it.
    pub(super) fn reset(&mut self, now: Now, reset: Reset, acts: &mut Vec<Act>) -> Result<u64, Refusal> {
        check_text(&reset.who, &reset.why, None)?;
        let Reset { meter, who, why } = reset;
        let is_known = self.meters.contains_key(&meter);
        let Some(load) = self.loads.get_mut(&meter) else {
            return Err(if is_known { Refusal::NoRelay(meter) } else { Refusal::UnknownMeter(meter) });
        };
        let latched = load.locks.values().filter(|lock| lock.latched);
        let rules: Vec<String> = latched.map(|lock| lock.rule.clone()).collect();
        if rules.is_empty() {
            return Err(Refusal::NotLatched(meter));
        }
        for rule in rules {
            load.locks.remove(&rule);
            let at = self.rules.iter().position(|known| known.name == rule);
            if let Some(watch) = at.and_then(|at| self.watches.get_mut(&(at, meter.clone()))) {
                watch.reset();
            }
            acts.push(Act::Unlock { meter: meter.clone(), rule });
        }
        self.keep_off(&meter, acts);
        let mut entry = self.entry(now, meter, Deed::Reset, (Cause::Person, who, why));
        entry.outcome = Outcome::Done;
        let number = entry.number;
        self.end(now, entry, acts);
        Ok(number)
    }

    /// Neither what rules have let go nor what they still hold comes back on by itself.
    fn keep_off(&mut self, meter: &MeterId, acts: &mut Vec<Act>) {
        let Some(load) = self.loads.get_mut(meter) else { return };
        load.restore = None;
        for lock in load.locks.values_mut().filter(|lock| lock.restore) {
            lock.restore = false;
            acts.push(Act::Lock(lock.clone()));
        }
    }

    /// A believed reading of a meter.
    pub(super) fn reading(&mut self, now: Now, meter: &MeterId, reading: &Reading, acts: &mut Vec<Act>) {
        let Some(fresh) = self.meters.get(meter).copied() else { return };
        for at in 0..self.rules.len() {
            let Trigger::Value(limit) = self.rules[at].trigger else { continue };
            let Some(watch) = self.watches.get_mut(&(at, meter.clone())) else { continue };
            let Some(value) = limit.value_of(reading) else { continue };
            if let Some(verdict) = watch.value(mono(now), value, &limit, fresh) {
                self.conclude(now, at, meter, verdict, acts);
            }
        }
        self.see_current(now, meter, reading);
    }

    /// A load that rules hold off and that draws current is on: where its relay cannot be read, that is how a command that
    /// got lost is seen, and then one more is not blind.
    fn see_current(&mut self, now: Now, meter: &MeterId, reading: &Reading) {
        let Some(load) = self.loads.get_mut(meter) else { return };
        let held = !load.relay.reads_back && load.off_tried && !load.locks.is_empty() && load.under_way.is_none();
        let currents = reading.iter().filter(|(key, _)| key.quantity == Quantity::Current).map(|(_, value)| value);
        let draws = currents.max().is_some_and(|current| current > DRAWS_CURRENT_UA);
        if held && draws && load.read_from <= mono(now) {
            load.learn(mono(now), Some(true));
        }
    }

    /// What the node says of a member's energy this month; `None` when it does not know.
    pub(super) fn remaining(
        &mut self,
        now: Now,
        meter: &MeterId,
        remaining: Option<EnergyBalance>,
        acts: &mut Vec<Act>,
    ) {
        let Some(remaining) = remaining else { return };
        for at in 0..self.rules.len() {
            if !matches!(self.rules[at].trigger, Trigger::EnergyUsedUp { .. }) {
                continue;
            }
            let Some(watch) = self.watches.get_mut(&(at, meter.clone())) else { continue };
            let words = || format!("the month's energy is used up: {remaining} is left");
            if let Some(verdict) = watch.state(remaining.mwh() <= 0, words) {
                self.conclude(now, at, meter, verdict, acts);
            }
        }
    }

    /// The meters whose members' energy is asked for.
    pub(super) fn energy_watched(&self) -> Vec<MeterId> {
        let rules = self.rules.iter().filter(|rule| matches!(rule.trigger, Trigger::EnergyUsedUp { .. }));
        let mut meters: Vec<MeterId> = rules.flat_map(|rule| rule.meters.iter().cloned()).collect();
        meters.sort();
        meters.dedup();
        meters
    }

    /// A new entry, with the load as it is known.
    fn entry(&mut self, now: Now, meter: MeterId, deed: Deed, (by, who, why): (Cause, String, String)) -> Entry {
        self.last_number += 1;
        let before = self.loads.get(&meter).map_or(LoadState::Unknown, Load::known);
        Entry {
            number: self.last_number,
            meter,
            time: now.community,
            deed,
            by,
            who: shortened(&who, ledger::act::Control::WHO_MAX),
            why: shortened(&why, ledger::act::Control::WHY_MAX),
            key: None,
            before,
            after: before,
            outcome: Outcome::Waiting,
            ended: None,
        }
    }

    /// An entry's outcome is known.
    fn end(&mut self, now: Now, mut entry: Entry, acts: &mut Vec<Act>) {
        entry.ended = Some(now.community);
        self.write(entry, acts);
    }

    fn write(&mut self, entry: Entry, acts: &mut Vec<Act>) {
        match self.recent.iter_mut().find(|known| known.number == entry.number) {
            Some(known) => *known = entry.clone(),
            None => self.recent.push_back(entry.clone()),
        }
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        acts.push(Act::Entry(entry));
    }
}

/// Readings further apart say nothing of the time between: three polls, and never less than two seconds.
fn fresh(poll_every: Millis) -> Millis {
    Millis::from_ms(poll_every.ms().saturating_mul(3).max(2_000))
}

/// What must not be on with another, the other must not be on with it.
fn interlock_both_ways(limits: &mut BTreeMap<MeterId, LoadLimits>) {
    let pairs: Vec<(MeterId, MeterId)> = limits
        .iter()
        .flat_map(|(meter, limits)| limits.never_with.iter().map(|other| (other.clone(), meter.clone())))
        .collect();
    for (meter, other) in pairs {
        let never_with = &mut limits.entry(meter).or_default().never_with;
        if !never_with.contains(&other) {
            never_with.push(other);
        }
    }
}

/// The clock that limits and delays go by.
fn mono(now: Now) -> Millis {
    now.monotonic.whole_ms()
}

#[cfg(test)]
mod tests;
