//! What other nodes ask this one.

use super::{NodeError, Shell};
use consensus::peer::{Answer, Ask, HEADERS_MAX, Head, LOCATOR_MAX, POOL_IDS_MAX};
use ledger::Header;
use units::{BlockHash, Height, StatementId};

impl Shell {
    /// Answers a node's question from state and store.
    pub(super) fn serve(&mut self, ask: &Ask) -> Result<Answer, NodeError> {
        Ok(match ask {
            Ask::Head => {
                let head = self.node.state().head();
                let anchor = self.node.anchor().map(|anchor| anchor.note.clone());
                Answer::Head(Head { height: head.height, hash: head.hash(), anchor })
            }
            Ask::Headers { locator } => Answer::Headers(self.headers_after(locator)?),
            Ask::Block(hash) => self.wire_block(hash)?.map_or(Answer::Missing, Answer::Block),
            Ask::Attachment(id) => self.store.attachment(id)?.map_or(Answer::Missing, Answer::Attachment),
            Ask::Pool => {
                Answer::Pool(self.node.pool().take(POOL_IDS_MAX).map(|pooled| pooled.statement.id()).collect())
            }
            Ask::Waiting(id) => self.waiting(id)?.map_or(Answer::Missing, Answer::Waiting),
        })
    }

    fn headers_after(&mut self, locator: &[BlockHash]) -> Result<Vec<Header>, NodeError> {
        let known = locator.iter().take(LOCATOR_MAX).find_map(|hash| self.node.height_of(hash));
        let from = known.map_or(1, |height| height.number() + 1);
        let head = self.node.state().head().height.number();
        let heights = (from..=head).take(HEADERS_MAX).map(Height::from_number);
        heights.map(|height| Ok(self.header(height)?.0)).collect()
    }

    fn wire_block(&mut self, hash: &BlockHash) -> Result<Option<Vec<u8>>, NodeError> {
        let Some(height) = self.node.height_of(hash) else { return Ok(None) };
        Ok(self.store.block(height.number())?)
    }

    /// The submission form of a statement that waits.
    pub(super) fn waiting(&mut self, id: &StatementId) -> Result<Option<Vec<u8>>, NodeError> {
        let Some(pooled) = self.node.pooled(id) else { return Ok(None) };
        let statement = pooled.statement.signed().clone();
        let attachment = self.store.attachment(id)?;
        Ok(Some(statement.to_submission(attachment.as_deref())))
    }
}
