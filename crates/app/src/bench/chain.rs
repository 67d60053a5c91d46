//! A ledger under measurement: the node's machine on real files, on a clock of its own, with the mining and the syncing
//! that its shell does.

use super::BenchError;
use consensus::pow::Search;
use ledger::act::{Act, Contract, Register, RegisterKey, RegisterMeter, Role};
use ledger::{Genesis, GenesisMiner, OrderRules, Payload, RewardRules, SecretKey, SignedStatement, State, Surplus};
use node::core::{Config, Input, Node, Output, ReplyId};
use node::record::{LogName, Record};
use node::store::{Folder, Store, StoreError};
use std::path::Path;
use units::{Energy, MeterId, Millis, Month, Timestamp, Voltage};

/// Members who trade, or whose meters are read.
pub(super) const MEMBERS: u8 = 24;
/// Submissions that share one sync, as many as wait when the node is busy.
const GROUP: usize = 64;
/// 2026-07-31 16:00 UTC.
const START: Timestamp = Timestamp::from_ms(1_785_513_600_000);
const DAY: Millis = Millis::from_minutes(24 * 60);
/// Months of thirty days: nothing measured here depends on their length.
const MONTHS: u64 = 36;

/// A key by its number.
pub(super) fn key(number: u8) -> SecretKey {
    SecretKey::ed25519([number.saturating_add(1); 32])
}

fn operator() -> SecretKey {
    key(200)
}
fn miner() -> SecretKey {
    key(201)
}
fn log_key() -> SecretKey {
    key(202)
}
/// The key that signs readings.
pub(super) fn gateway() -> SecretKey {
    key(203)
}

/// The meter of a member.
pub(super) fn meter(number: u8) -> Result<MeterId, BenchError> {
    format!("m-{number}").parse().map_err(BenchError::ledger)
}

/// The first month.
pub(super) fn month() -> Result<Month, BenchError> {
    Month::new(2026, 8).ok_or_else(|| BenchError::Ledger("no such month".to_owned()))
}

fn genesis() -> Result<Genesis, BenchError> {
    let receipt_key = SecretKey::p256([1; 32]).map_err(BenchError::ledger)?;
    Ok(Genesis {
        version: Genesis::VERSION,
        name: "bench".to_owned(),
        created: START,
        operator: operator().public(),
        log_key: log_key().public(),
        receipt_keys: vec![receipt_key.public()],
        miners: vec![GenesisMiner { key: miner().public(), beneficiary: key(0).account() }],
        time_zone: "Etc/UTC".to_owned(),
        first_month: month()?,
        month_starts: (0..=MONTHS).map(|month| START + Millis::from_ms(month * 30 * DAY.ms())).collect(),
        currency: "TWD".to_owned(),
        close_after: Millis::from_ms(MONTHS * 30 * DAY.ms()),
        surplus: Surplus::Lapses,
        order: OrderRules {
            level: 1,
            block_interval_min: Millis::from_ms(1),
            empty_block_after: Millis::from_ms(MONTHS * 30 * DAY.ms()),
            final_depth: 0,
            block_time: None,
        },
        rewards: RewardRules { by_level: [Energy::ZERO; 5], monthly_budget: Energy::ZERO, transfer_fee: Energy::ZERO },
        public_readings: true,
        classroom: false,
        voltage_limits: ledger::VoltageLimits {
            nominal: Voltage::from_mv(110_000),
            min: Voltage::from_mv(99_000),
            max: Voltage::from_mv(121_000),
            source: "110 V +-10 %".into(),
        },
        offsets: vec![ledger::Offset { from: Timestamp::from_ms(0), seconds: 8 * 3_600 }],
        tenancy: false,
    })
}

fn config() -> Result<Config, BenchError> {
    Ok(Config { genesis: genesis()?, miner: Some(miner()), log_key: Some(log_key()), automatic: true })
}

/// A node, its files and its clock.
pub(super) struct Chain {
    node: Node,
    store: Store,
    now: Timestamp,
}

impl Chain {
    /// Founds a ledger in a folder, with its members, their meters and contracts.
    pub(super) fn found(folder: &Path) -> Result<Self, BenchError> {
        let disk = Folder::open(folder).map_err(BenchError::ledger)?;
        let store = Store::create(Box::new(disk), &genesis()?.to_bytes()).map_err(BenchError::ledger)?;
        let node = Node::recover(config()?, [], &|_| false).map_err(BenchError::ledger)?;
        let mut chain = Self { node, store, now: START + Millis::from_seconds(1) };
        let founding = chain.founding()?;
        chain.commit(&founding)?;
        Ok(chain)
    }

