//! The checkers: what must hold after every step, as functions of plain values, so that each can be shown a planted bug.

use ledger::state::{MonthRecord, Record, RecordKey, SheetRecord, Terms};
use std::collections::BTreeMap;
use units::{AccountId, BlockHash, Energy, Height, MeterId, Month, StatementId, Timestamp};

/// What was found wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A promise was broken.
    #[error("statement {0} was acknowledged, and is neither in the pool nor in the chain")]
    AcknowledgedLost(StatementId),
    /// Readings were taken, and then given up.
    #[error("the readings of statement {0} were acknowledged and then dropped")]
    ReadingsDropped(StatementId),
    /// Something final was replaced.
    #[error("block {height} was final as {was} and is {is:?} now")]
    FinalChanged {
        /// The height.
        height: Height,
        /// What was final.
        was: BlockHash,
        /// What is there now.
        is: Option<BlockHash>,
    },
    /// The sheets hold another amount than the counter moved by.
    #[error("meter {meter}: its sheets booked {booked} mWh, its counter moved by {moved} mWh")]
    BookedOtherwise {
        /// The meter.
        meter: MeterId,
        /// Sum over all sheets.
        booked: i128,
        /// By the readings committed.
        moved: i128,
    },
    /// A reading stands in two intervals, or before an earlier one.
    #[error("meter {meter}: the reading of {} ms is committed twice or out of order", .time.ms())]
    ReadingTwice {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// The ledger holds a reading that no meter gave.
    #[error("meter {meter}: the committed reading of {} ms is not the one that was stored", .time.ms())]
    ReadingInvented {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// The gateway stored a reading and it never reached the ledger.
    #[error("meter {meter}: the stored reading of {} ms is in no committed interval", .time.ms())]
    ReadingNotCommitted {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// The gateway's database forgot what it had taken.
    #[error("meter {meter}: the reading of {} ms was stored, and is gone after a power cut", .time.ms())]
    StoredReadingLost {
        /// The meter.
        meter: MeterId,
        /// The reading.
        time: Timestamp,
    },
    /// Committed readings without their evidence.
    #[error("the attachment of the committed statement {statement} is unusable: {reason}")]
    AttachmentLost {
        /// The statement.
        statement: StatementId,
        /// Why.
        reason: String,
    },
    /// Double entry.
    #[error("{month}: {what} is {found} mWh and should be {right} mWh")]
    Unbalanced {
        /// The month.
        month: Month,
        /// Which sum.
        what: &'static str,
        /// As it stands.
        found: i128,
        /// As the sheets say.
        right: i128,
    },
    /// A trade took more than there was.
    #[error("{account} traded away more than remained in {month}")]
    SoldBeyond {
        /// The seller.
        account: AccountId,
        /// The month.
        month: Month,
    },
    /// A statement that must be refused is in the chain.
    #[error("statement {0} gives more than anybody has, and is in the chain")]
    ForbiddenBooked(StatementId),
    /// The stored chain does not give what the node says.
    #[error("replaying the stored chain: {0}")]
    Replay(String),
    /// The node cannot go on from what it stored.
    #[error("the node does not start again: {0}")]
    WillNotStart(String),
    /// The node stopped because it found itself defective.
    #[error("the node halted: {0}")]
    Halted(String),
    /// With nothing in the way any more, something still does not come to its end.
    #[error("healed, but after {minutes} minutes {what}")]
    NotHealed {
        /// How long was waited.
        minutes: u64,
        /// What is missing.
        what: String,
    },
    /// The simulation itself is defective.
    #[error("the simulation: {0}")]
    Broken(String),
}

/// Everything acknowledged is known to the node: in its pool or in its chain.
///
/// # Errors
/// With the first that is not.
pub fn nothing_acknowledged_is_lost<'a>(
    acknowledged: impl IntoIterator<Item = &'a StatementId>,
    is_known: impl Fn(&StatementId) -> bool,
) -> Result<(), Violation> {
    match acknowledged.into_iter().find(|id| !is_known(id)) {
        Some(lost) => Err(Violation::AcknowledgedLost(*lost)),
        None => Ok(()),
    }
}

/// Every reading whose storing was acknowledged is stored.
///
/// # Errors
/// With the first that is not.
pub fn nothing_stored_is_lost<'a>(
    acknowledged: impl IntoIterator<Item = &'a (MeterId, Timestamp)>,
    is_stored: impl Fn(&(MeterId, Timestamp)) -> bool,
) -> Result<(), Violation> {
    match acknowledged.into_iter().find(|reading| !is_stored(reading)) {
        Some((meter, time)) => Err(Violation::StoredReadingLost { meter: meter.clone(), time: *time }),
        None => Ok(()),
    }
}

