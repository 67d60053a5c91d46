//! One case for every rule, and in [`bytes`] one for every reason to refuse bytes.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]

mod acts;
mod bytes;

use crate::foreign::{self, Shelf, Store};
use crate::support::{
    GATEWAY, MINER, OPERATOR, account, apply, at, bind, binding_of, community, genesis, judge, key, kwh, meter_id,
    month, next_readings, payload, propose, register, retire_meter, retire_role, sign, tariff,
};
use ledger::act::{
    Act, Bill, Break, Contract, CounterPair, Note, Readings, Register, RegisterKey, RegisterMeter, Role, Transfer,
    Utility,
};
use ledger::price::file::TariffFile;
use ledger::price::{Bracket, Progressive, Seasonal, Summer, Table};
use ledger::{Genesis, Payload, PublicKey, SecretKey, SignedStatement, State, VerifiedStatement, bill};
use std::collections::BTreeSet;
use units::{AccountId, BindingId, Energy, LedgerId, Millis, Money, StatementId, Timestamp};

/// The time at which the cases are judged, unless they say otherwise.
fn noon() -> Timestamp {
    at(7, 15, 12, 0)
}

/// A case: the rule's name, what happens before (each an accepted block), and the statement that breaks the rule.
struct Case {
    name: &'static str,
    state: State,
    store: Store,
    time: Timestamp,
    nonce: u64,
}

impl Case {
    fn new(name: &'static str) -> Self {
        Self::of(name, genesis())
    }

    fn of(name: &'static str, genesis: Genesis) -> Self {
        let (state, store) = foreign::community(genesis);
        Self { name, state, store, time: noon(), nonce: 100 }
    }

    fn not_for_teaching(name: &'static str) -> Self {
        Self::of(name, Genesis { classroom: false, ..genesis() })
    }

    /// The same ledger before anybody stated a price.
    fn without_tariff(mut self) -> Self {
        let is_tariff = |act: &Act| matches!(act, Act::Tariff(_));
        (self.state, self.store) = foreign::community_without(genesis(), is_tariff);
        self
    }

    fn at(mut self, time: Timestamp) -> Self {
        self.time = time;
        self
    }

    fn statement(&mut self, signer: &str, act: Act) -> VerifiedStatement {
        self.nonce += 1;
        sign(&payload(self.state.genesis(), self.nonce, self.time, vec![act]), &key(signer))
    }

    /// Something that is accepted.
    fn after(mut self, signer: &str, act: impl FnOnce(&State) -> Act) -> Self {
        let act = act(&self.state);
        let statement = self.statement(signer, act);
        let time = self.time.max(self.state.head().time + Millis::from_ms(1));
        self.store.commit(&mut self.state, time, &[statement]);
        self
    }

    /// The act that is refused.
    fn refuses(mut self, signer: &str, act: impl FnOnce(&State) -> Act) -> &'static str {
        let act = act(&self.state);
        let statement = self.statement(signer, act);
        self.refuses_statement(&statement)
    }

    fn refuses_statement(mut self, statement: &VerifiedStatement) -> &'static str {
        let time = self.time.max(self.state.head().time + Millis::from_ms(1));
        let violation = judge(&mut self.state, time, statement).expect_err(self.name);
        assert_eq!(violation.name(), self.name, "{violation}");
        assert!(!violation.to_string().is_empty());
        let block = propose(&mut self.state, time, std::slice::from_ref(statement));
        let case = statement.id().to_string();
        Shelf::named("rules").leave_refused(&case, self.name, &self.store.export_with(&self.state, &block));
        self.name
    }
}

fn register_key(key: PublicKey, role: Role, beneficiary: Option<AccountId>) -> Act {
    Act::Register(Register::Key(RegisterKey { key, role, from: at(1, 1, 0, 0), beneficiary }))
}

fn register_meter(change: impl FnOnce(&mut RegisterMeter)) -> Act {
    let mut meter = bind("m-new", "chen", at(7, 1, 0, 0));
    change(&mut meter);
    Act::Register(Register::Meter(meter))
}

