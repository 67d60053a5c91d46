//! Recovery: a node from what was stored, through the same path that its blocks took before.
//!
//! Blocks are read ahead, so that structure and signatures, which hardly depend on each other, are looked at by all
//! cores; rules and roots follow in order. A start may let the log key's newest checkpoint vouch for the signatures up to
//! the block that it names: each statement's leaf, signature included, is under the roots that lead to that block's hash,
//! and no checkpoint is signed before its block was checked in full. Everything else is computed again, and a chain that
//! does not lead to that block is refused. The audit lets nobody vouch.

use super::admit::EVIDENCE_MAX;
use super::peers::Peers;
use super::submission::readings_in;
use super::{Anchor, ChainError, Committed, Config, Node, Pooled};
use crate::record::{Record, without_abandoned};
use consensus::sync::Sync;
use ledger::jobs::{self, Jobs, OneByOne};
use ledger::{Block, BlockError, Checkpoint, CheckpointError, GenesisError, Means, SignedStatement, VerifiedStatement};
use std::collections::BTreeMap;
use std::sync::Arc;
use units::{BlockHash, Digest, Height, StatementId, Timestamp};

/// Why what was stored gives no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The genesis document is unusable.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The stored genesis document is not the configured one.
    #[error("the folder holds another ledger than the one configured")]
    OtherLedger,
    /// A stored block does not check.
    #[error("stored block {height}: {error}")]
    Block {
        /// Its place.
        height: Height,
        /// What is wrong.
        error: ChainError,
    },
    /// A stored checkpoint is not one of the log key.
    #[error("the stored checkpoint: {0}")]
    Anchor(#[from] CheckpointError),
    /// The chain lacks what the log key signed.
    #[error(
        "the log key signed block {signed} at height {height}, but the stored chain {}; \
         an old or another copy of the blocks was put back. Restore the right one: signing two histories would break \
         every receipt given out",
        match .found { Some(hash) => format!("has {hash} there"), None => "ends before it".to_owned() }
    )]
    RolledBack {
        /// Height of the signed block.
        height: Height,
        /// Hash of the signed block.
        signed: BlockHash,
        /// What the chain has at that height.
        found: Option<BlockHash>,
    },
}

/// What a node may count on when damage took part of its store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// There are other nodes that have what is lost here.
    pub has_peers: bool,
    /// Checkpoints were lost.
    pub is_unsure: bool,
}

impl Node {
    /// A node from stored records, each log's in its order. Attachments need not be among them; `has_attachment` says
    /// whether one is stored.
    ///
    /// # Errors
    /// When the records are not those of one ledger, or contradict what the log key signed.
    pub fn recover(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        has_attachment: &dyn Fn(&StatementId) -> bool,
    ) -> Result<Self, RecoverError> {
        Self::recover_damaged(config, records, has_attachment, Standing::default())
    }

    /// As [`Node::recover`], where damage may have taken part of what was stored.
    ///
    /// # Errors
    /// As [`Node::recover`].
    pub fn recover_damaged(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        has_attachment: &dyn Fn(&StatementId) -> bool,
        standing: Standing,
    ) -> Result<Self, RecoverError> {
        let mut recovery = Recovery::new(config, &OneByOne)?;
        // The checkpoint tells which blocks may yet be undone.
        let (anchors, rest): (Vec<_>, Vec<_>) =
            without_abandoned(records).into_iter().partition(|record| matches!(record, Record::Anchor(_)));
        recovery.stand(standing, rest.iter().filter(|record| matches!(record, Record::Block(_))).count());
        for record in anchors.into_iter().chain(rest) {
            recovery.take(record, has_attachment)?;
        }
        recovery.finish()
    }
}

/// A recovery, record by record, for chains that do not fit memory.
pub(crate) struct Recovery<'a> {
    node: Node,
    jobs: &'a dyn Jobs,
    anchor: Option<String>,
    /// How many blocks are stored, where a checkpoint of a later one does not stop the start.
    stored_blocks: Option<u64>,
    /// Checkpoints of blocks that are not stored, oldest first.
    lost: Vec<String>,
    /// The block that vouches for the signatures before it.
    vouching: Option<(Height, BlockHash)>,
    /// What waits, with its place among all that were stored.
    waiting: BTreeMap<StatementId, (Timestamp, usize, SignedStatement)>,
    stored: usize,
    /// The first block that lacks an attachment.
    lacking: Option<Height>,
}

