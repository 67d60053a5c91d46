//! The audit: everything stored, checked again from its bytes. It takes nothing from a running node and changes nothing,
//! so it may run beside one.

use crate::core::{Committed, Config, RecoverError, Recovery};
use crate::record::{LogName, Record};
use crate::repair::Suspects;
use crate::shell::{NodeError, TABLES_FILE, genesis_of, replay_blocks};
use crate::store::{Folder, Store, StoreError};
use crate::tables::{Change, Correction, Difference, Tables, TablesError};
use crate::threads::Threads;
use ledger::Jobs;
use ledger::act::Act;
use ledger::attachment::Attachment;
use std::fmt;
use std::path::Path;
use std::time::Duration;
use units::{BlockHash, Height, LedgerId, StatementId};

/// Findings in a report; a folder with more is not worth a longer list.
pub const FINDINGS_MAX: usize = 1_000;

/// What an audit found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A file is damaged, or holds what this version does not know.
    Store(String),
    /// A block, a signature, a rule or a checkpoint does not check.
    Chain(RecoverError),
    /// A derived value is not what the blocks give.
    Row(Difference),
    /// The derived tables cannot be read.
    Tables(String),
    /// The attachment of a committed statement is missing.
    AttachmentMissing(StatementId),
    /// An attachment does not fit its statement.
    Attachment {
        /// The statement.
        statement: StatementId,
        /// What does not fit, with both values where they are known.
        reason: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(reason) | Self::Tables(reason) => f.write_str(reason),
            Self::Chain(error) => error.fmt(f),
            Self::Row(difference) => difference.fmt(f),
            Self::AttachmentMissing(statement) => write!(f, "the attachment of statement {statement} is missing"),
            Self::Attachment { statement, reason } => write!(f, "the attachment of statement {statement}: {reason}"),
        }
    }
}

/// What an audit went through and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// The newest block that checks.
    pub height: Height,
    /// Statements whose signatures and rules were checked.
    pub statements: u64,
    /// Attachments compared with their statements.
    pub attachments: u64,
    /// Readings in them.
    pub readings: u64,
    /// Whether there were derived tables to compare.
    pub tables_compared: bool,
    /// What is wrong; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Records that are whole and yet wrong.
    #[must_use]
    pub fn suspects(&self) -> Suspects {
        let mut suspects = Suspects::default();
        for finding in &self.findings {
            match finding {
                Finding::Chain(RecoverError::Block { height, .. } | RecoverError::RolledBack { height, .. }) => {
                    suspects.heights.extend([*height]);
                }
                Finding::Attachment { statement, .. } => suspects.attachments.extend([*statement]),
                _ => {}
            }
        }
        suspects
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The folder holds no ledger that could be audited.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The comparison itself failed.
    #[error(transparent)]
    Tables(#[from] TablesError),
}

/// What a look through a folder gives besides its report, for whoever puts it right.
pub(crate) struct Inspection {
    pub(crate) report: AuditReport,
    /// Rows that are not what the blocks give.
    pub(crate) corrections: Vec<Correction>,
    /// The newest block that rows were compared up to.
    pub(crate) rows_up_to: Option<(Height, BlockHash)>,
    /// Hashes of the blocks that check, by height.
    pub(crate) hashes: Vec<BlockHash>,
}

/// How a look through a folder is done.
pub(crate) struct Manner<'a> {
    /// Who runs what is independent.
    pub(crate) jobs: &'a dyn Jobs,
    /// Called between blocks; false ends the look.
    pub(crate) goes_on: &'a dyn Fn() -> bool,
}

/// Why the walk through the blocks ends early.
enum Broken {
    Stopped,
    Store(StoreError),
    Chain(RecoverError),
    Tables(TablesError),
}

