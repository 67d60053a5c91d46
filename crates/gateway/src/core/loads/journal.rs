//! The journal of switched loads: what was ordered by whom and why, and what came of it.
//!
//! An entry is stored before its command may reach the line, and again when its outcome is known. An entry that says
//! `sent` after a start was cut off in between: whether the relay switched is unknown, and is read back, never tried.

use super::super::Place;
use ledger::SignedStatement;
use ledger::act::{Cause, LoadState};
use units::{MeterId, StatementId, Timestamp};

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Switch the load on.
    On,
    /// Switch the load off.
    Off,
    /// Take back the latches that hold it off.
    Reset,
}

impl Deed {
    /// All, for reading.
    pub const ALL: [Self; 3] = [Self::On, Self::Off, Self::Reset];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Reset => "reset",
        }
    }

    /// Of a switching.
    #[must_use]
    pub const fn switch(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

/// What came of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken; it waits for its turn, and nothing was sent.
    Waiting,
    /// The command may be on the line.
    Sent,
    /// Read back as ordered.
    Switched,
    /// The meter took the command; its state cannot be read back.
    Unconfirmed,
    /// It did not do as ordered, or did not answer; the reason is in words.
    Failed(String),
    /// The gateway was stopped in between; nothing was sent again.
    Unknown,
    /// Nothing was sent, for this reason.
    Withdrawn(String),
    /// The load was off already; from now on a rule holds it there.
    NotNeeded,
    /// A rule on trial would have switched.
    WouldHave,
    /// A rule warns and does not switch.
    Warned,
    /// Latches were taken back.
    Done,
}

impl Outcome {
    /// Its stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Switched => "switched",
            Self::Unconfirmed => "unconfirmed",
            Self::Failed(_) => "failed",
            Self::Unknown => "unknown",
            Self::Withdrawn(_) => "withdrawn",
            Self::NotNeeded => "not_needed",
            Self::WouldHave => "would_have",
            Self::Warned => "warned",
            Self::Done => "done",
        }
    }

    /// The reason in words, where one belongs to it.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed(reason) | Self::Withdrawn(reason) => Some(reason),
            _ => None,
        }
    }

    /// From what was stored; `None` for a name that is none.
    #[must_use]
    pub fn from_parts(name: &str, reason: Option<String>) -> Option<Self> {
        let reason = reason.unwrap_or_default();
        let all = [
            Self::Waiting,
            Self::Sent,
            Self::Switched,
            Self::Unconfirmed,
            Self::Failed(reason.clone()),
            Self::Unknown,
            Self::Withdrawn(reason),
            Self::NotNeeded,
            Self::WouldHave,
            Self::Warned,
            Self::Done,
        ];
        all.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Whether nothing more will come of it.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Sent)
    }

    /// Whether a command went out, or may have: then the ledger is told.
    #[must_use]
    pub const fn is_stated(&self) -> bool {
        matches!(self, Self::Switched | Self::Unconfirmed | Self::Failed(_) | Self::Unknown)
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, rising.
    pub number: u64,
    /// The meter.
    pub meter: MeterId,
    /// When it was ordered, by the community's clock.
    pub time: Timestamp,
    /// What.
    pub deed: Deed,
    /// What kind of cause.
    pub by: Cause,
    /// Who; a person's name, or the rule's.
    pub who: String,
    /// Why.
    pub why: String,
    /// The order's idempotency key.
    pub key: Option<String>,
    /// The load before.
    pub before: LoadState,
    /// The load afterwards, as read back.
    pub after: LoadState,
    /// What came of it.
    pub outcome: Outcome,
    /// When that was known.
    pub ended: Option<Timestamp>,
}

/// A rule that holds a load off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The meter.
    pub meter: MeterId,
    /// The rule's name.
    pub rule: String,
    /// Since when, by the community's clock.
    pub since: Timestamp,
    /// What was found.
    pub why: String,
    /// Whether only a person may release it.
    pub latched: bool,
    /// Whether the load was on when rules began to hold it off, so that it is switched on again when they release it.
    pub restore: bool,
}

/// What is written into the journal, each wholly or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalWrite {
    /// An entry, new or changed, with the statement that tells the ledger.
    Entry(Box<Entry>, Option<Box<SignedStatement>>),
    /// A rule holds a load off; one of the same meter and rule is replaced.
    Lock(Lock),
    /// It does no longer.
    Unlock {
        /// The meter.
        meter: MeterId,
        /// The rule's name.
        rule: String,
    },
    /// The node has an entry's statement for good, or refused it for good.
    Stated {
        /// The statement.
        statement: StatementId,
        /// Where it stands; or the reason of the refusal.
        end: Result<Option<Place>, String>,
    },
}

/// What the journal holds, for a start after a stop of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredJournal {
    /// The highest number; zero when it is empty.
    pub last_number: u64,
    /// The newest entries, oldest first: all without an outcome, those of the last hour, and the last command of each
    /// meter must be among them.
    pub entries: Vec<Entry>,
    /// Who is held off by what.
    pub locks: Vec<Lock>,
    /// Statements that are not final, in the order of their entries.
    pub unstated: Vec<(MeterId, StatementId)>,
}
