//! Whether a reading's powers agree with its voltages and currents: what a damaged answer cannot do by chance.
//!
//! Active power is voltage times current times power factor, in each phase or channel, within what the registers resolve
//! and what the meter's class allows; where a meter has no power factor, power is at most voltage times current; and the
//! three phases make up the total. The tolerances are wide on purpose: a truthful reading is never refused for a load that
//! was switched while the meter measured a little, and what the check is for, bytes that only look like an answer, is off by
//! orders of magnitude.

use crate::MeterError;
use units::{Channel, Key, Quantity, Reading};

/// By how much voltage, current and power may each be wrong, in a thousand: class 2 of IEC 62053-21, the coarsest of
/// sub-meters. Finer meters would gain nothing, since damage is not of that size.
const CLASS_PERMILLE: i128 = 20;
/// Below this current a meter may show nothing in one register and something in another: five times the starting current
/// of the shipped models (20 mA).
const STARTING_CURRENT_UA: i128 = 100_000;
/// mV times uA is so many times mW.
const MV_UA_PER_MW: i128 = 1_000_000;
/// Larger values are taken for this one, so that products stay inside 128 bits; as power it is a gigawatt.
const VALUE_MAX: i128 = 1_000_000_000_000;
/// A power factor of one.
const UNITY: i128 = 10_000;

const PHASES: [Channel; 3] = [Channel::L1, Channel::L2, Channel::L3];
const PARTS: [Channel; 5] = [Channel::L1, Channel::L2, Channel::L3, Channel::Ch1, Channel::Ch2];

/// Checks a reading's powers; `resolution` says how far apart neighbouring values of a key are at a value.
///
/// Values that are not there are not missed: each check needs only what it compares.
///
/// # Errors
/// [`MeterError::PowersDisagree`] with the first power that cannot be true beside the others.
pub(super) fn check(reading: &Reading, resolution: impl Fn(Key, i64) -> i64) -> Result<(), MeterError> {
    let shown = |quantity, channel| {
        let key = Key { quantity, channel };
        let value = reading.get(key)?;
        Some(Shown { value: i128::from(value).abs().min(VALUE_MAX), step: i128::from(resolution(key, value)) })
    };
    let has_parts = PARTS.iter().any(|part| shown(Quantity::Current, *part).is_some());
    let channels = PARTS.into_iter().chain((!has_parts).then_some(Channel::Total));
    for channel in channels {
        let (Some(power), Some(current)) = (shown(Quantity::ActivePower, channel), shown(Quantity::Current, channel))
        else {
            continue;
        };
        // The channels of some meters share one voltage.
        let voltage = shown(Quantity::Voltage, channel).or_else(|| shown(Quantity::Voltage, Channel::Total));
        let Some(voltage) = voltage else { continue };
        let verdict = one_channel(voltage, current, power, shown(Quantity::PowerFactor, channel));
        verdict.map_err(|(expected, tolerance)| disagreement(reading, channel, expected, tolerance))?;
    }
    phases_make_up_the_total(reading, shown)
}

/// A value without its sign, and how far it may be from what was measured for want of digits.
#[derive(Clone, Copy)]
struct Shown {
    value: i128,
    step: i128,
}

/// Holds active power against voltage times current times power factor; gives what it should be, and how far off it may
/// be, when it is not. Signs are conventions (import and export, leading and lagging) and not compared.
fn one_channel(voltage: Shown, current: Shown, power: Shown, factor: Option<Shown>) -> Result<(), (i128, i128)> {
    let apparent = voltage.value * current.value / MV_UA_PER_MW;
    let steps = voltage.value * current.step + current.value * voltage.step + voltage.step * current.step;
    let starting = voltage.value * STARTING_CURRENT_UA / MV_UA_PER_MW;
    let class = 3 * CLASS_PERMILLE * apparent / 1_000;
    let tolerance = steps / MV_UA_PER_MW + power.step + starting + class + 1;
    let (expected, tolerance, is_limit) = match factor {
        Some(Shown { value, step }) => (apparent * value / UNITY, tolerance + apparent * step / UNITY, false),
        None => (apparent, tolerance, true),
    };
    let off = if is_limit { power.value - expected } else { (power.value - expected).abs() };
    if off > tolerance { Err((expected, tolerance)) } else { Ok(()) }
}

/// Holds the total against the phases, added with their signs or without them, as models differ in it.
fn phases_make_up_the_total(
    reading: &Reading,
    shown: impl Fn(Quantity, Channel) -> Option<Shown>,
) -> Result<(), MeterError> {
    let phase = |channel| {
        let signed = reading.get(Key { quantity: Quantity::ActivePower, channel }).map(i128::from)?;
        let power = shown(Quantity::ActivePower, channel)?;
        let voltage = shown(Quantity::Voltage, channel).map_or(0, |voltage| voltage.value);
        let tolerance =
            power.step + 2 * CLASS_PERMILLE * power.value / 1_000 + voltage * STARTING_CURRENT_UA / MV_UA_PER_MW;
        Some((signed, tolerance))
    };
    let phases: Option<Vec<(i128, i128)>> = PHASES.into_iter().map(phase).collect();
    let total = shown(Quantity::ActivePower, Channel::Total);
    let (Some(phases), Some(total)) = (phases, total) else { return Ok(()) };
    let tolerance = phases.iter().map(|(_, tolerance)| tolerance).sum::<i128>() + total.step + 1;
    let net = phases.iter().map(|(power, _)| power).sum::<i128>().abs();
    let gross = phases.iter().map(|(power, _)| power.abs()).sum::<i128>();
    if [net, gross].iter().any(|sum| (total.value - sum).abs() <= tolerance) {
        return Ok(());
    }
    Err(disagreement(reading, Channel::Total, net, tolerance))
}

