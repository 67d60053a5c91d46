//! Other nodes' blocks: the chain grows by them, or leaves its newest blocks for a better branch.
//!
//! A branch is tried whole before anything is stored. Of what follows, the order is what a crash between any two records
//! needs: the statements of the abandoned blocks wait again before the chain goes back, because they were acknowledged;
//! the chain goes back before it goes on; and what has become impossible is dropped last.

use super::chain::ChainError;
use super::{Committed, Node, Output, Pooled, events_of};
use crate::record::Record;
use ledger::{Block, CheckedBlock, VerifiedStatement};
use std::collections::BTreeSet;
use std::sync::Arc;
use units::{Height, Millis, StatementId, Timestamp};

/// A block that does not become part of the chain, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Its place among those that were to follow.
    pub(super) index: usize,
    /// How many of those before it are part of the chain.
    pub(super) kept: usize,
    /// What is wrong with it.
    pub(super) error: ChainError,
}

/// Blocks that were applied one after the other.
struct Applied<'a> {
    blocks: Vec<(&'a [u8], Committed)>,
    misfit: Option<Misfit>,
}

impl Node {
    /// Lets the chain go on from `fork` with these blocks, undoing its own above it. When one does not fit, blocks before
    /// it stay if nothing was undone for them; else the chain is as it was.
    pub(super) fn switch(
        &mut self,
        now: Timestamp,
        fork: Height,
        blocks: &[Vec<u8>],
        outputs: &mut Vec<Output>,
    ) -> Result<(), Misfit> {
        let settled = self.chain.settled();
        if fork < settled {
            return Err(Misfit { index: 0, kept: 0, error: ChainError::Settled { fork, settled } });
        }
        let undone = self.rewind(fork);
        let Applied { blocks: applied, misfit } = self.apply_all(blocks);
        let misfit = match misfit {
            Some(misfit) if !undone.is_empty() => {
                self.restore(fork, undone, outputs);
                return Err(Misfit { kept: 0, ..misfit });
            }
            Some(misfit) if applied.is_empty() => return Err(misfit),
            other => other,
        };
        let doubtful = self.missing.doubt(&undone);
        self.peers.want(doubtful);
        // What waited here, or was in the chain, has its attachment or is being looked for.
        let known: BTreeSet<StatementId> =
            undone.iter().flat_map(|block| block.statements()).map(VerifiedStatement::id).collect();
        self.missing.rewind(fork);
        for (_, committed) in &applied {
            let is_known = |id: &StatementId| known.contains(id) || self.pool.contains(id);
            let wanted = self.missing.note(&committed.block, &is_known);
            self.peers.want(wanted);
            self.take_from_pool(&committed.block);
        }
        let is_rewound = !undone.is_empty();
        if is_rewound {
            self.wait_again(undone, outputs);
            outputs.push(Output::Store(Record::Rewound(fork)));
            outputs.push(Output::Unindex { above: fork });
        }
        let mut committed = Vec::with_capacity(applied.len());
        for (bytes, block) in applied {
            outputs.push(Output::Store(Record::Block(bytes.to_vec())));
            committed.push(block);
        }
        for block in committed {
            let events = events_of(&block, false);
            outputs.push(Output::Index(Box::new(block)));
            outputs.extend(events.into_iter().map(Output::Publish));
        }
        self.sign_anchor(outputs);
        self.abandon_search(outputs);
        if is_rewound {
            self.sift(now, outputs);
            self.missing.retain(|id| self.chain.place(id).is_some() || self.pool.contains(id));
        }
        misfit.map_or(Ok(()), Err)
    }

    fn apply_all<'a>(&mut self, blocks: &'a [Vec<u8>]) -> Applied<'a> {
        let mut applied = Vec::new();
        for (index, bytes) in blocks.iter().enumerate() {
            match self.apply_bytes(bytes) {
                Ok(committed) => applied.push((bytes.as_slice(), committed)),
                Err(error) => return Applied { blocks: applied, misfit: Some(Misfit { index, kept: index, error }) },
            }
        }
        Applied { blocks: applied, misfit: None }
    }

    fn apply_bytes(&mut self, bytes: &[u8]) -> Result<Committed, ChainError> {
        let block = Block::from_bytes_by(bytes, &*self.jobs.0)?;
        let checked = self.check_pooled(block)?;
        self.apply(Arc::new(checked), bytes.len())
    }

    /// The chain as it was: `undone` is what a rewind gave.
    fn restore(&mut self, fork: Height, undone: Vec<Arc<CheckedBlock>>, outputs: &mut Vec<Output>) {
        self.rewind(fork);
        for block in undone.into_iter().rev() {
            // Its size is of no use: its rows are there.
            if let Err(error) = self.apply(block, 0) {
                return outputs.push(Output::Halt(format!("a block of the chain does not apply again: {error}")));
            }
        }
    }

    /// Puts the statements of undone blocks back before everything that waits: what came after may build upon them. All of
    /// them are stored, also those that the new branch holds, of which no block is stored yet. The pool's bounds do not
    /// stop what was acknowledged.
    fn wait_again(&mut self, undone: Vec<Arc<CheckedBlock>>, outputs: &mut Vec<Output>) {
        let mut statements: Vec<(Timestamp, VerifiedStatement)> = Vec::new();
        for block in undone.iter().rev() {
            let time = block.header().time;
            statements.extend(block.statements().iter().map(|statement| (time, statement.clone())));
        }
        // Recovery orders what waits by these times.
        let mut latest = self.pool.iter().next().map(|oldest| just_before(oldest.received));
        for (received, _) in statements.iter_mut().rev() {
            *received = latest.map_or(*received, |latest| latest.min(*received));
            latest = Some(*received);
        }
        let mut waiting = Vec::new();
        for (received, statement) in statements {
            let leaf = statement.signed().leaf().to_vec();
            outputs.push(Output::Store(Record::Pooled { received, leaf }));
            if self.chain.place(&statement.id()).is_none() {
                waiting.push(Pooled { received, statement });
            }
        }
        self.pool.put_first(waiting);
    }

    /// What a search looks for no longer follows the newest block.
    fn abandon_search(&mut self, outputs: &mut Vec<Output>) {
        self.fruitless = None;
        if self.search.take().is_some() {
            outputs.push(Output::EndSearch);
        }
    }
}

fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_ms(time.ms().saturating_sub(Millis::from_ms(1).ms()))
}