/// Which key each statement of the blocks read ahead was verified with, by leaf hash.
type Verdicts = BTreeMap<Digest, Digest>;

impl<'a> Recovery<'a> {
    pub(crate) fn new(config: Config, jobs: &'a dyn Jobs) -> Result<Self, RecoverError> {
        let (node, waiting) = (Node::new(config)?, BTreeMap::new());
        let (stored_blocks, lost, vouching) = (None, Vec::new(), None);
        Ok(Self { node, jobs, anchor: None, stored_blocks, lost, vouching, waiting, stored: 0, lacking: None })
    }

    /// With other nodes, the chain, of which so many blocks are stored, may end before the block of the newest checkpoint:
    /// damage took the rest, and they have it. The log key signs nothing before another node has shown what it signed
    /// last, where that was lost to damage here.
    pub(crate) fn stand(&mut self, standing: Standing, stored_blocks: usize) {
        if standing.has_peers {
            self.stored_blocks = Some(u64::try_from(stored_blocks).unwrap_or(u64::MAX));
            self.node.is_unsure = standing.is_unsure;
        }
    }

    /// Hash of the newest block so far.
    pub(crate) fn head(&self) -> BlockHash {
        self.node.state.head().hash()
    }

    /// Lets the newest checkpoint taken so far vouch for the signatures of the blocks that are yet to come.
    pub(crate) fn vouch(&mut self) -> Result<(), RecoverError> {
        if let Some(note) = &self.anchor {
            let checkpoint = Checkpoint::open(note, &self.node.config.genesis.log_key)?;
            self.vouching = Some((checkpoint.height, checkpoint.block));
        }
        Ok(())
    }

    /// Takes the next record; a block gives what rows are derived from.
    pub(crate) fn take(
        &mut self,
        record: Record,
        has_attachment: &dyn Fn(&StatementId) -> bool,
    ) -> Result<Option<Committed>, RecoverError> {
        match record {
            Record::Genesis(bytes) if bytes != self.node.config.genesis.to_bytes() => {
                return Err(RecoverError::OtherLedger);
            }
            Record::Block(bytes) => {
                let block = Block::from_bytes(&bytes);
                return self.take_block(&bytes, block, &Verdicts::new(), has_attachment).map(Some);
            }
            Record::Anchor(note) => self.take_anchor(note),
            Record::Pooled { received, leaf } => self.pool(received, &leaf, has_attachment),
            Record::Dropped(id) => drop(self.waiting.remove(&id)),
            Record::Evidence { .. } => self.node.evidence = (self.node.evidence + 1).min(EVIDENCE_MAX),
            // Whoever reads the records leaves abandoned blocks out.
            Record::Genesis(_) | Record::Rewound(_) | Record::Attachment { .. } => {}
        }
        Ok(None)
    }

    /// Blocks up to the newest checkpoint's need no way back; that it is the log key's is looked at in the end.
    fn take_anchor(&mut self, note: String) {
        if let Ok(checkpoint) = Checkpoint::read_unverified(&note) {
            if self.stored_blocks.is_some_and(|stored| checkpoint.height.number() > stored) {
                self.lost.push(note);
                return;
            }
            self.node.chain.settle(checkpoint.height);
        }
        self.anchor = Some(note);
    }

    /// Takes the next blocks, as many as fit memory several times; `visit` gets each in order.
    pub(crate) fn take_blocks<E: From<RecoverError>>(
        &mut self,
        blocks: &[Vec<u8>],
        has_attachment: &dyn Fn(&StatementId) -> bool,
        mut visit: impl FnMut(Committed) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = jobs::map(self.jobs, blocks.len(), &|index| Block::from_bytes(&blocks[index]));
        let verdicts = self.verify_ahead(&read);
        for (bytes, block) in blocks.iter().zip(read) {
            visit(self.take_block(bytes, block, &verdicts, has_attachment)?)?;
        }
        Ok(())
    }

    /// Checks signatures with the keys that are known so far. What is signed with a later one is checked at its turn.
    fn verify_ahead(&self, blocks: &[Result<Block, BlockError>]) -> Verdicts {
        let unvouched = blocks.iter().flatten().filter(|block| !self.is_vouched_for(block.header.height));
        let statements: Vec<&SignedStatement> = unvouched.flat_map(|block| &block.statements).collect();
        let verify = |index: usize| {
            let statement: &SignedStatement = statements[index];
            let key = self.node.state.key_of(&statement.signer())?;
            statement.clone().verify(&key).ok().map(|verified| (statement.leaf_hash(), verified.key()))
        };
        jobs::map(self.jobs, statements.len(), &verify).into_iter().flatten().collect()
    }

