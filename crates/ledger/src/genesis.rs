//! The genesis document: what all nodes of a ledger agree on before the first block. Its SHA-256 names the ledger.

use crate::cbor::{self, CborError};
use crate::difficulty::{BLOCK_TIME_MAX, BlockTime, HALF_LIFE_MAX};
use crate::state::Terms;
use crate::{KeyError, PublicKey};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use units::{AccountId, Energy, LedgerId, Millis, Month, Timestamp, Voltage};

/// What happens to what remains of a month at its close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Surplus {
    /// It goes back to the operator's supply.
    #[n(0)]
    Lapses,
    /// It is carried into the next month's sheet.
    #[n(1)]
    CarriesOver,
}

/// Proof of work, the distances of blocks, and when a block is final.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OrderRules {
    /// Leading zero hexadecimal digits of a block's hash, 1 to 5: difficulty 16^level. With a block time, where it begins.
    #[n(1)]
    pub level: u8,
    /// Least distance of two blocks, so that easy levels do not flood.
    #[n(2)]
    pub block_interval_min: Millis,
    /// An idle ledger makes at most one empty block in this time.
    #[n(3)]
    pub empty_block_after: Millis,
    /// How many blocks below the head the log key anchors; 0 with one node, at most [`OrderRules::FINAL_DEPTH_MAX`].
    #[n(4)]
    pub final_depth: u32,
    /// The block time that the difficulty follows; without, the level stands.
    #[n(5)]
    pub block_time: Option<BlockTime>,
}

impl OrderRules {
    /// Far beyond any fork; what is not final is kept with the way back, and no node keeps more than some thousand blocks
    /// so.
    pub const FINAL_DEPTH_MAX: u32 = 512;

    fn check(&self) -> Result<(), GenesisError> {
        if !(1..=5).contains(&self.level) {
            return Err(GenesisError::Level(self.level));
        }
        if self.final_depth > Self::FINAL_DEPTH_MAX {
            return Err(GenesisError::FinalDepth(self.final_depth));
        }
        let Some(BlockTime { target, half_life }) = self.block_time else { return Ok(()) };
        // An idle ledger keeps the block time with empty blocks; if they had to wait longer, it would fall behind its
        // schedule and make up for it in a flood of easy blocks.
        let above = self.block_interval_min.max(self.empty_block_after);
        if target <= above || target > BLOCK_TIME_MAX {
            return Err(GenesisError::BlockTime { target, above });
        }
        if half_life < target || half_life > HALF_LIFE_MAX {
            return Err(GenesisError::HalfLife(half_life));
        }
        Ok(())
    }
}

/// Rewards and fees, in energy, out of a monthly budget.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RewardRules {
    /// Reward of a block that is not empty, for level 1 to 5 (the paper: 2, 4, 6, 8, 10).
    #[n(1)]
    pub by_level: [Energy; 5],
    /// What the rewards of a month may sum to, fees not counted.
    #[n(2)]
    pub monthly_budget: Energy,
    /// Fee of a transfer, paid by the seller into the budget.
    #[n(3)]
    pub transfer_fee: Energy,
}

/// A miner known from the start: without one the first block could not be.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GenesisMiner {
    /// Its key.
    #[n(1)]
    pub key: PublicKey,
    /// Who gains its rewards.
    #[n(2)]
    pub beneficiary: AccountId,
}

/// Limits of the supply voltage, and where they are from. What is outside is an indication: the meters are not
/// instruments of class A (IEC 61000-4-30).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VoltageLimits {
    /// The supply's nominal voltage.
    #[n(1)]
    pub nominal: Voltage,
    /// Lowest within the limits.
    #[n(2)]
    pub min: Voltage,
    /// Highest within the limits.
    #[n(3)]
    pub max: Voltage,
    /// The standard that says so, at most [`VoltageLimits::SOURCE_MAX`] bytes of UTF-8.
    #[n(4)]
    pub source: String,
}

impl VoltageLimits {
    /// Longest source in bytes: a standard's number and clause.
    pub const SOURCE_MAX: usize = 140;

    /// Whether min <= nominal <= max.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.min <= self.nominal && self.nominal <= self.max
    }
}

/// How far the wall clock is ahead of UTC, from a point in time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Offset {
    /// From when.
    #[n(0)]
    pub from: Timestamp,
    /// Seconds ahead of UTC; below zero west of Greenwich.
    #[n(1)]
    pub seconds: i32,
}

