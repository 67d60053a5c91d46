//! Where the energy of a part of an interval belongs in its sheet: to the month's own use, by band of its tariff, or to
//! the correction of a closed month.

use super::draft::Draft;
use super::{Correction, DividedEnergy, SheetRecord, State, TariffRecord};
use crate::act::CounterPair;
use units::{AccountId, Energy, Month, Timestamp};

/// A part of an interval within one month: its time, its import counter and the energy that this is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) month: Month,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) import: CounterPair,
    pub(super) factor: u32,
    pub(super) consumed: Energy,
}

impl Draft<'_> {
    /// Adds a part to the sheet that it is booked in. Where a closed month had no price, the open month's applies, as to
    /// all else in its sheet.
    pub(super) fn divide(&self, sheet: &mut SheetRecord, sheet_month: Month, member: AccountId, part: &Part) {
        let late_under = (sheet_month != part.month).then(|| self.state.tariff(part.month)).flatten();
        let Some(record) = late_under else {
            sheet.regular.add(&divided(self.state, self.state.tariff(sheet_month), sheet_month, part));
            return;
        };
        let late = divided(self.state, Some(record), part.month, part);
        match sheet.corrections.iter_mut().find(|known| known.of == part.month) {
            Some(known) => known.late.add(&late),
            None => {
                let before = known_use(self.state, member, part.month, sheet_month);
                sheet.corrections.push(Correction { of: part.month, tariff: record.tariff.from, late, before });
            }
        }
    }
}

/// The energy of a part, by band if the tariff has bands.
fn divided(state: &State, tariff: Option<&TariffRecord>, month: Month, part: &Part) -> DividedEnergy {
    let times = |energy: Energy| Energy::from_mwh(energy.mwh().saturating_mul(u64::from(part.factor)));
    let table = tariff.and_then(|record| Some((record.tariff.table.time_of_use()?, record.tariff.season(month))));
    let (bands, estimated) = table.map_or((Vec::new(), false), |(table, season)| {
        table.divide(&state.genesis, season, (part.start, part.end), part.import)
    });
    DividedEnergy { energy: part.consumed, bands: bands.into_iter().map(times).collect(), estimated }
}

/// What is known of a closed month so far: its own use, and what came late in the months between it and `open`.
fn known_use(state: &State, member: AccountId, of: Month, open: Month) -> DividedEnergy {
    let mut known = state.sheet(of, &member).map_or_else(DividedEnergy::default, |sheet| sheet.regular.clone());
    let between = (of.index() + 1..open.index()).map(|index| of.plus(index - of.index()));
    for sheet in between.filter_map(|month| state.sheet(month, &member)) {
        for correction in sheet.corrections.iter().filter(|correction| correction.of == of) {
            known.add(&correction.late);
        }
    }
    known
}