/// What was final once is final for ever, as the same block.
///
/// # Errors
/// With the first height that has another block, or none.
pub fn final_stays_final(
    finals: &BTreeMap<Height, BlockHash>,
    hash_at: impl Fn(Height) -> Option<BlockHash>,
) -> Result<(), Violation> {
    for (height, was) in finals {
        let is = hash_at(*height);
        if is != Some(*was) {
            return Err(Violation::FinalChanged { height: *height, was: *was, is });
        }
    }
    Ok(())
}

/// Committed readings of a meter rise in time, so none is in two intervals.
///
/// # Errors
/// With the first that does not.
pub fn no_reading_twice(meter: &MeterId, readings: &[(Timestamp, Energy)]) -> Result<(), Violation> {
    match readings.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        Some(pair) => Err(Violation::ReadingTwice { meter: meter.clone(), time: pair[1].0 }),
        None => Ok(()),
    }
}

/// What the sheets booked of a meter is what its counter moved by between its first and its last committed reading; where
/// it was set back, nothing.
///
/// # Errors
/// When it is not.
pub fn booked_as_counted<'a>(
    meter: &MeterId,
    readings: &[(Timestamp, Energy)],
    sheets: impl IntoIterator<Item = &'a SheetRecord>,
) -> Result<(), Violation> {
    let mwh = |energy: Energy| i128::from(energy.mwh());
    let moved = readings.windows(2).map(|pair| (mwh(pair[1].1) - mwh(pair[0].1)).max(0)).sum();
    let stretches = sheets.into_iter().flat_map(|sheet| &sheet.meters).filter(|stretch| stretch.meter == *meter);
    let booked = stretches
        .map(|stretch| (mwh(stretch.import.end) - mwh(stretch.import.start)) * i128::from(stretch.factor))
        .sum();
    if booked == moved { Ok(()) } else { Err(Violation::BookedOtherwise { meter: meter.clone(), booked, moved }) }
}

/// The sums of a month's sheets, against which its community side is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    contract: i128,
    carried: i128,
    generated: i128,
    gained: i128,
    consumed: i128,
    traded: i128,
    fee: i128,
    reward: i128,
}

impl Sums {
    fn add(&mut self, terms: &Terms) {
        let mwh = |energy: Energy| i128::from(energy.mwh());
        self.contract += mwh(terms.contract);
        self.carried += mwh(terms.carried);
        self.generated += mwh(terms.generated);
        self.gained += mwh(terms.gained);
        self.consumed += mwh(terms.consumed);
        self.traded += mwh(terms.traded);
        self.fee += mwh(terms.fee);
        self.reward += mwh(terms.reward);
    }
}

/// The double entry of every month, computed anew from all sheets: supply issued is the sum of contracts and of what the
/// operator sold, rewards are the budget spent, the physical side is what was consumed, and everything sums to zero.
///
/// # Errors
/// With the first sum that differs.
pub fn months_balance<'a>(
    monthly_budget: Energy,
    records: impl IntoIterator<Item = (&'a RecordKey, &'a Record)>,
) -> Result<(), Violation> {
    let mut months: BTreeMap<Month, (Sums, Option<&MonthRecord>)> = BTreeMap::new();
    for (key, record) in records {
        match (key, record) {
            (RecordKey::Sheet(month, _), Record::Sheet(sheet)) => months.entry(*month).or_default().0.add(&sheet.terms),
            (RecordKey::Month(month), Record::Month(record)) => months.entry(*month).or_default().1 = Some(record),
            _ => {}
        }
    }
    months.iter().try_for_each(|(month, (sums, record))| match record {
        Some(record) => month_balances(*month, i128::from(monthly_budget.mwh()), sums, record),
        None => Err(Violation::Unbalanced { month: *month, what: "the community's side", found: 0, right: 1 }),
    })
}

fn month_balances(month: Month, budget: i128, sums: &Sums, record: &MonthRecord) -> Result<(), Violation> {
    let Sums { contract, carried, generated, gained, consumed, traded, fee, reward } = *sums;
    let remaining = contract + carried + generated + gained + reward - consumed - traded - fee;
    let [supply, physical, left] = [record.supply, record.physical, record.budget].map(|side| i128::from(side.mwh()));
    let sums = [
        ("the sum of contracts", i128::from(record.contracts.mwh()), contract),
        ("the sum of rewards", i128::from(record.rewards.mwh()), reward),
        ("the budget left", left, budget + fee - reward),
        ("the physical side", physical, consumed - generated),
        ("the supply", supply, -(budget + contract + carried + gained - traded)),
        ("the sum of all accounts", supply + physical + left + remaining, 0),
    ];
    match sums.into_iter().find(|(_, found, right)| found != right) {
        Some((what, found, right)) => Err(Violation::Unbalanced { month, what, found, right }),
        None => Ok(()),
    }
}

