//! A small community: an operator, a gateway, Chen and Lee, a meter each, in July 2026.

use ledger::act::{
    Act, Contract, CounterPair, ReadingSource, Readings, Register, RegisterKey, RegisterMeter, Role, Tariff, Transfer,
};
use ledger::attachment::{Attachment, Row, Summary};
use ledger::{Genesis, GenesisMiner, OrderRules, Payload, RewardRules, SecretKey, SignedStatement, Surplus, log};
use units::{
    AccountId, BindingId, Energy, MeterId, Millis, Money, Month, Quantity, Reading, StatementId, Timestamp, Voltage,
};

pub(crate) const JULY: Month = Month::new(2026, 7).unwrap();
/// Start of July, UTC.
pub(crate) const START: Timestamp = Timestamp::from_ms(1_782_864_000_000);
const MONTH: Millis = Millis::from_minutes(31 * 24 * 60);

pub(crate) fn minutes(count: u64) -> Timestamp {
    START + Millis::from_minutes(count)
}

/// Keys of everybody; the seeds tell them apart.
#[derive(Clone)]
pub(crate) struct Community {
    pub(crate) operator: SecretKey,
    pub(crate) log_key: SecretKey,
    pub(crate) receipt_key: SecretKey,
    pub(crate) miner: SecretKey,
    pub(crate) gateway: SecretKey,
    pub(crate) chen: SecretKey,
    pub(crate) lee: SecretKey,
    pub(crate) stranger: SecretKey,
    /// A second miner, known from genesis as the first.
    pub(crate) other_miner: SecretKey,
    /// How many blocks below the head the log key signs.
    pub(crate) final_depth: u32,
}

impl Community {
    pub(crate) fn new() -> Self {
        Self::with_final_depth(0)
    }

    pub(crate) fn with_final_depth(final_depth: u32) -> Self {
        let key = |seed| SecretKey::ed25519([seed; 32]);
        Self {
            operator: key(1),
            log_key: key(2),
            receipt_key: SecretKey::p256([3; 32]).unwrap(),
            miner: key(4),
            gateway: key(5),
            chen: key(6),
            lee: key(7),
            stranger: key(8),
            other_miner: key(9),
            final_depth,
        }
    }

    pub(crate) fn genesis(&self) -> Genesis {
        let kwh = Energy::from_kwh;
        Genesis {
            version: Genesis::VERSION,
            name: "Test".into(),
            created: START,
            operator: self.operator.public(),
            log_key: self.log_key.public(),
            receipt_keys: vec![self.receipt_key.public()],
            miners: vec![
                GenesisMiner { key: self.miner.public(), beneficiary: self.chen.account() },
                GenesisMiner { key: self.other_miner.public(), beneficiary: self.lee.account() },
            ],
            time_zone: "UTC".into(),
            first_month: JULY,
            month_starts: (0..24).map(|month| START + Millis::from_ms(month * MONTH.ms())).collect(),
            currency: "TWD".into(),
            close_after: Millis::from_minutes(60),
            surplus: Surplus::Lapses,
            order: OrderRules {
                level: 1,
                block_interval_min: Millis::from_seconds(60),
                empty_block_after: Millis::from_minutes(600),
                final_depth: self.final_depth,
                block_time: None,
            },
            rewards: RewardRules {
                by_level: [kwh(2), kwh(4), kwh(6), kwh(8), kwh(10)],
                monthly_budget: kwh(100),
                transfer_fee: Energy::ZERO,
            },
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
        }
    }

    /// A statement of the present ledger; `nonce` tells those of the same content apart.
    pub(crate) fn sign(&self, key: &SecretKey, acts: Vec<Act>, issued: Timestamp, nonce: u8) -> SignedStatement {
        let is_readings = acts.iter().all(|act| matches!(act, Act::Readings(_)));
        let expires = (!is_readings).then_some(issued + Millis::from_minutes(60));
        let ledger = self.genesis().ledger();
        SignedStatement::sign(&Payload { ledger, nonce: [nonce; 16], issued, expires, acts }, key).unwrap()
    }

    /// Everybody registered, a tariff, 200 kWh for Chen and 100 for Lee.
    pub(crate) fn founding(&self) -> Vec<SignedStatement> {
        let key = |key: &SecretKey, role| {
            Act::Register(Register::Key(RegisterKey { key: key.public(), role, from: START, beneficiary: None }))
        };
        let keys = vec![key(&self.gateway, Role::Gateway), key(&self.chen, Role::Member), key(&self.lee, Role::Member)];
        let contract = |member: &SecretKey, kwh| {
            let (account, energy) = (member.account(), Energy::from_kwh(kwh));
            Act::Contract(Contract { account, month: JULY, energy })
        };
        let price = Money::from_1e4;
        let tariff = Tariff::flat(JULY, price(30_000), Some(price(60_000)), price(10_000));
        let terms = vec![Act::Tariff(tariff), contract(&self.chen, 200), contract(&self.lee, 100)];
        vec![
            self.sign(&self.operator, keys, START, 1),
            self.sign(&self.operator, vec![self.bind("M-chen", &self.chen)], START, 2),
            self.sign(&self.operator, vec![self.bind("M-lee", &self.lee)], START, 3),
            self.sign(&self.operator, terms, START, 4),
        ]
    }

