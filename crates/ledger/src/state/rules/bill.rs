//! Price tables, the utility's bills, and bills.

use crate::act::{Bill, Role, Tariff, Utility};
use crate::bill::{Charged, Span};
use crate::price::{Table, TableError};
use crate::state::draft::Draft;
use crate::state::{BillRecord, Record, RecordKey, TariffRecord, UtilityRecord};
use crate::{RuleViolation, bill, cbor};
use units::{AccountId, Energy, Money, Month, StatementId};

impl Draft<'_> {
    pub(super) fn tariff(&mut self, tariff: &Tariff, statement: StatementId) -> Result<(), RuleViolation> {
        check_tariff(tariff, self.state.genesis.tenancy)?;
        self.need_open(tariff.from)?;
        // A month that has begun keeps the prices it began with; only where none is in force may one begin at once.
        if tariff.from <= self.month && self.state.tariff(tariff.from).is_some() {
            return Err(RuleViolation::TariffTooLate(tariff.from));
        }
        if tariff.table.time_of_use().is_some() && self.has_readings_from(tariff.from) {
            return Err(RuleViolation::TariffAfterReadings(tariff.from));
        }
        self.put(RecordKey::Tariff(tariff.from), Record::Tariff(TariffRecord { tariff: tariff.clone(), statement }));
        Ok(())
    }

    /// Whether a sheet of a month or a later one has booked a meter: what is in it is not divided into bands any more.
    fn has_readings_from(&self, month: Month) -> bool {
        let first = RecordKey::Sheet(month, AccountId::from_bytes([0; 32]));
        let mut sheets = self.state.records.range(first..).map(|(_, record)| record);
        sheets.any(|record| matches!(record, Record::Sheet(sheet) if !sheet.meters.is_empty()))
    }

    pub(super) fn utility(&mut self, utility: &Utility, statement: StatementId) -> Result<(), RuleViolation> {
        let Utility { from, until, .. } = *utility;
        if !self.state.genesis.tenancy {
            return Err(RuleViolation::NoTenancy);
        }
        if utility.energy.is_zero() || utility.amount < Money::ZERO {
            return Err(RuleViolation::UtilityAmounts);
        }
        if from >= until || self.state.genesis.month_at(from).is_none() {
            return Err(RuleViolation::UtilityPeriod);
        }
        // A slip of the pen may be put right while nothing rests on it.
        let present = self.state.utility(from);
        let untouched = |record: &UtilityRecord| record.charged.is_zero() && record.charged_energy.is_zero();
        let restated = present.is_some_and(|record| record.utility.until == until && untouched(record));
        if !restated && self.state.utilities(from, until).next().is_some() {
            return Err(RuleViolation::UtilityPeriod);
        }
        let (charged, charged_energy) = (Money::ZERO, Energy::ZERO);
        let record = UtilityRecord { utility: utility.clone(), statement, charged, charged_energy };
        self.put(RecordKey::Utility(from), Record::Utility(record));
        Ok(())
    }

    pub(super) fn bill(
        &mut self,
        stated: &Bill,
        signer: AccountId,
        statement: StatementId,
    ) -> Result<(), RuleViolation> {
        let Bill { account, from, until, .. } = *stated;
        if signer != account && !self.has(signer, Role::Operator) {
            return Err(RuleViolation::BillSigner);
        }
        let computed = bill::of_state(self.state, account, from, until)?;
        let months: Vec<Month> = computed.months.iter().map(|month| month.month).collect();
        if bill::is_billed(self.state, account, &months) {
            return Err(RuleViolation::BillOverlaps);
        }
        if cbor::encode(&computed) != cbor::encode(stated) {
            return Err(RuleViolation::BillDiffers { computed: computed.total });
        }
        if self.state.genesis.tenancy {
            for charged in bill::charged(self.state, Span { account, from, until }, &computed)? {
                self.charge_utility(charged)?;
            }
        }
        let record = BillRecord { until, statement, total: stated.total, claim: None };
        self.put(RecordKey::Bill(account, from), Record::Bill(record));
        Ok(())
    }

    /// Books a charge against the utility's bill, which bounds them all.
    fn charge_utility(&mut self, charged: Charged) -> Result<(), RuleViolation> {
        let missing = || missing_utility(self.state.genesis.month_at(charged.utility));
        let mut record = self.state.utility(charged.utility).cloned().ok_or_else(missing)?;
        let amount = record.charged.checked_add(charged.amount).ok_or(RuleViolation::AmountTooLarge)?;
        let energy = record.charged_energy.checked_add(charged.energy).ok_or(RuleViolation::AmountTooLarge)?;
        if amount > record.utility.amount {
            return Err(RuleViolation::TenancySum { sum: amount, utility: record.utility.amount });
        }
        if energy > record.utility.energy {
            return Err(RuleViolation::TenancyEnergy { sum: energy, utility: record.utility.energy });
        }
        (record.charged, record.charged_energy) = (amount, energy);
        self.put(RecordKey::Utility(charged.utility), Record::Utility(record));
        Ok(())
    }
}

fn missing_utility(month: Option<Month>) -> RuleViolation {
    month.map_or(RuleViolation::OutsideCalendar, RuleViolation::UtilityBillMissing)
}

/// What a tariff says by itself.
fn check_tariff(tariff: &Tariff, tenancy: bool) -> Result<(), RuleViolation> {
    match tariff.table.check(tariff.summer) {
        Err(TableError::Negative) => return Err(RuleViolation::TariffAmounts),
        Err(error) => return Err(RuleViolation::TariffTable(error)),
        Ok(()) => {}
    }
    if tariff.excess_price.is_some_and(|price| price < Money::ZERO) || tariff.round_to <= Money::ZERO {
        return Err(RuleViolation::TariffAmounts);
    }
    // Which band's energy would be the one beyond the sheet? And an average is the highest price there may be.
    let has_no_excess = matches!(tariff.table, Table::TimeOfUse(_) | Table::Average);
    if has_no_excess && tariff.excess_price.is_some() {
        return Err(RuleViolation::TariffExcess);
    }
    if tariff.table == Table::Average && !tenancy { Err(RuleViolation::NoTenancy) } else { Ok(()) }
}