    /// Reads a folder as a starting node does; gives the number of statements.
    pub(super) fn start(folder: &Path) -> Result<u64, BenchError> {
        let disk = Folder::open(folder).map_err(BenchError::ledger)?;
        let mut store = Store::open(Box::new(disk)).map_err(BenchError::ledger)?;
        let mut records = Vec::new();
        for log in [LogName::Blocks, LogName::Pool, LogName::Evidence, LogName::Anchors] {
            let read = store.replay(log, |record: Record| {
                records.push(record);
                Ok::<(), StoreError>(())
            });
            read.map_err(BenchError::ledger)?;
        }
        let node = Node::recover(config()?, records, &|id| store.has_attachment(id)).map_err(BenchError::ledger)?;
        Ok(node.state().log().size())
    }

    fn founding(&self) -> Result<Vec<Vec<u8>>, BenchError> {
        let register = |key: &SecretKey, role| {
            let key = key.public();
            Act::Register(Register::Key(RegisterKey { key, role, from: START, beneficiary: None }))
        };
        let mut statements = vec![vec![register(&gateway(), Role::Gateway)]];
        for number in 0..MEMBERS {
            let account = key(number).account();
            statements.push(vec![
                register(&key(number), Role::Member),
                Act::Register(Register::Meter(RegisterMeter {
                    meter: meter(number)?,
                    signer: gateway().account(),
                    member: account,
                    from: START,
                    profile: "im1281b".to_owned(),
                    factor: 1,
                    main: false,
                })),
                Act::Contract(Contract { account, month: month()?, energy: Energy::from_kwh(1_000_000) }),
            ]);
        }
        let signed = statements.into_iter().zip(0..).map(|(acts, nonce)| self.sign(acts, nonce, &operator()));
        signed.map(|statement| Ok(statement?.to_submission(None))).collect()
    }

    /// A statement of an hour's life, from now on.
    pub(super) fn sign(&self, acts: Vec<Act>, nonce: u64, key: &SecretKey) -> Result<SignedStatement, BenchError> {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&nonce.to_be_bytes());
        let expires = Some(self.now + Millis::from_minutes(60));
        let ledger = self.state().ledger();
        SignedStatement::sign(&Payload { ledger, nonce: bytes, issued: self.now, expires, acts }, key)
            .map_err(BenchError::ledger)
    }

    pub(super) const fn state(&self) -> &State {
        self.node.state()
    }

    /// The clock goes on to a later time.
    pub(super) fn forward_to(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
    }

    /// Submits, orders into one block and syncs; nothing may be refused.
    pub(super) fn commit(&mut self, submissions: &[Vec<u8>]) -> Result<(), BenchError> {
        for group in submissions.chunks(GROUP) {
            for bytes in group {
                self.step(Input::Submit { bytes: bytes.clone(), reply: ReplyId(0) })?;
            }
            self.store.sync().map_err(BenchError::ledger)?;
        }
        self.now = self.now + Millis::from_ms(1_000);
        self.step(Input::Tick)?;
        self.store.sync().map_err(BenchError::ledger)?;
        match self.node.pool_size() {
            (0, _) => Ok(()),
            (left, _) => Err(BenchError::Ledger(format!("{left} statements were left out of the block"))),
        }
    }

    /// One step and what follows from it, as the node's shell does it.
    fn step(&mut self, input: Input) -> Result<(), BenchError> {
        let mut found = None;
        for output in self.node.step(self.now, input) {
            match output {
                Output::Store(record) => self.write(&record)?,
                Output::Reply { answer: Err(refusal), .. } => return Err(BenchError::ledger(refusal)),
                Output::Halt(reason) => return Err(BenchError::Ledger(reason)),
                Output::Search { template, header } => {
                    let nonce = Search::new(&header).run(0, u64::MAX).unwrap_or_default();
                    found = Some(Input::Mined { template, extra_nonce: 0, nonce, attempts: nonce + 1 });
                }
                Output::Reply { .. } | Output::Index(_) | Output::Publish(_) => {}
            }
        }
        found.map_or(Ok(()), |found| self.step(found))
    }

    fn write(&mut self, record: &Record) -> Result<(), BenchError> {
        if matches!(record, Record::Anchor(_)) {
            self.store.sync().map_err(BenchError::ledger)?;
        }
        self.store.append(record).map_err(BenchError::ledger)
    }

    /// Bytes of the log's files.
    pub(super) fn log_bytes(&self, log: LogName) -> u64 {
        self.store.log_bytes(log)
    }
}
