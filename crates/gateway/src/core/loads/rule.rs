//! Protection rules: when one holds a load off, and when it lets go. Evaluated on each believed reading at once; a
//! reading that is not believed never comes here, and one that is too old breaks every count of time.

use super::schedule::Schedule;
use units::{Channel, MeterId, Millis, Quantity, Reading};

/// What makes a rule act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A value beyond a limit.
    Value(Limit),
    /// Hours of the day.
    Schedule(Schedule),
    /// The month's contracted energy is used up; it warns, and switches off only if `cut`.
    EnergyUsedUp {
        /// Whether it switches off.
        cut: bool,
    },
}

/// Which side of a limit is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// More than the limit.
    Above,
    /// Less than the limit.
    Below,
}

/// A limit with its hysteresis. Values are integers in the quantity's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of what: voltage, current or active power.
    pub quantity: Quantity,
    /// Which side is wrong.
    pub side: Side,
    /// The limit.
    pub limit: i64,
    /// How long it must be exceeded.
    pub delay: Millis,
    /// The value is good again when it is not beyond this one.
    pub release: i64,
    /// How long it must be good.
    pub release_delay: Millis,
}

impl Limit {
    /// The worst value of a reading: of voltage and current that of any phase or channel, of power the total, or the sum
    /// of the phases where the meter gives no total.
    #[must_use]
    pub fn value_of(&self, reading: &Reading) -> Option<i64> {
        let of_quantity = reading.iter().filter(|(key, _)| key.quantity == self.quantity);
        if self.quantity == Quantity::ActivePower {
            let total = reading.get(self.quantity);
            let parts = of_quantity.filter(|(key, _)| key.channel != Channel::Total).map(|(_, value)| value);
            return total.or_else(|| parts.reduce(i64::saturating_add));
        }
        let values = of_quantity.map(|(_, value)| value);
        match self.side {
            Side::Above => values.max(),
            Side::Below => values.min(),
        }
    }

    const fn is_beyond(&self, value: i64) -> bool {
        match self.side {
            Side::Above => value > self.limit,
            Side::Below => value < self.limit,
        }
    }

    const fn is_good(&self, value: i64) -> bool {
        match self.side {
            Side::Above => value <= self.release,
            Side::Below => value >= self.release,
        }
    }
}

/// A rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which the journal gives as who switched; at most as long as the ledger's act takes.
    pub name: String,
    /// The meters it watches.
    pub meters: Vec<MeterId>,
    /// When it acts.
    pub trigger: Trigger,
    /// Whether it stays tripped until a person resets it.
    pub latch: bool,
    /// Whether it only writes down what it would have done.
    pub dry_run: bool,
}

impl Rule {
    /// Whether it switches, or only tells.
    #[must_use]
    pub const fn switches(&self) -> bool {
        !self.dry_run && !matches!(self.trigger, Trigger::EnergyUsedUp { cut: false })
    }
}

/// What a rule concludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The load is to be off; the words say what was found.
    Trip(String),
    /// The cause is gone.
    Release,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Clear,
    /// Beyond the limit without a break.
    Beyond { since: Millis },
    /// Tripped; good again without a break since then.
    Tripped { good_since: Option<Millis> },
}

/// One rule's eye on one meter.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    phase: Phase,
    /// When the last reading came.
    last: Option<Millis>,
}

impl Watch {
    /// Tripped before the gateway's start.
    pub(super) fn resumed() -> Self {
        Self { phase: Phase::Tripped { good_since: None }, last: None }
    }

    pub(super) const fn is_tripped(&self) -> bool {
        matches!(self.phase, Phase::Tripped { .. })
    }

    /// A person took the latch back: what is still wrong trips anew, after its delay.
    pub(super) fn reset(&mut self) {
        self.phase = Phase::Clear;
    }

    /// A value was read. After a pause of more than `fresh` nothing is known of the time between.
    pub(super) fn value(&mut self, now: Millis, value: i64, limit: &Limit, fresh: Millis) -> Option<Verdict> {
        let unbroken = self.last.is_some_and(|last| now.ms().saturating_sub(last.ms()) <= fresh.ms());
        self.last = Some(now);
        let lasted = |since: Millis, delay: Millis| now.ms().saturating_sub(since.ms()) >= delay.ms();
        match self.phase {
            Phase::Clear | Phase::Beyond { .. } if !limit.is_beyond(value) => self.phase = Phase::Clear,
            Phase::Clear | Phase::Beyond { .. } => {
                let since = match self.phase {
                    Phase::Beyond { since } if unbroken => since,
                    _ => now,
                };
                self.phase = Phase::Beyond { since };
                if lasted(since, limit.delay) {
                    self.phase = Phase::Tripped { good_since: None };
                    return Some(Verdict::Trip(words(value, limit)));
                }
            }
            Phase::Tripped { .. } if !limit.is_good(value) => self.phase = Phase::Tripped { good_since: None },
            Phase::Tripped { good_since } => {
                let since = good_since.filter(|_| unbroken).unwrap_or(now);
                self.phase = Phase::Tripped { good_since: Some(since) };
                if lasted(since, limit.release_delay) {
                    self.phase = Phase::Clear;
                    return Some(Verdict::Release);
                }
            }
        }
        None
    }

    /// A state without a delay: hours, or energy.
    pub(super) fn state(&mut self, holds: bool, words: impl FnOnce() -> String) -> Option<Verdict> {
        match (holds, self.is_tripped()) {
            (true, false) => {
                self.phase = Phase::Tripped { good_since: None };
                Some(Verdict::Trip(words()))
            }
            (false, true) => {
                self.phase = Phase::Clear;
                Some(Verdict::Release)
            }
            _ => None,
        }
    }

    /// A latched rule's cause is gone, but it stays.
    pub(super) fn stay(&mut self) {
        self.phase = Phase::Tripped { good_since: None };
    }
}

/// Such as `253.400 V is above 253.000 V`.
fn words(value: i64, limit: &Limit) -> String {
    let side = match limit.side {
        Side::Above => "above",
        Side::Below => "below",
    };
    format!("{} is {side} {}", measured(limit.quantity, value), measured(limit.quantity, limit.limit))
}

/// A value with its unit.
fn measured(quantity: Quantity, value: i64) -> String {
    let (scale, unit) = match quantity {
        Quantity::Voltage => (1_000, "V"),
        Quantity::Current => (1_000_000, "A"),
        _ => (1_000, "W"),
    };
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.unsigned_abs() / scale, value.unsigned_abs() % scale);
    // Three decimals say enough in all three units.
    format!("{sign}{whole}.{:03} {unit}", rest * 1_000 / scale)
}
