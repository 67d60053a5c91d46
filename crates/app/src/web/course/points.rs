//! Points of a course: from a reading, a roll-up, an interval, and several together.

use super::POINTS_MAX;
use ::api::{CoursePoint, IntervalView};
use gateway::store::Rollup;
use std::collections::BTreeMap;
use units::Timestamp;

const HOUR_MS: i128 = 3_600_000;

/// Of a reading.
pub(super) fn of_reading(time: Timestamp, values: &BTreeMap<String, i64>) -> CoursePoint {
    let value = |name: &str| values.get(name).copied();
    CoursePoint {
        time_ms: time,
        end_ms: time,
        voltage_mv: value("voltage_mv"),
        current_ua: value("current_ua"),
        active_power_mw: value("active_power_mw"),
        energy_import_mwh: value("energy_import_mwh"),
        ..CoursePoint::default()
    }
}

/// Of a roll-up of a meter with a factor.
pub(super) fn of_rollup(rollup: &Rollup, factor: u32) -> CoursePoint {
    CoursePoint {
        time_ms: rollup.start,
        end_ms: rollup.end,
        voltage_mv: rollup.voltage_mean(),
        voltage_min_mv: rollup.voltage_min,
        voltage_max_mv: rollup.voltage_max,
        current_ua: rollup.current_max,
        active_power_mw: rollup.power_mean(),
        active_power_max_mw: rollup.power_max,
        energy_import_mwh: None,
        energy_mwh: rollup.import.map(|moved| moved.saturating_mul(i64::from(factor))),
    }
}

/// Of an interval of a meter with a factor. Its statement has no mean of the power; what the counter moved in its time
/// is one.
pub(super) fn of_interval(interval: &IntervalView, factor: u32) -> CoursePoint {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let moved = interval.import_end_mwh.mwh().saturating_sub(interval.import_start_mwh.mwh());
    let span = interval.end_ms.ms().saturating_sub(interval.start_ms.ms()).max(1);
    let mean = i128::from(moved) * HOUR_MS / i128::from(span);
    CoursePoint {
        time_ms: interval.start_ms,
        end_ms: interval.end_ms,
        voltage_mv: None,
        voltage_min_mv: interval.voltage_min_mv.map(|voltage| signed(voltage.mv())),
        voltage_max_mv: interval.voltage_max_mv.map(|voltage| signed(voltage.mv())),
        current_ua: interval.peak_current_ua.map(|current| signed(current.ua())),
        active_power_mw: i64::try_from(mean).ok(),
        active_power_max_mw: interval.peak_power_mw.map(units::Power::mw),
        energy_import_mwh: None,
        energy_mwh: Some(signed(moved.saturating_mul(u64::from(factor)))),
    }
}

/// As many points as a chart shows: as many neighbours together as it takes.
pub(super) fn thinned(points: Vec<CoursePoint>) -> Vec<CoursePoint> {
    let together = points.len().div_ceil(POINTS_MAX).max(1);
    if together == 1 { points } else { points.chunks(together).filter_map(merged).collect() }
}

fn merged(points: &[CoursePoint]) -> Option<CoursePoint> {
    let (first, last) = points.first().zip(points.last())?;
    let all = |of: fn(&CoursePoint) -> Option<i64>| points.iter().filter_map(of);
    let mean = |of: fn(&CoursePoint) -> Option<i64>| {
        let (sum, count) = all(of).fold((0_i128, 0_i128), |(sum, count), value| (sum + i128::from(value), count + 1));
        sum.checked_div_euclid(count).and_then(|mean| i64::try_from(mean).ok())
    };
    Some(CoursePoint {
        time_ms: first.time_ms,
        end_ms: last.end_ms,
        voltage_mv: mean(|one| one.voltage_mv),
        voltage_min_mv: all(|one| one.voltage_min_mv.or(one.voltage_mv)).min(),
        voltage_max_mv: all(|one| one.voltage_max_mv.or(one.voltage_mv)).max(),
        current_ua: all(|one| one.current_ua).max(),
        active_power_mw: mean(|one| one.active_power_mw),
        active_power_max_mw: all(|one| one.active_power_max_mw.or(one.active_power_mw)).max(),
        energy_import_mwh: last.energy_import_mwh,
        energy_mwh: all(|one| one.energy_mwh).reduce(i64::saturating_add),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{Energy, StatementId, Voltage};

    fn interval(at: u64, moved: u64, volts: u64) -> IntervalView {
        let start = 900_000 * at;
        IntervalView {
            statement: StatementId::from_bytes([0; 32]),
            start_ms: Timestamp::from_ms(start),
            end_ms: Timestamp::from_ms(start + 900_000),
            import_start_mwh: Energy::from_mwh(1_000),
            import_end_mwh: Energy::from_mwh(1_000 + moved),
            count: 15,
            voltage_min_mv: Some(Voltage::from_mv(volts - 1_000)),
            voltage_max_mv: Some(Voltage::from_mv(volts)),
            peak_current_ua: None,
            peak_power_mw: None,
        }
    }

    #[test]
    fn an_interval_s_energy_is_multiplied_by_the_factor_and_its_power_is_what_the_counter_moved() {
        let point = of_interval(&interval(0, 250_000, 111_000), 20);
        assert_eq!((point.energy_mwh, point.active_power_mw), (Some(5_000_000), Some(1_000_000)));
        assert_eq!((point.voltage_min_mv, point.voltage_max_mv), (Some(110_000), Some(111_000)));
    }

    #[test]
    fn thinning_keeps_the_energy_and_the_extremes() {
        let many = 3 * u64::try_from(POINTS_MAX).unwrap();
        let points: Vec<_> =
            (0..many).map(|at| of_interval(&interval(at, 7, if at == 5 { 130_000 } else { 110_000 }), 1)).collect();
        let thin = thinned(points.clone());
        assert_eq!(thin.len(), POINTS_MAX);
        assert_eq!(thin.iter().filter_map(|one| one.energy_mwh).sum::<i64>(), i64::try_from(7 * many).unwrap());
        assert_eq!(thin.iter().filter_map(|one| one.voltage_max_mv).max(), Some(130_000));
        assert_eq!((thin[0].time_ms, thin[0].end_ms), (points[0].time_ms, points[2].end_ms));
        assert_eq!(thinned(points[..2].to_vec()), points[..2]);
    }
}
