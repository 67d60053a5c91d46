//! Each checker and what it must notice.

use super::Violation;
use super::energy::{booked_as_counted, months_balance, no_reading_twice, no_sale_beyond};
use super::promises::{
    anchor_on_chain, booked_once, final_stays_final, finals_agree, honest_not_banned, nothing_acknowledged_is_lost,
    nothing_stored_is_lost, sold_once, told_final_is_final,
};
use ledger::act::CounterPair;
use ledger::state::{MeterMonth, MonthRecord, MonthStatus, Record, RecordKey, SheetRecord, Terms};
use std::collections::{BTreeMap, BTreeSet};
use units::{
    AccountId, BindingId, BlockHash, Energy, EnergyBalance, Height, MeterId, Money, Month, StatementId, Timestamp,
};

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
fn two_final_blocks_of_one_height_are_noticed() {
    let [one, other] = [[1; 32], [2; 32]].map(BlockHash::from_bytes);
    let height = Height::from_number(5);
    let finals = BTreeMap::from([(height, one)]);
    assert_eq!(finals_agree(&finals, height, one), Ok(()));
    assert_eq!(finals_agree(&finals, height.next(), other), Ok(()));
    assert_eq!(finals_agree(&finals, height, other), Err(Violation::FinalForked { height, one, other }));
}

#[test]
fn a_checkpoint_of_a_block_that_the_chain_lacks_is_noticed() {
    let [signed, other] = [[1; 32], [2; 32]].map(BlockHash::from_bytes);
    let height = Height::from_number(5);
    assert_eq!(anchor_on_chain(height, signed, Some(signed)), Ok(()));
    for found in [Some(other), None] {
        assert_eq!(anchor_on_chain(height, signed, found), Err(Violation::AnchorOffChain { height, signed, found }));
    }
}

#[test]
fn a_false_word_about_finality_is_noticed() {
    let statement = StatementId::from_bytes([3; 32]);
    for (found, is_true) in [(Some(7), true), (Some(8), false), (None, false)] {
        assert_eq!(told_final_is_final(statement, 7, found).is_ok(), is_true, "{found:?}");
    }
}

#[test]
fn a_statement_in_two_blocks_or_twice_in_one_is_noticed() {
    let [old, one, other] = [[1; 32], [2; 32], [3; 32]].map(StatementId::from_bytes);
    let committed = BTreeSet::from([old]);
    for (block, expected) in [
        (vec![one, other], Ok(())),
        (vec![one, old], Err(Violation::BookedTwice(old))),
        (vec![one, other, one], Err(Violation::BookedTwice(one))),
    ] {
        assert_eq!(booked_once(&committed, &block), expected);
    }
}

#[test]
fn energy_sold_twice_and_a_seller_left_in_the_dark_are_noticed() {
    let [one, other] = [[1; 32], [2; 32]].map(StatementId::from_bytes);
    for (committed, told, expected) in [
        (vec![one], vec![other], Ok(())),
        (vec![], vec![one, other], Ok(())),
        (vec![one, other], vec![], Err(Violation::SoldTwice(one, other))),
        (vec![one], vec![], Err(Violation::NotTold(other))),
    ] {
        assert_eq!(sold_once(&[one, other], |id| committed.contains(id), |id| told.contains(id)), expected);
    }
}

#[test]
fn an_honest_node_that_is_taken_for_a_liar_is_noticed() {
    let reason = "its answer is to another question".to_owned();
    assert_eq!(honest_not_banned(0, 1, false, &reason), Ok(()));
    assert_eq!(honest_not_banned(0, 1, true, &reason), Err(Violation::HonestBanned { node: 0, peer: 1, reason }));
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