    fn bind(&self, meter: &str, member: &SecretKey) -> Act {
        Act::Register(Register::Meter(RegisterMeter {
            meter: meter.parse().unwrap(),
            signer: self.gateway.account(),
            member: member.account(),
            from: START,
            profile: "im1281b".into(),
            factor: 1,
            main: false,
        }))
    }

    pub(crate) fn transfer(
        &self,
        from: &SecretKey,
        to: AccountId,
        kwh: u64,
        issued: Timestamp,
        nonce: u8,
    ) -> SignedStatement {
        let transfer = Transfer { to, energy: Energy::from_kwh(kwh), month: JULY };
        self.sign(from, vec![Act::Transfer(transfer)], issued, nonce)
    }

    /// The interval of ten minutes with number `seq` of a chain, one reading a minute, `wh` Wh from each to the next.
    pub(crate) fn interval(&self, binding: BindingId, seq: u64, previous: StatementId, wh: u64) -> Interval {
        let (start, end) = (minutes(seq * 10), minutes(seq * 10 + 10));
        let counter = |minute: u64| Energy::from_wh(1_000_000 + wh * minute);
        let row = |minute| {
            let mut reading = Reading::new();
            reading.insert(Quantity::Voltage, 110_000);
            let mwh = i64::try_from(counter(seq * 10 + minute).mwh()).unwrap();
            reading.insert(Quantity::EnergyImport, mwh);
            Row { time: minutes(seq * 10 + minute), reading }
        };
        let rows: Vec<Row> = (0..10).map(row).collect();
        let attachment = Attachment::build([9; 32], &rows, &[]).unwrap();
        let summary = Summary::of(&rows);
        let readings = Readings {
            binding,
            seq,
            previous,
            start,
            end,
            // The counter where the interval before ended, and that of the last reading.
            import: CounterPair { start: counter((seq * 10).saturating_sub(1)), end: counter(seq * 10 + 9) },
            export: None,
            count: summary.count,
            voltage: summary.voltage,
            peak_current: summary.peak_current,
            peak_power: summary.peak_power,
            broken: None,
            events: Vec::new(),
            estimated: false,
            columns: attachment.columns_hash(),
            frames: log::empty_root(),
            source: ReadingSource::Meter,
            wraps_at: None,
        };
        let act = Act::Readings(Box::new(readings));
        let statement = self.sign(&self.gateway, vec![act], end, 0);
        Interval { statement, attachment: attachment.to_bytes() }
    }

    /// Ten minutes that the operator enters, number `seq` of a chain: 2 kWh each, and no meter's bytes behind them.
    pub(crate) fn entered(
        &self,
        binding: BindingId,
        seq: u64,
        previous: StatementId,
        source: ReadingSource,
    ) -> SignedStatement {
        let (start, end) = (minutes(seq * 10), minutes(seq * 10 + 10));
        let counter = |seq: u64| Energy::from_kwh(1_000 + seq * 2);
        let readings = Readings {
            binding,
            seq,
            previous,
            start,
            end,
            import: CounterPair { start: counter(seq), end: counter(seq + 1) },
            export: None,
            count: 0,
            voltage: None,
            peak_current: None,
            peak_power: None,
            broken: None,
            events: Vec::new(),
            estimated: false,
            columns: log::empty_root(),
            frames: log::empty_root(),
            source,
            wraps_at: None,
        };
        self.sign(&self.operator, vec![Act::Readings(Box::new(readings))], end, 0)
    }

    /// A chain of intervals from number 0 on.
    pub(crate) fn intervals(&self, binding: BindingId, count: u64) -> Vec<Interval> {
        let mut previous = StatementId::from_bytes(*binding.as_bytes());
        let next = |seq| {
            let interval = self.interval(binding, seq, previous, 50);
            previous = interval.statement.id();
            interval
        };
        (0..count).map(next).collect()
    }
}

/// A signed interval with its attachment.
#[derive(Clone)]
pub(crate) struct Interval {
    pub(crate) statement: SignedStatement,
    pub(crate) attachment: Vec<u8>,
}

impl Interval {
    pub(crate) fn submission(&self) -> Vec<u8> {
        self.statement.to_submission(Some(&self.attachment))
    }
}

pub(crate) fn meter(name: &str) -> MeterId {
    name.parse().unwrap()
}