fn contract(name: &str, energy: &str, month: units::Month) -> Act {
    Act::Contract(Contract { account: account(name), month, energy: kwh(energy) })
}

fn transfer(to: &str, energy: &str) -> Act {
    Act::Transfer(Transfer { to: account(to), energy: kwh(energy), month: month(7) })
}

/// The next interval of Chen's meter, 0 to 90 kWh unless it is changed.
fn readings(change: impl FnOnce(&mut Readings)) -> impl FnOnce(&State) -> Act {
    |state| {
        let mut readings = next_readings(state, "m-chen", ("0", "90"));
        change(&mut readings);
        Act::Readings(Box::new(readings))
    }
}

/// The interval that follows the first one.
fn second(change: impl FnOnce(&mut Readings)) -> impl FnOnce(&State) -> Act {
    readings(|readings| {
        readings.import = CounterPair { start: kwh("90"), end: kwh("95") };
        change(readings);
    })
}

/// Chen's bill of July as the ledger computes it.
fn bill_of_july(state: &State) -> Bill {
    bill::of_state(state, account("chen"), at(7, 1, 0, 0), at(8, 1, 0, 0)).unwrap()
}

fn empty_bill(name: &str, from: Timestamp, until: Timestamp) -> Act {
    Act::Bill(Box::new(nothing_billed(name, from, until)))
}

fn nothing_billed(name: &str, from: Timestamp, until: Timestamp) -> Bill {
    let (months, lines, utilities) = (Vec::new(), Vec::new(), Vec::new());
    Bill { account: account(name), from, until, months, lines, total: Money::ZERO, utilities }
}

const EMPTY_NOTE: Note =
    Note { time: Timestamp::from_ms(0), voltage: None, current: None, power: None, energy: None, text: None };

fn remark() -> Act {
    Act::Note(Note { text: Some("110 V".into()), ..EMPTY_NOTE })
}

/// Every name in the rule book, from its source.
fn names_in_the_rule_book() -> BTreeSet<&'static str> {
    let source = include_str!("../../src/rule.rs");
    source.lines().filter_map(|line| line.split_once("=> \"")?.1.split_once('"')).map(|(name, _)| name).collect()
}

#[test]
fn every_rule_refuses_what_it_is_there_for() {
    Shelf::emptied("rules");
    let groups = [envelope_rules(), register_rules(), reading_rules(), trade_rules(), bill_rules(), acts::rules()];
    let covered: BTreeSet<&str> = groups.into_iter().flatten().collect();
    assert_eq!(covered, names_in_the_rule_book());
    assert!(covered.len() >= 40);
}

fn envelope_rules() -> Vec<&'static str> {
    let case = Case::new;
    let built = |change: fn(&mut Payload)| {
        let mut payload = payload(&genesis(), 7, noon(), vec![remark()]);
        change(&mut payload);
        sign(&payload, &key("chen"))
    };
    let replayed = built(|_| ());
    let mut seen = case("duplicate");
    seen.store.commit(&mut seen.state, noon(), std::slice::from_ref(&replayed));
    // Of Chen's account, but signed, and verified, with Lee's key.
    let foreign = payload(&genesis(), 8, noon(), vec![remark()]);
    let foreign = SignedStatement::sign_for(account("chen"), &foreign, &key("lee")).unwrap();
    vec![
        case("wrong_key").refuses_statement(&foreign.verify(&key("lee").public()).unwrap()),
        case("wrong_ledger").refuses_statement(&built(|payload| payload.ledger = LedgerId::from_bytes([1; 32]))),
        seen.refuses_statement(&replayed),
        case("expired").at(noon() + Millis::from_minutes(30)).refuses_statement(&built(|_| ())),
        case("issued_in_future").refuses_statement(&built(|payload| {
            payload.issued = noon() + Millis::from_minutes(10) + Millis::from_ms(1);
            payload.expires = Some(payload.issued + Millis::from_minutes(1));
        })),
        case("role_needed").refuses("chen", |_| contract("chen", "300", month(7))),
        case("role_needed").refuses(OPERATOR, |_| remark()),
        case("amount_too_large").refuses(OPERATOR, |_| contract("chen", "1000000000001", month(7))),
        case("outside_calendar").refuses(OPERATOR, |_| contract("chen", "1", month(12).plus(1))),
        case("month_closed").refuses(OPERATOR, |_| contract("chen", "300", month(6))),
    ]
}

