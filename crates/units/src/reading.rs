//! What a meter said at one moment: a set of quantities, each total or of one phase or channel.

use crate::{ApparentPower, Current, Energy, Frequency, Power, PowerFactor, ReactivePower, Voltage};
use std::collections::BTreeMap;
use std::{fmt, str::FromStr};

/// What is measured. The order is that of pages and tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// RMS voltage, mV.
    Voltage,
    /// RMS current, uA.
    Current,
    /// Active power, mW.
    ActivePower,
    /// Reactive power, mvar.
    ReactivePower,
    /// Apparent power, mVA.
    ApparentPower,
    /// Power factor, 1e-4.
    PowerFactor,
    /// Frequency, mHz.
    Frequency,
    /// Imported energy, the meter's counter, mWh.
    EnergyImport,
    /// Exported energy, the meter's counter, mWh.
    EnergyExport,
}

impl Quantity {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Voltage,
        Self::Current,
        Self::ActivePower,
        Self::ReactivePower,
        Self::ApparentPower,
        Self::PowerFactor,
        Self::Frequency,
        Self::EnergyImport,
        Self::EnergyExport,
    ];

    /// Its JSON name, which carries the unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voltage => "voltage_mv",
            Self::Current => "current_ua",
            Self::ActivePower => "active_power_mw",
            Self::ReactivePower => "reactive_power_mvar",
            Self::ApparentPower => "apparent_power_mva",
            Self::PowerFactor => "power_factor_1e4",
            Self::Frequency => "frequency_mhz",
            Self::EnergyImport => "energy_import_mwh",
            Self::EnergyExport => "energy_export_mwh",
        }
    }

    /// Whether a negative value has a meaning.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::ActivePower | Self::ReactivePower | Self::PowerFactor)
    }
}

/// Of which part of the supply a value speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Channel {
    /// The whole meter.
    #[default]
    Total,
    /// Phase 1 of three.
    L1,
    /// Phase 2 of three.
    L2,
    /// Phase 3 of three.
    L3,
    /// Channel 1 of a two-channel meter.
    Ch1,
    /// Channel 2 of a two-channel meter.
    Ch2,
}

impl Channel {
    const ALL: [Self; 6] = [Self::Total, Self::L1, Self::L2, Self::L3, Self::Ch1, Self::Ch2];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Total => "",
            Self::L1 => "_l1",
            Self::L2 => "_l2",
            Self::L3 => "_l3",
            Self::Ch1 => "_ch1",
            Self::Ch2 => "_ch2",
        }
    }
}

/// A quantity of a channel; printed as its JSON name: `voltage_mv`, `voltage_mv_l1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What is measured.
    pub quantity: Quantity,
    /// Where.
    pub channel: Channel,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.quantity.name(), self.channel.suffix())
    }
}

impl FromStr for Key {
    type Err = String;
    /// The error names what was written.
    fn from_str(text: &str) -> Result<Self, String> {
        // No quantity's name begins another's.
        let named =
            Quantity::ALL.into_iter().find_map(|quantity| Some((quantity, text.strip_prefix(quantity.name())?)));
        let key = named.and_then(|(quantity, suffix)| {
            let channel = Channel::ALL.into_iter().find(|channel| channel.suffix() == suffix)?;
            Some(Self { quantity, channel })
        });
        key.ok_or_else(|| text.to_owned())
    }
}

impl From<Quantity> for Key {
    fn from(quantity: Quantity) -> Self {
        Self { quantity, channel: Channel::Total }
    }
}

/// The values of one answer, each an integer in its quantity's unit. When it was taken stands beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    values: BTreeMap<Key, i64>,
}

