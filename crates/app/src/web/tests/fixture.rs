//! A small community on a real node with real files: the operator, a gateway, Chen and Lee with a meter each, in July
//! 2026. Chen's meter has an hour of readings with a voltage that rises to 130 V; Chen has sold 20 kWh to Lee.

use crate::community::{KeyName, change_entry, directory_path};
use crate::key_file::{self, Passphrase};
use crate::web::access::{Access, AccessSetup};
use crate::web::directory::{Directory, Person};
use ledger::act::{
    Act, Contract, CounterPair, Event, EventKind, Readings, Register, RegisterKey, RegisterMeter, Role, Tariff,
    Transfer,
};
use ledger::attachment::{Attachment, Row, Summary};
use ledger::{Genesis, GenesisMiner, OrderRules, Payload, RewardRules, SecretKey, SignedStatement, Surplus};
use node::{Clock, NodeHandle, Options};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use units::{AccountId, BindingId, Energy, Millis, Money, Month, Quantity, Reading, StatementId, Timestamp, Voltage};

pub(crate) const JULY: Month = Month::new(2026, 7).unwrap();
pub(crate) const CHEN_METER: &str = "M-1201";
const LEE_METER: &str = "M-1202";
/// Start of July in Taipei.
const START: Timestamp = Timestamp::from_ms(1_782_835_200_000);
const MONTH: Millis = Millis::from_minutes(31 * 24 * 60);
/// A reading every 15 s, ten minutes an interval.
const STEP: Millis = Millis::from_seconds(15);
const ROWS: u64 = 40;
const INTERVALS: u64 = 6;
/// Statements that the ledger shall hold: four of the founding, the intervals, a transfer.
const STATEMENTS: u64 = 4 + INTERVALS + 1;

struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

struct Keys {
    operator: SecretKey,
    log: SecretKey,
    receipt: SecretKey,
    miner: SecretKey,
    gateway: SecretKey,
    chen: SecretKey,
    lee: SecretKey,
}

/// The running community.
pub(crate) struct Fixture {
    pub(crate) node: NodeHandle,
    pub(crate) transfer: StatementId,
    pub(crate) transfer_bytes: Vec<u8>,
    keys: Keys,
    genesis: Genesis,
    clock: Arc<SetClock>,
    folder: tempfile::TempDir,
}