    fn is_vouched_for(&self, height: Height) -> bool {
        self.vouching.is_some_and(|(vouching, _)| height <= vouching)
    }

    fn take_block(
        &mut self,
        bytes: &[u8],
        block: Result<Block, BlockError>,
        verdicts: &Verdicts,
        has_attachment: &dyn Fn(&StatementId) -> bool,
    ) -> Result<Committed, RecoverError> {
        let height = self.node.state.head().height.next();
        let wrong = |error| RecoverError::Block { height, error };
        let block = block.map_err(|error| wrong(error.into()))?;
        if let Some((_, signed)) = self.vouching.filter(|(vouching, _)| *vouching == height) {
            let found = block.header.hash();
            if found != signed {
                return Err(RecoverError::RolledBack { height, signed, found: Some(found) });
            }
        }
        let is_vouched_for = self.is_vouched_for(height);
        let is_verified = |statement: &SignedStatement, key: &Digest| {
            is_vouched_for || verdicts.get(&statement.leaf_hash()) == Some(key)
        };
        let means = Means { jobs: self.jobs, is_verified: &is_verified };
        let checked = self.node.check(block, means).map_err(wrong)?;
        let committed = self.node.apply(Arc::new(checked), bytes.len()).map_err(wrong)?;
        if self.lacking.is_none() {
            let mut statements = committed.block.statements().iter();
            let lacks = |statement: &VerifiedStatement| {
                needs_attachment(statement.signed()) && !has_attachment(&statement.id())
            };
            self.lacking = statements.any(lacks).then_some(height);
        }
        Ok(committed)
    }

    /// Takes an acknowledged statement. Readings of a meter's bytes whose attachment was not stored were never
    /// acknowledged; readings by eye and imported ones have none.
    fn pool(&mut self, received: Timestamp, leaf: &[u8], has_attachment: &dyn Fn(&StatementId) -> bool) {
        let Ok(statement) = SignedStatement::from_leaf(leaf) else { return };
        let id = statement.id();
        if !needs_attachment(&statement) || has_attachment(&id) {
            self.stored += 1;
            self.waiting.insert(id, (received, self.stored, statement));
        }
    }

    /// Puts back what waits, oldest first: a statement of an abandoned block was stored later than what came after it.
    fn fill_pool(&mut self) {
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_values().collect();
        waiting.sort_by_key(|(received, stored, _)| (*received, *stored));
        for (received, _, statement) in waiting {
            let node = &mut self.node;
            if node.place(&statement.id()).is_some() {
                continue;
            }
            let key = node.key_of(&statement.signer());
            if let Some(statement) = key.and_then(|key| statement.verify(&key).ok()) {
                node.pool.add(Pooled { received, statement });
            }
        }
    }

    /// The node, after all records.
    pub(crate) fn finish(mut self) -> Result<Node, RecoverError> {
        self.fill_pool();
        let Self { mut node, anchor, lost, lacking, .. } = self;
        let before = lacking.and_then(|lacking| lacking.number().checked_sub(1)).map(Height::from_number);
        node.missing.set_complete(before.unwrap_or(node.state.head().height));
        if let Some(note) = anchor {
            let checkpoint = Checkpoint::open(&note, &node.config.genesis.log_key)?;
            let (height, signed) = (checkpoint.height, checkpoint.block);
            let found = node.hash(height);
            if checkpoint.ledger != node.state.ledger() || found != Some(signed) {
                return Err(RecoverError::RolledBack { height, signed, found });
            }
            node.anchor = Some(Anchor { checkpoint, note });
        }
        node.peers = Peers::new(Sync::new(&node.config.genesis, node.own()));
        for note in lost {
            node.lost = node.lost.max(Some(Checkpoint::open(&note, &node.config.genesis.log_key)?.height));
            node.peers.seek(&note);
        }
        Ok(node)
    }
}

/// Whether a statement speaks for a meter's own bytes.
fn needs_attachment(statement: &SignedStatement) -> bool {
    readings_in(statement).any(|readings| !readings.source.is_operators())
}
