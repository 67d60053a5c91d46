//! What Home Assistant shows of a value: name, unit and kind. The names are those of the program's own pages.

use crate::config::Language;
use units::{Channel, Key, Quantity};

/// How Home Assistant is to take a quantity (its documentation of the sensor integration: device and state classes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Its `device_class`.
    pub(super) device_class: &'static str,
    /// Its `state_class`.
    pub(super) state_class: &'static str,
    /// Its unit; the power factor has none.
    pub(super) unit: Option<&'static str>,
    /// How many of our integers make one of its units.
    pub(super) divisor: u32,
    /// Digits behind the point that are shown.
    pub(super) digits: u8,
}

pub(super) const fn kind(quantity: Quantity) -> Kind {
    let (device_class, unit, divisor, digits) = match quantity {
        Quantity::Voltage => ("voltage", Some("V"), 1_000, 1),
        Quantity::Current => ("current", Some("A"), 1_000_000, 2),
        Quantity::ActivePower => ("power", Some("W"), 1_000, 0),
        Quantity::ReactivePower => ("reactive_power", Some("var"), 1_000, 0),
        Quantity::ApparentPower => ("apparent_power", Some("VA"), 1_000, 0),
        Quantity::PowerFactor => ("power_factor", None, 10_000, 2),
        Quantity::Frequency => ("frequency", Some("Hz"), 1_000, 2),
        Quantity::EnergyImport | Quantity::EnergyExport => ("energy", Some("kWh"), 1_000_000, 2),
    };
    let state_class = match quantity {
        // The meter's counter: only a total that increases enters the energy dashboard, and a smaller value is a reset.
        Quantity::EnergyImport | Quantity::EnergyExport => "total_increasing",
        _ => "measurement",
    };
    Kind { device_class, state_class, unit, divisor, digits }
}

/// A value's name, with its phase or channel.
pub(super) fn name(key: Key, language: Language) -> String {
    let (english, chinese) = match key.quantity {
        Quantity::Voltage => ("Voltage", "電壓"),
        Quantity::Current => ("Current", "電流"),
        Quantity::ActivePower => ("Active power", "有效功率"),
        Quantity::ReactivePower => ("Reactive power", "無效功率"),
        Quantity::ApparentPower => ("Apparent power", "視在功率"),
        Quantity::PowerFactor => ("Power factor", "功率因數"),
        Quantity::Frequency => ("Frequency", "頻率"),
        Quantity::EnergyImport => ("Energy used", "用電度數"),
        Quantity::EnergyExport => ("Energy generated", "發電度數"),
    };
    let channel = match key.channel {
        Channel::Total => "",
        Channel::L1 => " L1",
        Channel::L2 => " L2",
        Channel::L3 => " L3",
        Channel::Ch1 => " 1",
        Channel::Ch2 => " 2",
    };
    let word = match language {
        Language::En => english,
        Language::ZhTw => chinese,
    };
    format!("{word}{channel}")
}

/// What a meter is called as a device.
pub(super) fn device(meter: &str, language: Language) -> String {
    match language {
        Language::En => format!("Meter {meter}"),
        Language::ZhTw => format!("電表 {meter}"),
    }
}
