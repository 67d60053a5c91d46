//! `wattproof meter`: reads a meter, simulates some, decodes captured bytes.

mod decode;
mod read;
mod simulate;

use super::terminal::{say, say_json};
use super::{FramingName, MeterCommand, Trouble};
use meter::strict_toml::nearest;
use meter::{Framing, Profile};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use units::{Current, Energy, Key, Power, Quantity, Reading, Voltage};

/// Baud rate by which the silence between frames is reckoned behind a converter whose own rate is not known.
const CONVERTER_BAUD: u32 = 9_600;

pub(super) fn meter(command: MeterCommand) -> Result<ExitCode, Trouble> {
    match command {
        MeterCommand::Profiles { json } => Ok(profiles(json)),
        MeterCommand::Read(args) => read::read(&args),
        MeterCommand::Simulate(args) => simulate::simulate(args),
        MeterCommand::Decode(args) => decode::decode(&args),
    }
}

impl FramingName {
    const fn framing(self) -> Framing {
        match self {
            Self::Rtu => Framing::Rtu { baud: CONVERTER_BAUD },
            Self::Tcp => Framing::Tcp,
            Self::Dlt645 => Framing::Dlt645 { baud: CONVERTER_BAUD },
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Rtu => "rtu",
            Self::Tcp => "tcp",
            Self::Dlt645 => "dlt645",
        }
    }
}

/// A profile by its name.
fn profile(name: &str) -> Result<Arc<Profile>, Trouble> {
    Profile::shipped(name).map(Arc::new).ok_or_else(|| {
        let names = Profile::shipped_names();
        let near = nearest(name, names.iter().copied()).unwrap_or_default();
        let remedy = format!("did you mean `{near}`? There are {}", names.join(", "));
        Trouble::environment(format_args!("there is no profile `{name}`"), remedy)
    })
}

#[derive(Serialize)]
struct ProfileView {
    name: &'static str,
    model: String,
    manual: String,
    baud: u32,
    quantities: Vec<String>,
}

fn profiles(json: bool) -> ExitCode {
    let view = |name| {
        Profile::shipped(name).map(|profile| ProfileView {
            name,
            model: profile.model().to_owned(),
            manual: profile.manual().to_owned(),
            baud: profile.baud(),
            quantities: profile.keys().map(|key| key.to_string()).collect(),
        })
    };
    let profiles: Vec<ProfileView> = Profile::shipped_names().into_iter().filter_map(view).collect();
    if json {
        say_json(&profiles);
    } else {
        for ProfileView { name, model, baud, quantities, .. } in profiles {
            say(format_args!("{name:<14} {model}, {baud} baud\n{:<14} {}", "", quantities.join(" ")));
        }
    }
    ExitCode::SUCCESS
}

/// Shows a reading: JSON under the names that carry the unit, or a line for each quantity with its unit.
fn show_reading(reading: &Reading, json: bool) {
    if json {
        let values: BTreeMap<String, i64> = reading.iter().map(|(key, value)| (key.to_string(), value)).collect();
        return say_json(&values);
    }
    for (key, value) in reading.iter() {
        say(format_args!("{:<22} {}", label(key), with_unit(key.quantity, value)));
    }
}

/// The quantity's name without the unit that the value shows: `active power`, `voltage l2`.
fn label(key: Key) -> String {
    let (quantity, full) = (key.quantity.name(), key.to_string());
    let name = quantity.rsplit_once('_').map_or(quantity, |(name, _)| name);
    format!("{name}{}", full.strip_prefix(quantity).unwrap_or_default()).replace('_', " ")
}

/// A value in the unit that people read.
fn with_unit(quantity: Quantity, value: i64) -> String {
    let unsigned = value.unsigned_abs();
    match quantity {
        Quantity::Voltage => Voltage::from_mv(unsigned).to_string(),
        Quantity::Current => Current::from_ua(unsigned).to_string(),
        Quantity::ActivePower => Power::from_mw(value).to_string(),
        // The same digits; only the unit's letters differ.
        Quantity::ReactivePower => Power::from_mw(value).to_string().replace('W', "var"),
        Quantity::ApparentPower => Power::from_mw(value).to_string().replace('W', "VA"),
        Quantity::PowerFactor => units::Money::from_1e4(value).to_string(),
        Quantity::Frequency => Voltage::from_mv(unsigned).to_string().replace('V', "Hz"),
        Quantity::EnergyImport | Quantity::EnergyExport => Energy::from_mwh(unsigned).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::Channel;

    #[test]
    fn values_are_shown_in_the_units_that_people_read() {
        for (quantity, value, shown) in [
            (Quantity::Voltage, 235_300, "voltage: 235.3 V"),
            (Quantity::Current, 54_000, "current: 0.054 A"),
            (Quantity::ActivePower, -6_400, "active power: -6.4 W"),
            (Quantity::ReactivePower, -700, "reactive power: -0.7 var"),
            (Quantity::ApparentPower, 6_399, "apparent power: 6.399 VA"),
            (Quantity::PowerFactor, 9_940, "power factor: 0.994"),
            (Quantity::Frequency, 49_980, "frequency: 49.98 Hz"),
            (Quantity::EnergyImport, 91_498_200, "energy import: 91.4982 kWh"),
        ] {
            assert_eq!(format!("{}: {}", label(quantity.into()), with_unit(quantity, value)), shown);
        }
        assert_eq!(label(Key { quantity: Quantity::Voltage, channel: Channel::L2 }), "voltage l2");
    }
}