fn register_rules() -> Vec<&'static str> {
    let case = Case::new;
    let new_key = || key("stranger").public();
    let rsa = |bits| SecretKey::rsa(bits, [1; 32]).unwrap().public();
    vec![
        case("operator_by_genesis").refuses(OPERATOR, |_| register_key(new_key(), Role::Operator, None)),
        case("key_invalid").refuses(OPERATOR, |_| register_key(PublicKey::Ed25519([0; 32]), Role::Member, None)),
        case("key_invalid").refuses(OPERATOR, |_| register_key(PublicKey::P256([1; 32], [1; 32]), Role::Member, None)),
        Case::not_for_teaching("weak_key").refuses(OPERATOR, |_| register_key(rsa(1024), Role::Member, None)),
        case("miner_key").refuses(OPERATOR, |_| register_key(rsa(2048), Role::Miner, Some(account("chen")))),
        case("already_registered").refuses(OPERATOR, |_| register("chen", Role::Member)),
        returns_after_the_final_bill(),
        case("beneficiary").refuses(OPERATOR, |_| register_key(new_key(), Role::Miner, None)),
        case("beneficiary").refuses(OPERATOR, |_| register_key(new_key(), Role::Miner, Some(account(GATEWAY)))),
        case("beneficiary").refuses(OPERATOR, |_| register_key(new_key(), Role::Member, Some(account("chen")))),
        case("meter_party").refuses(OPERATOR, |_| register_meter(|meter| meter.signer = account("chen"))),
        case("meter_party").refuses(OPERATOR, |_| register_meter(|meter| meter.member = account(GATEWAY))),
        case("meter_description").refuses(OPERATOR, |_| register_meter(|meter| meter.factor = 0)),
        case("meter_description").refuses(OPERATOR, |_| register_meter(|meter| meter.profile = "IM".into())),
        case("meter_description").refuses(OPERATOR, |_| register_meter(|meter| meter.profile.clear())),
        case("outside_calendar").refuses(OPERATOR, |_| register_meter(|meter| meter.from = Timestamp::from_ms(1))),
        case("binding_not_at_head")
            .after(GATEWAY, readings(|_| ()))
            .refuses(OPERATOR, |_| Act::Register(Register::Meter(bind("m-chen", "lee", at(7, 1, 0, 0))))),
    ]
}

