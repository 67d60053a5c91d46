//! Many values of each type that is signed or hashed, made from fixed seeds: each is read back as it was, and the hash
//! over all their encodings is frozen. `golden.txt` shows one of each to the eye; this covers every absent and present
//! item and every length of integer.
//!
//! To freeze anew on purpose: `WATTPROOF_FREEZE=1 cargo test -p ledger --test it conformance`.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

use ledger::act::*;
use ledger::price::{
    Band, Bracket, Grouping, Plan, Progressive, Seasonal, Summer, Surcharge, Switch, Table, TimeOfUse, Week,
};
use ledger::state::Terms;
use ledger::{
    BlockTime, Genesis, GenesisMiner, Offset, OrderRules, Payload, PublicKey, RewardRules, Surplus, VoltageLimits, cbor,
};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use std::fmt::{Debug, Write as _};
use units::{
    AccountId, BindingId, Current, Digest, Energy, Height, LedgerId, MeterId, Millis, Money, Month, Power, StatementId,
    Timestamp, Voltage,
};

/// SplitMix64, so that no library's generator is part of the frozen hashes.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64);
        choices[usize::try_from(at).unwrap()].clone()
    }

    fn draw<T: Draw>(&mut self) -> T {
        T::draw(self)
    }
}

trait Draw {
    fn draw(dice: &mut Dice) -> Self;
}

impl Draw for u64 {
    /// Around the places where CBOR's integers grow by a byte, and anywhere.
    fn draw(dice: &mut Dice) -> Self {
        let edges = [0, 1, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, i64::MAX.unsigned_abs()];
        if dice.below(2) == 0 { dice.of(&edges) } else { dice.next() >> dice.below(64) }
    }
}

impl Draw for u32 {
    fn draw(dice: &mut Dice) -> Self {
        Self::try_from(dice.draw::<u64>() % (1 << 32)).unwrap()
    }
}

impl Draw for u8 {
    fn draw(dice: &mut Dice) -> Self {
        Self::try_from(dice.below(256)).unwrap()
    }
}

impl Draw for i64 {
    fn draw(dice: &mut Dice) -> Self {
        let size = Self::try_from(dice.draw::<u64>() >> 1).unwrap();
        if dice.below(2) == 0 { size } else { -1 - size }
    }
}

impl Draw for i32 {
    fn draw(dice: &mut Dice) -> Self {
        Self::try_from(dice.draw::<i64>() % 100_000).unwrap()
    }
}

impl Draw for bool {
    fn draw(dice: &mut Dice) -> Self {
        dice.below(2) == 1
    }
}

impl Draw for String {
    fn draw(dice: &mut Dice) -> Self {
        dice.of(&["", "im1281b", "電壓過高", "a text of more than twenty-three bytes"]).to_owned()
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(dice: &mut Dice) -> Self {
        dice.draw::<bool>().then(|| dice.draw())
    }
}

impl<T: Draw> Draw for Vec<T> {
    fn draw(dice: &mut Dice) -> Self {
        (0..dice.below(4)).map(|_| dice.draw()).collect()
    }
}

impl<T: Draw> Draw for Box<T> {
    fn draw(dice: &mut Dice) -> Self {
        Self::new(dice.draw())
    }
}

impl<T: Draw, const N: usize> Draw for [T; N] {
    fn draw(dice: &mut Dice) -> Self {
        std::array::from_fn(|_| dice.draw())
    }
}

/// Types made from one drawn value.
macro_rules! wrapped {
    ($($type:ty: $make:path),* $(,)?) => {
        $(impl Draw for $type {
            fn draw(dice: &mut Dice) -> Self {
                $make(dice.draw())
            }
        })*
    };
}

wrapped! {
    AccountId: AccountId::from_bytes, BindingId: BindingId::from_bytes, Digest: Digest::from_bytes,
    LedgerId: LedgerId::from_bytes, StatementId: StatementId::from_bytes, Energy: Energy::from_mwh,
    Voltage: Voltage::from_mv, Current: Current::from_ua, Power: Power::from_mw, Money: Money::from_1e4,
    Timestamp: Timestamp::from_ms, Millis: Millis::from_ms, Height: Height::from_number, Plan: Plan,
}

impl Draw for Month {
    fn draw(dice: &mut Dice) -> Self {
        let years = u32::try_from(dice.below(100)).unwrap();
        Self::new(2000 + years, 1 + u32::try_from(dice.below(12)).unwrap()).unwrap()
    }
}

impl Draw for MeterId {
    fn draw(dice: &mut Dice) -> Self {
        dice.of(&["A", "room-1", "0123456789.0123456789_0123456789"]).parse().unwrap()
    }
}

impl Draw for PublicKey {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => Self::Ed25519(dice.draw()),
            1 => Self::P256(dice.draw(), dice.draw()),
            _ => Self::Rsa((0..256).map(|at| dice.draw::<u8>() | u8::from(at == 0) << 7).collect()),
        }
    }
}