impl From<RecoverError> for Broken {
    fn from(error: RecoverError) -> Self {
        Self::Chain(error)
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Checks a folder: every record, block, signature, rule and checkpoint, every derived value, every attachment.
///
/// # Errors
/// When the folder holds no ledger, or its genesis document cannot be read. Whatever else is wrong is a finding.
pub fn audit(data_dir: &Path) -> Result<AuditReport, AuditError> {
    let manner = Manner { jobs: &Threads::all(), goes_on: &|| true };
    Ok(inspect(data_dir, &manner)?.map(|inspection| inspection.report).unwrap_or_default())
}

/// The audit, with what is needed to put right what it finds; `None` when it was ended early.
pub(crate) fn inspect(data_dir: &Path, manner: &Manner<'_>) -> Result<Option<Inspection>, AuditError> {
    let mut report = AuditReport::default();
    let (mut corrections, mut rows_up_to, mut hashes) = (Vec::new(), None, Vec::new());
    let genesis = match crate::shell::read_genesis(data_dir) {
        Err(NodeError::Store(error @ (StoreError::Damaged { .. } | StoreError::Record { .. }))) => {
            report.find(Finding::Store(error.to_string()));
            return Ok(Some(Inspection { report, corrections, rows_up_to, hashes }));
        }
        other => other?,
    };
    let tables_file = data_dir.join(TABLES_FILE);
    let (tables, store) = moment(data_dir, genesis.ledger());
    let tables = match tables {
        Ok(None) if tables_file.exists() => {
            report.find(Finding::Tables("table meta: the derived tables name another ledger or version".to_owned()));
            None
        }
        Ok(tables) => tables,
        Err(error) => {
            report.find(Finding::Tables(error.to_string()));
            None
        }
    };
    let mut right = Tables::temporary(genesis.ledger())?;
    let mut store = match store {
        Ok(store) => store,
        Err(error) => {
            report.find(Finding::Store(error.to_string()));
            return Ok(Some(Inspection { report, corrections, rows_up_to, hashes }));
        }
    };
    store.warnings().iter().for_each(|warning| report.find(Finding::Store(warning.clone())));
    let up_to = tables.as_ref().map_or(Height::GENESIS, Tables::height);
    let genesis = genesis_of(&mut store)?;
    let config = Config { genesis, miner: None, log_key: None, automatic: false };
    match check_chain(&mut store, config, (&mut right, up_to), manner, (&mut report, &mut hashes)) {
        Ok(statements) => check_attachments(&mut store, statements, manner, &mut report),
        Err(Broken::Stopped) => return Ok(None),
        Err(Broken::Store(error)) => report.find(Finding::Store(error.to_string())),
        Err(Broken::Chain(error)) => report.find(Finding::Chain(error)),
        Err(Broken::Tables(error)) => return Err(error.into()),
    }
    if let Some(tables) = tables {
        report.tables_compared = true;
        if tables.height() > report.height {
            let (claimed, found) = (tables.height(), report.height);
            report.find(Finding::Tables(format!("table meta: rows up to block {claimed}, but {found} blocks check")));
        }
        let room = FINDINGS_MAX.saturating_sub(report.findings.len());
        corrections = tables.differences(&right, room)?;
        corrections.iter().for_each(|wrong| report.find(Finding::Row(wrong.difference.clone())));
        let newest = usize::try_from(tables.height().number()).ok().and_then(|height| hashes.get(height));
        rows_up_to = newest.map(|hash| (tables.height(), *hash));
    }
    Ok(Some(Inspection { report, corrections, rows_up_to, hashes }))
}

/// Looks at a running node that may just be changing branches.
const LOOKS_MAX: usize = 5;
/// Between two of them: longer than rows take.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Tables and store of one moment. The tables' snapshot is taken first: a node that runs stores a block before it derives
/// rows from it. When it has changed branches in between, the rows are of blocks that the chain has left; then both are
/// taken again, and if that does not help, something is wrong.
fn moment(data_dir: &Path, ledger: LedgerId) -> (Result<Option<Tables>, TablesError>, Result<Store, StoreError>) {
    let tables_file = data_dir.join(TABLES_FILE);
    let look = || {
        let tables = Tables::open_for_reading(&tables_file, ledger);
        (tables, Store::open_for_reading(Box::new(Folder::open_for_reading(data_dir))))
    };
    let mut taken = look();
    for _ in 1..LOOKS_MAX {
        let (Ok(Some(tables)), Ok(store)) = (&taken.0, &mut taken.1) else { break };
        let height = tables.height();
        let derived = tables.header(height).ok().flatten().map(|(header, _)| header);
        if height == Height::GENESIS || derived == store.header(height.number()).ok().flatten() {
            break;
        }
        std::thread::sleep(LOOK_AGAIN_AFTER);
        taken = look();
    }
    taken
}

/// A committed interval, to be compared with its attachment.
type Interval = (StatementId, Box<ledger::act::Readings>);

/// Replays the chain and derives the right rows from it.
fn check_chain(
    store: &mut Store,
    config: Config,
    (right, up_to): (&mut Tables, Height),
    manner: &Manner<'_>,
    (report, hashes): (&mut AuditReport, &mut Vec<BlockHash>),
) -> Result<Vec<Interval>, Broken> {
    let mut recovery = Recovery::new(config, manner.jobs).map_err(Broken::Chain)?;
    hashes.push(recovery.head());
    let mut intervals = Vec::new();
    // Which blocks may yet be undone is told by the checkpoints; that they vouch for nothing here is the point of an audit.
    store.replay(LogName::Anchors, |record: Record| {
        recovery.take(record, &|_| false).map(drop).map_err(Broken::Chain)
    })?;
    // Attachments are compared afterwards.
    replay_blocks(store, &mut recovery, |committed| -> Result<(), Broken> {
        if !(manner.goes_on)() {
            return Err(Broken::Stopped);
        }
        report.height = committed.block.header().height;
        hashes.push(committed.block.hash());
        report.statements = committed.block.header().log_size;
        intervals.extend(intervals_of(&committed));
        if report.height <= up_to {
            right.change(&[Change::Derive(Box::new(committed))]).map_err(Broken::Tables)?;
        }
        Ok(())
    })?;
    recovery.finish().map_err(Broken::Chain)?;
    Ok(intervals)
}

fn intervals_of(committed: &Committed) -> impl Iterator<Item = Interval> + '_ {
    committed.block.statements().iter().flat_map(|statement| {
        statement.payload().acts.iter().filter_map(|act| match act {
            Act::Readings(readings) => Some((statement.id(), readings.clone())),
            _ => None,
        })
    })
}

/// Attachments that are compared together: at their largest a sixteenth of a gigabyte.
const ATTACHMENTS_TOGETHER: usize = 64;

/// Reads the attachments in order and compares them on all cores.
fn check_attachments(store: &mut Store, intervals: Vec<Interval>, manner: &Manner<'_>, report: &mut AuditReport) {
    for together in intervals.chunks(ATTACHMENTS_TOGETHER).take_while(|_| (manner.goes_on)()) {
        let read: Vec<_> = together.iter().map(|(statement, _)| store.attachment(statement)).collect();
        let compare = |index: usize| {
            let (statement, readings) = &together[index];
            match &read[index] {
                Ok(Some(bytes)) => {
                    let attachment = Attachment::from_bytes(bytes).and_then(|attachment| attachment.check(readings));
                    attachment.map_err(|error| Finding::Attachment { statement: *statement, reason: error.to_string() })
                }
                Ok(None) => Err(Finding::AttachmentMissing(*statement)),
                Err(error) => Err(Finding::Attachment { statement: *statement, reason: error.to_string() }),
            }
        };
        let compared = ledger::jobs::map(manner.jobs, together.len(), &compare);
        for ((_, readings), (bytes, compared)) in together.iter().zip(read.iter().zip(compared)) {
            if matches!(bytes, Ok(Some(_))) {
                report.attachments += 1;
                report.readings += u64::from(readings.count);
            }
            if let Err(finding) = compared {
                report.find(finding);
            }
        }
    }
}
