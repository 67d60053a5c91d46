//! A ledger of empty blocks at level 1: sixteen attempts each.

use consensus::pow::Search;
use ledger::{
    Block, Engine, Genesis, GenesisMiner, Header, OrderRules, RewardRules, SecretKey, Surplus, VoltageLimits,
    difficulty_of_level,
};
use units::{Digest, Energy, Millis, Month, Timestamp, Voltage};

/// Start of July 2026, UTC.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_782_864_000_000);
/// Distance of the blocks made here.
pub(crate) const STEP: Millis = Millis::from_seconds(1);

pub(crate) fn seconds(count: u64) -> Timestamp {
    START + Millis::from_seconds(count)
}

/// Genesis and who holds its keys.
pub(crate) struct TestLedger {
    pub(crate) genesis: Genesis,
    pub(crate) log_key: SecretKey,
    pub(crate) root: Header,
}

impl TestLedger {
    pub(crate) fn new() -> Self {
        Self::named("Test")
    }

    pub(crate) fn named(name: &str) -> Self {
        let (operator, log_key, miner) =
            (SecretKey::ed25519([1; 32]), SecretKey::ed25519([2; 32]), SecretKey::ed25519([4; 32]));
        let genesis = Genesis {
            version: Genesis::VERSION,
            name: name.into(),
            created: START,
            operator: operator.public(),
            log_key: log_key.public(),
            receipt_keys: Vec::new(),
            miners: vec![GenesisMiner { key: miner.public(), beneficiary: operator.account() }],
            time_zone: "UTC".into(),
            first_month: Month::new(2026, 7).unwrap(),
            month_starts: vec![START, START + Millis::from_minutes(44_640)],
            currency: "TWD".into(),
            close_after: Millis::from_minutes(60),
            surplus: Surplus::Lapses,
            order: OrderRules {
                level: 1,
                block_interval_min: STEP,
                empty_block_after: STEP,
                final_depth: 0,
                block_time: None,
            },
            rewards: RewardRules {
                by_level: [Energy::ZERO; 5],
                monthly_budget: Energy::ZERO,
                transfer_fee: Energy::ZERO,
            },
            public_readings: true,
            classroom: false,
            voltage_limits: VoltageLimits {
                nominal: Voltage::from_mv(110_000),
                min: Voltage::from_mv(99_000),
                max: Voltage::from_mv(121_000),
                source: String::new(),
            },
            offsets: vec![ledger::Offset { from: Timestamp::from_ms(0), seconds: 0 }],
            tenancy: false,
        };
        let root = Header::genesis(&genesis, Digest::from_bytes([0; 32]));
        Self { genesis, log_key, root }
    }

    /// A block after another; `salt` tells branches apart.
    pub(crate) fn after(&self, parent: &Header, salt: u8) -> Block {
        self.mined(Header {
            height: parent.height.next(),
            time: parent.time + STEP,
            previous: parent.hash(),
            state_root: Digest::from_bytes([salt; 32]),
            engine: Engine { difficulty: difficulty_of_level(1), ..Engine::default() },
            ..parent.clone()
        })
    }

    /// With a nonce that satisfies the difficulty.
    pub(crate) fn mined(&self, mut header: Header) -> Block {
        header.engine.nonce = Search::new(&header).run(0, u64::MAX).unwrap();
        Block { header, statements: Vec::new(), seal: [0; 64] }
    }

    /// So many blocks after another.
    pub(crate) fn branch(&self, parent: &Header, count: usize, salt: u8) -> Vec<Block> {
        let mut parent = parent.clone();
        let next = |_| {
            let block = self.after(&parent, salt);
            parent = block.header.clone();
            block
        };
        (0..count).map(next).collect()
    }

    /// What the log key signs of a block.
    pub(crate) fn note(&self, header: &Header) -> String {
        ledger::Checkpoint::for_header(header).sign(&self.log_key).unwrap()
    }
}
