//! Repair: a store whose files were damaged is made whole again from a peer, as far as the peer has what was there.
//!
//! Each damaged segment is copied beside itself first, named with the place of the first damage. Blocks come back by hash
//! and attachments by statement, and neither is believed: the hashes are those that whole blocks name, and an attachment
//! fits its statement or is not taken. A record that was rewritten together with its check is found by the chain of hashes,
//! or named by an audit ([`Suspects`]), and goes the same way. What no other node has (the pool's statements, evidence of signing twice) is left
//! out and named as lost. What was found is told as [`api::Finding`]s; the audit that follows shows whether anything is
//! still wrong.

mod blocks;
mod changed;
mod folder;
mod log;
mod pieces;
mod rest;

pub use folder::{FolderRepairError, repair_folder};

use crate::record::{LogName, Record};
use crate::store::Disk;
use api::{Finding, Repaired};
use blocks::Filled;
use consensus::peer::{Answer, Ask};
use ledger::{Checkpoint, Genesis};
use log::{Fill, Log, Place};
use std::collections::BTreeSet;
use std::io;
use units::{BlockHash, Height, StatementId, Timestamp};

/// A node that has what is missing here.
pub trait Source {
    /// What it answers; [`Answer::Failed`] when it cannot be asked.
    fn ask(&mut self, ask: &Ask) -> Answer;
    /// Its genesis document.
    fn genesis(&mut self) -> Option<Vec<u8>>;
    /// How it is called in findings: its address.
    fn name(&self) -> String;
}

/// No other node: what is damaged is set aside and left out, for a node that fetches it when it runs.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Source for Nobody {
    fn ask(&mut self, _: &Ask) -> Answer {
        Answer::Missing
    }
    fn genesis(&mut self) -> Option<Vec<u8>> {
        None
    }
    fn name(&self) -> String {
        "nobody".to_owned()
    }
}

/// What the names of copies of damaged files have between the file's name and the place of the first damage.
pub const KEPT_MARK: &str = ".damaged-at-";
/// The same for what a node has put right while it ran: nothing of it is in doubt.
pub const MENDED_MARK: &str = ".mended-at-";

/// Records that are whole and yet wrong, as an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspects {
    /// Blocks that do not check.
    pub heights: BTreeSet<Height>,
    /// Statements whose attachments do not fit them.
    pub attachments: BTreeSet<StatementId>,
}

impl Suspects {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heights.is_empty() && self.attachments.is_empty()
    }
}

/// How a store is repaired.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The time.
    pub now: Timestamp,
    /// What is wrong though it is whole.
    pub suspects: &'a Suspects,
    /// The block that the chain must end with; without one, it must reach the newest checkpoint's.
    pub end: Option<(Height, BlockHash)>,
    /// What the names of copies have: [`KEPT_MARK`] or [`MENDED_MARK`].
    pub mark: &'static str,
    /// Whether what nobody has may be left out of the blocks and attachments. Else they stay as they are.
    pub may_cut: bool,
}

/// Whether a file is the copy of a damaged one that held checkpoints.
#[must_use]
pub fn is_lost_checkpoint(file: &str) -> bool {
    file.starts_with(LogName::Anchors.name()) && file.contains(KEPT_MARK)
}

/// Why a repair ends early.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The operating system refuses.
    #[error("{file}: {error}")]
    Io {
        /// Which file.
        file: String,
        /// What it says.
        error: io::Error,
    },
    /// There is no usable genesis document.
    #[error("the genesis document is damaged and cannot be put back: {0}; name a peer that keeps this ledger")]
    Genesis(String),
    /// Larger than it can be.
    #[error("{0} is larger than a store's files can be")]
    TooLarge(String),
}

/// Looks through all logs of a store that no node has open, and puts back what a peer has. Gives what was found, in the
/// order of logs and places; nothing when all is whole.
///
/// # Errors
/// When the disk fails, or not even the ledger can be told. What was not yet written is as it was.
pub fn repair(disk: &mut dyn Disk, now: Timestamp, source: &mut dyn Source) -> Result<Vec<Finding>, RepairError> {
    let suspects = Suspects::default();
    repair_as(disk, &Task { now, suspects: &suspects, end: None, mark: KEPT_MARK, may_cut: true }, source)
}

