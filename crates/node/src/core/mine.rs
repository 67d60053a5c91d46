//! The miner: which statements go into the next block, the search for its nonce, and what was found.

use super::chain::UNFINAL_MAX;
use super::submission::readings_in;
use super::{Committed, Node, Output, TemplateId};
use crate::record::Record;
use api::Event;
use ledger::state::{ApplyError, Drafted};
use ledger::{Block, Engine, Genesis, Header, RuleViolation, SecretKey, SignedStatement, VerifiedStatement};
use std::sync::Arc;
use units::{AccountId, Digest, Height, Millis, Timestamp};

/// A block that lacks only its nonce and its seal.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) id: TemplateId,
    header: Header,
    statements: Vec<SignedStatement>,
}

/// Figures of a node's mining since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MiningStatistics {
    /// Attempts of all searches that found a block.
    pub attempts: u64,
    /// Blocks found.
    pub blocks: u64,
    /// Sum of the nonces found.
    pub nonces: u128,
}

impl MiningStatistics {
    /// Mean attempts for a block, rounded down; 0 before the first.
    #[must_use]
    pub const fn mean_attempts(&self) -> u64 {
        match self.attempts.checked_div(self.blocks) {
            Some(mean) => mean,
            None => 0,
        }
    }
    /// Mean nonce, rounded down; 0 before the first block.
    #[must_use]
    pub fn mean_nonce(&self) -> u64 {
        let mean = self.nonces.checked_div(u128::from(self.blocks)).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}

/// Why a node that could propose blocks proposes none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Hindrance {
    /// A rule stands against it.
    #[error(transparent)]
    Rule(ApplyError),
    /// Damage took blocks that are final from the chain.
    #[error(
        "the log key signed block {0}, which was lost to damage here; it is fetched from the other nodes, and nothing is \
         built before it is back"
    )]
    Lost(Height),
    /// The log key has not been heard for too long.
    #[error(
        "{UNFINAL_MAX} blocks wait for a checkpoint of the log key; connect it to the node that has that key, or start that \
         node again"
    )]
    Unfinal,
}

/// What trying the pool came to.
struct Selection {
    statements: Vec<SignedStatement>,
    leaves: Vec<Digest>,
    dropped: Vec<(VerifiedStatement, RuleViolation)>,
    state_root: Digest,
}

/// Bytes of a block besides its statements: header, seal, and the CBOR around them.
const BLOCK_OVERHEAD_BYTES: usize = 1_024;
/// CBOR head of a statement in a block.
const STATEMENT_OVERHEAD_BYTES: usize = 5;

impl Node {
    /// Begins a search if a block is wanted, due and possible.
    pub(super) fn mine(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        if self.search.is_some() || !(self.automatic || self.requested) {
            return;
        }
        let Some(miner) = self.config.miner.clone() else { return };
        if self.is_hindered(now, &miner, outputs) {
            return;
        }
        let parent = self.state.head().time;
        let least = |distance: Millis| parent + Millis::from_ms(distance.ms().max(1));
        let order = &self.config.genesis.order;
        let (earliest, earliest_empty) = (least(order.block_interval_min), least(order.empty_block_after));
        let may_be_empty = now >= earliest_empty;
        if now < earliest || (self.pool.is_empty() && !may_be_empty) || self.is_resting(now) {
            return;
        }
        let selection = match self.winnow(now, miner.account(), outputs) {
            Ok(selection) => selection,
            Err(error) => return outputs.push(Output::Halt(format!("the next block cannot be drafted: {error}"))),
        };
        if selection.statements.is_empty() && !may_be_empty {
            self.fruitless = Some((now, self.pool.generation()));
            return;
        }
        self.search_for(now, &miner, selection, outputs);
    }