impl Fixture {
    /// With everything final.
    pub(crate) fn new(public_readings: bool) -> Self {
        let keys = keys();
        let genesis = genesis(&keys, public_readings);
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicU64::new(START.ms())));
        node::create(folder.path(), &genesis).unwrap();
        let options = Options {
            data_dir: folder.path().to_owned(),
            miner: Some(keys.miner.clone()),
            log_key: Some(keys.log.clone()),
            receipt_key: Some(keys.receipt.clone()),
            automatic: true,
            peers: Vec::new(),
            search_threads: 1,
            scrubbing: node::Scrubbing::default(),
        };
        let node = node::start(options, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let transfer = StatementId::from_bytes([0; 32]);
        let mut fixture = Self { node, transfer, transfer_bytes: Vec::new(), keys, genesis, clock, folder };
        fixture.fill();
        fixture
    }

    /// Access, kept beside the node's files.
    pub(crate) fn access(&self) -> Access {
        let setup = AccessSetup { dir: self.folder.path(), program: "test", token_file: None, operator_here: false };
        Access::open(&setup).unwrap()
    }

    /// The operator's token as a program shows it.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.access().folder().token().unwrap())
    }

    pub(crate) fn chen(&self) -> AccountId {
        self.keys.chen.account()
    }

    /// The key of a node that the ledger knows.
    pub(crate) fn miner(&self) -> SecretKey {
        self.keys.miner.clone()
    }

    pub(crate) fn lee_key(&self) -> SecretKey {
        self.keys.lee.clone()
    }

    pub(crate) fn lee(&self) -> AccountId {
        self.keys.lee.account()
    }

    pub(crate) fn directory(&self) -> Directory {
        let directory = Directory::default();
        let person = |name: &str| Person { name: name.to_owned(), room: Some("301".to_owned()), is_member: true };
        directory.insert(self.chen(), person("Chen 301"));
        directory.insert(self.lee(), person("Lee <img src=x onerror=alert(1)>"));
        directory
    }

    /// A sale of Chen's to Lee, signed but not submitted.
    pub(crate) fn sale(&self, kwh: u64) -> Vec<u8> {
        self.signed_sale(kwh).to_submission(None)
    }

    fn signed_sale(&self, kwh: u64) -> SignedStatement {
        let transfer = Transfer { to: self.lee(), energy: Energy::from_kwh(kwh), month: JULY };
        self.sign(&self.keys.chen, vec![Act::Transfer(transfer)], after(INTERVALS))
    }

    fn sign(&self, key: &SecretKey, acts: Vec<Act>, issued: Timestamp) -> SignedStatement {
        let is_readings = acts.iter().all(|act| matches!(act, Act::Readings(_)));
        let expires = (!is_readings).then_some(issued + Millis::from_minutes(60));
        let payload = Payload { ledger: self.genesis.ledger(), nonce: [1; 16], issued, expires, acts };
        SignedStatement::sign(&payload, key).unwrap()
    }

    fn fill(&mut self) {
        for statement in self.founding() {
            self.node.submit(statement.to_submission(None)).unwrap();
        }
        self.mine_until(4);
        self.clock.0.store(after(INTERVALS).ms(), Ordering::SeqCst);
        let binding = self.node.meter(CHEN_METER.parse().unwrap()).unwrap().binding;
        let mut previous = StatementId::from_bytes(*binding.as_bytes());
        for seq in 0..INTERVALS {
            let (statement, attachment) = self.interval(binding, seq, previous);
            previous = statement.id();
            self.node.submit(statement.to_submission(Some(&attachment))).unwrap();
        }
        let sale = self.signed_sale(20);
        (self.transfer, self.transfer_bytes) = (sale.id(), sale.to_submission(None));
        self.node.submit(self.transfer_bytes.clone()).unwrap();
        self.mine_until(STATEMENTS);
    }

    /// A community's directory with the operator's key, under a passphrase if there is one, and Chen and Lee in it.
    pub(crate) fn office(&self, passphrase: Option<&str>) -> tempfile::TempDir {
        let office = tempfile::tempdir().unwrap();
        std::fs::create_dir(office.path().join("keys")).unwrap();
        let passphrase = passphrase.map(|text| Passphrase::new(text.to_owned()));
        key_file::create(&KeyName::Operator.path_in(office.path()), &self.keys.operator, passphrase.as_ref()).unwrap();
        let file = directory_path(office.path());
        for (account, person) in self.directory().people() {
            change_entry(&file, account, Some(person)).unwrap();
        }
        office
    }

    /// The gateway's account, which signs for meters.
    pub(crate) fn gateway(&self) -> AccountId {
        self.keys.gateway.account()
    }

    /// Moves the clock on until so many statements are final.
    pub(crate) fn settle(&self, more: u64) {
        self.mine_until(STATEMENTS + more);
    }

    /// Blocks keep a minute's distance, so the clock is moved on until everything is final.
    fn mine_until(&self, statements: u64) {
        let began = Instant::now();
        while self.node.status().unwrap().final_log_size < statements {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", self.node.status());
            self.clock.0.fetch_add(10_000, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn founding(&self) -> Vec<SignedStatement> {
        let key = |key: &SecretKey, role| {
            Act::Register(Register::Key(RegisterKey { key: key.public(), role, from: START, beneficiary: None }))
        };
        let bind = |meter: &str, member: &SecretKey| {
            Act::Register(Register::Meter(RegisterMeter {
                meter: meter.parse().unwrap(),
                signer: self.keys.gateway.account(),
                member: member.account(),
                from: START,
                profile: "im1281b".into(),
                factor: 1,
                main: false,
            }))
        };
        let contract = |member: &SecretKey, kwh| {
            Act::Contract(Contract { account: member.account(), month: JULY, energy: Energy::from_kwh(kwh) })
        };
        let price = Money::from_1e4;
        let tariff = Tariff::flat(JULY, price(35_000), Some(price(52_500)), price(10_000));
        let Keys { operator, gateway, chen, lee, .. } = &self.keys;
        let keys = vec![key(gateway, Role::Gateway), key(chen, Role::Member), key(lee, Role::Member)];
        vec![
            self.sign(operator, keys, START),
            self.sign(operator, vec![bind(CHEN_METER, chen)], START),
            self.sign(operator, vec![bind(LEE_METER, lee)], START),
            self.sign(operator, vec![Act::Tariff(tariff), contract(chen, 200), contract(lee, 100)], START),
        ]
    }

    fn interval(&self, binding: BindingId, seq: u64, previous: StatementId) -> (SignedStatement, Vec<u8>) {
        let rows: Vec<Row> = (seq * ROWS..(seq + 1) * ROWS).map(row).collect();
        let summary = Summary::of(&rows);
        let attachment = Attachment::build([9; 32], &rows, &[]).unwrap();
        let over: Vec<&Row> = rows.iter().filter(|row| row.reading.voltage() > Some(OVER)).collect();
        let event = over.first().zip(over.last()).zip(summary.voltage).map(|((first, last), range)| Event {
            kind: EventKind::OverVoltage,
            from: first.time,
            until: last.time,
            extreme: range.max,
        });
        let readings = Readings {
            binding,
            seq,
            previous,
            start: after(seq),
            end: after(seq + 1),
            import: CounterPair { start: counter((seq * ROWS).saturating_sub(1)), end: counter((seq + 1) * ROWS - 1) },
            export: None,
            count: summary.count,
            voltage: summary.voltage,
            peak_current: summary.peak_current,
            peak_power: summary.peak_power,
            broken: None,
            events: event.into_iter().collect(),
            estimated: false,
            columns: attachment.columns_hash(),
            frames: ledger::log::empty_root(),
            source: ledger::act::ReadingSource::Meter,
            wraps_at: None,
        };
        let statement = self.sign(&self.keys.gateway, vec![Act::Readings(Box::new(readings))], after(seq + 1));
        (statement, attachment.to_bytes())
    }
}

const OVER: Voltage = Voltage::from_mv(121_000);

/// When so many intervals are over.
fn after(intervals: u64) -> Timestamp {
    START + Millis::from_ms(intervals * ROWS * STEP.ms())
}

fn counter(row: u64) -> Energy {
    Energy::from_wh(1_204_000 + row * 5)
}

/// 1,200 W and a kettle of 900 W now and then; the voltage rises to 130 V near the end.
fn row(at: u64) -> Row {
    let kettle = if at % 30 < 6 { 900_000 } else { 0 };
    let power_mw = 1_200_000 + kettle + i64::try_from(at % 7).unwrap() * 11_000;
    let voltage_mv = if (200..212).contains(&at) { 130_200 } else { 110_000 + i64::try_from(at % 9).unwrap() * 150 };
    let mut reading = Reading::new();
    reading.insert(Quantity::Voltage, voltage_mv);
    reading.insert(Quantity::Current, power_mw * 1_000_000 / voltage_mv);
    reading.insert(Quantity::ActivePower, power_mw);
    reading.insert(Quantity::PowerFactor, 9_940);
    reading.insert(Quantity::EnergyImport, i64::try_from(counter(at).mwh()).unwrap());
    Row { time: START + Millis::from_ms(at * STEP.ms()), reading: reading.with_derived_powers() }
}

fn keys() -> Keys {
    let key = |seed| SecretKey::ed25519([seed; 32]);
    let receipt = SecretKey::p256([3; 32]).unwrap();
    Keys { operator: key(1), log: key(2), receipt, miner: key(4), gateway: key(5), chen: key(6), lee: key(7) }
}

/// The community's genesis document, for what needs no node.
pub(crate) fn genesis_document(public_readings: bool) -> Genesis {
    genesis(&keys(), public_readings)
}

fn genesis(keys: &Keys, public_readings: bool) -> Genesis {
    let kwh = Energy::from_kwh;
    Genesis {
        version: Genesis::VERSION,
        name: "Maple House".into(),
        created: START,
        operator: keys.operator.public(),
        log_key: keys.log.public(),
        receipt_keys: vec![keys.receipt.public()],
        miners: vec![GenesisMiner { key: keys.miner.public(), beneficiary: keys.chen.account() }],
        time_zone: "Asia/Taipei".into(),
        first_month: JULY,
        month_starts: (0..24).map(|month| START + Millis::from_ms(month * MONTH.ms())).collect(),
        currency: "TWD".into(),
        close_after: Millis::from_minutes(5),
        surplus: Surplus::Lapses,
        order: OrderRules {
            level: 1,
            block_interval_min: Millis::from_seconds(10),
            empty_block_after: Millis::from_minutes(600),
            final_depth: 0,
            block_time: None,
        },
        rewards: RewardRules {
            by_level: [kwh(2), kwh(4), kwh(6), kwh(8), kwh(10)],
            monthly_budget: kwh(100),
            transfer_fee: Energy::ZERO,
        },
        public_readings,
        classroom: false,
        voltage_limits: ledger::VoltageLimits {
            nominal: Voltage::from_mv(110_000),
            min: Voltage::from_mv(99_000),
            max: OVER,
            source: "test".into(),
        },
        offsets: vec![ledger::Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }],
        tenancy: false,
    }
}
