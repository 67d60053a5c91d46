//! Where a bill's records come from.

use crate::Genesis;
use crate::state::{AccountRecord, BindingRecord, MonthRecord, SheetRecord, State, TariffRecord, UtilityRecord};
use units::{AccountId, BindingId, Month, Timestamp};

/// The records that a bill is computed from: the whole state, or the few that a bundle proves. An answer of `None` means
/// that the record is not there; whoever computes a bill from part of the state gets a refusal, never another bill.
pub trait Books {
    /// The genesis document.
    fn genesis(&self) -> &Genesis;
    /// Whether a month is closed, whatever was booked in it.
    fn is_closed(&self, month: Month) -> bool;
    /// A member's sheet.
    fn sheet(&self, month: Month, account: &AccountId) -> Option<&SheetRecord>;
    /// The community's side of a month.
    fn month(&self, month: Month) -> Option<&MonthRecord>;
    /// The tariff that begins with a month.
    fn tariff_from(&self, month: Month) -> Option<&TariffRecord>;
    /// The tariff that is in force in a month, closed or not.
    fn tariff_in_force(&self, month: Month) -> Option<&TariffRecord>;
    /// An account.
    fn account(&self, id: &AccountId) -> Option<&AccountRecord>;
    /// Time of the block that these are the records after.
    fn time(&self) -> Timestamp;
    /// A binding.
    fn binding(&self, id: &BindingId) -> Option<&BindingRecord>;
    /// The utility's bills whose periods touch a span, by rising start.
    fn utilities(&self, from: Timestamp, until: Timestamp) -> Vec<&UtilityRecord>;
}

impl Books for State {
    fn genesis(&self) -> &Genesis {
        Self::genesis(self)
    }
    fn is_closed(&self, month: Month) -> bool {
        month < self.first_open()
    }
    fn sheet(&self, month: Month, account: &AccountId) -> Option<&SheetRecord> {
        Self::sheet(self, month, account)
    }
    fn month(&self, month: Month) -> Option<&MonthRecord> {
        Self::month(self, month)
    }
    fn tariff_from(&self, month: Month) -> Option<&TariffRecord> {
        self.tariff(month).filter(|record| record.tariff.from == month)
    }
    fn tariff_in_force(&self, month: Month) -> Option<&TariffRecord> {
        self.tariff(month)
    }
    fn account(&self, id: &AccountId) -> Option<&AccountRecord> {
        Self::account(self, id)
    }
    fn time(&self) -> Timestamp {
        self.head().time
    }
    fn binding(&self, id: &BindingId) -> Option<&BindingRecord> {
        Self::binding(self, id)
    }
    fn utilities(&self, from: Timestamp, until: Timestamp) -> Vec<&UtilityRecord> {
        Self::utilities(self, from, until).collect()
    }
}
