//! The logs besides the blocks: checkpoints, the pool, evidence, attachments.

use super::log::{Fill, Log, Place, framed};
use super::{Repair, RepairError};
use crate::record::{LogName, Record};
use crate::store;
use api::Repaired;
use consensus::peer::{Answer, Ask};
use ledger::act::{Act, Readings};
use ledger::attachment::Attachment;
use ledger::{Block, Checkpoint, SignedStatement};
use std::collections::{BTreeMap, BTreeSet};
use units::StatementId;

impl Repair<'_> {
    /// The checkpoints that are whole here, and the one that the peer knows if it is newer; oldest first.
    pub(super) fn anchors(&mut self) -> Result<Vec<Checkpoint>, RepairError> {
        let log = Log::read(self.disk, LogName::Anchors)?;
        let log_key = self.genesis.log_key.clone();
        let open = |note: &str| Checkpoint::open(note, &log_key).ok();
        let notes = records(&log).filter_map(|record| match record {
            Record::Anchor(note) => Some(note),
            _ => None,
        });
        let mut own: Vec<Checkpoint> = notes.filter_map(|note| open(&note)).collect();
        own.sort_by_key(|checkpoint| checkpoint.height);
        let damaged = log.damaged();
        let Some(last) = damaged.last().copied() else { return Ok(own) };
        let theirs = match self.source.ask(&Ask::Head) {
            Answer::Head(head) => head.anchor.and_then(|note| Some((open(&note)?, note))),
            _ => None,
        };
        let newer = theirs.filter(|(theirs, _)| own.last().is_none_or(|own| theirs.height > own.height));
        let fills = damaged.iter().map(|at| Ok(Fill { at: *at, records: second_copies(&log, *at)? }));
        let mut fills = fills.collect::<Result<Vec<_>, RepairError>>()?;
        let is_whole = |fill: &Fill| log.place(fill.at).is_some_and(|(.., bytes)| bytes <= fill.records.len());
        let is_mended = newer.is_none() && fills.iter().all(is_whole);
        let copies = log.quarantine(self.disk, None, if is_mended { super::MENDED_MARK } else { self.task.mark })?;
        for fill in &fills {
            // An older one is of no use besides a newer one.
            let is_older = fill.at != last || log.whole().any(|(place, ..)| place > fill.at);
            let (repaired, lost) = match &newer {
                _ if is_older || is_whole(fill) => (Some(self.by_itself()), None),
                Some(_) => (Some(self.by_peer()), None),
                None => (None, Some("a checkpoint, unless another node or a bill has it".to_owned())),
            };
            self.find(&log, fill.at, &copies, "a checkpoint of the log key".to_owned(), repaired, lost);
        }
        if let (Some((_, note)), Some(fill)) = (&newer, fills.last_mut()) {
            let framed = store::framed(&Record::Anchor(note.clone()));
            fill.records.extend(framed.ok_or_else(|| RepairError::TooLarge("a checkpoint".to_owned()))?);
        }
        log.write(self.disk, &fills, None)?;
        own.extend(newer.map(|(checkpoint, _)| checkpoint));
        Ok(own)
    }

    fn by_itself(&self) -> Repaired {
        Repaired { time_ms: self.now, from: "this store".to_owned() }
    }

    pub(super) fn pool(&mut self) -> Result<(), RepairError> {
        let lost =
            "possibly a statement that waited for a block: whoever sent it sends it again, or another node has it";
        self.leave_out(LogName::Pool, "a statement that waited, or that one was dropped", lost)
    }

    pub(super) fn evidence(&mut self) -> Result<(), RepairError> {
        self.leave_out(LogName::Evidence, "evidence of signing twice", "the evidence, unless another node has it")
    }

    fn leave_out(&mut self, name: LogName, what: &str, lost: &str) -> Result<(), RepairError> {
        let log = Log::read(self.disk, name)?;
        let damaged = log.damaged();
        if damaged.is_empty() {
            return Ok(());
        }
        let copies = log.quarantine(self.disk, None, self.task.mark)?;
        for at in damaged {
            self.find(&log, at, &copies, what.to_owned(), None, Some(lost.to_owned()));
        }
        log.write(self.disk, &[], None)
    }

    /// Attachments of committed readings that are not whole here.
    pub(super) fn attachments(&mut self) -> Result<(), RepairError> {
        let mut log = Log::read(self.disk, LogName::Attachments)?;
        let is_wrong = |kind: u8, payload: &[u8]| match Record::read(kind, payload) {
            Ok(Record::Attachment { statement, .. }) => self.task.suspects.attachments.contains(&statement),
            _ => false,
        };
        let wrong: Vec<_> =
            log.whole().filter(|(_, kind, payload)| is_wrong(*kind, payload)).map(|(at, ..)| at).collect();
        log.doubt(&wrong);
        let whole: BTreeSet<StatementId> = records(&log)
            .filter_map(|record| match record {
                Record::Attachment { statement, .. } => Some(statement),
                _ => None,
            })
            .collect();
        let mut wanted = self.readings()?;
        wanted.retain(|statement, _| !whole.contains(statement));
        if log.damaged().is_empty() && !wanted.is_empty() && self.has_somebody() {
            log.open_end();
        }
        let damaged = log.damaged();
        let Some(first) = damaged.first().copied() else { return Ok(()) };
        let mut fetched = Vec::new();
        let mut missing = Vec::new();
        for (statement, readings) in wanted {
            match self.fetch(statement, &readings) {
                Some(bytes) => {
                    let record = Record::Attachment { statement, bytes };
                    fetched.extend(framed(record.kind(), &record.payload())?);
                }
                None => missing.push(statement.to_string()),
            }
        }
        if !missing.is_empty() && !self.task.may_cut {
            return Ok(());
        }
        let copies = log.quarantine(self.disk, None, self.task.mark)?;
        let lost = (!missing.is_empty())
            .then(|| format!("the attachments of {}, unless another node has them", missing.join(", ")));
        let repaired = missing.is_empty().then(|| self.by_peer());
        for at in damaged {
            self.find(&log, at, &copies, "the attachment of readings".to_owned(), repaired.clone(), lost.clone());
        }
        log.write(self.disk, &[Fill { at: first, records: fetched }], None)
    }

    fn fetch(&mut self, statement: StatementId, readings: &Readings) -> Option<Vec<u8>> {
        let Answer::Attachment(bytes) = self.source.ask(&Ask::Attachment(statement)) else { return None };
        Attachment::from_bytes(&bytes).ok()?.check(readings).ok()?;
        Some(bytes)
    }

    /// Readings of the stored blocks and of what waits whose attachments belong here.
    fn readings(&mut self) -> Result<BTreeMap<StatementId, Readings>, RepairError> {
        let mut readings = BTreeMap::new();
        let (blocks, pool) = (Log::read(self.disk, LogName::Blocks)?, Log::read(self.disk, LogName::Pool)?);
        for record in records(&blocks).chain(records(&pool)) {
            let statements = match record {
                Record::Block(bytes) => Block::from_bytes(&bytes).map(|block| block.statements).unwrap_or_default(),
                Record::Pooled { leaf, .. } => SignedStatement::from_leaf(&leaf).into_iter().collect(),
                _ => Vec::new(),
            };
            for statement in &statements {
                for act in &statement.payload().acts {
                    match act {
                        Act::Readings(act) if !act.source.is_operators() => {
                            readings.insert(statement.id(), Readings::clone(act));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(readings)
    }
}

/// The checkpoints beside a damaged place that stand there once only, framed: the second copy of each was there.
fn second_copies(log: &Log, at: Place) -> Result<Vec<u8>, RepairError> {
    let before = log.whole().filter(|(place, ..)| *place < at).last();
    let behind = log.whole().find(|(place, ..)| *place > at);
    let is_single = |payload: &[u8]| log.whole().filter(|(.., other)| *other == payload).count() == 1;
    let beside = [before, behind].into_iter().flatten().map(|(.., payload)| payload);
    let copies = beside.filter(|payload| is_single(payload)).map(|payload| framed(Record::ANCHOR_KIND, payload));
    Ok(copies.collect::<Result<Vec<_>, _>>()?.concat())
}

fn records(log: &Log) -> impl Iterator<Item = Record> + '_ {
    log.whole().filter_map(|(_, kind, payload)| Record::read(kind, payload).ok())
}