fn disagreement(reading: &Reading, channel: Channel, expected: i128, tolerance: i128) -> MeterError {
    let quantity = Key { quantity: Quantity::ActivePower, channel };
    let mw = |value| i64::try_from(value).unwrap_or(i64::MAX);
    let value = reading.get(quantity).unwrap_or_default();
    MeterError::PowersDisagree { quantity, value, expected: mw(expected), tolerance: mw(tolerance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(values: &[(&str, i64)]) -> Reading {
        let mut reading = Reading::new();
        for (name, value) in values {
            reading.insert(name.parse::<Key>().unwrap(), *value);
        }
        reading
    }

    /// With the resolution of a PZEM-004T: 0.1 V, 1 mA, 0.1 W, 0.01.
    fn verdict(values: &[(&str, i64)]) -> Option<(String, i64)> {
        let resolution = |key: Key, _| match key.quantity {
            Quantity::Current => 1_000,
            _ => 100,
        };
        match check(&reading(values), resolution) {
            Ok(()) => None,
            Err(MeterError::PowersDisagree { quantity, expected, .. }) => Some((quantity.to_string(), expected)),
            Err(other) => panic!("{other}"),
        }
    }

    const V: &str = "voltage_mv";
    const I: &str = "current_ua";
    const P: &str = "active_power_mw";
    const F: &str = "power_factor_1e4";

    #[test]
    fn truthful_readings_pass_and_others_do_not() {
        let refused = |expected| Some((P.to_owned(), expected));
        for (name, values, expected) in [
            // arendst/Tasmota issues 11817 and 9687: captured from real meters.
            ("3 kW", vec![(V, 242_800), (I, 13_211_000), (P, 2_994_600), (F, 9_300)], None),
            ("a poor factor", vec![(V, 123_200), (I, 90_950_000), (P, 3_711_600), (F, 3_300)], None),
            ("power exported", vec![(V, 230_000), (I, 5_000_000), (P, -1_150_000), (F, -10_000)], None),
            ("signs differ", vec![(V, 230_000), (I, 5_000_000), (P, 1_150_000), (F, -10_000)], None),
            ("no load, any factor", vec![(V, 230_000), (I, 0), (P, 0), (F, 9_990)], None),
            ("a load below the starting current", vec![(V, 230_000), (I, 0), (P, 20_000), (F, 10_000)], None),
            ("no supply", vec![(V, 0), (I, 0), (P, 0), (F, 0)], None),
            ("6 % off", vec![(V, 230_000), (I, 5_000_000), (P, 1_219_000), (F, 10_000)], None),
            ("10 % off", vec![(V, 230_000), (I, 5_000_000), (P, 1_265_000), (F, 10_000)], refused(1_150_000)),
            ("half", vec![(V, 230_000), (I, 5_000_000), (P, 575_000), (F, 10_000)], refused(1_150_000)),
            ("power out of nothing", vec![(V, 230_000), (I, 0), (P, 575_000), (F, 10_000)], refused(0)),
            ("no factor, less power", vec![(V, 230_000), (I, 5_000_000), (P, 100_000)], None),
            ("no factor, more power", vec![(V, 230_000), (I, 5_000_000), (P, 1_300_000)], refused(1_150_000)),
            ("nothing to compare with", vec![(V, 230_000), (P, 575_000_000), (F, 1)], None),
            (
                "the largest numbers",
                vec![(V, i64::MAX), (I, i64::MAX), (P, i64::MAX), (F, i64::MAX)],
                refused(i64::MAX),
            ),
        ] {
            assert_eq!(verdict(&values), expected, "{name}");
        }
    }

    #[test]
    fn each_phase_and_channel_is_held_against_its_own_values() {
        let three = |p2: i64, total: i64| {
            vec![
                ("voltage_mv_l1", 230_000),
                ("voltage_mv_l2", 231_000),
                ("voltage_mv_l3", 229_000),
                ("current_ua_l1", 1_000_000),
                ("current_ua_l2", 2_000_000),
                ("current_ua_l3", 3_000_000),
                ("active_power_mw_l1", 230_000),
                ("active_power_mw_l2", p2),
                ("active_power_mw_l3", 687_000),
                ("active_power_mw", total),
                // The mean voltage times the sum of currents says nothing of the sum of powers.
                (V, 230_000),
                (I, 60_000_000),
            ]
        };
        let refused = |name: &str, expected| Some((name.to_owned(), expected));
        for (name, values, expected) in [
            ("three phases", three(462_000, 1_379_000), None),
            ("one exports", three(-462_000, 455_000), None),
            ("one exports, the total ignores it", three(-462_000, 1_379_000), None),
            ("a phase beyond its current", three(562_000, 1_479_000), refused("active_power_mw_l2", 462_000)),
            ("a total that is no sum", three(462_000, 2_000_000), refused(P, 1_379_000)),
        ] {
            assert_eq!(verdict(&values), expected, "{name}");
        }
        let two = |p2| {
            let first =
                [("current_ua_ch1", 1_000_000), ("active_power_mw_ch1", 230_000), ("power_factor_1e4_ch1", 10_000)];
            let second = [("current_ua_ch2", 500_000), ("active_power_mw_ch2", p2), ("power_factor_1e4_ch2", 5_000)];
            [vec![(V, 230_000)], first.to_vec(), second.to_vec()].concat()
        };
        assert_eq!(verdict(&two(57_500)), None, "both channels have the one voltage");
        assert_eq!(verdict(&two(157_500)), refused("active_power_mw_ch2", 57_500));
    }
}
