//! Attachments that other nodes have: those of readings in blocks that came from them.
//!
//! What is missing is looked for from the oldest block on, a bounded number at a time; [`Missing::complete`] says up to
//! where nothing is missing that is not in the list. Blocks beyond are looked through when there is room again, so that a
//! node that was away for a year needs no more memory than one that was away for an hour.

use super::submission::readings_in;
use super::{Node, Output};
use crate::record::Record;
use ledger::CheckedBlock;
use ledger::act::Readings;
use ledger::attachment::{Attachment, AttachmentError};
use std::collections::BTreeMap;
use std::sync::Arc;
use units::{Height, StatementId};

/// Attachments looked for at a time; their statements, which they are compared with, take some megabytes.
pub const MISSING_MAX: usize = 4_096;

/// What is looked for.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Up to this block, whatever lacks its attachment is listed.
    complete: Height,
    listed: BTreeMap<StatementId, Box<Readings>>,
    /// While blocks are looked through: the newest one that has been part of the chain all the time.
    asked: Option<Height>,
}

impl Missing {
    /// A block joins the chain; `is_known` says of which statements nothing need be looked for. Gives what is new in the
    /// list.
    pub(super) fn note(&mut self, block: &CheckedBlock, is_known: &dyn Fn(&StatementId) -> bool) -> Vec<StatementId> {
        let height = block.header().height;
        let follows = self.complete.next() == height;
        if !follows || self.listed.len().saturating_add(block.statements().len()) > MISSING_MAX {
            return Vec::new();
        }
        self.complete = height;
        let mut new = Vec::new();
        for statement in block.statements().iter().filter(|statement| !is_known(&statement.id())) {
            for readings in readings_in(statement.signed()).filter(|readings| !readings.source.is_operators()) {
                self.listed.insert(statement.id(), Box::new(readings.clone()));
                new.push(statement.id());
            }
        }
        new
    }

    /// Blocks are undone. Those that were not looked through yet may lack attachments, and where their statements go
    /// nobody would look, so all of them are listed; one that is there is fetched once more. Gives what is new in the list.
    pub(super) fn doubt(&mut self, undone: &[Arc<CheckedBlock>]) -> Vec<StatementId> {
        let mut new = Vec::new();
        let unseen = undone.iter().filter(|block| block.header().height > self.complete);
        for statement in unseen.flat_map(|block| block.statements()) {
            for readings in readings_in(statement.signed()).filter(|readings| !readings.source.is_operators()) {
                if self.listed.len() < MISSING_MAX
                    && self.listed.insert(statement.id(), Box::new(readings.clone())).is_none()
                {
                    new.push(statement.id());
                }
            }
        }
        new
    }

    /// The chain goes back.
    pub(super) fn rewind(&mut self, to: Height) {
        self.complete = self.complete.min(to);
        self.asked = self.asked.map(|asked| asked.min(to));
    }

    /// Keeps only what is still of use.
    pub(super) fn retain(&mut self, is_of_use: impl Fn(&StatementId) -> bool) {
        self.listed.retain(|id, _| is_of_use(id));
    }

    /// The newest block that needs no look, as recovery found.
    pub(super) fn set_complete(&mut self, complete: Height) {
        self.complete = complete;
    }
}

impl Node {
    /// Wants blocks looked through when there is room for what may be found.
    pub(super) fn list_missing(&mut self, outputs: &mut Vec<Output>) {
        let (above, head) = (self.missing.complete, self.state.head().height);
        let has_room = self.missing.listed.len() < MISSING_MAX / 2;
        if has_room && self.missing.asked.is_none() && above < head {
            self.missing.asked = Some(head);
            outputs.push(Output::ListMissing { above });
        }
    }

    /// Takes what was found. The chain may have gone back meanwhile.
    pub(super) fn miss(&mut self, through: Height, readings: Vec<(StatementId, Box<Readings>)>) {
        let Some(unchanged) = self.missing.asked.take() else { return };
        let above = self.missing.complete;
        let is_new = |id: &StatementId| self.chain.place(id).is_some_and(|place| place.height > above);
        let found: Vec<_> = readings.into_iter().filter(|(id, _)| is_new(id)).collect();
        self.peers.want(found.iter().map(|(id, _)| *id).collect());
        self.missing.listed.extend(found);
        self.missing.complete = above.max(through.min(unchanged));
    }

    /// Takes an attachment that a peer sent, if it is missing.
    ///
    /// # Errors
    /// When it is not the one that was signed.
    pub(super) fn take_attachment(
        &mut self,
        statement: StatementId,
        bytes: Vec<u8>,
        outputs: &mut Vec<Output>,
    ) -> Result<(), AttachmentError> {
        let Some(readings) = self.missing.listed.get(&statement) else { return Ok(()) };
        Attachment::from_bytes(&bytes)?.check(readings)?;
        self.missing.listed.remove(&statement);
        outputs.push(Output::Store(Record::Attachment { statement, bytes }));
        Ok(())
    }
}