fn reading_rules() -> Vec<&'static str> {
    let case = Case::new;
    let first = || readings(|_| ());
    let old_binding = binding_of(&community(), "m-chen");
    let rebind = || Act::Register(Register::Meter(bind("m-chen", "lee", at(7, 1, 0, 0))));
    let mut broken = case("too_many_breaks").after(GATEWAY, first());
    for _ in 1..ledger::state::SEGMENTS_MAX {
        broken = broken.after(GATEWAY, reset_of_an_hour());
    }
    vec![
        case("unknown_binding").refuses(GATEWAY, readings(|act| act.binding = BindingId::from_bytes([0; 32]))),
        case("not_the_signer").refuses("chen", first()),
        case("binding_ended").after(OPERATOR, |_| rebind()).refuses(GATEWAY, readings(|act| act.binding = old_binding)),
        case("wrong_sequence").refuses(GATEWAY, readings(|act| act.seq = 1)),
        case("wrong_previous").refuses(GATEWAY, readings(|act| act.previous = StatementId::from_bytes([0; 32]))),
        case("interval_length").refuses(GATEWAY, readings(|act| act.end = act.start)),
        case("interval_length").refuses(GATEWAY, readings(|act| act.end = act.end + Millis::from_ms(1))),
        case("interval_in_future").at(at(7, 1, 23, 49)).refuses(GATEWAY, first()),
        case("start_discontinuous").refuses(
            GATEWAY,
            readings(|act| {
                (act.start, act.end) = (at(6, 30, 23, 59), at(7, 1, 12, 0));
            }),
        ),
        case("start_discontinuous")
            .after(GATEWAY, first())
            .refuses(GATEWAY, second(|act| act.start = act.start + Millis::from_ms(1))),
        case("counter_discontinuous")
            .after(GATEWAY, first())
            .refuses(GATEWAY, second(|act| act.import.start = Energy::from_mwh(90_000_001))),
        case("counter_discontinuous")
            .after(GATEWAY, first())
            .refuses(GATEWAY, second(|act| act.export = Some(CounterPair { start: kwh("0"), end: kwh("1") }))),
        case("counter_wrap").refuses(GATEWAY, readings(|act| act.broken = Some(Break::Wrap))),
        case("counter_wrap").refuses(GATEWAY, readings(|act| act.wraps_at = Some(kwh("10000")))),
        case("counter_wrap")
            .after(GATEWAY, first())
            .refuses(GATEWAY, second(|act| (act.broken, act.wraps_at) = (Some(Break::Wrap), Some(kwh("10000"))))),
        case("counter_backwards")
            .refuses(GATEWAY, readings(|act| act.import = CounterPair { start: kwh("1"), end: kwh("0") })),
        broken.refuses(GATEWAY, reset_of_an_hour()),
        case("empty_note").refuses("chen", |_| Act::Note(EMPTY_NOTE)),
        case("empty_note").refuses("chen", |_| Act::Note(Note { text: Some(String::new()), ..EMPTY_NOTE })),
    ]
}

/// A counter of one hour that begins anew.
fn reset_of_an_hour() -> impl FnOnce(&State) -> Act {
    readings(|act| {
        act.end = act.start + Millis::from_minutes(60);
        act.import = CounterPair { start: kwh("1"), end: kwh("2") };
        act.broken = Some(Break::Reset);
    })
}

fn trade_rules() -> Vec<&'static str> {
    let case = Case::new;
    vec![
        case("contract_lowered").refuses(OPERATOR, |_| contract("chen", "199.999999", month(7))),
        case("not_a_member").refuses(OPERATOR, |_| contract(GATEWAY, "1", month(7))),
        case("not_a_member").refuses("chen", |_| transfer("stranger", "1")),
        case("empty_transfer").refuses("chen", |_| transfer("lee", "0")),
        case("empty_transfer").refuses("chen", |_| transfer("chen", "1")),
        case("energy_used_up").refuses("chen", |_| transfer("lee", "200.000001")),
        case("tariff_amounts").refuses(OPERATOR, |_| {
            tariff_with(|tariff| tariff.table = Table::Flat(Seasonal::all_year(Money::from_1e4(-1))))
        }),
        case("tariff_amounts")
            .refuses(OPERATOR, |_| tariff_with(|tariff| tariff.excess_price = Some(Money::from_1e4(-1)))),
        case("tariff_amounts").refuses(OPERATOR, |_| tariff_with(|tariff| tariff.round_to = Money::ZERO)),
        case("tariff_table")
            .refuses(OPERATOR, |_| tariff_with(|tariff| tariff.table = brackets(&[Some(200), Some(100), None]))),
        case("tariff_table")
            .refuses(OPERATOR, |_| tariff_with(|tariff| tariff.table = brackets(&[Some(200), Some(300)]))),
        case("tariff_table")
            .refuses(OPERATOR, |_| tariff_with(|tariff| tariff.summer = Some(Summer { first: 6, last: 13 }))),
        case("tariff_excess").refuses(OPERATOR, |_| tariff_with(|tariff| tariff.table = Table::Average)),
        case("no_tenancy")
            .refuses(OPERATOR, |_| tariff_with(|tariff| (tariff.table, tariff.excess_price) = (Table::Average, None))),
        case("no_tenancy").refuses(OPERATOR, |_| utility((7, 9), "3000", "1000")),
        case("tariff_after_readings")
            .without_tariff()
            .after(GATEWAY, readings(|_| ()))
            .refuses(OPERATOR, |_| Act::Tariff(shipped("taipower-simple-tou-2", 7))),
        tenancy("utility_amounts").refuses(OPERATOR, |_| utility((7, 9), "3000", "0")),
        tenancy("utility_amounts").refuses(OPERATOR, |_| utility_with((7, 9), Money::from_1e4(-1), "1000")),
        tenancy("utility_period").refuses(OPERATOR, |_| utility((9, 9), "3000", "1000")),
        tenancy("utility_period")
            .after(OPERATOR, |_| utility((7, 9), "3000", "1000"))
            .refuses(OPERATOR, |_| utility((8, 10), "3000", "1000")),
        case("tariff_too_late").refuses(OPERATOR, |_| tariff_with(|_| ())),
    ]
}

