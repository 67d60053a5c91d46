//! Recovery: a node from what was stored, through the same path that its blocks took before.

use super::admit::EVIDENCE_MAX;
use super::{Anchor, ChainError, Committed, Config, Node, Pooled};
use crate::record::Record;
use ledger::{Checkpoint, CheckpointError, GenesisError, SignedStatement};
use units::{BlockHash, Height, StatementId};

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

impl Node {
    /// A node from stored records: the blocks in order, then whatever else in the order of each log. Attachments need not
    /// be among them; `has_attachment` says whether one is stored.
    ///
    /// # Errors
    /// When the records are not those of one ledger, or contradict what the log key signed.
    pub fn recover(
        config: Config,
        records: impl IntoIterator<Item = Record>,
        has_attachment: &dyn Fn(&StatementId) -> bool,
    ) -> Result<Self, RecoverError> {
        let mut recovery = Recovery::new(config)?;
        for record in records {
            recovery.take(record, has_attachment)?;
        }
        recovery.finish()
    }
}

/// A recovery, record by record, for chains that do not fit memory.
#[derive(Debug)]
pub(crate) struct Recovery {
    node: Node,
    anchor: Option<String>,
}

impl Recovery {
    pub(crate) fn new(config: Config) -> Result<Self, RecoverError> {
        Ok(Self { node: Node::new(config)?, anchor: None })
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
                let height = self.node.state.head().height.next();
                let committed = self.node.commit(&bytes);
                return committed.map(Some).map_err(|error| RecoverError::Block { height, error });
            }
            Record::Anchor(note) => self.anchor = Some(note),
            Record::Pooled { received, leaf } => self.pool(received, &leaf, has_attachment),
            Record::Dropped(id) => drop(self.node.pool.remove(&id)),
            Record::Evidence { .. } => self.node.evidence = (self.node.evidence + 1).min(EVIDENCE_MAX),
            Record::Genesis(_) | Record::Attachment { .. } => {}
        }
        Ok(None)
    }

    /// Puts an acknowledged statement back. Readings whose attachment was not stored were never acknowledged.
    fn pool(&mut self, received: units::Timestamp, leaf: &[u8], has_attachment: &dyn Fn(&StatementId) -> bool) {
        let node = &mut self.node;
        let Ok(statement) = SignedStatement::from_leaf(leaf) else { return };
        let (id, signer) = (statement.id(), statement.signer());
        if node.places.contains_key(&id) || node.pool.contains(&id) {
            return;
        }
        let key = node.state.key_of(&signer).or_else(|| node.pool.key_of(&signer));
        let Some(statement) = key.and_then(|key| statement.verify(&key).ok()) else { return };
        let has_readings = super::admit::readings_in(&statement).next().is_some();
        if !has_readings || has_attachment(&id) {
            node.pool.add(Pooled { received, statement });
        }
    }

    /// The node, after all records.
    pub(crate) fn finish(self) -> Result<Node, RecoverError> {
        let Self { mut node, anchor } = self;
        let Some(note) = anchor else { return Ok(node) };
        let checkpoint = Checkpoint::open(&note, &node.config.genesis.log_key)?;
        let (height, signed) = (checkpoint.height, checkpoint.block);
        let found = node.hash(height);
        if checkpoint.ledger != node.state.ledger() || found != Some(signed) {
            return Err(RecoverError::RolledBack { height, signed, found });
        }
        node.anchor = Some(Anchor { checkpoint, note });
        Ok(node)
    }
}