impl Reading {
    /// With no values.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: BTreeMap::new() }
    }
    /// Puts a value, replacing an earlier one of the same key.
    pub fn insert(&mut self, key: impl Into<Key>, value: i64) {
        self.values.insert(key.into(), value);
    }
    /// The value of a key, in its quantity's unit.
    #[must_use]
    pub fn get(&self, key: impl Into<Key>) -> Option<i64> {
        self.values.get(&key.into()).copied()
    }
    /// All values in the order of [`Quantity`], then channel.
    pub fn iter(&self) -> impl Iterator<Item = (Key, i64)> + '_ {
        self.values.iter().map(|(key, value)| (*key, *value))
    }
    /// Whether it has no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn unsigned(&self, quantity: Quantity) -> Option<u64> {
        self.get(quantity).and_then(|value| u64::try_from(value).ok())
    }
    /// Total voltage.
    #[must_use]
    pub fn voltage(&self) -> Option<Voltage> {
        self.unsigned(Quantity::Voltage).map(Voltage::from_mv)
    }
    /// Total current.
    #[must_use]
    pub fn current(&self) -> Option<Current> {
        self.unsigned(Quantity::Current).map(Current::from_ua)
    }
    /// Total active power.
    #[must_use]
    pub fn active_power(&self) -> Option<Power> {
        self.get(Quantity::ActivePower).map(Power::from_mw)
    }
    /// Total reactive power.
    #[must_use]
    pub fn reactive_power(&self) -> Option<ReactivePower> {
        self.get(Quantity::ReactivePower).map(ReactivePower::from_mvar)
    }
    /// Total apparent power.
    #[must_use]
    pub fn apparent_power(&self) -> Option<ApparentPower> {
        self.unsigned(Quantity::ApparentPower).map(ApparentPower::from_mva)
    }
    /// Total power factor.
    #[must_use]
    pub fn power_factor(&self) -> Option<PowerFactor> {
        self.get(Quantity::PowerFactor).map(PowerFactor::from_1e4)
    }
    /// Mains frequency.
    #[must_use]
    pub fn frequency(&self) -> Option<Frequency> {
        self.unsigned(Quantity::Frequency).map(Frequency::from_mhz)
    }
    /// The import counter.
    #[must_use]
    pub fn energy_import(&self) -> Option<Energy> {
        self.unsigned(Quantity::EnergyImport).map(Energy::from_mwh)
    }
    /// The export counter.
    #[must_use]
    pub fn energy_export(&self) -> Option<Energy> {
        self.unsigned(Quantity::EnergyExport).map(Energy::from_mwh)
    }

    /// Fills in what the meter does not give but its other values determine: apparent power from V and I, reactive
    /// power from apparent power and power factor (the paper's poster). What the meter gave stays.
    #[must_use]
    pub fn with_derived_powers(mut self) -> Self {
        let apparent =
            self.apparent_power().or_else(|| ApparentPower::from_voltage_and_current(self.voltage()?, self.current()?));
        let reactive = self.reactive_power().or_else(|| ReactivePower::from_apparent(apparent?, self.power_factor()?));
        if let Some(value) = apparent.and_then(|power| i64::try_from(power.mva()).ok()) {
            self.insert(Quantity::ApparentPower, value);
        }
        if let Some(power) = reactive {
            self.insert(Quantity::ReactivePower, power.mvar());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_unit_and_channel_and_read_back() {
        let key = Key { quantity: Quantity::Voltage, channel: Channel::L2 };
        assert_eq!(key.to_string(), "voltage_mv_l2");
        for quantity in Quantity::ALL {
            for channel in Channel::ALL {
                let key = Key { quantity, channel };
                assert_eq!(key.to_string().parse(), Ok(key));
            }
        }
        assert_eq!("voltage_v".parse::<Key>(), Err("voltage_v".to_owned()));
    }

    #[test]
    fn derived_powers_never_replace_what_the_meter_gave() {
        let mut given = Reading::new();
        given.insert(Quantity::Voltage, 118_500);
        given.insert(Quantity::Current, 54_000);
        given.insert(Quantity::PowerFactor, 9_940);
        let derived = given.clone().with_derived_powers();
        assert_eq!(
            (derived.get(Quantity::ApparentPower), derived.get(Quantity::ReactivePower)),
            (Some(6_399), Some(700))
        );
        given.insert(Quantity::ReactivePower, -5);
        assert_eq!(given.with_derived_powers().get(Quantity::ReactivePower), Some(-5));
    }
}