/// A ledger whose members are tenants.
fn tenancy(name: &'static str) -> Case {
    let genesis = ledger::Genesis { tenancy: true, ..genesis() };
    Case::of(name, genesis)
}

/// The utility's bill from the start of a month to that of another.
fn utility((from, until): (u32, u32), amount: &str, energy: &str) -> Act {
    utility_with((from, until), Money::parse(amount).unwrap(), energy)
}

fn utility_with((from, until): (u32, u32), amount: Money, energy: &str) -> Act {
    let (from, until) = (at(from, 1, 0, 0), at(until, 1, 0, 0));
    Act::Utility(Utility { from, until, amount, energy: kwh(energy), common_facilities: false })
}

fn shipped(name: &str, from: u32) -> ledger::act::Tariff {
    TariffFile::shipped(name).unwrap().tariff(month(from))
}

fn brackets(limits: &[Option<u64>]) -> Table {
    let price = Seasonal::all_year(Money::from_1e4(10_000));
    let bracket = |limit: &Option<u64>| Bracket { price, up_to: limit.map(Energy::from_kwh) };
    Table::Progressive(Progressive { brackets: limits.iter().map(bracket).collect(), minimum: Money::ZERO })
}

fn tariff_with(change: impl FnOnce(&mut ledger::act::Tariff)) -> Act {
    let Act::Tariff(mut act) = tariff(7, "4", "8", "1") else { unreachable!() };
    change(&mut act);
    Act::Tariff(act)
}

fn returns_after_the_final_bill() -> &'static str {
    let left = |state: &State| state.meter(&meter_id("m-chen")).unwrap().1.head.end;
    Case::new("sheet_billed")
        .after(GATEWAY, readings(|_| ()))
        .after(OPERATOR, |state| retire_meter("m-chen", left(state)))
        .after(OPERATOR, |state| retire_role("chen", Role::Member, left(state)))
        .after(OPERATOR, |state| {
            Act::Bill(Box::new(bill::of_state(state, account("chen"), at(7, 1, 0, 0), left(state)).unwrap()))
        })
        .refuses(OPERATOR, |_| {
            let key = key("chen").public();
            Act::Register(Register::Key(RegisterKey { key, role: Role::Member, from: noon(), beneficiary: None }))
        })
}

