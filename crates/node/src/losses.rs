//! Loss and theft: what an upper meter counted against the sum of the meters below it, interval by interval.
//!
//! Pure. Energy that leaves no meter is lost in wires, taken past the meters, or counted wrongly (a current transformer
//! turned round, a wrong factor). Meters are read some seconds apart and their displays have steps, so one interval says
//! little: an alarm needs a loss above both limits for several comparable intervals in a row. An interval in which a
//! meter is missing is not comparable and never an alarm.

use std::collections::BTreeMap;
use units::{Energy, EnergyBalance, MeterId, Timestamp};

/// Levels of meters above each other: the building's, a floor's, a room's.
pub const LEVELS_MAX: usize = 3;
/// Upper meters that are compared: each costs a pass over the month's intervals.
pub const UPPER_MAX: usize = 64;

/// When a loss is an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossRules {
    /// Which meter is below which; what is not named here is below the main meters.
    pub feeds: BTreeMap<MeterId, MeterId>,
    /// A loss up to this is none, in an interval.
    pub energy: Energy,
    /// Nor is one up to this part of the supply, in hundredths of a per cent.
    pub percent_1e2: u32,
    /// Sub-meters that count more than the upper one by more than this part of the supply are miswired, or have a wrong
    /// factor; in hundredths of a per cent. Two meters of class 1 differ by up to 2 % (IEC 62053-21).
    pub accuracy_1e2: u32,
    /// Comparable intervals in a row before it is an alarm.
    pub intervals: u32,
}

impl Default for LossRules {
    fn default() -> Self {
        Self {
            feeds: BTreeMap::new(),
            energy: Energy::from_mwh(100_000),
            percent_1e2: 1_000,
            accuracy_1e2: 200,
            intervals: 4,
        }
    }
}

impl LossRules {
    /// What is wrong with the sums over a day's or a month's comparable intervals. That meters are read some seconds apart
    /// matters at both ends only, so the limits are those of one interval, and what is lost little by little shows.
    #[must_use]
    pub fn of_sums(&self, supplied: Energy, used: Energy) -> Option<Alarm> {
        beyond(self, supplied, used)
    }
}

/// Why meters cannot be above each other like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LossRulesError {
    /// A meter is above itself, or the tree is too deep.
    #[error("meter {0}: it is below itself, or more than {LEVELS_MAX} levels of meters are above each other")]
    Levels(MeterId),
    /// Too many upper meters.
    #[error("{0} upper meters; at most {UPPER_MAX} are compared")]
    Upper(usize),
    /// An alarm without an interval.
    #[error("an alarm needs at least one interval")]
    Intervals,
}

impl LossRules {
    /// Checks the tree and the numbers.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), LossRulesError> {
        if self.intervals == 0 {
            return Err(LossRulesError::Intervals);
        }
        let upper: std::collections::BTreeSet<&MeterId> = self.feeds.values().collect();
        if upper.len() > UPPER_MAX {
            return Err(LossRulesError::Upper(upper.len()));
        }
        for meter in self.feeds.keys() {
            let above = std::iter::successors(Some(meter), |meter| self.feeds.get(*meter));
            if above.take(LEVELS_MAX + 1).count() > LEVELS_MAX {
                return Err(LossRulesError::Levels(meter.clone()));
            }
        }
        Ok(())
    }
}

/// An interval of a meter, as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Start.
    pub start: Timestamp,
    /// End.
    pub end: Timestamp,
    /// What it counted, times its factor; `None` where the counter does not continue the interval before.
    pub energy: Option<Energy>,
}

/// A meter and its intervals, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterIntervals {
    /// The number on the meter.
    pub meter: MeterId,
    /// Whether the ledger says that it is a main meter.
    pub main: bool,
    /// Its intervals.
    pub intervals: Vec<Counted>,
}

/// What is wrong with a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// More is lost than the limits allow.
    Loss,
    /// The lower meters count more than the upper one.
    Negative,
}

/// An interval of an upper meter, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Start.
    pub start: Timestamp,
    /// End.
    pub end: Timestamp,
    /// What the upper meters counted and what the lower ones did, if all were there.
    pub energies: Option<(Energy, Energy)>,
    /// Meters that have no such interval; empty when it is comparable.
    pub missing: Vec<MeterId>,
    /// Set from the interval on that makes an alarm.
    pub alarm: Option<Alarm>,
}

/// An upper meter (or all main meters together) against those below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The upper meters.
    pub upper: Vec<MeterId>,
    /// Those below.
    pub lower: Vec<MeterId>,
    /// Interval by interval, in order of time.
    pub intervals: Vec<Compared>,
}

impl Comparison {
    /// Sums over the comparable intervals: supplied, used.
    #[must_use]
    pub fn sums(&self) -> (Energy, Energy) {
        self.intervals.iter().filter_map(|interval| interval.energies).fold(
            (Energy::ZERO, Energy::ZERO),
            |(supplied, used), (more_supplied, more_used)| {
                (supplied.checked_add(more_supplied).unwrap_or(supplied), used.checked_add(more_used).unwrap_or(used))
            },
        )
    }
}

