//! Why a node does not do what it is asked, and the problem that HTTP shows for it.

use crate::core::{RecoverError, Refusal};
use crate::repair::RepairError;
use crate::store::{FolderError, StoreError};
use crate::tables::TablesError;
use api::Problem;
use ledger::bundle::BundleError;
use ledger::{KeyError, RuleViolation};
use units::StatementId;

/// Why a node does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The folder cannot be opened.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored gives no node.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The derived tables fail.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// A statement is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A rule forbids what is asked.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// A bundle cannot be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// Proofs are given for final statements only.
    #[error("statement {0} is not final yet; ask again after the next checkpoint")]
    NotFinal(StatementId),
    /// Nothing is final yet.
    #[error("no block is final yet; ask again after the first checkpoint")]
    NothingFinal,
    /// Exports are made of the state after the newest final block, and the way back to it is not kept any more.
    #[error("too many blocks wait to be final; ask again when the holder of the log key is reached")]
    FinalTooOld,
    /// The node has no receipt key.
    #[error("this node has no receipt key; ask one that has")]
    NoReceiptKey,
    /// The receipt key cannot sign.
    #[error("the receipt key: {0}")]
    ReceiptKey(KeyError),
    /// The node has no miner's key.
    #[error("this node has no miner's key")]
    NotAMiner,
    /// Not stored at the moment.
    #[error("nothing can be stored at the moment ({0}); reading goes on, try again later")]
    Unavailable(String),
    /// Damage cannot be set aside.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// The list of what was found damaged cannot be written.
    #[error("what was found damaged cannot be written down: {0}")]
    Findings(std::io::Error),
    /// The peers are not what they can be.
    #[error(transparent)]
    Peers(#[from] super::peers::PeersError),
    /// The node has nothing to show who it is with.
    #[error("this node has neither a miner's nor a receipt key, so it cannot show who it is")]
    NoIdentity,
    /// The node's thread could not be started.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
    /// The node has stopped.
    #[error("the node has stopped: {0}")]
    Stopped(String),
}

impl NodeError {
    /// A short stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Folder(_)
            | Self::Store(_)
            | Self::Recover(_)
            | Self::Tables(_)
            | Self::Thread(_)
            | Self::Repair(_)
            | Self::Findings(_) => "storage",
            Self::Peers(_) => "peers",
            Self::NoIdentity => "no_identity",
            Self::Refused(refusal) => refusal.name(),
            Self::Rule(violation) => violation.name(),
            Self::Bundle(_) => "no_bundle",
            Self::NotFound(_) => "not_found",
            Self::NotFinal(_) | Self::NothingFinal | Self::FinalTooOld => "not_final",
            Self::NoReceiptKey | Self::ReceiptKey(_) => "no_receipt_key",
            Self::NotAMiner => "not_a_miner",
            Self::Unavailable(_) => "unavailable",
            Self::Stopped(_) => "stopped",
        }
    }

    /// As the HTTP contract shows it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let status = match self {
            Self::Refused(refusal) => refusal_status(refusal),
            Self::Rule(_) => 422,
            Self::NotFound(_) | Self::Bundle(_) => 404,
            Self::NotFinal(_) | Self::NothingFinal | Self::FinalTooOld => 409,
            Self::NoReceiptKey | Self::ReceiptKey(_) | Self::NotAMiner | Self::NoIdentity => 501,
            Self::Unavailable(_) | Self::Stopped(_) => 503,
            Self::Folder(_)
            | Self::Store(_)
            | Self::Recover(_)
            | Self::Tables(_)
            | Self::Thread(_)
            | Self::Repair(_)
            | Self::Findings(_)
            | Self::Peers(_) => 500,
        };
        let problem = Problem::new(self.name(), status, self.to_string());
        match self {
            Self::Refused(Refusal::Rule(violation)) | Self::Rule(violation) => with_figures(problem, violation),
            Self::Refused(Refusal::SequenceTaken { original, .. }) => problem.with("original", original.to_string()),
            _ => problem,
        }
    }
}

const fn refusal_status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Statement(ledger::StatementError::TooLarge(_)) => 413,
        Refusal::Statement(_) | Refusal::AttachmentMissing | Refusal::AttachmentUnexpected => 400,
        Refusal::UnknownSigner(_) => 403,
        Refusal::Rule(_) | Refusal::Attachment(_) => 422,
        Refusal::SequenceTaken { .. } => 409,
        Refusal::NoBlock(_) | Refusal::PoolFull => 503,
    }
}

/// The figures that a page or a gateway needs to act on a refusal.
fn with_figures(problem: Problem, violation: &RuleViolation) -> Problem {
    match violation {
        RuleViolation::EnergyUsedUp { remaining, offered, .. } => {
            problem.with("remaining_mwh", remaining.mwh()).with("offered_mwh", offered.mwh())
        }
        RuleViolation::WrongSequence { expected, .. } => problem.with("expected_seq", *expected),
        RuleViolation::WrongPrevious { expected } => problem.with("expected_previous", expected.to_string()),
        RuleViolation::StartDiscontinuous { expected } => problem.with("expected_start_ms", expected.ms()),
        RuleViolation::CounterDiscontinuous { expected } => problem.with("expected_mwh", expected.mwh()),
        _ => problem,
    }
}
