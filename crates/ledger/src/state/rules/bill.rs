//! Price tables and bills.

use crate::act::{Bill, Role, Tariff};
use crate::state::draft::Draft;
use crate::state::{BillRecord, Record, RecordKey, TariffRecord};
use crate::{RuleViolation, bill, cbor};
use units::{AccountId, Money, StatementId};

impl Draft<'_> {
    pub(super) fn tariff(&mut self, tariff: &Tariff, statement: StatementId) -> Result<(), RuleViolation> {
        if tariff.price < Money::ZERO || tariff.excess_price < Money::ZERO || tariff.round_to <= Money::ZERO {
            return Err(RuleViolation::TariffAmounts);
        }
        self.need_open(tariff.from)?;
        // A month that has begun keeps the prices it began with; only where none is in force may one begin at once.
        if tariff.from <= self.month && self.state.tariff(tariff.from).is_some() {
            return Err(RuleViolation::TariffTooLate(tariff.from));
        }
        self.put(RecordKey::Tariff(tariff.from), Record::Tariff(TariffRecord { tariff: *tariff, statement }));
        Ok(())
    }

    pub(super) fn bill(
        &mut self,
        stated: &Bill,
        signer: AccountId,
        statement: StatementId,
    ) -> Result<(), RuleViolation> {
        if signer != stated.account && !self.has(signer, Role::Operator) {
            return Err(RuleViolation::BillSigner);
        }
        let computed = bill::of_state(self.state, stated.account, stated.from, stated.until)?;
        if self.is_billed(stated) {
            return Err(RuleViolation::BillOverlaps);
        }
        if cbor::encode(&computed) != cbor::encode(stated) {
            return Err(RuleViolation::BillDiffers { computed: computed.total });
        }
        let record = BillRecord { until: stated.until, statement, total: stated.total, claim: None };
        self.put(RecordKey::Bill(stated.account, stated.from), Record::Bill(record));
        Ok(())
    }

    /// Whether an earlier bill of the account overlaps; of those that begin before this one's end, the last decides,
    /// because they do not overlap each other.
    fn is_billed(&self, bill: &Bill) -> bool {
        let first = RecordKey::Bill(bill.account, units::Timestamp::from_ms(0));
        let end = RecordKey::Bill(bill.account, bill.until);
        let last = self.state.records.range(first..end).next_back();
        matches!(last, Some((_, Record::Bill(earlier))) if earlier.until > bill.from)
    }
}
