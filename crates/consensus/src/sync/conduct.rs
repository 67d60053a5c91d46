//! How peers behave: what is held against one, when it is left alone for a while, and when that is forgotten.

use super::header::HeaderError;
use ledger::CheckpointError;
use units::{Height, Millis, Timestamp};

/// The score at which a peer is banned.
pub const SCORE_MAX: u32 = 100;
/// The first ban: longer than a passing fault, short enough that a repaired node is back the same hour.
pub const BAN_FIRST: Millis = Millis::from_minutes(10);
/// The longest ban: a peer that was put right overnight is heard again.
pub const BAN_MAX: Millis = Millis::from_minutes(24 * 60);
/// Good behaviour for so long, and earlier bans are forgotten.
const FORGOTTEN_AFTER: Millis = Millis::from_minutes(24 * 60);
/// A point is forgiven in this time, so that rare faults of a line never add up to a ban.
const FORGIVEN_EACH: Millis = Millis::from_minutes(1);

/// What is held against a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misdeed {
    /// A header that no honest node sends.
    #[error("it sent a header that cannot be: {0}")]
    Header(HeaderError),
    /// Bytes that are not the block asked for.
    #[error("it sent other bytes than block {height}: {reason}")]
    Body {
        /// Height of the block asked for.
        height: Height,
        /// What is wrong.
        reason: String,
    },
    /// A block that breaks a rule.
    #[error("it sent a block that breaks a rule: {0}")]
    Block(String),
    /// It builds on a block that is known to break a rule.
    #[error("its chain builds on block {0}, which breaks a rule")]
    BuildsOnBad(Height),
    /// A checkpoint that the log key did not sign.
    #[error("its checkpoint: {0}")]
    Anchor(CheckpointError),
    /// Headers that do not follow each other or anything that it was asked about.
    #[error("its headers do not follow what was asked")]
    Unlinked,
    /// An answer to another question.
    #[error("its answer is to another question")]
    WrongAnswer,
    /// More than an answer may hold.
    #[error("its answer is longer than any such answer may be")]
    TooLong,
    /// Not what a node sends.
    #[error("not a node's answer: {0}")]
    Malformed(String),
    /// It showed a block's header and has no block.
    #[error("it does not have block {0}, which it showed")]
    Withheld(Height),
    /// Something else in what it sent is worthless, as whoever used it found.
    #[error("{0}")]
    Worthless(String),
}

impl Misdeed {
    /// What is a proven lie bans at once; what a fault or a moment may explain counts little.
    const fn points(&self) -> u32 {
        match self {
            Self::Header(_) | Self::Body { .. } | Self::Block(_) | Self::BuildsOnBad(_) | Self::Anchor(_) => SCORE_MAX,
            Self::WrongAnswer | Self::TooLong | Self::Worthless(_) => 50,
            Self::Malformed(_) | Self::Unlinked => 25,
            Self::Withheld(_) => 10,
        }
    }
}

/// A peer's record. Times are those of the node's run, which no wrong clock moves.
#[derive(Debug, Clone)]
pub(super) struct Conduct {
    score: u32,
    bans: u32,
    banned_until: Option<Timestamp>,
    forgiven: Timestamp,
    misdeed: Timestamp,
}

impl Conduct {
    pub(super) const fn new(run: Timestamp) -> Self {
        Self { score: 0, bans: 0, banned_until: None, forgiven: run, misdeed: run }
    }
    pub(super) const fn score(&self) -> u32 {
        self.score
    }
    pub(super) fn ban_left(&self, run: Timestamp) -> Option<Millis> {
        self.banned_until.filter(|until| *until > run).map(|until| until.since(run))
    }
    pub(super) fn is_banned(&self, run: Timestamp) -> bool {
        self.ban_left(run).is_some()
    }

    /// Writes a misdeed down; gives how long the peer is banned for, if it is.
    pub(super) fn blame(&mut self, run: Timestamp, misdeed: &Misdeed) -> Option<Millis> {
        self.forgive(run);
        self.misdeed = run;
        self.score = self.score.saturating_add(misdeed.points()).min(SCORE_MAX);
        if self.score < SCORE_MAX || self.is_banned(run) {
            return None;
        }
        let doubled = BAN_FIRST.ms().saturating_mul(1u64.checked_shl(self.bans).unwrap_or(u64::MAX));
        let ban = Millis::from_ms(doubled).min(BAN_MAX);
        self.bans = self.bans.saturating_add(1).min(u64::BITS - 1);
        self.banned_until = Some(run + ban);
        // Half, so that the next lie counts sooner than the first.
        self.score = SCORE_MAX / 2;
        Some(ban)
    }

    /// Lets time pass: points are forgiven one by one, bans after long good behaviour.
    pub(super) fn forgive(&mut self, run: Timestamp) {
        let points = run.since(self.forgiven).ms() / FORGIVEN_EACH.ms();
        self.forgiven = self.forgiven + Millis::from_ms(points.saturating_mul(FORGIVEN_EACH.ms()));
        self.score = self.score.saturating_sub(u32::try_from(points).unwrap_or(u32::MAX));
        if !self.is_banned(run) && run.since(self.misdeed.max(self.banned_until.unwrap_or_default())) >= FORGOTTEN_AFTER
        {
            self.bans = 0;
        }
    }
}
