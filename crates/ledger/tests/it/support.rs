//! A small community with fixed keys, statements as one writes them, and blocks that go the one way: bytes, structure,
//! check, apply.

// Helpers of tests stop at the first surprise, as tests do.
#![allow(clippy::unwrap_used)]
use ledger::Offset;
use ledger::act::{
    Act, ActId, BillClaim, Claim, CounterPair, NewLevel, NewLimits, Offer, OfferId, Parameter, Readings, Register,
    RegisterKey, RegisterMeter, Retire, RetireMeter, RetireRole, Revoke, Role, Rotate, VoltageClaim,
};
use ledger::price::civil_day;
use ledger::state::{ApplyError, Drafted, RecordKey};
use ledger::{
    Block, BlockError, CheckedBlock, Engine, Genesis, GenesisMiner, Header, OrderRules, Payload, RewardRules,
    RuleViolation, SecretKey, SignedStatement, State, Surplus, VerifiedStatement, VoltageLimits, log, target,
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Mutex;
use units::{AccountId, BindingId, Digest, Energy, Height, MeterId, Millis, Month, Timestamp, Voltage};

/// Names of keys that are no member's.
pub(crate) const OPERATOR: &str = "operator";
pub(crate) const MINER: &str = "miner";
pub(crate) const GATEWAY: &str = "gateway";

/// 2026-01-01 00:00 in Asia/Taipei (UTC+8, no summer time): 2025-12-31T16:00:00Z.
const YEAR_START_MS: u64 = 1_767_196_800_000;
pub(crate) const DAY_MS: u64 = 86_400_000;
const DAYS_OF_2026: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The starts of the twelve months of 2026 and of January 2027.
pub(crate) fn month_starts() -> Vec<Timestamp> {
    let mut starts = vec![Timestamp::from_ms(YEAR_START_MS)];
    for days in DAYS_OF_2026 {
        starts.push(starts[starts.len() - 1] + Millis::from_ms(days * DAY_MS));
    }
    starts
}

/// A point in Taipei's 2026.
pub(crate) fn at(month: u32, day: u64, hour: u64, minute: u64) -> Timestamp {
    let start = month_starts()[usize::try_from(month).unwrap() - 1];
    start + Millis::from_minutes(((day - 1) * 24 + hour) * 60 + minute)
}

pub(crate) fn month(number: u32) -> Month {
    Month::new(2026, number).unwrap()
}

pub(crate) fn kwh(text: &str) -> Energy {
    Energy::parse_kwh(text).unwrap()
}

/// The key that a name stands for, the same in every test: RSA for `rsa-...`, P-256 for `p256-...`, else Ed25519.
pub(crate) fn key(name: &str) -> SecretKey {
    let seed = Sha256::digest(format!("wattproof test key {name}")).into();
    match name.split_once('-') {
        Some(("rsa", _)) => rsa_key(name, seed),
        Some(("p256", _)) => SecretKey::p256(seed).unwrap(),
        _ => SecretKey::ed25519(seed),
    }
}

/// Searching primes takes long, so each key is made once. 1,024 bits, as the paper's keys have: for teaching.
fn rsa_key(name: &str, seed: [u8; 32]) -> SecretKey {
    static KNOWN: Mutex<BTreeMap<String, SecretKey>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    known.entry(name.to_owned()).or_insert_with(|| SecretKey::rsa(1_024, seed).unwrap()).clone()
}

pub(crate) fn account(name: &str) -> AccountId {
    key(name).account()
}

/// A ledger of level 1 without rewards, whose months close six hours after their end.
pub(crate) fn genesis() -> Genesis {
    Genesis {
        version: Genesis::VERSION,
        name: "test".into(),
        created: at(1, 1, 0, 0),
        operator: key(OPERATOR).public(),
        log_key: key("log").public(),
        receipt_keys: vec![SecretKey::p256([1; 32]).unwrap().public()],
        miners: vec![GenesisMiner { key: key(MINER).public(), beneficiary: account("chen") }],
        time_zone: "Asia/Taipei".into(),
        first_month: month(1),
        month_starts: month_starts(),
        currency: "TWD".into(),
        close_after: Millis::from_minutes(6 * 60),
        surplus: Surplus::Lapses,
        order: OrderRules {
            level: 1,
            block_interval_min: Millis::from_ms(1),
            empty_block_after: Millis::from_ms(10),
            final_depth: 0,
            block_time: None,
        },
        rewards: RewardRules {
            by_level: [2, 4, 6, 8, 10].map(Energy::from_kwh),
            monthly_budget: Energy::ZERO,
            transfer_fee: Energy::ZERO,
        },
        public_readings: true,
        classroom: true,
        voltage_limits: ledger::VoltageLimits {
            nominal: Voltage::from_mv(110_000),
            min: Voltage::from_mv(99_000),
            max: Voltage::from_mv(121_000),
            source: "110 V +-10 %".into(),
        },
        offsets: vec![ledger::Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }],
        tenancy: false,
    }
}