fn bill_rules() -> Vec<&'static str> {
    let case = Case::new;
    let closed = at(8, 1, 6, 0);
    let (july, august, september) = (at(7, 1, 0, 0), at(8, 1, 0, 0), at(9, 1, 0, 0));
    let read = |name| case(name).after(GATEWAY, readings(|_| ())).at(closed).after("chen", |_| remark());
    vec![
        read("bill_signer").refuses("lee", |state| Act::Bill(Box::new(bill_of_july(state)))),
        read("bill_span").refuses(OPERATOR, |_| empty_bill("chen", july, july)),
        read("bill_span").refuses(OPERATOR, |_| empty_bill("chen", july + Millis::from_ms(1), august)),
        read("bill_span").refuses(OPERATOR, |_| empty_bill("chen", july, august + Millis::from_ms(1))),
        read("month_open").refuses(OPERATOR, |_| empty_bill("chen", july, september)),
        read("nothing_to_bill").refuses(OPERATOR, |_| empty_bill("stranger", july, august)),
        case("no_tariff")
            .at(at(7, 1, 2, 0))
            .after(OPERATOR, |_| contract("chen", "5", month(6)))
            .at(noon())
            .refuses(OPERATOR, |_| empty_bill("chen", at(6, 1, 0, 0), july)),
        read("bill_overlaps")
            .after("chen", |state| Act::Bill(Box::new(bill_of_july(state))))
            .refuses(OPERATOR, |state| Act::Bill(Box::new(bill_of_july(state)))),
        read("bill_differs").refuses(OPERATOR, |state| {
            let mut bill = bill_of_july(state);
            bill.total = bill.total.checked_add(Money::from_1e4(1)).unwrap();
            Act::Bill(Box::new(bill))
        }),
        read("bill_differs").refuses(OPERATOR, |state| {
            let mut bill = bill_of_july(state);
            bill.months[0].meters[0].present = Energy::from_mwh(90_000_001);
            Act::Bill(Box::new(bill))
        }),
        tenants_july("utility_bill_missing", None),
        // On average 3.4999 a kWh.
        tenants_july("tenancy_price", Some(("349.99", "100"))),
        tenants_july("tenancy_energy", Some(("315", "89.99"))),
        tenants_july("tenancy_sum", Some(("314.99", "89.99"))),
    ]
}

/// Chen's July on a tenancy ledger: 90 kWh at 3.5, under a bill of the utility.
fn tenants_july(name: &'static str, utility_bill: Option<(&str, &str)>) -> &'static str {
    let mut case = tenancy(name).after(GATEWAY, readings(|_| ())).at(at(8, 1, 6, 0)).after("chen", |_| remark());
    if let Some((amount, energy)) = utility_bill {
        case = case.after(OPERATOR, |_| utility((7, 8), amount, energy));
    }
    let (from, until) = (at(7, 1, 0, 0), at(8, 1, 0, 0));
    case.refuses(OPERATOR, |state| {
        let computed = bill::of_state(state, account("chen"), from, until);
        Act::Bill(Box::new(computed.unwrap_or_else(|_| nothing_billed("chen", from, until))))
    })
}

#[test]
fn a_refused_statement_enters_no_sheet_with_the_acts_before_its_fault() {
    let mut state = community();
    let acts = vec![contract("chen", "300", month(7)), contract("chen", "299", month(7))];
    let statement = sign(&payload(state.genesis(), 1, noon(), acts), &key(OPERATOR));
    let mut draft = state.draft(noon(), account(MINER)).unwrap();
    assert_eq!(draft.push(&statement).unwrap_err().name(), "contract_lowered");
    assert_eq!(draft.finish().unwrap().entries, vec![]);
}

#[test]
fn a_statement_that_a_block_forgot_is_known_again_when_the_block_is_taken_back() {
    let mut state = community();
    let note = sign(&payload(state.genesis(), 1, noon(), vec![remark()]), &key("chen"));
    let block = propose(&mut state, noon(), std::slice::from_ref(&note));
    apply(&mut state, &block).unwrap();
    let later = propose(&mut state, noon() + Millis::from_minutes(30), &[]);
    let undo = apply(&mut state, &later).unwrap().undo;
    assert!(!state.has_seen(&note.id()), "its life is over, so nobody need remember it");
    state.undo(undo);
    assert!(state.has_seen(&note.id()));
    let again = judge(&mut state, noon() + Millis::from_minutes(1), &note).unwrap_err();
    assert_eq!(again.name(), "duplicate");
}