    /// Whether this node may propose no block: not a miner (yet, or any more), outside the calendar, an upgrade that this
    /// program does not know, or too many blocks that are not final. Who runs it is told once of each reason.
    fn is_hindered(&mut self, now: Timestamp, miner: &SecretKey, outputs: &mut Vec<Output>) -> bool {
        let unfinal = self.chain.is_full();
        let lost = self.lost();
        let hindrance = match self.state.check_proposer(now, miner.account()) {
            _ if lost.is_some() => lost.map(Hindrance::Lost),
            Err(error) => Some(Hindrance::Rule(error)),
            Ok(()) => unfinal.then_some(Hindrance::Unfinal),
        };
        if hindrance != self.hindrance {
            if let Some(error) = &hindrance {
                outputs.push(Output::Warn(format!("this node proposes no blocks: {error}")));
            }
            self.hindrance = hindrance;
        }
        self.hindrance.is_some()
    }

    /// Whether the same pool gave no block a moment ago.
    fn is_resting(&self, now: Timestamp) -> bool {
        self.fruitless.is_some_and(|(since, generation)| {
            generation == self.pool.generation() && now >= since && now.since(since) < super::FRUITLESS_REST
        })
    }

    /// Tries what waits, oldest first, on a draft that is then taken back.
    fn select(&mut self, time: Timestamp, proposer: AccountId) -> Result<Selection, ApplyError> {
        let mut draft = self.state.draft(time, proposer)?;
        let (mut statements, mut leaves, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut room = Block::BYTES_MAX - BLOCK_OVERHEAD_BYTES;
        for pooled in self.pool.iter() {
            let signed = pooled.statement.signed();
            let bytes = signed.leaf().len() + STATEMENT_OVERHEAD_BYTES;
            if statements.len() >= Block::STATEMENTS_MAX || bytes > room {
                break;
            }
            match draft.push(&pooled.statement) {
                Ok(()) => {
                    room -= bytes;
                    leaves.push(signed.leaf_hash());
                    statements.push(signed.clone());
                }
                Err(violation) => refused.push((pooled.statement.clone(), violation)),
            }
        }
        let Drafted { state_root, undo, .. } = draft.finish()?;
        self.state.undo(undo);
        // What was acknowledged is not dropped because this node's clock went back.
        let waits_for_its_time = |violation: &RuleViolation| {
            matches!(violation, RuleViolation::IssuedInFuture | RuleViolation::IntervalInFuture)
        };
        refused.retain(|(statement, violation)| {
            !waits_for_its_time(violation) && !self.may_apply_later(violation, statement)
        });
        let dropped = refused;
        Ok(Selection { statements, leaves, dropped, state_root })
    }

    /// What a block would take, and out of the pool with what can never apply again, and with what waited for that. It is
    /// stored and told in the other direction: a crash in between must not take a key's registration and leave what is
    /// signed with that key, which nobody could check any more.
    fn winnow(
        &mut self,
        time: Timestamp,
        proposer: AccountId,
        outputs: &mut Vec<Output>,
    ) -> Result<Selection, ApplyError> {
        let mut dropped = Vec::new();
        let selection = loop {
            let mut selection = self.select(time, proposer);
            let refused =
                selection.as_mut().map(|selection| std::mem::take(&mut selection.dropped)).unwrap_or_default();
            if refused.is_empty() {
                break selection;
            }
            refused.iter().for_each(|(statement, _)| drop(self.pool.remove(&statement.id())));
            dropped.extend(refused);
        };
        for (statement, violation) in dropped.iter().rev() {
            self.give_up(statement, violation, outputs);
        }
        selection
    }

    /// What was dropped is stored as such, told with its reason, and kept as evidence where its place is taken.
    fn give_up(&mut self, statement: &VerifiedStatement, violation: &RuleViolation, outputs: &mut Vec<Output>) {
        let id = statement.id();
        let readings = readings_in(statement.signed());
        let taken = readings.filter_map(|readings| self.chain.at_sequence(&readings.binding, readings.seq));
        if let Some(original) = taken.take(1).find(|original| *original != id) {
            self.keep_evidence(original, statement, outputs);
        }
        outputs.push(Output::Store(Record::Dropped(id)));
        let (rule, reason) = (violation.name().to_owned(), violation.to_string());
        outputs.push(Output::Publish(Event::Dropped { id, rule, reason }));
    }

    /// Drops what waits and can never apply again, after the chain has changed under it. A node that proposes blocks does
    /// so with each of them.
    pub(super) fn sift(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        self.sifted = Some((now, self.state.head().height));
        let time = now.max(self.state.head().time + Millis::from_ms(1));
        let Some(proposer) = self.trial_proposer(time).filter(|_| !self.pool.is_empty()) else { return };
        // Outside the calendar and before an upgrade nothing can be judged, so nothing is dropped.
        drop(self.winnow(time, proposer, outputs));
    }

    /// Sifts the pool of a node that proposes nothing, when other nodes' blocks have changed what it waits for.
    pub(super) fn sift_sometimes(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        let rests = |(since, height): (Timestamp, Height)| {
            height == self.state.head().height || (now >= since && now.since(since) < super::FRUITLESS_REST)
        };
        if !self.sifted.is_some_and(rests) {
            self.sift(now, outputs);
        }
    }

    fn search_for(&mut self, time: Timestamp, miner: &SecretKey, selection: Selection, outputs: &mut Vec<Output>) {
        let (log_size, log_root) = self.state.log().extended(&selection.leaves);
        let parent = self.state.head();
        let header = Header {
            version: Genesis::VERSION,
            ledger: self.state.ledger(),
            height: parent.height.next(),
            time,
            previous: parent.hash(),
            log_size,
            log_root,
            state_root: selection.state_root,
            proposer: miner.account(),
            engine: Engine { difficulty: self.state.next_difficulty(), ..Engine::default() },
        };
        self.templates += 1;
        self.requested = false;
        self.fruitless = None;
        let id = TemplateId(self.templates);
        outputs.push(Output::Search { template: id, header: header.clone() });
        self.search = Some(Template { id, header, statements: selection.statements });
    }

    /// Takes a nonce that a search found. One of a search that was replaced, or one that does not satisfy, is ignored.
    pub(super) fn mined(
        &mut self,
        template: TemplateId,
        extra_nonce: u64,
        nonce: u64,
        attempts: u64,
        outputs: &mut Vec<Output>,
    ) {
        let Some(Template { mut header, statements, .. }) = self.search.take_if(|search| search.id == template) else {
            return;
        };
        let Some(miner) = &self.config.miner else { return };
        header.engine = Engine { extra_nonce, nonce, ..header.engine };
        if !consensus::pow::satisfies(&header) {
            return;
        }
        let seal = match miner.sign_short(&Block::sealed_bytes(&header.hash())) {
            Ok(seal) => seal,
            Err(error) => return outputs.push(Output::Halt(format!("the miner's key cannot seal: {error}"))),
        };
        let block = Block { header, statements, seal };
        let bytes = block.to_bytes();
        let checked = self.check_pooled(block);
        match checked.and_then(|checked| self.apply(Arc::new(checked), bytes.len())) {
            Ok(committed) => {
                self.mining.attempts = self.mining.attempts.saturating_add(attempts);
                self.mining.nonces = self.mining.nonces.saturating_add(u128::from(nonce));
                self.mining.blocks += 1;
                self.after_own_block(bytes, committed, outputs);
            }
            Err(error) => outputs.push(Output::Halt(format!("a block of this node's own does not check: {error}"))),
        }
    }

    fn after_own_block(&mut self, bytes: Vec<u8>, committed: Committed, outputs: &mut Vec<Output>) {
        drop(self.missing.note(&committed.block, &|_| true));
        self.peers.extended(committed.block.header().clone());
        self.take_from_pool(&committed.block);
        outputs.push(Output::Store(Record::Block(bytes)));
        self.announce(committed, outputs);
    }
}
