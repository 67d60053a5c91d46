//! `wattproof meter`: finds, reads and simulates meters, listens to lines, decodes captured bytes.

mod args;
mod decode;
mod line;
mod own;
mod profiles;
mod read;
mod replay;
mod scan;
mod simulate;
mod sniff;
mod world;

use super::Trouble;
use super::terminal::{say, say_json};
use args::FramingName;
pub(super) use args::MeterCommand;
use gateway::config::load_profile;
use meter::strict_toml::nearest;
use meter::{Framing, Profile, Protocol};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use units::{Current, Energy, Key, Power, Quantity, Reading, Voltage};

/// Baud rate by which the silence between frames is reckoned behind a converter whose own rate is not known.
const CONVERTER_BAUD: u32 = 9_600;

pub(super) fn meter(command: MeterCommand) -> Result<ExitCode, Trouble> {
    match command {
        MeterCommand::Profiles(args) => profiles::profiles(&args),
        MeterCommand::Scan(args) => scan::scan(&args),
        MeterCommand::Sniff(args) => sniff::sniff(&args),
        MeterCommand::Replay(args) => replay::replay(&args),
        MeterCommand::Read(args) => read::read(&args),
        MeterCommand::Simulate(args) => simulate::simulate(args),
        MeterCommand::Decode(args) => decode::decode(&args),
    }
}

impl FramingName {
    /// What a TCP port carries for meters of a protocol: a converter passes on whatever they speak.
    const fn framing(self, protocol: Protocol) -> Framing {
        match (self, protocol) {
            (Self::Rtu, Protocol::Modbus) => Framing::Rtu { baud: CONVERTER_BAUD },
            (Self::Tcp, _) => Framing::Tcp,
            (Self::Rtu, Protocol::Dlt645) | (Self::Dlt645, _) => Framing::Dlt645 { baud: CONVERTER_BAUD },
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

/// A profile by its name: of a folder of one's own first, then the program's.
fn profile(name: &str, folder: Option<&Path>) -> Result<Arc<Profile>, Trouble> {
    let found = load_profile(name, folder).map_err(|error| {
        Trouble::environment(error, "correct the file, or take it out of the folder (docs/your-own-meter.md)")
    })?;
    if let Some(profile) = found {
        return Ok(Arc::new(profile));
    }
    let mut names = folder.map(own::names).transpose()?.unwrap_or_default();
    names.extend(Profile::shipped_names().into_iter().map(str::to_owned));
    let near = nearest(name, names.iter().map(String::as_str)).unwrap_or_default();
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    let remedy = format!("did you mean `{near}`? There are {}", listed.join(", "));
    Err(Trouble::environment(format_args!("there is no profile `{name}`"), remedy))
}

/// A reading's values under the names that carry the unit.
fn values(reading: &Reading) -> BTreeMap<String, i64> {
    reading.iter().map(|(key, value)| (key.to_string(), value)).collect()
}

/// Shows a reading: JSON under the names that carry the unit, or a line for each quantity with its unit.
fn show_reading(reading: &Reading, json: bool) {
    if json {
        return say_json(&values(reading));
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
