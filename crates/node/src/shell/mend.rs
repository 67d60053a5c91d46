//! Putting right what was found changed, while the node runs.
//!
//! What memory holds is right: it was computed from blocks that were checked. So rows are corrected to what the blocks
//! give, waiting statements and the newest checkpoint are written again, and blocks and attachments are fetched from
//! peers up to the block that memory ends with. What nobody has stays as it is, noticed and not given out, until somebody
//! does; cutting it out is left to a start.

use super::peers::{Several, Signs};
use super::{Message, NodeError, Shell, Stop};
use crate::core::Input;
use crate::record::Record;
use crate::repair::{self, Source, Suspects, Task};
use crate::tables::Correction;
use api::{Finding, FindingKind, Repaired};
use std::sync::mpsc::{SyncSender, sync_channel};
use units::{BlockHash, Height};

/// What a look through everything stored found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Told to the operator now, whatever becomes of it.
    pub(crate) noticed: Vec<Finding>,
    /// Whether a record of a log is not whole.
    pub(crate) is_damaged: bool,
    /// Records that are whole and yet wrong.
    pub(crate) suspects: Suspects,
    /// Rows that are not what the blocks give, and the newest block that they were compared up to.
    pub(crate) rows: Option<(Height, BlockHash, Vec<Correction>)>,
    /// Whether the tables are beyond correcting.
    pub(crate) rebuild_rows: bool,
}

impl Found {
    /// Whether nothing is wrong.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.concerns_logs() && self.noticed.is_empty() && self.rows.is_none()
    }

    /// Whether files of the logs are to be put right.
    pub(crate) fn concerns_logs(&self) -> bool {
        self.is_damaged || !self.suspects.is_empty()
    }
}

/// What was found, and whom to ask for what is missing.
pub(crate) struct Mending {
    found: Found,
    source: Option<Several>,
}

/// How the thread that looks through what is stored speaks to the node's.
pub(crate) struct Mender {
    node: SyncSender<Message>,
    addresses: Vec<String>,
    signs: Signs,
}

impl Mender {
    pub(super) const fn new(node: SyncSender<Message>, addresses: Vec<String>, signs: Signs) -> Self {
        Self { node, addresses, signs }
    }

    /// Asks the node's thread; `None` when it has stopped.
    fn ask<R: Send + 'static>(&self, question: impl FnOnce(&Shell) -> R + Send + 'static) -> Option<R> {
        let (reply, answer) = sync_channel(1);
        let question = Box::new(move |shell: &mut Shell| drop(reply.try_send(question(shell))));
        self.node.send(Message::Ask(question)).ok()?;
        answer.recv().ok()
    }

    /// The newest block.
    pub(crate) fn height(&self) -> Option<Height> {
        self.ask(|shell| shell.node.state().head().height)
    }

    /// The lowest stored block that is not the node's, or that is missing although the chain was as high before the look. Only
    /// what is final is compared: other blocks may just have been exchanged for those of another branch.
    pub(crate) fn first_differing(&self, hashes: Vec<BlockHash>, before: Option<Height>) -> Option<Height> {
        let first = self.ask(move |shell| {
            let last = shell.node.final_height();
            let known = |height: &u64| {
                let height = Height::from_number(*height);
                shell.node.hash(height).filter(|_| height <= last)
            };
            let differs = |(height, hash): &(u64, BlockHash)| known(height).is_some_and(|known| known != *hash);
            let missing = u64::try_from(hashes.len()).unwrap_or(u64::MAX);
            let wrong = (0..).zip(hashes).find(differs).map(|(height, _)| height);
            let is_short = before.is_some_and(|before| before.number() >= missing && known(&missing).is_some());
            wrong.or(is_short.then_some(missing)).map(Height::from_number)
        });
        first.flatten()
    }

    /// Has what was found put right. The peers are asked whether they are there on this thread, not on the node's.
    pub(crate) fn mend(&self, found: Found) {
        let source = if found.concerns_logs() { Several::connect(&self.addresses, &self.signs) } else { None };
        // A node that has stopped looks again on its next start.
        drop(self.node.send(Message::Mend(Box::new(Mending { found, source }))));
    }
}

/// Where a value comes from that the node itself puts right.
const FROM_ITSELF: &str = "this node";

impl Shell {
    /// Puts right what was found, with `source` to fetch from if anybody answers.
    pub(super) fn mend(&mut self, Mending { found, source }: Mending) -> Result<(), Stop> {
        self.flush()?;
        self.find(&found.noticed);
        if let Some(mut source) = source {
            self.mend_logs(&found, &mut source)?;
        }
        if let Some((height, hash, corrections)) = &found.rows {
            self.mend_rows((*height, *hash), corrections);
        }
        if found.rebuild_rows {
            self.rebuild_rows(&found.noticed)?;
        }
        Ok(())
    }

