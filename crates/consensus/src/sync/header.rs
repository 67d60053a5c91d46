//! What can be told of a header from its parent's, without any statement: the rest is for whoever applies the block.

use crate::pow;
use ledger::{Block, DIFFICULTY_MAX, Genesis, Header, difficulty_of_level, level_of_difficulty};
use units::{Height, LedgerId, Millis, Timestamp};

/// How far ahead of this node's clock a block may be. Clocks that keep themselves by NTP differ by less than a second, a
/// clock set by hand by less than this; a proposer ahead by more would hold up whoever keeps the least distance to it.
pub const FUTURE_MAX: Millis = Millis::from_minutes(2);

/// Why a header can be that of no block of this ledger. An honest node never sends such a one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Of another ledger.
    #[error("a header of another ledger, {0}")]
    Ledger(LedgerId),
    /// It does not count on from its parent.
    #[error("height {found} after height {parent}")]
    Height {
        /// Its height.
        found: Height,
        /// The parent's.
        parent: Height,
    },
    /// Too early after the parent.
    #[error("block {height}: its time is less than {distance_ms} ms after its parent's")]
    Time {
        /// Its height.
        height: Height,
        /// The least distance.
        distance_ms: u64,
    },
    /// The log shrinks, or grows by more than a block takes.
    #[error("block {0}: its log size does not follow its parent's")]
    LogSize(Height),
    /// No rule of this ledger gives that difficulty.
    #[error("block {height}: no block of this ledger has difficulty {difficulty}")]
    Difficulty {
        /// Its height.
        height: Height,
        /// What it states.
        difficulty: u64,
    },
    /// The work was not done.
    #[error("block {0}: its hash does not satisfy the difficulty that it states")]
    Work(Height),
}

/// What genesis says about headers.
#[derive(Debug, Clone)]
pub(super) struct HeaderRules {
    ledger: LedgerId,
    least: Millis,
    least_empty: Millis,
    /// Whether a block time sets the difficulty. Otherwise it is that of a level; which one is the statements' to say.
    is_timed: bool,
}

impl HeaderRules {
    pub(super) fn new(genesis: &Genesis) -> Self {
        let order = &genesis.order;
        let at_least = |distance: Millis| distance.max(Millis::from_ms(1));
        Self {
            ledger: genesis.ledger(),
            least: at_least(order.block_interval_min),
            least_empty: at_least(order.block_interval_min.max(order.empty_block_after)),
            is_timed: order.block_time.is_some(),
        }
    }

    /// Whether a header can follow its parent. That it names the parent is for the caller to see.
    pub(super) fn check(&self, header: &Header, parent: &Header) -> Result<(), HeaderError> {
        let height = header.height;
        if header.ledger != self.ledger {
            return Err(HeaderError::Ledger(header.ledger));
        }
        if parent.height.number().checked_add(1) != Some(height.number()) {
            return Err(HeaderError::Height { found: height, parent: parent.height });
        }
        let statements = header.log_size.checked_sub(parent.log_size).and_then(|more| usize::try_from(more).ok());
        let Some(statements) = statements.filter(|more| *more <= Block::STATEMENTS_MAX) else {
            return Err(HeaderError::LogSize(height));
        };
        let least = if statements == 0 { self.least_empty } else { self.least };
        if header.time.since(parent.time) < least {
            return Err(HeaderError::Time { height, distance_ms: least.ms() });
        }
        let difficulty = header.engine.difficulty;
        if !self.can_be(difficulty) {
            return Err(HeaderError::Difficulty { height, difficulty });
        }
        if pow::satisfies(header) { Ok(()) } else { Err(HeaderError::Work(height)) }
    }

    fn can_be(&self, difficulty: u64) -> bool {
        match self.is_timed {
            true => (1..=DIFFICULTY_MAX).contains(&difficulty),
            false => difficulty == difficulty_of_level(level_of_difficulty(difficulty)),
        }
    }

    /// When a header may be taken, by this node's clock; `None` for at once.
    pub(super) fn waits_until(header: &Header, now: Timestamp) -> Option<Timestamp> {
        (header.time > now + FUTURE_MAX).then(|| header.time - FUTURE_MAX)
    }
}