/// A payload that lives half an hour (readings: forever). The nonce is a number, so that every run gives the same bytes.
pub(crate) fn payload(genesis: &Genesis, nonce: u64, issued: Timestamp, acts: Vec<Act>) -> Payload {
    let readings = !acts.is_empty() && acts.iter().all(|act| matches!(act, Act::Readings(_)));
    let expires = (!readings).then(|| issued + Millis::from_minutes(30));
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&nonce.to_be_bytes());
    Payload { ledger: genesis.ledger(), nonce: bytes, issued, expires, acts }
}

/// Signed and read back from its leaf form.
pub(crate) fn sign(payload: &Payload, key: &SecretKey) -> VerifiedStatement {
    let signed = SignedStatement::sign(payload, key).unwrap();
    let read = SignedStatement::from_leaf(signed.leaf()).unwrap();
    assert_eq!(read, signed);
    read.verify(&key.public()).unwrap()
}

/// The same for an account whose present key is not its first.
pub(crate) fn sign_as(account_name: &str, payload: &Payload, key: &SecretKey) -> VerifiedStatement {
    SignedStatement::sign_for(account(account_name), payload, key).unwrap().verify(&key.public()).unwrap()
}

pub(crate) fn register(name: &str, role: Role) -> Act {
    let key = key(name).public();
    let beneficiary = (role == Role::Miner).then(|| account("chen"));
    Act::Register(Register::Key(RegisterKey { key, role, from: at(1, 1, 0, 0), beneficiary }))
}

pub(crate) fn meter_id(name: &str) -> MeterId {
    name.parse().unwrap()
}

pub(crate) fn bind(meter: &str, member: &str, from: Timestamp) -> RegisterMeter {
    RegisterMeter {
        meter: meter_id(meter),
        signer: account(GATEWAY),
        member: account(member),
        from,
        profile: "im1281b".into(),
        factor: 1,
        main: false,
    }
}

/// The next interval of a meter's present binding: from the chain's head, a day long.
pub(crate) fn next_readings(state: &State, meter: &str, import: (&str, &str)) -> Readings {
    let (binding, record) = state.meter(&meter_id(meter)).unwrap();
    let start = record.head.end;
    Readings {
        binding,
        seq: record.head.next_seq,
        previous: record.head.previous,
        start,
        end: start + Millis::from_ms(DAY_MS),
        import: CounterPair { start: kwh(import.0), end: kwh(import.1) },
        export: None,
        count: 2,
        voltage: None,
        peak_current: None,
        peak_power: None,
        broken: None,
        events: Vec::new(),
        estimated: false,
        columns: Digest::from_bytes([0; 32]),
        frames: Digest::from_bytes([0; 32]),
        source: ledger::act::ReadingSource::Meter,
        wraps_at: None,
    }
}

/// What a rule says about a statement at a time; the state stays as it is.
pub(crate) fn judge(state: &mut State, time: Timestamp, statement: &VerifiedStatement) -> Result<(), RuleViolation> {
    let before = state.root();
    let mut draft = state.draft(time, account(MINER)).unwrap();
    let verdict = draft.push(statement);
    draft.cancel();
    assert_eq!(state.root(), before);
    verdict
}

