//! Questions to the node and their answers, on their way.
//!
//! As over HTTP: a question has one answer or none, one that comes too late finds nobody waiting, and a question that was
//! given up may still reach the node.

use gateway::core::{HeadAnswer, NodeAnswer};
use units::{MeterId, Millis, StatementId};

/// After which an answer is no longer waited for.
pub(crate) const TIMEOUT: Millis = Millis::from_seconds(10);
/// Usual delay of a message.
pub(crate) const DELAY_MAX_MS: u64 = 40;
/// Delay of a slow one: often beyond the time-out.
pub(crate) const SLOW_MAX_MS: u64 = 30_000;

/// Names a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

/// Who waits for an answer.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The gateway, since its last start, about a statement.
    Gateway { life: u64, meter: MeterId, about: Option<StatementId> },
    /// A person's errand, by its number.
    Errand(usize),
}

/// What the node is asked.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// Take this statement.
    Submit(Vec<u8>),
    /// How far is this statement?
    Progress(StatementId),
    /// Where does this meter's chain stand?
    Head(MeterId),
}

/// What the node says.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Of a statement.
    Statement(NodeAnswer),
    /// Of a chain.
    Head(HeadAnswer),
}