/// [`repair`], told more.
///
/// # Errors
/// As [`repair`].
pub fn repair_as(disk: &mut dyn Disk, task: &Task<'_>, source: &mut dyn Source) -> Result<Vec<Finding>, RepairError> {
    let mut findings = Vec::new();
    let mut blocks = Log::read(disk, LogName::Blocks)?;
    let genesis = blocks::genesis(&mut blocks, source)?;
    let mut repair = Repair { disk, now: task.now, task: *task, source, genesis, findings: &mut findings };
    let anchors = repair.anchors()?;
    repair.blocks(&mut blocks, &anchors)?;
    repair.pool()?;
    repair.evidence()?;
    repair.attachments()?;
    Ok(findings)
}

/// A repair under way.
struct Repair<'a> {
    disk: &'a mut dyn Disk,
    now: Timestamp,
    task: Task<'a>,
    source: &'a mut dyn Source,
    genesis: Genesis,
    findings: &'a mut Vec<Finding>,
}

impl Repair<'_> {
    fn blocks(&mut self, log: &mut Log, anchors: &[Checkpoint]) -> Result<(), RepairError> {
        let end = self.task.end.or(anchors.last().map(|anchor| (anchor.height, anchor.block)));
        let wrong = blocks::wrong(log, end, &self.task.suspects.heights);
        log.doubt(&wrong);
        if log.damaged().is_empty() {
            if !self.has_somebody() || !blocks::is_short(log, &self.genesis, end)? {
                return Ok(());
            }
            log.open_end();
        }
        let filled = blocks::fill(log, &self.genesis, end, anchors, self.source)?;
        let cut = filled.iter().find(|(_, filled)| matches!(filled, Filled::Missing { .. })).map(|(at, _)| *at);
        if cut.is_some() && !self.task.may_cut {
            return Ok(());
        }
        let copies = log.quarantine(self.disk, cut, self.task.mark)?;
        let mut fills = Vec::new();
        for (at, filled) in filled {
            let (fill, repaired, lost, what) = match filled {
                Filled::Whole(fill, count) => (fill, Some(self.by_peer()), None, blocks_of(at, count)),
                Filled::Missing { fill, what } => {
                    let lost = "nothing that another node has: the log ends here, and the node fetches what follows when \
                                it runs";
                    (
                        fill,
                        None,
                        Some(lost.to_owned()),
                        format!("{what}, which the peer does not have, and what follows"),
                    )
                }
            };
            self.find(log, at, &copies, what, repaired, lost);
            self.compare(log, &fill);
            fills.push(fill);
        }
        log.write(self.disk, &fills, cut)
    }

    /// Says in the last finding what was changed, where one block is put in place of another.
    fn compare(&mut self, log: &Log, fill: &Fill) {
        let right = pieces::pieces(&fill.records);
        let mut blocks = right.iter().filter_map(|piece| piece.payload(&fill.records));
        let block = blocks.find(|(kind, _)| *kind == Record::BLOCK_KIND).map(|(_, payload)| payload);
        let is_one = blocks.next().is_none();
        let changed = block.zip(log.payload(fill.at)).and_then(|(right, found)| changed::between(found, right));
        if let Some((finding, changed)) = self.findings.last_mut().zip(changed).filter(|_| is_one) {
            finding.height = Some(changed.height);
            finding.field = Some(changed.field);
            finding.found = Some(changed.found);
            finding.expected = Some(changed.right);
        }
    }

    /// Whether there is anybody to fetch from: what is missing without being damaged is of interest only then.
    fn has_somebody(&mut self) -> bool {
        matches!(self.source.ask(&Ask::Head), Answer::Head(_))
    }

    fn by_peer(&self) -> Repaired {
        Repaired { time_ms: self.now, from: self.source.name() }
    }

    fn find(
        &mut self,
        log: &Log,
        at: Place,
        copies: &[Option<String>],
        what: String,
        repaired: Option<Repaired>,
        lost: Option<String>,
    ) {
        let Some((file, offset, bytes)) = log.place(at) else { return };
        let what = match bytes {
            0 => format!("the file ends too early: {what}"),
            _ => format!("{bytes} bytes are not what was written: {what}"),
        };
        self.findings.push(Finding {
            kept_in: copies.get(at.0).cloned().flatten(),
            repaired,
            lost,
            ..Finding::new(log.name.kind(), format!("{file} at byte {offset}"), what, self.now)
        });
    }
}

/// What a damaged piece of the blocks' log held, in words.
fn blocks_of(at: Place, count: usize) -> String {
    let genesis = if at == (0, 0) { "the genesis document and " } else { "" };
    let blocks = match count {
        0 => "no block of the present chain".to_owned(),
        1 => "a block".to_owned(),
        _ => format!("{count} blocks"),
    };
    format!("{genesis}{blocks}")
}