    fn mend_logs(&mut self, Found { suspects, noticed, .. }: &Found, source: &mut dyn Source) -> Result<(), Stop> {
        let head = self.node.state().head();
        let end = (head.height, head.hash());
        let task = Task { now: self.clock.now(), suspects, end: Some(end), mark: repair::MENDED_MARK, may_cut: false };
        let mended = repair::repair_as(self.store.disk(), &task, source);
        let mut found = match mended {
            Ok(found) => found,
            Err(error) => {
                tracing::error!("what was found changed was not put right: {error}");
                return Ok(());
            }
        };
        if found.is_empty() {
            return Ok(());
        }
        self.block = None;
        self.store.reopen()?;
        self.write_again(&mut found)?;
        let stored = self.store.header(end.0.number())?.map(|header| header.hash());
        let is_whole = self.store.block_count() == usize::try_from(end.0.number()).unwrap_or(usize::MAX);
        if !(is_whole && (stored == Some(end.1) || end.0 == Height::GENESIS)) {
            self.recover().map_err(|error| Stop::Fault(error.to_string()))?;
            self.input(Input::Tick)?;
        }
        if self.findings.add_instead(noticed, &found) {
            self.tell_findings();
        }
        Ok(())
    }

    /// Stores again what only memory has.
    fn write_again(&mut self, found: &mut [Finding]) -> Result<(), Stop> {
        let is_of = |kind: FindingKind| move |finding: &Finding| finding.kind == kind;
        let mut records = Vec::new();
        if found.iter().any(is_of(FindingKind::Waiting)) {
            records.extend(self.node.pool().map(|pooled| Record::Pooled {
                received: pooled.received,
                leaf: pooled.statement.signed().leaf().to_vec(),
            }));
        }
        if found.iter().any(is_of(FindingKind::Checkpoint)) {
            records.extend(self.node.anchor().map(|anchor| Record::Anchor(anchor.note.clone())));
        }
        for record in &records {
            self.store.append(record)?;
        }
        self.store.sync()?;
        let now = self.clock.now();
        for finding in found {
            if matches!(finding.kind, FindingKind::Waiting | FindingKind::Checkpoint) {
                finding.repaired = Some(Repaired { time_ms: now, from: FROM_ITSELF.to_owned() });
                finding.lost = None;
            }
        }
        Ok(())
    }

    /// Begins again from what is stored, as a start does.
    fn recover(&mut self) -> Result<(), NodeError> {
        self.config.automatic = self.node.is_automatic();
        let mut tables = self.rows.tables();
        let mut node = super::load::recover(&mut self.store, &mut tables, self.config.clone(), self.standing)?;
        drop(tables);
        let outputs = node.continue_from(&self.node, self.clock.now());
        self.node = node;
        self.deferred.extend(outputs);
        Ok(())
    }

    /// Rows that follow from blocks which are still part of the chain are put right; after a change of branch the next
    /// look finds what is left.
    fn mend_rows(&mut self, (height, hash): (Height, BlockHash), corrections: &[Correction]) {
        if self.node.hash(height) != Some(hash) {
            return;
        }
        if let Err(error) = self.rows.tables().correct(corrections) {
            tracing::error!("computed values that were changed were not put right: {error}");
            return;
        }
        let repaired = Some(Repaired { time_ms: self.clock.now(), from: FROM_ITSELF.to_owned() });
        let findings = corrections.iter().map(|correction| Finding {
            repaired: repaired.clone(),
            ..crate::scrub::finding_of_row(&correction.difference, self.clock.now())
        });
        let findings: Vec<Finding> = findings.collect();
        self.find(&findings);
    }

    /// Derives all rows anew.
    fn rebuild_rows(&mut self, noticed: &[Finding]) -> Result<(), Stop> {
        if let Err(error) = self.rows.tables().clear() {
            tracing::error!("{error}");
            return Ok(());
        }
        if let Err(error) = self.recover() {
            tracing::error!("computed values that were changed are made anew by the next start: {error}");
            return Ok(());
        }
        self.input(Input::Tick)?;
        let repaired = Some(Repaired { time_ms: self.clock.now(), from: FROM_ITSELF.to_owned() });
        let of_tables = noticed.iter().filter(|finding| finding.kind == FindingKind::Row && finding.is_open());
        let found: Vec<Finding> =
            of_tables.map(|finding| Finding { repaired: repaired.clone(), ..finding.clone() }).collect();
        self.find(&found);
        Ok(())
    }
}