/// Supplied less used.
#[must_use]
pub fn loss(supplied: Energy, used: Energy) -> EnergyBalance {
    let mwh = i128::from(supplied.mwh()) - i128::from(used.mwh());
    EnergyBalance::from_mwh(i64::try_from(mwh).unwrap_or(i64::MAX))
}

/// A loss as part of the supply, in hundredths of a per cent, towards zero; `None` where nothing was supplied.
#[must_use]
pub fn percent_1e2(supplied: Energy, used: Energy) -> Option<i64> {
    let lost = i128::from(supplied.mwh()) - i128::from(used.mwh());
    i64::try_from((lost * 10_000).checked_div(i128::from(supplied.mwh()))?).ok()
}

/// Compares all upper meters with those below.
#[must_use]
pub fn compare(rules: &LossRules, meters: &[MeterIntervals]) -> Vec<Comparison> {
    let mains: Vec<&MeterIntervals> =
        meters.iter().filter(|meter| meter.main && !rules.feeds.contains_key(&meter.meter)).collect();
    let rest = meters.iter().filter(|meter| !meter.main && !rules.feeds.contains_key(&meter.meter)).collect();
    let mut comparisons = vec![of_group(rules, &mains, &with_named(rest, &mains, meters, rules))];
    let upper: std::collections::BTreeSet<&MeterId> = rules.feeds.values().collect();
    for meter in meters.iter().filter(|meter| upper.contains(&meter.meter) && !meter.main) {
        let below: Vec<_> = meters.iter().filter(|lower| rules.feeds.get(&lower.meter) == Some(&meter.meter)).collect();
        comparisons.push(of_group(rules, &[meter], &below));
    }
    comparisons.retain(|comparison| !comparison.upper.is_empty());
    comparisons
}

/// Below the main meters is what is named so, besides what is named nowhere.
fn with_named<'a>(
    mut rest: Vec<&'a MeterIntervals>,
    mains: &[&MeterIntervals],
    meters: &'a [MeterIntervals],
    rules: &LossRules,
) -> Vec<&'a MeterIntervals> {
    let of_main = |meter: &&MeterIntervals| {
        let upper = rules.feeds.get(&meter.meter);
        upper.is_some_and(|upper| mains.iter().any(|main| main.meter == *upper))
    };
    rest.extend(meters.iter().filter(of_main));
    rest
}

fn of_group(rules: &LossRules, upper: &[&MeterIntervals], lower: &[&MeterIntervals]) -> Comparison {
    let names = |meters: &[&MeterIntervals]| meters.iter().map(|meter| meter.meter.clone()).collect();
    let mut comparison = Comparison { upper: names(upper), lower: names(lower), intervals: Vec::new() };
    let Some(first) = upper.first().filter(|_| !lower.is_empty()) else { return comparison };
    comparison.intervals = first.intervals.iter().map(|span| compared(span, upper, lower)).collect();
    raise_alarms(rules, &mut comparison.intervals);
    comparison
}

fn compared(span: &Counted, upper: &[&MeterIntervals], lower: &[&MeterIntervals]) -> Compared {
    let mut missing = Vec::new();
    let mut sum = |meters: &[&MeterIntervals]| {
        let mut sum = Energy::ZERO;
        for meter in meters {
            match energy_of(meter, span).and_then(|energy| sum.checked_add(energy)) {
                Some(more) => sum = more,
                None => missing.push(meter.meter.clone()),
            }
        }
        sum
    };
    let (supplied, used) = (sum(upper), sum(lower));
    let energies = missing.is_empty().then_some((supplied, used));
    Compared { start: span.start, end: span.end, energies, missing, alarm: None }
}

/// What a meter counted in exactly that span.
fn energy_of(meter: &MeterIntervals, span: &Counted) -> Option<Energy> {
    let at = meter.intervals.binary_search_by_key(&span.start, |interval| interval.start).ok()?;
    let found = meter.intervals.get(at).filter(|found| found.end == span.end)?;
    found.energy
}

/// An alarm begins with the last of so many comparable intervals in a row that are beyond the limits.
fn raise_alarms(rules: &LossRules, intervals: &mut [Compared]) {
    let mut row = (None, 0);
    for interval in intervals {
        let Some((supplied, used)) = interval.energies else { continue };
        let found = beyond(rules, supplied, used);
        row = if found.is_some() && found == row.0 { (found, row.1 + 1) } else { (found, 1) };
        interval.alarm = found.filter(|_| row.1 >= rules.intervals);
    }
}

fn beyond(rules: &LossRules, supplied: Energy, used: Energy) -> Option<Alarm> {
    let above = |more: Energy, less: Energy, percent_1e2: u32| {
        let difference = more.mwh().saturating_sub(less.mwh());
        let share = u128::from(supplied.mwh()) * u128::from(percent_1e2) / 10_000;
        difference > rules.energy.mwh() && u128::from(difference) > share
    };
    if above(supplied, used, rules.percent_1e2) {
        Some(Alarm::Loss)
    } else if above(used, supplied, rules.accuracy_1e2) {
        Some(Alarm::Negative)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