/// A block on the head, sealed but not applied. Statements that break a rule are put in all the same.
pub(crate) fn propose(state: &mut State, time: Timestamp, statements: &[VerifiedStatement]) -> Block {
    let mut draft = state.draft(time, account(MINER)).unwrap();
    for statement in statements {
        let _ = draft.push(statement);
    }
    let drafted = draft.finish().unwrap();
    let state_root = drafted.state_root;
    state.undo(drafted.undo);
    let statements: Vec<SignedStatement> = statements.iter().map(|statement| statement.signed().clone()).collect();
    let leaves: Vec<Digest> = statements.iter().map(|statement| log::leaf_hash(statement.leaf())).collect();
    let (log_size, log_root) = state.log().extended(&leaves);
    let difficulty = state.next_difficulty();
    let header = Header {
        version: Genesis::VERSION,
        ledger: state.ledger(),
        height: state.head().height.next(),
        time,
        previous: state.head().hash(),
        log_size,
        log_root,
        state_root,
        proposer: account(MINER),
        engine: Engine { difficulty, extra_nonce: 0, nonce: 0 },
    };
    seal(header, statements, &key(MINER))
}

/// Searches and seals.
pub(crate) fn seal(mut header: Header, statements: Vec<SignedStatement>, key: &SecretKey) -> Block {
    let target = target(header.engine.difficulty);
    while *header.hash().as_bytes() > target {
        header.engine.nonce += 1;
    }
    let seal = key.sign_short(&Block::sealed_bytes(&header.hash())).unwrap();
    Block { header, statements, seal }
}

/// From the wire form to a checked block on the head.
pub(crate) fn check(state: &State, bytes: &[u8]) -> Result<CheckedBlock, BlockError> {
    let block = Block::from_bytes(bytes)?;
    assert_eq!(block.to_bytes(), bytes);
    block.check(state.genesis(), state.head(), state.log(), state.next_difficulty(), &|id| state.key_of(id))
}

/// The whole way of a block that must pass the check.
pub(crate) fn apply(state: &mut State, block: &Block) -> Result<Drafted, ApplyError> {
    let checked = check(state, &block.to_bytes()).unwrap();
    let drafted = state.apply(&checked)?;
    state.check_balances().unwrap();
    Ok(drafted)
}

/// A state whose operator has registered the gateway, Chen and Lee, each member with a meter from July on and a
/// contract of July (Chen 200 kWh, Lee 100 kWh), and a tariff of 3.5 a kWh, 7 beyond the sheet. It is July 1st, 00:20.
pub(crate) fn community() -> State {
    community_of(genesis())
}

/// The same on another ledger.
pub(crate) fn community_of(genesis: Genesis) -> State {
    let mut state = State::new(genesis).unwrap();
    let statement = community_statement(&state);
    let block = propose(&mut state, at(7, 1, 0, 20), &[statement]);
    apply(&mut state, &block).unwrap();
    state
}

/// The operator's statement that founds [`community`].
pub(crate) fn community_statement(state: &State) -> VerifiedStatement {
    let start = at(7, 1, 0, 0);
    let contract = |name, energy| {
        Act::Contract(ledger::act::Contract { account: account(name), month: month(7), energy: kwh(energy) })
    };
    let acts = vec![
        register(GATEWAY, Role::Gateway),
        register("chen", Role::Member),
        register("lee", Role::Member),
        Act::Register(Register::Meter(bind("m-chen", "chen", start))),
        Act::Register(Register::Meter(bind("m-lee", "lee", start))),
        contract("chen", "200"),
        contract("lee", "100"),
        tariff(7, "3.5", "7", "1"),
    ];
    sign(&payload(state.genesis(), 0, at(7, 1, 0, 0), acts), &key(OPERATOR))
}

pub(crate) fn tariff(from: u32, price: &str, excess: &str, round_to: &str) -> Act {
    let money = |text: &str| units::Money::parse(text).unwrap();
    Act::Tariff(ledger::act::Tariff::flat(month(from), money(price), Some(money(excess)), money(round_to)))
}

/// The binding of a meter.
pub(crate) fn binding_of(state: &State, meter: &str) -> BindingId {
    match state.record(&RecordKey::Meter(meter_id(meter))) {
        Some(ledger::state::Record::Meter(id)) => *id,
        other => panic!("{meter} has no binding: {other:?}"),
    }
}

