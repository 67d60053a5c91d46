//! What people do: the operator founds, registers, contracts and bills; members trade within and beyond what they have.
//! They ask any node, another one when it does not answer, and look after what they have begun until it is final.

mod errands;
mod making;

pub(crate) use errands::{errands, sales};

use ledger::SignedStatement;
use ledger::act::Role;
use units::{Energy, Month, StatementId, Timestamp};

/// More than anybody has.
const BEYOND: Energy = Energy::from_kwh(100_000);

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// The operator registers everybody and contracts the month.
    Found,
    /// The operator contracts a month.
    Contract(Month),
    /// The operator registers a key that nobody had before.
    Register(Role),
    /// A member gives energy to another household, or to the operator.
    Trade { from: usize, to: Option<usize>, energy: Energy },
    /// The operator reads a household's meter by eye; it has counted so much.
    Read { household: usize, counted: Energy },
    /// The operator bills a household for the month that ended.
    Bill(usize),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    /// A node took it.
    Taken,
    /// It is final.
    Final,
    /// A node refused it, and it is not tried again.
    Refused,
}

/// One errand.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) at: Timestamp,
    pub(crate) task: Task,
    /// The only node that it is told, if it must be a certain one.
    pub(crate) only: Option<usize>,
    /// The node asked last.
    pub(crate) asked: usize,
    pub(crate) statement: Option<SignedStatement>,
    pub(crate) progress: Progress,
}

impl Errand {
    fn new(at: Timestamp, task: Task) -> Self {
        Self { at, task, only: None, asked: 0, statement: None, progress: Progress::Open }
    }

    /// Whether the community cannot do without it: tried until it is final.
    pub(crate) const fn is_needed(&self) -> bool {
        !matches!(self.task, Task::Trade { .. } | Task::Register(_) | Task::Read { .. })
    }

    /// Whether it must never be booked.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self.task, Task::Trade { energy, .. } if energy >= BEYOND)
    }

    pub(crate) fn id(&self) -> Option<StatementId> {
        self.statement.as_ref().map(SignedStatement::id)
    }
}