/// No sheet went below zero by a trade within a block: what remains after it, without what the block's readings consumed,
/// is not negative wherever something was traded away.
///
/// # Errors
/// When one did.
pub fn no_sale_beyond(month: Month, account: AccountId, before: &Terms, after: &Terms) -> Result<(), Violation> {
    let mwh = |energy: Energy| i128::from(energy.mwh());
    let has_traded = mwh(after.traded) > mwh(before.traded);
    let consumed_meanwhile = mwh(after.consumed) - mwh(before.consumed);
    if has_traded && i128::from(after.remaining().mwh()) + consumed_meanwhile < 0 {
        return Err(Violation::SoldBeyond { account, month });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::act::CounterPair;
    use ledger::state::{MeterMonth, MonthStatus};
    use units::{BindingId, EnergyBalance, Money};

    const CHEN: AccountId = AccountId::from_bytes([1; 32]);
    const LEE: AccountId = AccountId::from_bytes([2; 32]);

    fn july() -> Month {
        Month::new(2026, 7).unwrap()
    }

    fn readings(values: &[(u64, u64)]) -> Vec<(Timestamp, Energy)> {
        values.iter().map(|(time, mwh)| (Timestamp::from_ms(*time), Energy::from_mwh(*mwh))).collect()
    }

    #[test]
    fn a_lost_acknowledgement_is_noticed() {
        let [kept, lost] = [[3; 32], [4; 32]].map(StatementId::from_bytes);
        let known = |id: &StatementId| *id == kept;
        assert_eq!(nothing_acknowledged_is_lost([&kept], known), Ok(()));
        assert_eq!(nothing_acknowledged_is_lost([&kept, &lost], known), Err(Violation::AcknowledgedLost(lost)));
    }

    #[test]
    fn a_stored_reading_that_is_gone_is_noticed() {
        let reading = |ms| ("m-1".parse::<MeterId>().unwrap(), Timestamp::from_ms(ms));
        let (kept, gone) = (reading(1), reading(2));
        let stored = |key: &(MeterId, Timestamp)| *key == kept;
        assert_eq!(nothing_stored_is_lost([&kept], stored), Ok(()));
        let lost = Violation::StoredReadingLost { meter: gone.0.clone(), time: gone.1 };
        assert_eq!(nothing_stored_is_lost([&kept, &gone], stored), Err(lost));
    }

    #[test]
    fn a_replaced_or_vanished_final_block_is_noticed() {
        let [first, other] = [[1; 32], [2; 32]].map(BlockHash::from_bytes);
        let height = Height::from_number(5);
        let finals = BTreeMap::from([(height, first)]);
        assert_eq!(final_stays_final(&finals, |_| Some(first)), Ok(()));
        for is in [Some(other), None] {
            assert_eq!(final_stays_final(&finals, |_| is), Err(Violation::FinalChanged { height, was: first, is }));
        }
    }

    #[test]
    fn a_reading_in_two_intervals_is_noticed() {
        let meter: MeterId = "m-1".parse().unwrap();
        assert_eq!(no_reading_twice(&meter, &readings(&[(1, 10), (2, 10), (3, 12)])), Ok(()));
        let twice = readings(&[(1, 10), (2, 11), (2, 11), (3, 12)]);
        let time = Timestamp::from_ms(2);
        assert_eq!(no_reading_twice(&meter, &twice), Err(Violation::ReadingTwice { meter, time }));
    }

    fn sheet(meter: &MeterId, stretches: &[(u64, u64)]) -> SheetRecord {
        let stretch = |(start, end): &(u64, u64)| MeterMonth {
            meter: meter.clone(),
            binding: BindingId::from_bytes([0; 32]),
            factor: 1,
            import: CounterPair { start: Energy::from_mwh(*start), end: Energy::from_mwh(*end) },
            export: None,
            estimated: false,
        };
        SheetRecord { meters: stretches.iter().map(stretch).collect(), ..SheetRecord::default() }
    }

    #[test]
    fn energy_booked_twice_or_lost_is_noticed() {
        let meter: MeterId = "m-1".parse().unwrap();
        // The counter runs from 10 to 40, is set back to 3 and runs on to 8.
        let counted = readings(&[(1, 10), (2, 25), (3, 40), (4, 3), (5, 8)]);
        for (sheets, booked) in [
            (vec![sheet(&meter, &[(10, 30)]), sheet(&meter, &[(30, 40), (3, 8)])], 35),
            (vec![sheet(&meter, &[(10, 30), (10, 30)]), sheet(&meter, &[(30, 40), (3, 8)])], 55),
            (vec![sheet(&meter, &[(10, 30)]), sheet(&meter, &[(3, 8)])], 25),
        ] {
            let expected = match booked {
                35 => Ok(()),
                booked => Err(Violation::BookedOtherwise { meter: meter.clone(), booked, moved: 35 }),
            };
            assert_eq!(booked_as_counted(&meter, &counted, &sheets), expected);
        }
    }

    /// Chen has 100 by contract, used 30, gave 20 to Lee and 5 to the operator, paid a fee of 1 and gained a reward of 4.
    fn balanced() -> (BTreeMap<RecordKey, Record>, MonthRecord) {
        let chen = Terms {
            contract: Energy::from_mwh(100),
            consumed: Energy::from_mwh(30),
            traded: Energy::from_mwh(25),
            fee: Energy::from_mwh(1),
            reward: Energy::from_mwh(4),
            ..Terms::default()
        };
        let lee = Terms { gained: Energy::from_mwh(20), ..Terms::default() };
        let month = MonthRecord {
            status: MonthStatus::Open,
            supply: EnergyBalance::from_mwh(-105),
            physical: EnergyBalance::from_mwh(30),
            budget: EnergyBalance::from_mwh(7),
            contracts: Energy::from_mwh(100),
            rewards: Energy::from_mwh(4),
            money: Money::ZERO,
            main_import: Energy::ZERO,
            main_export: Energy::ZERO,
        };
        let sheet = |terms| Record::Sheet(SheetRecord { terms, ..SheetRecord::default() });
        let sheets = [(CHEN, chen), (LEE, lee)];
        let records = sheets.map(|(account, terms)| (RecordKey::Sheet(july(), account), sheet(terms)));
        (records.into(), month)
    }

    #[test]
    fn every_side_of_a_month_that_is_off_by_one_is_noticed() {
        let (mut records, month) = balanced();
        let less = |balance: EnergyBalance| EnergyBalance::from_mwh(balance.mwh() - 1);
        let more = |energy: Energy| Energy::from_mwh(energy.mwh() + 1);
        let mut verdict = |month: MonthRecord| {
            records.insert(RecordKey::Month(july()), Record::Month(month));
            match months_balance(Energy::from_mwh(10), &records) {
                Ok(()) => "",
                Err(Violation::Unbalanced { what, .. }) => what,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(verdict(month.clone()), "");
        assert_eq!(verdict(MonthRecord { contracts: more(month.contracts), ..month.clone() }), "the sum of contracts");
        assert_eq!(verdict(MonthRecord { rewards: more(month.rewards), ..month.clone() }), "the sum of rewards");
        assert_eq!(verdict(MonthRecord { budget: less(month.budget), ..month.clone() }), "the budget left");
        assert_eq!(verdict(MonthRecord { physical: less(month.physical), ..month.clone() }), "the physical side");
        assert_eq!(verdict(MonthRecord { supply: less(month.supply), ..month.clone() }), "the supply");
    }

    #[test]
    fn a_sheet_without_its_month_is_noticed() {
        let (records, _) = balanced();
        assert!(matches!(months_balance(Energy::ZERO, &records), Err(Violation::Unbalanced { .. })));
    }

    #[test]
    fn only_a_trade_may_not_take_a_sheet_below_zero() {
        let terms = |contract, consumed, traded| Terms {
            contract: Energy::from_mwh(contract),
            consumed: Energy::from_mwh(consumed),
            traded: Energy::from_mwh(traded),
            ..Terms::default()
        };
        let beyond = Err(Violation::SoldBeyond { account: CHEN, month: july() });
        for (before, after, expected) in [
            // Used beyond the contract: physics.
            (terms(100, 90, 0), terms(100, 110, 0), Ok(())),
            // Traded all of it, then used some, in one block.
            (terms(100, 0, 0), terms(100, 10, 100), Ok(())),
            // Traded while it was below zero already.
            (terms(100, 110, 0), terms(100, 110, 1), beyond.clone()),
            // Traded one more than remained.
            (terms(100, 60, 0), terms(100, 60, 41), beyond),
        ] {
            assert_eq!(no_sale_beyond(july(), CHEN, &before, &after), expected);
        }
    }
}
