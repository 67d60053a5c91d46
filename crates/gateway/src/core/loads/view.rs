//! What pages show of loads and rules: values of one moment.

use super::load::{Load, until};
use super::{Entry, Loads, Rule, mono};
use crate::Now;
use units::{MeterId, Millis, Timestamp};

/// A rule that holds a load off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    /// The rule.
    pub rule: String,
    /// Since when, by the community's clock.
    pub since: Timestamp,
    /// What was found.
    pub why: String,
    /// Whether only a person may release it.
    pub latched: bool,
}

/// A load at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadView {
    /// The meter.
    pub meter: MeterId,
    /// On or off, as far as it is known.
    pub state: Option<bool>,
    /// How long ago that was learnt.
    pub state_age: Option<Millis>,
    /// Whether the relay can be read back; where not, the state is what it was told.
    pub reads_back: bool,
    /// Who holds it off.
    pub locks: Vec<LockView>,
    /// The order that is not done yet.
    pub order: Option<Entry>,
    /// Whether it comes on again by itself when it may.
    pub comes_back: bool,
    /// Until it may be switched on; zero when it may.
    pub on_in: Millis,
    /// Until it may be switched off by a person; zero when it may.
    pub off_in: Millis,
    /// Switchings of the last hour.
    pub switches: usize,
    /// How many an hour may have.
    pub switches_max: u32,
    /// Meters whose load must not be on together with it.
    pub never_with: Vec<MeterId>,
}

/// A rule and for which meters it is tripped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView {
    /// As configured.
    pub rule: Rule,
    /// Where it is tripped now, or would be.
    pub tripped: Vec<MeterId>,
}

impl Loads {
    /// Every load, in the order of the meters' numbers.
    pub(in crate::core) fn views(&self, now: Now) -> Vec<LoadView> {
        self.loads.values().map(|load| self.view(now, load)).collect()
    }

    fn view(&self, now: Now, load: &Load) -> LoadView {
        let now = mono(now);
        let lock = |lock: &super::Lock| LockView {
            rule: lock.rule.clone(),
            since: lock.since,
            why: lock.why.clone(),
            latched: lock.latched,
        };
        let wait = |on: bool| {
            let rest = until(now, if on { load.on_from } else { load.off_from });
            rest.max(load.wait(now, if on { 2 } else { 1 }))
        };
        LoadView {
            meter: load.meter.clone(),
            state: load.state,
            state_age: load.state_at.map(|at| until(at, now)),
            reads_back: load.relay.reads_back,
            locks: load.locks.values().map(lock).collect(),
            order: load.under_way.clone().or_else(|| load.waiting.clone()),
            comes_back: load.restore.is_some() || load.locks.values().any(|lock| lock.restore && !lock.latched),
            on_in: wait(true).max(until(now, self.next_on)),
            off_in: wait(false),
            switches: load.spent(now),
            switches_max: load.limits.switches_per_hour,
            never_with: load.limits.never_with.clone(),
        }
    }

    /// Every rule, in the order of the configuration.
    pub(in crate::core) fn rule_views(&self) -> Vec<RuleView> {
        let view = |(at, rule): (usize, &Rule)| {
            let is_tripped =
                |meter: &&MeterId| self.watches.get(&(at, (*meter).clone())).is_some_and(super::Watch::is_tripped);
            RuleView { rule: rule.clone(), tripped: rule.meters.iter().filter(is_tripped).cloned().collect() }
        };
        self.rules.iter().enumerate().map(view).collect()
    }

    /// The newest entries, oldest first, at most [`super::RECENT_MAX`].
    pub(in crate::core) fn recent(&self) -> impl Iterator<Item = &Entry> {
        self.recent.iter()
    }
}