/// Types of named fields, each drawn in the order written here.
macro_rules! fields {
    ($($type:ident { $($field:ident),* $(,)? })*) => {
        $(impl Draw for $type {
            fn draw(dice: &mut Dice) -> Self {
                Self { $($field: dice.draw()),* }
            }
        })*
    };
}

fields! {
    RegisterKey { key, role, from, beneficiary }
    RegisterMeter { meter, signer, member, from, profile, factor, main }
    RetireRole { account, role, at }
    RetireMeter { meter, at }
    Revoke { account }
    Rotate { key, possession }
    Contract { account, month, energy }
    CounterPair { start, end }
    VoltageRange { min, max, mean }
    Event { kind, from, until, extreme }
    Readings {
        binding, seq, previous, start, end, import, export, count, voltage, peak_current, peak_power, broken, events,
        estimated, columns, frames, source, wraps_at,
    }
    Note { time, voltage, current, power, energy, text }
    Transfer { to, energy, month }
    Offer { to, energy, price, month, until }
    OfferId { until, statement, act }
    Accept { offer }
    Withdraw { offer }
    Tariff { from, table, excess_price, round_to, summer, grouping }
    Seasonal { other, summer }
    Summer { first, last }
    Progressive { brackets, minimum }
    Bracket { price, up_to }
    TimeOfUse { fixed, surcharge, bands, other, summer, off_days }
    Surcharge { above, price }
    Band { name, price }
    Week { weekday, saturday, off_day }
    Switch { minute, band }
    Utility { from, until, amount, energy, common_facilities }
    Bill { account, from, until, months, lines, total, utilities }
    BillMonth { month, terms, meters, tariff, bands, bands_estimated }
    Terms { contract, carried, generated, gained, consumed, traded, fee, reward }
    BillMeter { meter, previous, present, factor, energy, estimated }
    BillLine { kind, month, months, band, energy, unit_price, amount }
    UtilityFigures { from, until, average, energy, amount, common_facilities }
    ActId { statement, act }
    VoltageClaim { intervals, text }
    BillClaim { from, text }
    Answer { claim, decision, text }
    Control { meter, time, by, who, why, before, after }
    NewLevel { level, height }
    VoltageLimits { nominal, min, max, source }
    NewLimits { limits, from }
    Upgrade { version, height }
    Payload { ledger, nonce, issued, expires, acts }
    OrderRules { level, block_interval_min, empty_block_after, final_depth, block_time }
    BlockTime { target, half_life }
    RewardRules { by_level, monthly_budget, transfer_fee }
    GenesisMiner { key, beneficiary }
    Offset { from, seconds }
    Genesis {
        version, name, created, operator, log_key, receipt_keys, miners, time_zone, first_month, month_starts, currency,
        close_after, surplus, order, rewards, public_readings, classroom, voltage_limits, offsets, tenancy,
    }
}

/// Types of a few bare values.
macro_rules! choices {
    ($($type:ident: $($value:ident)*;)*) => {
        $(impl Draw for $type {
            fn draw(dice: &mut Dice) -> Self {
                dice.of(&[$(Self::$value),*])
            }
        })*
    };
}

choices! {
    Role: Operator Member Gateway Meter Miner Validator Auditor;
    Break: Gap Reset Exchange Wrap;
    ReadingSource: Meter ByHand Imported;
    EventKind: OverVoltage UnderVoltage;
    Decision: Accepted Declined;
    Cause: Person Protection Schedule;
    LoadState: Unknown On Off;
    Surplus: Lapses CarriesOver;
    Grouping: EachMonth Together;
    LineKind: Energy Excess Correction Bracket Band Fixed Surcharge Minimum Bought Sold;
}

impl Draw for Register {
    fn draw(dice: &mut Dice) -> Self {
        if dice.draw() { Self::Key(dice.draw()) } else { Self::Meter(dice.draw()) }
    }
}

impl Draw for Retire {
    fn draw(dice: &mut Dice) -> Self {
        if dice.draw() { Self::Role(dice.draw()) } else { Self::Meter(dice.draw()) }
    }
}

