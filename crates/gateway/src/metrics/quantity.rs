//! Readings in Prometheus' base units.

use super::Family;
use crate::LiveMeter;
use units::{Channel, Quantity};

/// A family for each quantity, with a value for each meter and channel that has one.
pub(super) fn families(meters: &[LiveMeter]) -> Vec<Family> {
    Quantity::ALL.into_iter().map(|quantity| of_quantity(quantity, meters)).collect()
}

fn of_quantity(quantity: Quantity, meters: &[LiveMeter]) -> Family {
    let mut family = family(quantity);
    for meter in meters {
        let values = meter.reading.iter().flat_map(|reading| reading.iter());
        for (key, value) in values.filter(|(key, _)| key.quantity == quantity) {
            let labels =
                [("meter", meter.meter.as_str()), ("bus", meter.bus.as_str()), ("channel", channel(key.channel))];
            // The whole meter has no channel's label, so that a sum over a family counts nothing twice by accident.
            let labels = if key.channel == Channel::Total { &labels[..2] } else { &labels };
            family = family.with(labels, in_base_unit(quantity, value));
        }
    }
    family
}

fn family(quantity: Quantity) -> Family {
    match quantity {
        Quantity::Voltage => Family::gauge("wattproof_meter_voltage", "RMS voltage.").unit("volts"),
        Quantity::Current => Family::gauge("wattproof_meter_current", "RMS current.").unit("amperes"),
        Quantity::ActivePower => {
            Family::gauge("wattproof_meter_active_power", "Active power; negative when it is delivered.").unit("watts")
        }
        Quantity::ReactivePower => Family::gauge("wattproof_meter_reactive_power", "Reactive power.").unit("vars"),
        Quantity::ApparentPower => {
            Family::gauge("wattproof_meter_apparent_power", "Apparent power.").unit("voltamperes")
        }
        Quantity::PowerFactor => Family::gauge("wattproof_meter_power_factor", "Power factor.").unit("ratio"),
        Quantity::Frequency => Family::gauge("wattproof_meter_frequency", "Frequency of the supply.").unit("hertz"),
        Quantity::EnergyImport => {
            Family::counter("wattproof_meter_energy_import", "The meter's import counter; 1 kWh is 3600000 J.")
                .unit("joules")
        }
        Quantity::EnergyExport => {
            Family::counter("wattproof_meter_energy_export", "The meter's export counter; 1 kWh is 3600000 J.")
                .unit("joules")
        }
    }
}

/// Exact up to 2^53 of the small unit: a counter of 9,000,000 kWh.
fn in_base_unit(quantity: Quantity, value: i64) -> f64 {
    let value = value as f64;
    match quantity {
        Quantity::Current => value / 1_000_000.0,
        Quantity::PowerFactor => value / 10_000.0,
        // 1 mWh is 3.6 J.
        Quantity::EnergyImport | Quantity::EnergyExport => value * 36.0 / 10.0,
        _ => value / 1_000.0,
    }
}

const fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Total => "total",
        Channel::L1 => "l1",
        Channel::L2 => "l2",
        Channel::L3 => "l3",
        Channel::Ch1 => "ch1",
        Channel::Ch2 => "ch2",
    }
}
