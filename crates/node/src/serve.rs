//! What a node answers its peers, from its machine and its store. Every answer is bounded, and nothing damaged is given
//! out: what does not check is as if it were not there.

use crate::core::{MISSING_MAX, Node};
use crate::store::{Store, StoreError};
use consensus::peer::{Answer, Ask, HEADERS_MAX, Head, LOCATOR_MAX, POOL_IDS_MAX};
use ledger::act::{Act, Readings};
use ledger::{Block, Header};
use units::{BlockHash, Height, StatementId};

/// Blocks looked through for missing attachments at a time, and their bytes: some milliseconds of the node's thread.
const LOOK_BLOCKS_MAX: usize = 64;
const LOOK_BYTES_MAX: usize = Block::BYTES_MAX;

/// Answers a peer. Everything stored must be durable before it is asked.
#[must_use]
pub fn serve(node: &Node, store: &mut Store, ask: &Ask) -> Answer {
    let answer = match ask {
        Ask::Head => return Answer::Head(head(node)),
        Ask::Headers { locator } => headers(node, store, locator).map(|headers| headers.map(Answer::Headers)),
        Ask::Block(hash) => block(node, store, hash).map(|block| block.map(Answer::Block)),
        Ask::Attachment(id) => store.attachment(id).map(|bytes| bytes.map(Answer::Attachment)),
        Ask::Pool => {
            let ids = node.pool().map(|pooled| pooled.statement.id());
            return Answer::Pool(ids.take(POOL_IDS_MAX).collect());
        }
        Ask::Waiting(id) => waiting(node, store, id).map(|bytes| bytes.map(Answer::Waiting)),
    };
    answer.ok().flatten().unwrap_or(Answer::Missing)
}

/// Where a node's chain ends.
#[must_use]
pub fn head(node: &Node) -> Head {
    let head = node.state().head();
    let anchor = node.anchor().map(|anchor| anchor.note.clone());
    Head { height: head.height, hash: head.hash(), anchor }
}

/// Headers after the first block of the locator that is in the chain.
fn headers(node: &Node, store: &mut Store, locator: &[BlockHash]) -> Result<Option<Vec<Header>>, StoreError> {
    let common = locator.iter().take(LOCATOR_MAX).find_map(|hash| node.height_of(hash));
    let Some(common) = common else { return Ok(None) };
    let mut headers = Vec::new();
    let mut height = common.next();
    while headers.len() < HEADERS_MAX {
        let header = store.header(height.number())?;
        let Some(header) = header.filter(|header| node.hash(height) == Some(header.hash())) else { break };
        headers.push(header);
        height = height.next();
    }
    Ok(Some(headers))
}

fn block(node: &Node, store: &mut Store, hash: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
    match node.height_of(hash) {
        Some(height) => store.block(height.number()),
        None => Ok(None),
    }
}

/// A statement that waits, with its attachment if it needs one.
fn waiting(node: &Node, store: &mut Store, id: &StatementId) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(pooled) = node.pooled(id) else { return Ok(None) };
    let statement = pooled.statement.signed();
    let attachment = store.attachment(id)?;
    let lacks = attachment.is_none() && of_meters(&statement.payload().acts).next().is_some();
    Ok((!lacks).then(|| statement.to_submission(attachment.as_deref())))
}

/// Readings of a meter's own bytes.
fn of_meters(acts: &[Act]) -> impl Iterator<Item = &Readings> {
    acts.iter().filter_map(|act| match act {
        Act::Readings(readings) if !readings.source.is_operators() => Some(readings.as_ref()),
        _ => None,
    })
}

/// Readings in the blocks above a height that lack their attachments, and up to which block was looked: the answer to
/// [`crate::core::Output::ListMissing`]. A damaged block is passed over; scrubbing finds it.
#[must_use]
pub fn missing_attachments(store: &mut Store, above: Height) -> (Height, Vec<(StatementId, Box<Readings>)>) {
    let (mut found, mut through, mut bytes) = (Vec::new(), above, 0);
    for _ in 0..LOOK_BLOCKS_MAX {
        let height = through.next();
        let block = match store.block(height.number()) {
            Ok(None) => break,
            Ok(Some(wire)) => {
                bytes += wire.len();
                Block::from_bytes(&wire).ok()
            }
            Err(_) => None,
        };
        through = height;
        for statement in block.iter().flat_map(|block| &block.statements) {
            let id = statement.id();
            if !store.has_attachment(&id) {
                found.extend(of_meters(&statement.payload().acts).map(|readings| (id, Box::new(readings.clone()))));
            }
        }
        if bytes >= LOOK_BYTES_MAX || found.len() >= MISSING_MAX / 2 {
            break;
        }
    }
    (through, found)
}