/// The genesis document.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Genesis {
    /// Protocol version; [`Genesis::VERSION`].
    #[n(1)]
    pub version: u32,
    /// The community's name; part of no rule.
    #[n(2)]
    pub name: String,
    /// Time of the genesis block.
    #[n(3)]
    pub created: Timestamp,
    /// The operator's key.
    #[n(4)]
    pub operator: PublicKey,
    /// The key that signs checkpoints; Ed25519.
    #[n(5)]
    pub log_key: PublicKey,
    /// Keys that sign receipts; P-256.
    #[n(6)]
    pub receipt_keys: Vec<PublicKey>,
    /// Miners known from the start.
    #[n(7)]
    pub miners: Vec<GenesisMiner>,
    /// IANA name of the time zone that the month starts were computed from.
    #[n(8)]
    pub time_zone: String,
    /// The first month.
    #[n(9)]
    pub first_month: Month,
    /// Starts of the first month and all following in UTC, the end of the last month included.
    #[n(10)]
    pub month_starts: Vec<Timestamp>,
    /// ISO 4217 code of the currency.
    #[n(11)]
    pub currency: String,
    /// A month closes at the first block at least this long after its end.
    #[n(12)]
    pub close_after: Millis,
    /// What happens to a surplus at the close.
    #[n(13)]
    pub surplus: Surplus,
    /// Order.
    #[n(14)]
    pub order: OrderRules,
    /// Rewards and fees.
    #[n(15)]
    pub rewards: RewardRules,
    /// Whether everybody may read the attachments (the paper's openness).
    #[n(16)]
    pub public_readings: bool,
    /// Whether the ledger is for teaching: weak keys and rewards are allowed.
    #[n(17)]
    pub classroom: bool,
    /// Voltage outside these is an event, and may be claimed.
    #[n(18)]
    pub voltage_limits: VoltageLimits,
    /// The time zone's offsets over the months, for prices by time of day; the first one begins no later than they.
    #[n(20)]
    pub offsets: Vec<Offset>,
    /// Whether tenants are billed, whom the utility's bill protects (a lease's price of a kWh may not exceed the
    /// average of the utility's bill, nor the sum its total).
    #[n(21)]
    pub tenancy: bool,
}