impl Draw for Claim {
    fn draw(dice: &mut Dice) -> Self {
        if dice.draw() { Self::Voltage(dice.draw()) } else { Self::Bill(dice.draw()) }
    }
}

impl Draw for Parameter {
    fn draw(dice: &mut Dice) -> Self {
        if dice.draw() { Self::Level(dice.draw()) } else { Self::Limits(dice.draw()) }
    }
}

impl Draw for Table {
    fn draw(dice: &mut Dice) -> Self {
        match dice.below(4) {
            0 => Self::Flat(dice.draw()),
            1 => Self::Progressive(dice.draw()),
            2 => Self::TimeOfUse(dice.draw()),
            _ => Self::Average,
        }
    }
}

type MakeAct = fn(&mut Dice) -> Act;

/// One maker a kind of act; that none is missing is checked against [`Act::name`] below.
const ACTS: [MakeAct; 19] = [
    |dice| Act::Register(dice.draw()),
    |dice| Act::Retire(dice.draw()),
    |dice| Act::Revoke(dice.draw()),
    |dice| Act::Rotate(dice.draw()),
    |dice| Act::Contract(dice.draw()),
    |dice| Act::Readings(dice.draw()),
    |dice| Act::Note(dice.draw()),
    |dice| Act::Transfer(dice.draw()),
    |dice| Act::Offer(dice.draw()),
    |dice| Act::Accept(dice.draw()),
    |dice| Act::Tariff(dice.draw()),
    |dice| Act::Bill(dice.draw()),
    |dice| Act::Claim(dice.draw()),
    |dice| Act::Answer(dice.draw()),
    |dice| Act::Control(dice.draw()),
    |dice| Act::Parameter(dice.draw()),
    |dice| Act::Upgrade(dice.draw()),
    |dice| Act::Utility(dice.draw()),
    |dice| Act::Withdraw(dice.draw()),
];

impl Draw for Act {
    fn draw(dice: &mut Dice) -> Self {
        dice.of(&ACTS)(dice)
    }
}

/// Values of each type.
const VALUES: u64 = 256;

/// The hash over the encodings of many values, each of which is read back as it was.
fn hash<T>(make: impl Fn(&mut Dice) -> T) -> String
where
    T: for<'b> Decode<'b, ()> + Encode<()> + Debug + PartialEq,
{
    let mut hash = Sha256::new();
    for seed in 0..VALUES {
        let value = make(&mut Dice(seed));
        let bytes = cbor::encode(&value);
        assert_eq!(cbor::decode::<T>(&bytes).as_ref(), Ok(&value));
        hash.update(bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn generated_encodings_are_those_that_were_frozen() {
    let mut found = String::new();
    for make in ACTS {
        let name = make(&mut Dice(0)).name();
        assert!(!found.contains(&format!("act.{name} ")), "two makers of {name}");
        writeln!(found, "act.{name} {}", hash(make)).unwrap();
    }
    writeln!(found, "payload {}", hash(Dice::draw::<Payload>)).unwrap();
    writeln!(found, "genesis {}", hash(Dice::draw::<Genesis>)).unwrap();
    writeln!(found, "key {}", hash(Dice::draw::<PublicKey>)).unwrap();
    if std::env::var_os("WATTPROOF_FREEZE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance.txt"), &found).unwrap();
        return;
    }
    let frozen = include_str!("conformance.txt");
    for (found, frozen) in found.lines().zip(frozen.lines()) {
        assert_eq!(found, frozen, "the protocol has changed");
    }
    assert_eq!(found.lines().count(), frozen.lines().count());
}

/// A new kind of act that is forgotten here does not compile.
#[test]
fn every_kind_of_act_is_generated() {
    let kinds: std::collections::BTreeSet<&str> = ACTS.iter().map(|make| make(&mut Dice(0)).name()).collect();
    assert_eq!(kinds.len(), ACTS.len());
    for make in ACTS {
        match make(&mut Dice(0)) {
            Act::Register(_) | Act::Retire(_) | Act::Revoke(_) | Act::Rotate(_) | Act::Contract(_) => {}
            Act::Readings(_) | Act::Note(_) | Act::Transfer(_) | Act::Offer(_) | Act::Accept(_) => {}
            Act::Withdraw(_) | Act::Tariff(_) | Act::Bill(_) | Act::Claim(_) | Act::Answer(_) => {}
            Act::Control(_) | Act::Parameter(_) | Act::Upgrade(_) | Act::Utility(_) => {}
        }
    }
}
