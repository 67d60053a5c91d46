//! A ledger under measurement: a node as the program runs it, on real files, with a clock of its own. Statements are
//! handed to it as its HTTP routes hand them on; HTTP itself is not measured here.

use super::{BenchError, cores};
use ledger::act::{Act, Contract, Register, RegisterKey, RegisterMeter, Role};
use ledger::{Genesis, GenesisMiner, OrderRules, Payload, RewardRules, SecretKey, SignedStatement, Surplus};
use node::{Clock, NodeHandle, Options};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use units::{Energy, LedgerId, MeterId, Millis, Month, Timestamp, Voltage};

/// Members who trade, or whose meters are read.
pub(super) const MEMBERS: u8 = 24;
/// Clients for each core: while some wait for the disk, others have theirs verified.
const CLIENTS_A_CORE: u64 = 4;
/// Between two looks at whether everything is committed.
const LOOK: Duration = Duration::from_millis(1);
/// Without another block for so long, something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
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

pub(super) fn genesis() -> Result<Genesis, BenchError> {
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

fn options(folder: &Path) -> Options {
    Options {
        data_dir: folder.to_owned(),
        miner: Some(miner()),
        log_key: Some(log_key()),
        receipt_key: None,
        automatic: true,
        peers: Vec::new(),
        search_threads: 1,
        scrubbing: node::Scrubbing::default(),
    }
}

/// A clock that goes on by itself, and by leaps when told.
struct BenchClock {
    base_ms: AtomicU64,
    started: Instant,
}

impl Clock for BenchClock {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_ms(self.base_ms.load(Ordering::SeqCst).saturating_add(elapsed))
    }
}

/// A running node and its clock.
pub(super) struct Chain {
    node: NodeHandle,
    clock: Arc<BenchClock>,
    ledger: LedgerId,
    committed: u64,
}

impl Chain {
    /// Founds a ledger in a folder, with its members, their meters and contracts.
    pub(super) fn found(folder: &Path) -> Result<Self, BenchError> {
        let genesis = genesis()?;
        node::create(folder, &genesis).map_err(BenchError::ledger)?;
        let mut chain = Self::start(folder, Timestamp::from_ms(START.ms() + 1_000))?;
        let founding = chain.founding()?;
        chain.commit(vec![founding])?;
        Ok(chain)
    }

    /// Starts a node on a folder, as the program does.
    pub(super) fn start(folder: &Path, time: Timestamp) -> Result<Self, BenchError> {
        let clock = Arc::new(BenchClock { base_ms: AtomicU64::new(time.ms()), started: Instant::now() });
        let node = node::start(options(folder), Arc::clone(&clock) as Arc<dyn Clock>).map_err(BenchError::ledger)?;
        let committed = node.status().map_err(BenchError::ledger)?.log_size;
        Ok(Self { node, clock, ledger: genesis()?.ledger(), committed })
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
        let issued = self.clock.now();
        let expires = Some(issued + Millis::from_minutes(60));
        SignedStatement::sign(&Payload { ledger: self.ledger, nonce: bytes, issued, expires, acts }, key)
            .map_err(BenchError::ledger)
    }

    pub(super) const fn node(&self) -> &NodeHandle {
        &self.node
    }

    /// Statements in its log.
    pub(super) const fn committed(&self) -> u64 {
        self.committed
    }

    /// The clock goes on to a later time.
    pub(super) fn forward_to(&self, time: Timestamp) {
        let behind = time.ms().saturating_sub(self.clock.now().ms());
        self.clock.base_ms.fetch_add(behind, Ordering::SeqCst);
    }

    /// Hands groups of statements over, several clients at once, each group by one of them, and waits until all are in
    /// synced blocks; nothing may be refused.
    pub(super) fn commit(&mut self, groups: Vec<Vec<Vec<u8>>>) -> Result<(), BenchError> {
        let count: usize = groups.iter().map(Vec::len).sum();
        let waiting = std::sync::Mutex::new(groups.into_iter());
        let client = || -> Result<(), BenchError> {
            loop {
                let next = waiting.lock().map_err(BenchError::ledger)?.next();
                let Some(together) = next else { return Ok(()) };
                for answer in self.node.submit_all(together) {
                    answer.map_err(BenchError::ledger)?;
                }
            }
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..cores() * CLIENTS_A_CORE).map(|_| scope.spawn(client)).collect();
            let failed = |_| BenchError::Ledger("a client broke".to_owned());
            clients.into_iter().try_for_each(|client| client.join().map_err(failed)?)
        })?;
        self.committed += u64::try_from(count).map_err(BenchError::ledger)?;
        self.wait()
    }

    fn wait(&self) -> Result<(), BenchError> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.node.status().map_err(BenchError::ledger)?.log_size >= self.committed {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(BenchError::Ledger("statements wait for a block that does not come".to_owned()))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.node.shutdown();
    }
}
