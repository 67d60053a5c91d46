//! The energy of each band of a tariff by time of day, computed again from a month's intervals.

use super::chain::Interval;
use crate::Genesis;
use crate::act::{Break, Tariff};
use crate::state::{DividedEnergy, SheetRecord, Stretch};
use std::collections::BTreeMap;
use units::{BindingId, Energy, Month};

/// Compares the sheet's bands with those that the intervals give. A line for the report; `None` where the tariff has no
/// bands.
///
/// # Errors
/// When they differ. When the intervals in a bundle do not tell all parts (the first follows a gap, or energy came late)
/// the state root alone vouches for the bands, and [`Bands::Untold`] says so.
pub(super) fn check(
    genesis: &Genesis,
    month: Month,
    tariff: &Tariff,
    sheet: &SheetRecord,
    chains: &BTreeMap<BindingId, Vec<Interval>>,
) -> Result<Option<Bands>, String> {
    let Some(table) = tariff.table.time_of_use() else { return Ok(None) };
    let mut found = DividedEnergy::default();
    for (binding, intervals) in chains {
        let factor = sheet.meters.iter().find(|meter| meter.binding == *binding).map_or(1, |meter| meter.factor);
        let Some(parts) = parts_in(genesis, month, intervals) else { return Ok(Some(Bands::Untold)) };
        for Stretch { start, end, import, .. } in parts {
            let (bands, estimated) = table.divide(genesis, tariff.season(month), (start, end), import);
            let times = |energy: Energy| Energy::from_mwh(energy.mwh().saturating_mul(u64::from(factor)));
            let moved = Energy::from_mwh(import.end.mwh().saturating_sub(import.start.mwh()));
            found.add(&DividedEnergy {
                energy: times(moved),
                bands: bands.into_iter().map(times).collect(),
                estimated,
            });
        }
    }
    if found.energy != sheet.regular.energy {
        return Ok(Some(Bands::Untold));
    }
    if found == sheet.regular {
        return Ok(Some(Bands::Fit));
    }
    Err(format!("{month}: the intervals give {:?} by band, the sheet says {:?}", found.bands, sheet.regular.bands))
}

/// What came of a comparison that found nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bands {
    /// They are the same.
    Fit,
    /// The intervals do not tell all of them.
    Untold,
}

/// The parts of a binding's intervals within a month, each cut at month starts as it was booked; `None` when the first
/// follows a gap, whose beginning is not in the bundle.
fn parts_in(genesis: &Genesis, month: Month, intervals: &[Interval]) -> Option<Vec<Stretch>> {
    let mut parts = Vec::new();
    for (place, interval) in intervals.iter().enumerate() {
        let readings = &interval.readings;
        let mut rest = match readings.broken {
            Some(Break::Gap | Break::Wrap) => {
                let before = &intervals.get(place.checked_sub(1)?)?.readings;
                Stretch::after_interval(readings, before).ok()?
            }
            None | Some(Break::Reset | Break::Exchange) => Stretch::of(readings),
        };
        while rest.start < rest.end {
            let of = genesis.month_at(rest.start)?;
            let (part, after) = rest.cut_at(genesis.month_span(of)?.1);
            if of == month {
                parts.push(part);
            }
            rest = after;
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::{CounterPair, Readings};
    use crate::price::file::TariffFile;
    use crate::state::MeterMonth;
    use units::{AccountId, Digest, StatementId, Timestamp};

    const JULY: Month = Month::new(2026, 7).unwrap();
    /// Wednesday, 2026-07-01 00:00 in Taipei, and the end of that month.
    const SPAN: [Timestamp; 2] = [Timestamp::from_ms(1_782_835_200_000), Timestamp::from_ms(1_785_513_600_000)];
    const BINDING: BindingId = BindingId::from_bytes([7; 32]);

    /// From an hour of July to another, with the counter in kWh.
    fn interval(hours: (u64, u64), counter: (u64, u64), broken: Option<Break>) -> Interval {
        let at = |hour: u64| SPAN[0] + units::Millis::from_minutes(hour * 60);
        let readings = Readings {
            binding: BINDING,
            seq: 0,
            previous: StatementId::from_bytes([0; 32]),
            start: at(hours.0),
            end: at(hours.1),
            import: CounterPair { start: Energy::from_kwh(counter.0), end: Energy::from_kwh(counter.1) },
            export: None,
            count: 0,
            voltage: None,
            peak_current: None,
            peak_power: None,
            broken,
            events: Vec::new(),
            estimated: false,
            columns: Digest::from_bytes([0; 32]),
            frames: Digest::from_bytes([0; 32]),
            source: crate::act::ReadingSource::Meter,
            wraps_at: None,
        };
        Interval { statement: StatementId::from_bytes([1; 32]), signer: AccountId::from_bytes([2; 32]), readings }
    }

    /// What is said of a sheet with these kWh in the peak, off-peak and weekend bands, of a meter with a factor.
    fn said(factor: u32, kwh: [u64; 3], estimated: bool, intervals: Vec<Interval>) -> Result<Option<Bands>, String> {
        let mut genesis = crate::state::tests::state().genesis().clone();
        genesis.month_starts = SPAN.to_vec();
        let tariff = TariffFile::shipped("taipower-simple-tou-2").unwrap().tariff(JULY);
        let bands = kwh.map(Energy::from_kwh).to_vec();
        let regular = DividedEnergy { energy: Energy::from_kwh(kwh.iter().sum()), bands, estimated };
        let mut sheet = SheetRecord { regular, ..SheetRecord::default() };
        sheet.meters.push(MeterMonth {
            meter: "A".parse().unwrap(),
            binding: BINDING,
            factor,
            import: CounterPair { start: Energy::ZERO, end: Energy::ZERO },
            export: None,
            estimated: false,
        });
        check(&genesis, JULY, &tariff, &sheet, &[(BINDING, intervals)].into())
    }

    #[test]
    fn bands_that_the_intervals_do_not_give_are_refused() {
        // Off-peak until nine, peak until midnight.
        let day = || vec![interval((0, 9), (0, 9), None), interval((9, 24), (9, 24), None)];
        let whole = || vec![interval((0, 24), (0, 24), None)];
        let gap = || vec![interval((0, 9), (0, 9), None), interval((12, 24), (10, 24), Some(Break::Gap))];
        let first_gap = vec![interval((12, 24), (10, 24), Some(Break::Gap))];
        let fit = Ok(Some(Bands::Fit));
        assert_eq!(said(1, [15, 9, 0], false, day()), fit);
        assert_eq!(said(10, [150, 90, 0], false, day()), fit);
        assert_eq!(said(1, [15, 9, 0], true, whole()), fit);
        assert_eq!(said(1, [15, 9, 0], false, gap()), fit);
        for (name, refused) in [
            ("a kWh in the cheaper band", said(1, [14, 10, 0], false, day())),
            ("of a weekday at the weekend", said(1, [0, 9, 15], false, day())),
            ("a division that is not told", said(1, [15, 9, 0], false, whole())),
        ] {
            assert!(refused.is_err(), "{name}: {refused:?}");
        }
        let untold = Ok(Some(Bands::Untold));
        assert_eq!(said(1, [15, 9, 0], false, first_gap), untold);
        assert_eq!(said(1, [25, 9, 0], false, day()), untold, "ten kWh came late");
    }
}