pub(crate) fn retire_role(name: &str, role: Role, at: Timestamp) -> Act {
    Act::Retire(Retire::Role(RetireRole { account: account(name), role, at }))
}

pub(crate) fn retire_meter(meter: &str, at: Timestamp) -> Act {
    Act::Retire(Retire::Meter(RetireMeter { meter: meter_id(meter), at }))
}

pub(crate) fn revoke(name: &str) -> Act {
    Act::Revoke(Revoke { account: account(name) })
}

/// A rotation of an account to the key that another name stands for.
pub(crate) fn rotate(state: &State, name: &str, new: &str) -> Act {
    let new = key(new);
    let possession = new.sign(&Rotate::to_be_signed(&state.ledger(), &account(name), &new.public())).unwrap();
    Act::Rotate(Box::new(Rotate { key: new.public(), possession }))
}

/// An offer of July.
pub(crate) fn offer(to: Option<&str>, energy: &str, price: &str, until: Timestamp) -> Act {
    let price = units::Money::parse(price).unwrap();
    Act::Offer(Offer { to: to.map(account), energy: kwh(energy), price, month: month(7), until })
}

/// The open offer that ends first.
pub(crate) fn offer_id(state: &State) -> OfferId {
    let found = state.records().find_map(|(key, _)| match key {
        RecordKey::Offer(id) => Some(*id),
        _ => None,
    });
    found.expect("an open offer")
}

pub(crate) fn voltage_claim(intervals: &[ActId]) -> Act {
    Act::Claim(Claim::Voltage(VoltageClaim { intervals: intervals.to_vec(), text: "130 V".into() }))
}

pub(crate) fn bill_claim(from: Timestamp) -> Act {
    Act::Claim(Claim::Bill(BillClaim { from, text: "the factor is wrong".into() }))
}

pub(crate) fn level(level: u8, height: u64) -> Act {
    Act::Parameter(Parameter::Level(NewLevel { level, height: Height::from_number(height) }))
}

pub(crate) fn limits(limits: VoltageLimits, from: Timestamp) -> Act {
    Act::Parameter(Parameter::Limits(NewLimits { limits, from }))
}

/// A ledger of twelve months of Europe/Berlin: an hour ahead of UTC, from the last Sunday of March 01:00 UTC to that of
/// October two.
pub(crate) fn in_berlin(genesis: Genesis, first: Month) -> Genesis {
    let day = |year, month, day| u64::from(civil_day(year, month, day).unwrap());
    let last_sunday =
        |year, month| (25..=31).map(|date| day(year, month, date)).find(|day| (day + 3) % 7 == 6).unwrap();
    let mut offsets = vec![Offset { from: Timestamp::from_ms(0), seconds: 3_600 }];
    for year in first.year()..=first.year() + 1 {
        for (month, seconds) in [(3, 7_200), (10, 3_600)] {
            let from = Timestamp::from_ms(last_sunday(year, month) * DAY_MS + 3_600_000);
            offsets.push(Offset { from, seconds });
        }
    }
    let mut genesis = Genesis { offsets, first_month: first, time_zone: "Europe/Berlin".into(), ..genesis };
    let months = (0..=12).map(|count| first.plus(count));
    genesis.month_starts = months.map(|month| local(&genesis, (month.year(), month.month(), 1), 0)).collect();
    genesis.created = genesis.month_starts[0];
    genesis
}

/// A minute of a civil day on a ledger's wall clock; the first of two.
pub(crate) fn local(genesis: &Genesis, (year, month, day): (u32, u32, u32), minute: u64) -> Timestamp {
    let wall = u64::from(civil_day(year, month, day).unwrap()) * DAY_MS + minute * 60_000;
    let before = |seconds: i32| Timestamp::from_ms(wall.checked_sub(u64::try_from(seconds).unwrap() * 1_000).unwrap());
    let candidates = genesis.offsets.iter().map(|offset| (offset.seconds, before(offset.seconds)));
    candidates.filter(|(seconds, time)| genesis.offset_at(*time) == *seconds).map(|(_, time)| time).min().unwrap()
}
