//! The checks of the double entry catch what they are there for. All rules are tested from outside, in `tests/it`.

use super::{ApplyError, CounterPair, MeterMonth, Record, RecordKey, SheetRecord, State};
use crate::SecretKey;
use crate::genesis::{Genesis, GenesisMiner, OrderRules, RewardRules, Surplus};
use units::{AccountId, BindingId, Energy, Millis, Month, Timestamp, Voltage};

const JULY: Month = Month::new(2026, 7).unwrap();

/// A ledger of one month, a second long.
pub(crate) fn state() -> State {
    let (operator, log_key) = (SecretKey::ed25519([1; 32]).public(), SecretKey::ed25519([2; 32]).public());
    let miner = GenesisMiner { key: operator.clone(), beneficiary: operator.account() };
    let amounts = [Energy::ZERO; 5];
    State::new(Genesis {
        version: Genesis::VERSION,
        name: String::new(),
        created: Timestamp::from_ms(1),
        operator,
        log_key,
        receipt_keys: Vec::new(),
        miners: vec![miner],
        time_zone: "UTC".into(),
        first_month: JULY,
        month_starts: vec![Timestamp::from_ms(0), Timestamp::from_ms(1_000)],
        currency: "TWD".into(),
        close_after: Millis::ZERO,
        surplus: Surplus::Lapses,
        order: OrderRules {
            level: 1,
            block_interval_min: Millis::ZERO,
            empty_block_after: Millis::ZERO,
            final_depth: 0,
            block_time: None,
        },
        rewards: RewardRules { by_level: amounts, monthly_budget: Energy::ZERO, transfer_fee: Energy::ZERO },
        public_readings: true,
        classroom: false,
        voltage_limits: crate::genesis::VoltageLimits {
            nominal: Voltage::ZERO,
            min: Voltage::ZERO,
            max: Voltage::ZERO,
            source: String::new(),
        },
        offsets: vec![crate::Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }],
        tenancy: false,
    })
    .unwrap()
}

fn sheet_key() -> RecordKey {
    RecordKey::Sheet(JULY, AccountId::from_bytes([9; 32]))
}

/// Five kWh that come from nowhere.
fn unbacked() -> SheetRecord {
    let mut sheet = SheetRecord::default();
    sheet.terms.gained = Energy::from_kwh(5);
    sheet
}

#[test]
fn energy_from_nowhere_halts_the_block_and_the_whole_check() {
    let mut state = state();
    let (root, miner) = (state.root(), state.genesis.operator.account());
    let mut draft = state.draft(Timestamp::from_ms(2), miner).unwrap();
    draft.put(sheet_key(), Record::Sheet(unbacked()));
    assert_eq!(draft.finish().unwrap_err(), ApplyError::Unbalanced(JULY));
    assert_eq!((state.root(), state.record(&sheet_key())), (root, None));

    assert_eq!(state.check_balances(), Ok(()));
    state.records.insert(sheet_key(), Record::Sheet(unbacked()));
    assert_eq!(state.check_balances(), Err(ApplyError::Unbalanced(JULY)));
}

#[test]
fn a_sheet_that_booked_other_than_its_counters_moved_is_noticed() {
    let mut state = state();
    let pair = |end| CounterPair { start: Energy::from_kwh(10), end: Energy::from_kwh(end) };
    let mut sheet = SheetRecord::default();
    sheet.meters.push(MeterMonth {
        meter: "m".parse().unwrap(),
        binding: BindingId::from_bytes([0; 32]),
        factor: 1,
        import: pair(10),
        export: None,
        estimated: false,
    });
    state.records.insert(sheet_key(), Record::Sheet(sheet.clone()));
    assert_eq!(state.check_balances(), Ok(()));
    sheet.meters[0].import = pair(11);
    state.records.insert(sheet_key(), Record::Sheet(sheet));
    assert_eq!(state.check_balances(), Err(ApplyError::Unbalanced(JULY)));
}