/// Why a genesis document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not a genesis document.
    #[error("not a genesis document: {0}")]
    Form(#[from] CborError),
    /// Of another protocol version.
    #[error("protocol version {0}; this program knows version {known}", known = Genesis::VERSION)]
    Version(u32),
    /// A key in it is unusable, or weak on a ledger that is not for teaching.
    #[error("the {0} key: {1}")]
    Key(&'static str, KeyError),
    /// A key of a kind that its place does not allow.
    #[error("the {0} key is of another kind: log keys are Ed25519, receipt keys P-256, miners' keys either")]
    KeyKind(&'static str),
    /// Month starts that do not rise, or are fewer than two or more than a hundred years.
    #[error("month starts must rise, and be 2 to {max}", max = Genesis::MONTH_STARTS_MAX)]
    MonthStarts,
    /// Offsets that do not rise, begin too late, or are no time zone's.
    #[error("the time zone's offsets are 1 to {max}, rise, begin no later than the first month, and keep within a day", max = Genesis::OFFSETS_MAX)]
    Offsets,
    /// Created outside its months.
    #[error("the genesis time lies outside the listed months")]
    Created,
    /// A level outside 1 to 5.
    #[error("mining level {0}; it must be 1 to 5")]
    Level(u8),
    /// A block time that no difficulty could keep.
    #[error("a block time of {} ms; it must be above {} ms, the least distance of blocks (empty ones too), and at most a day", .target.ms(), .above.ms())]
    BlockTime {
        /// The block time.
        target: Millis,
        /// What it must be above.
        above: Millis,
    },
    /// So many blocks would have to follow before one is final that nodes stop before.
    #[error("{0} blocks must follow before one is final; at most {max} may", max = OrderRules::FINAL_DEPTH_MAX)]
    FinalDepth(u32),
    /// A half-life below the block time or above a year.
    #[error("a half-life of {} ms; it must be at least the block time and at most a year", .0.ms())]
    HalfLife(Millis),
    /// Voltage limits out of order, or a source that is too long.
    #[error("voltage limits: the lower is at most the nominal, that at most the upper, and the source has at most {max} bytes", max = VoltageLimits::SOURCE_MAX)]
    VoltageLimits,
    /// Larger than a genesis document may be.
    #[error("{0} bytes; a genesis document has at most {max}", max = Genesis::BYTES_MAX)]
    TooLarge(usize),
    /// A miner listed twice.
    #[error("the miner {0} is listed twice")]
    MinerTwice(AccountId),
    /// A reward, budget or fee that no sheet could hold.
    #[error("a reward, the budget or the fee is beyond what an account can hold (10^18 mWh)")]
    Amount,
}

impl Genesis {
    /// The protocol version of this program.
    pub const VERSION: u32 = 1;
    /// A hundred years of months.
    pub const MONTH_STARTS_MAX: usize = 1_201;
    /// Two changes of the clock a year for a hundred years, and twice that for zones with more.
    pub const OFFSETS_MAX: usize = 401;
    /// A hundred years of months take 11 kB; the rest is for keys. Every bundle carries the document.
    pub const BYTES_MAX: usize = 65_535;

    /// Its one encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Decodes and checks a genesis document.
    ///
    /// # Errors
    /// When it is malformed or says something that no ledger can keep.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GenesisError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(GenesisError::TooLarge(bytes.len()));
        }
        let genesis: Self = cbor::decode(bytes)?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Checks what the encoding alone does not.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), GenesisError> {
        if self.version != Self::VERSION {
            return Err(GenesisError::Version(self.version));
        }
        self.check_keys()?;
        let starts = &self.month_starts;
        let rising = starts.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || !(2..=Self::MONTH_STARTS_MAX).contains(&starts.len()) {
            return Err(GenesisError::MonthStarts);
        }
        self.check_offsets()?;
        if self.month_at(self.created).is_none() {
            return Err(GenesisError::Created);
        }
        self.order.check()?;
        if !self.voltage_limits.is_ordered() || self.voltage_limits.source.len() > VoltageLimits::SOURCE_MAX {
            return Err(GenesisError::VoltageLimits);
        }
        let RewardRules { by_level, monthly_budget, transfer_fee } = &self.rewards;
        if by_level.iter().chain([monthly_budget, transfer_fee]).any(|amount| *amount > Terms::TERM_MAX) {
            return Err(GenesisError::Amount);
        }
        Ok(())
    }

    fn check_offsets(&self) -> Result<(), GenesisError> {
        const DAY_SECONDS: u32 = 86_400;
        let offsets = &self.offsets;
        let begins = offsets.first().zip(self.month_starts.first()).is_some_and(|(first, month)| first.from <= *month);
        let rises = offsets.windows(2).all(|pair| pair[0].from < pair[1].from);
        let within = offsets.iter().all(|offset| offset.seconds.unsigned_abs() < DAY_SECONDS);
        let fits = begins && rises && within && offsets.len() <= Self::OFFSETS_MAX;
        if fits { Ok(()) } else { Err(GenesisError::Offsets) }
    }

    /// Seconds that the wall clock is ahead of UTC at a time.
    #[must_use]
    pub fn offset_at(&self, time: Timestamp) -> i32 {
        let begun = self.offsets.partition_point(|offset| offset.from <= time);
        self.offsets.get(begun.saturating_sub(1)).map_or(0, |offset| offset.seconds)
    }

    /// When the wall clock is next put on or back.
    #[must_use]
    pub fn next_offset_change(&self, time: Timestamp) -> Option<Timestamp> {
        let begun = self.offsets.partition_point(|offset| offset.from <= time);
        self.offsets.get(begun).map(|offset| offset.from)
    }

    fn check_keys(&self) -> Result<(), GenesisError> {
        let named = [("operator's", &self.operator), ("log", &self.log_key)];
        let receipts = self.receipt_keys.iter().map(|key| ("receipt", key));
        let miners = self.miners.iter().map(|miner| ("miner's", &miner.key));
        for (name, key) in named.into_iter().chain(receipts).chain(miners) {
            key.check().map_err(|error| GenesisError::Key(name, error))?;
            if key.is_weak() && !self.classroom {
                return Err(GenesisError::Key(name, KeyError::WeakKey));
            }
            let fits = match name {
                "receipt" => matches!(key, PublicKey::P256(..)),
                "log" => matches!(key, PublicKey::Ed25519(_)),
                "miner's" => key.can_seal(),
                _ => true,
            };
            if !fits {
                return Err(GenesisError::KeyKind(name));
            }
        }
        let mut seen = BTreeSet::new();
        match self.miners.iter().map(|miner| miner.key.account()).find(|account| !seen.insert(*account)) {
            Some(account) => Err(GenesisError::MinerTwice(account)),
            None => Ok(()),
        }
    }

    /// The ledger that it founds.
    #[must_use]
    pub fn ledger(&self) -> LedgerId {
        LedgerId::from_bytes(Sha256::digest(self.to_bytes()).into())
    }

    /// The month that a point in time lies in; `None` outside the listed months.
    #[must_use]
    pub fn month_at(&self, time: Timestamp) -> Option<Month> {
        let after = self.month_starts.partition_point(|start| *start <= time);
        if after == 0 || after == self.month_starts.len() {
            return None;
        }
        u32::try_from(after - 1).ok().map(|months| self.first_month.plus(months))
    }

    /// Start of a month and of the next; `None` for a month that is not listed.
    #[must_use]
    pub fn month_span(&self, month: Month) -> Option<(Timestamp, Timestamp)> {
        let at = usize::try_from(month.index().checked_sub(self.first_month.index())?).ok()?;
        Some((*self.month_starts.get(at)?, *self.month_starts.get(at + 1)?))
    }

    /// The earliest block time that closes a month; `None` for a month that is not listed.
    #[must_use]
    pub fn close_time(&self, month: Month) -> Option<Timestamp> {
        self.month_span(month).map(|(_, end)| end + self.close_after)
    }
}
